"""What signatures have left, day by day, and what a clock that was wrong leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from dnsctl.image import compiler
from dnsctl.image.layout import ZoneEntry
from dnsctl.model.policy import Policy, SignaturePolicy
from dnsctl.model.rrset import Type
from dnsctl.model.rrsig import parse
from dnsctl.model.serial import is_after
from dnsctl.model.zone import SignedZone
from dnsctl.publish.changeset import RENEWAL, Fate
from tests.publish.host import NOW, SIMPLE, Host, intent, name

DAY = timedelta(days=1)
TWO = {"example.com.": SIMPLE, "example.org.": SIMPLE}


@pytest.fixture
def host(tmp_path: object) -> Host:
    return Host(tmp_path)  # type: ignore[arg-type]


def _signatures(policy: Policy, **spans: timedelta) -> Policy:
    return replace(policy, signatures=replace(policy.signatures, **spans))


WEEKLY_TTL = SIMPLE + "slow 604800 A 192.0.2.3\n"
TIMES = {
    "defaults": (Policy(), SIMPLE),
    "nsec3": (Policy(denial="nsec3"), SIMPLE),
    "a day's TTL": (Policy(), SIMPLE + "slow 86400 A 192.0.2.3\n"),
    "four days' TTL": (Policy(), SIMPLE + "slow 345600 A 192.0.2.3\n"),
    "a week's TTL": (Policy(), WEEKLY_TTL),
    "no jitter": (Policy(signatures=SignaturePolicy(jitter=timedelta(0))), SIMPLE),
    "all jitter": (Policy(signatures=SignaturePolicy(jitter=6 * DAY)), SIMPLE),
    "short": (Policy(signatures=SignaturePolicy(3 * DAY, 1 * DAY, jitter=timedelta(hours=3))), SIMPLE),
    "a month, renewed weekly": (
        Policy(signatures=SignaturePolicy(30 * DAY, 15 * DAY, interval=7 * DAY)),
        SIMPLE,
    ),
    "hours": (
        Policy(
            signatures=SignaturePolicy(timedelta(hours=12), timedelta(hours=6), jitter=timedelta(0)),
            dnskey_ttl=300,
        ),
        "@ SOA ns1 hostmaster 0 300 60 1209600 60\n@ 300 NS ns1\nns1 300 A 192.0.2.53\n",
    ),
}


def _left(zone: SignedZone, now: datetime) -> float:
    ends = [parse(each).expiration for one in zone.rrsets() for each in one.signatures]
    ends += [parse(each).expiration for one in zone.nsec3_nodes.values() for each in one.signatures]
    return min(ends) - now.timestamp()


@pytest.mark.parametrize("what", TIMES)
def test_expire_and_ttl_stay_below_the_least_time_left_at_every_moment(host: Host, what: str) -> None:
    policy, text = TIMES[what]
    wanted = intent({"example.com.": text}, policy)
    every = policy.signatures.renewed_every
    host.push(wanted)
    for renewal in range(1, 40):
        now = NOW + renewal * every
        zone = host.zone("example.com.")  # as it was served until this very moment
        soa = zone.get(zone.origin, Type.SOA)
        assert soa is not None
        expire = int.from_bytes(soa.rdatas[0][-8:-4], "big")
        ttl = max(one.ttl for one in zone.rrsets())
        assert expire + ttl <= _left(zone, now), (expire, ttl, _left(zone, now))
        assert expire >= every.total_seconds() / 8
        if host.build(wanted, now) is not None:
            host.push(wanted, now)


def test_seven_days_less_an_hour_after_a_push_expire_is_still_below_the_signatures(host: Host) -> None:
    host.push(intent(TWO))
    assert host.build(intent(TWO), NOW + 6 * DAY) is None
    zone = host.zone("example.com.")
    soa = zone.get(zone.origin, Type.SOA)
    assert soa is not None
    assert int.from_bytes(soa.rdatas[0][-8:-4], "big") < _left(zone, NOW + 7 * DAY - timedelta(hours=1))


@pytest.mark.parametrize("ahead", [timedelta(hours=2), 60 * DAY, 365 * DAY])
def test_what_a_clock_ahead_signed_is_renewed_at_the_right_time_with_the_reason(
    host: Host, ahead: timedelta
) -> None:
    host.push(intent(TWO))
    changed = intent(TWO | {"example.com.": SIMPLE + "new A 192.0.2.9\n"})
    wrong = host.push(changed, NOW + ahead)
    release = host.push(changed, NOW + timedelta(minutes=5))
    fates = {each.origin: each.fate for each in release.zones}
    assert fates[name("example.com.")] is Fate.RENEWED
    told = {event.name: event.message for each in release.zones for event in each.events}
    assert "not valid before" in told[RENEWAL]
    assert _holds(host, NOW + timedelta(minutes=5))
    for origin, entry in wrong.manifest.zones.items():
        assert is_after(release.manifest.zones[origin].serial, entry.serial)
    assert host.build(changed, NOW + timedelta(minutes=10)) is None


@pytest.mark.parametrize("behind", [timedelta(hours=2), 60 * DAY, 365 * DAY])
def test_what_a_clock_behind_signed_is_renewed_at_the_right_time(host: Host, behind: timedelta) -> None:
    host.push(intent(TWO), NOW - behind)
    release = host.build(intent(TWO))
    if behind < DAY:
        assert release is None  # good for a week yet
        return
    release = host.push(intent(TWO))
    assert {each.fate for each in release.zones} == {Fate.RENEWED}
    assert "ran out" in " ".join(event.message for each in release.zones for event in each.events)
    assert _holds(host, NOW)


def test_signatures_longer_than_the_policy_are_renewed(host: Host) -> None:
    long = _signatures(Policy(), lifetime=60 * DAY)
    host.push(intent(TWO, long))
    release = host.build(intent(TWO))
    assert release is not None
    assert {each.fate for each in release.zones} == {Fate.RENEWED}
    assert "later than the policy allows" in release.zones[0].events[-1].message


def test_image_without_inceptions_is_read_and_healed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _without_inceptions(patch)
        host.push(intent(TWO))
        changed = intent(TWO | {"example.com.": SIMPLE + "new A 192.0.2.9\n"})
        host.push(changed, NOW + timedelta(hours=2))
    with host.image.reader() as reader:
        entry = reader.zone(name("example.com."))
        assert entry is not None
        assert "inception" not in entry.to_json()
    release = host.push(changed, NOW)
    assert [(each.origin, each.fate) for each in release.zones] == [(name("example.com."), Fate.RENEWED)]
    assert host.build(changed, NOW) is None
    with host.image.reader() as reader:
        entry = reader.zone(name("example.com."))
        assert entry is not None
        assert entry.inception == NOW.timestamp() - 3600


def _without_inceptions(patch: pytest.MonkeyPatch) -> None:
    """Have entries made as they were before inceptions were kept."""
    entry = ZoneEntry
    patch.setattr(compiler, "ZoneEntry", lambda **fields: entry(**{**fields, "inception": None}))


def _holds(host: Host, now: datetime) -> bool:
    with host.image.reader() as reader:
        return not any(entry.period.fault(now.timestamp()) for entry in reader.zones())
