"""Probes hold for the code that answers: both derive from the same zone by ways that share nothing."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.errors import RefusalRule
from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model.name import from_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type
from dnsctl.model.zone import SignedZone
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.probes import budget
from dnsctl.release.manifest import MAX_PROBES, Probe
from dnsctl.replicate.acceptance import prove
from dnsctl.sign.signer import unsigned_zone
from tests.build import validated
from tests.publish.host import NOW, SIMPLE, STANDARD, Host, intent, name
from tests.reference import fleets
from tests.reference.drawing import POLICIES
from tests.refusals import refused_by
from tests.release.releases import manifest

ODD = """\
www A 192.0.2.1
alias CNAME www
a.b.c.deep TXT text
* TXT wild
*.mail MX 10 www
mail A 192.0.2.2
sub NS ns.sub
ns.sub A 192.0.2.3
sub DS 1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
old DNAME www
"""
LINES = [
    *ODD.splitlines(),
    "*.deep A 192.0.2.4",
    "x.sub A 192.0.2.9",
    "c.deep AAAA 2001:db8::1",
    "sub2 A 192.0.2.5",
]


def _asked(probes: tuple[Probe, ...]) -> dict[tuple[bytes, int], Probe]:
    return {(each.name, each.rdtype): each for each in probes}


def _prove(host: Host, probes: tuple[Probe, ...]) -> None:
    with host.image.reader() as reader:
        prove(manifest(probes=probes), reader)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_changed_zone_is_asked_for_its_new_serial_keys_and_an_absent_name(host: Host) -> None:
    release = host.push(intent({"example.com.": SIMPLE}))
    asked = _asked(release.manifest.probes)
    serial = release.manifest.zones[name("example.com.")].serial
    assert serial.to_bytes(4, "big").hex() in asked[name("example.com."), Type.SOA].answers[0]
    assert asked[name("example.com."), Type.DNSKEY].answers
    assert asked[name("dnsctl-probe.example.com."), Type.A].rcode == 3
    assert asked[name("www.example.com."), Type.A].answers == ("c0000201",)
    _prove(host, release.manifest.probes)


def test_deleted_owner_must_be_gone_and_deleted_type_empty(host: Host) -> None:
    host.push(intent({"example.com.": SIMPLE + "www TXT x\nftp A 192.0.2.7\n"}))
    release = host.push(intent({"example.com.": SIMPLE}))
    asked = _asked(release.manifest.probes)
    gone, empty = asked[name("ftp.example.com."), Type.A], asked[name("www.example.com."), Type.TXT]
    assert (gone.rcode, empty.rcode, empty.answers) == (3, 0, ())
    _prove(host, release.manifest.probes)


def test_wildcards_are_asked_from_below(host: Host) -> None:
    release = host.push(intent({"example.com.": ODD}))
    asked = _asked(release.manifest.probes)
    assert asked[name("dnsctl-probe.mail.example.com."), Type.MX].answers
    assert (name("sub.example.com."), Type.NS) not in asked  # a referral
    assert asked[name("sub.example.com."), Type.DS].answers
    _prove(host, release.manifest.probes)


def test_name_that_another_served_zone_answers_is_not_asked(host: Host) -> None:
    parent = SIMPLE + "sub NS ns1\nsub TXT x\nwww.sub A 192.0.2.1\n"
    host.push(intent({"example.com.": parent, "sub.example.com.": "www A 192.0.2.9\n"}))
    release = host.push(intent({"example.com.": SIMPLE, "sub.example.com.": "www A 192.0.2.9\n"}))
    asked = {each.rdtype for each in release.manifest.probes if each.name.endswith(name("sub.example.com."))}
    assert asked == {Type.DS}  # which the zone above still answers
    _prove(host, release.manifest.probes)


def test_probe_that_is_answered_otherwise_is_told(host: Host) -> None:
    release = host.push(intent({"example.com.": SIMPLE}))
    wrong = Probe(name("www.example.com."), Type.A, True, 0, ("c0000299",))
    with refused_by(RefusalRule.ANSWER_WRONG):
        _prove(host, (*release.manifest.probes, wrong))


@settings(max_examples=25)
@given(
    st.sets(st.sampled_from(LINES)), st.sets(st.sampled_from(LINES)), st.sampled_from([None, "nsec", "nsec3"])
)
def test_probes_of_any_change_hold_for_the_answering_code(
    tmp_path_factory: pytest.TempPathFactory, before: set[str], after: set[str], denial: str | None
) -> None:
    policy = None if denial is None else STANDARD if denial == "nsec" else Policy(denial="nsec3")
    host = Host(tmp_path_factory.mktemp("host"))
    for lines in (before, after):
        wanted = intent({"example.com.": "\n".join(sorted(lines)) + "\n"}, policy)
        if host.build(wanted) is not None:
            release = host.push(wanted)
            _prove(host, release.manifest.probes)
    host.image.close()


def _wanted(fleet: fleets.Drawn) -> Intent:
    zones = zip(fleet.origins, fleets.zones(fleet), strict=True)
    return Intent({zone.origin: ZoneIntent(zone, POLICIES[fleet.labels[each]]) for each, zone in zones})


@pytest.mark.timeout(36000)
def test_probes_of_related_zones_hold_whatever_comes_and_goes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """DNSCTL_FLEETS=1000 takes that many fleets."""
    asked = 0
    for number in range(int(os.environ.get("DNSCTL_FLEETS", "6"))):
        rng = random.Random(f"probes {number}")
        host = Host(tmp_path_factory.mktemp("host"))
        fleet = fleets.drawn(rng, rng.choice([3, 9]))
        for _ in range(4):
            if host.build(_wanted(fleet)) is not None:
                release = host.push(_wanted(fleet))
                asked += len(release.manifest.probes)
                _prove(host, release.manifest.probes)
            fleet = fleets.changed(rng, fleet)
        host.image.close()
    assert asked > 100


@pytest.mark.parametrize(
    ("zones", "asked"),
    [
        ({"example.com.": "a.* TXT x\n"}, "dnsctl-probe.example.com."),
        ({"example.com.": "", "dnsctl-probe.example.com.": ""}, "dnsctl-probe.example.com."),
    ],
    ids=["a wildcard without records of its own", "a zone of that very name"],
)
def test_a_name_that_is_answered_all_the_same_is_not_expected_to_be_missing(
    host: Host, zones: dict[str, str], asked: str
) -> None:
    release = host.push(intent(zones))
    assert not any(each.rcode for each in release.manifest.probes if each.name == name(asked))
    _prove(host, release.manifest.probes)


def test_a_ds_is_asked_of_the_parent_only(host: Host) -> None:
    digest = f"DS 1 13 2 {'00' * 32}\n"
    zones = {"example.com.": SIMPLE + f"sub NS ns1\nsub {digest}", "sub.example.com.": f"@ {digest}"}
    release = host.push(intent(zones, None))
    asked = [each for each in release.manifest.probes if each.rdtype == Type.DS]
    assert [each.name for each in asked] == [name("sub.example.com.")]
    _prove(host, release.manifest.probes)


def test_probes_of_any_number_of_zones_fit_in_a_manifest() -> None:
    for zones in (0, 1, 100, 5000, 100_000):
        assert budget(zones) >= 1
        assert min(zones, MAX_PROBES) * budget(zones) <= MAX_PROBES


def test_image_compiled_by_hand_answers_the_probes_of_the_pipeline(host: Host, tmp_path: Path) -> None:
    release = host.push(intent({"example.com.": ODD}, None))
    zone: SignedZone = unsigned_zone(validated("example.com.", ODD), int(NOW.timestamp()))
    with Image.open(tmp_path / "by-hand", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(list(difference(writer, [compile_zone(zone)])))
        with image.reader() as reader:
            prove(manifest(probes=release.manifest.probes), reader)
            entry = reader.zone(from_text("example.com."))
    assert entry is not None
    assert entry.digest == release.manifest.zones[zone.origin].digest
