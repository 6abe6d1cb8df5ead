from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.errors import NameSyntaxError, RefusalRule
from dnsctl.model.guard_limits import GuardLimits
from dnsctl.model.guard_names import GUARDS
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.publish.guards import GuardVerdict, enforce
from dnsctl.publish.intent import Intent
from dnsctl.publish.pipeline import Release
from tests.publish.host import NOW, SIMPLE, STANDARD, Host, intent, master_text, name
from tests.refusals import refused_by

TEN = "".join(f"n{number} A 192.0.2.{number}\n" for number in range(10))  # 14 RRsets with the apex's
COM = "example.com."


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _names(release: Release | None) -> list[str]:
    assert release is not None
    return [each.guard for each in release.guards]


def _after(host: Host, before: Intent, after: Intent) -> list[str]:
    host.push(before)
    return _names(host.build(after, NOW + timedelta(days=1)))


def test_first_release_and_new_zones_trip_nothing(host: Host) -> None:
    assert _names(host.push(intent({COM: TEN}))) == []
    assert _names(host.push(intent({COM: TEN, "example.org.": "@ NS ns1.example.net.\n"}))) == []


@pytest.mark.parametrize(("left", "guards"), [(6, []), (5, ["deletes"])])
def test_deleting_more_than_the_share_is_guarded(host: Host, left: int, guards: list[str]) -> None:
    remaining = "".join(TEN.splitlines(keepends=True)[:left])
    assert _after(host, intent({COM: TEN}), intent({COM: remaining})) == guards


def test_updating_more_than_the_share_is_guarded(host: Host) -> None:
    assert _after(host, intent({COM: TEN}), intent({COM: TEN.replace("192.0.2.", "198.51.100.")})) == [
        "updates"
    ]


def test_shares_follow_the_settings(host: Host) -> None:
    strict = GuardLimits(0.0, 0.0, 1)
    remaining = "".join(TEN.splitlines(keepends=True)[:-1])
    assert _after(host, intent({COM: TEN}), intent({COM: remaining}, limits=strict)) == ["deletes"]


def test_small_zone_is_not_guarded_by_share(host: Host) -> None:
    assert _after(host, intent({COM: SIMPLE}), intent({COM: "www A 192.0.2.1\n"})) == []


def test_emptied_zone_is_guarded_whatever_its_size(host: Host) -> None:
    apex = "@ 3600 SOA ns1.example.net. hostmaster 1 7200 1800 1209600 300\n@ 3600 NS ns1.example.net.\n"
    before = intent({COM: apex + "www A 192.0.2.1\n"})
    assert _after(host, before, intent({COM: apex})) == ["emptied-zone"]


def test_removed_zone_is_guarded(host: Host) -> None:
    assert _after(host, intent({COM: SIMPLE, "example.org.": SIMPLE}), intent({COM: SIMPLE})) == [
        "removed-zone"
    ]


def test_other_name_servers_at_the_apex_are_guarded(host: Host) -> None:
    assert _after(host, intent({COM: SIMPLE}), intent({COM: SIMPLE + "@ NS ns3.example.net.\n"})) == [
        "apex-ns"
    ]


def test_end_of_signing_is_guarded_and_its_start_is_not(host: Host) -> None:
    unsigned, signed = intent({COM: SIMPLE}, None), intent({COM: SIMPLE})
    assert _after(host, unsigned, signed) == []
    host.push(signed)
    assert _names(host.build(unsigned)) == ["ds-change"]


@pytest.mark.parametrize("cds", ["@ CDS 0 0 0 00\n", "@ CDNSKEY 0 3 0 AA==\n"])
def test_start_of_signing_with_cds_of_the_zone_file_is_guarded(host: Host, cds: str) -> None:
    """A parent may act on these while caches hold unsigned answers."""
    assert _after(host, intent({COM: SIMPLE}, None), intent({COM: SIMPLE + cds})) == ["ds-change"]


def test_zone_that_comes_signed_from_elsewhere_is_guarded(host: Host, tmp_path: Path) -> None:
    signer = Host(tmp_path / "signer")
    signer.push(intent({COM: SIMPLE}))
    signed = intent({COM: master_text(signer.zone(COM))})
    assert "ds-change" in _after(host, intent({COM: SIMPLE}, None), signed)


def test_key_that_is_gone_from_the_keystore_is_guarded(host: Host, tmp_path: Path) -> None:
    host.push(intent({COM: SIMPLE}))
    host.keystore = Host(tmp_path / "other").keystore  # an empty keystore: a new key would be made
    assert _names(host.build(intent({COM: SIMPLE}))) == ["keys-missing"]
    assert host.keystore.list() == ()


def test_serial_that_would_not_go_forward_is_guarded(host: Host, tmp_path: Path) -> None:
    signer = Host(tmp_path / "signer")
    signer.push(intent({COM: SIMPLE}))
    first = master_text(signer.zone(COM))
    signer.push(intent({COM: SIMPLE + "a A 192.0.2.1\n"}), NOW + timedelta(days=1))
    second = master_text(signer.zone(COM))
    later = NOW + timedelta(days=1)
    host.push(intent({COM: second}), later)
    assert "serial-jump" in _names(host.build(intent({COM: first}), later))


def test_serial_far_ahead_is_guarded(host: Host) -> None:
    ahead = "@ SOA ns1 hostmaster 3000000000 7200 1800 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\n"
    assert "serial-jump" in _after(host, intent({COM: "", "example.org.": SIMPLE}), intent({COM: ahead}))


def test_ttl_that_a_mistake_would_live_by_is_guarded(host: Host) -> None:
    before = SIMPLE + "slow 3600 A 192.0.2.9\n"
    assert _after(host, intent({COM: before}), intent({COM: SIMPLE + "slow 604800 A 192.0.2.9\n"})) == [
        "ttl-jump"
    ]
    assert _names(host.build(intent({COM: SIMPLE + "slow 86400 A 192.0.2.9\n"}))) == []


def test_policy_that_keeps_the_keys_is_not_guarded(host: Host) -> None:
    assert _after(host, intent({COM: SIMPLE}), intent({COM: SIMPLE}, Policy(denial="nsec3"))) == []


def test_policy_that_asks_for_other_keys_leaves_those_that_sign_and_tells_of_a_roll(host: Host) -> None:
    host.push(intent({COM: SIMPLE}, STANDARD))
    (key,) = host.keystore.list()
    for policy in (Policy(keys="ksk+zsk"), Policy(algorithm=Algorithm.ED25519)):
        release = host.build(intent({COM: SIMPLE}, policy))
        assert release is not None
        assert release.new_keys == release.guards == ()
        assert release.manifest.zones[name(COM)].tags == (key.public.tag,)
        (event,) = (each for each in release.zones[0].events if each.name == "roll")
        assert f"csk {key.public.tag} of algorithm 13 will be rolled" in event.message


def test_verdicts_are_allowed_by_name_only() -> None:
    verdicts = [GuardVerdict("deletes", name(COM), "9 of 10"), GuardVerdict("apex-ns", name(COM), "changes")]
    enforce(verdicts, ["apex-ns", "deletes"])
    enforce([], [])
    with refused_by(RefusalRule.GUARD, "--allow apex-ns --reason") as refused:
        enforce(verdicts, ["deletes"])
    assert refused.value.where == COM
    with refused_by(RefusalRule.GUARD, "9 of 10 (and 1 more)"):
        enforce(verdicts, [])
    with refused_by(RefusalRule.GUARD_UNKNOWN, "'force'"):
        enforce([], ["force"])


def test_verdict_is_allowed_for_one_zone_and_stays_for_others() -> None:
    verdicts = [GuardVerdict("ds-change", name(each), "would change") for each in (COM, "example.org.")]
    enforce(verdicts[:1], ["ds-change=example.com"])
    enforce(verdicts, ["ds-change=example.com.", "ds-change=EXAMPLE.org"])
    with refused_by(RefusalRule.GUARD, "would change; if that is meant") as refused:
        enforce(verdicts, ["ds-change=example.com", "deletes=example.org", "apex-ns"])
    assert refused.value.where == "example.org."
    with refused_by(RefusalRule.GUARD, "commit"):
        enforce([GuardVerdict("history", None, "a commit")], ["history=example.com"])
    with refused_by(RefusalRule.GUARD_UNKNOWN, "'force'"):
        enforce([], ["force=example.com"])
    for broken in ("ds-change=", "ds-change=a..b"):
        with pytest.raises(NameSyntaxError):
            enforce([], [broken])


def test_every_guard_is_explained() -> None:
    assert all(GUARDS.values())
