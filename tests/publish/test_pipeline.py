from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.image.digest import begins_bucket
from dnsctl.image.layout import owner_key
from dnsctl.image.store import Image
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type
from dnsctl.publish.changeset import Fate
from dnsctl.release import delta
from dnsctl.release.envelope import open_envelope
from dnsctl.release.manifest import Manifest
from dnsctl.sign.signer import earliest_expiry
from tests.publish.host import NOW, SIMPLE, Host, intent, master_text, name
from tests.release.releases import release_key

TWO = {"example.com.": SIMPLE, "example.org.": SIMPLE}
DAY = timedelta(days=1)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_first_release_holds_every_zone_and_has_no_parent(host: Host) -> None:
    release = host.push(intent(TWO))
    assert (release.generation, release.manifest.parent) == (1, None)
    assert {each.fate for each in release.zones} == {Fate.NEW}
    assert release.guards == ()
    assert set(release.manifest.zones) == {name("example.com."), name("example.org.")}
    assert host.table() == (1, release.manifest.digest, release.manifest.table)
    assert open_envelope(release.sealed, [release_key().public], 1, "manifest") == release.manifest.to_bytes()


def test_zone_in_the_image_is_the_signed_zone_with_its_serial(host: Host) -> None:
    release = host.push(intent(TWO))
    zone = host.zone("example.com.")
    entry = release.manifest.zones[zone.origin]
    assert zone.serial == entry.serial == int(NOW.timestamp())
    assert entry.expiry == earliest_expiry(zone)
    assert len(entry.tags) == 1
    www = zone.get(name("www.example.com."), Type.A)
    assert www is not None
    assert www.signatures


def test_building_leaves_the_image_as_it_was(host: Host) -> None:
    before = host.table()
    assert host.build(intent(TWO)) is not None
    assert host.table() == before
    assert host.archive.latest() is None


def test_same_input_gives_the_same_release_octet_by_octet(host: Host) -> None:
    made = host.build(intent(TWO))
    assert made is not None
    host.keystore.store(made.new_keys)
    first, second = host.build(intent(TWO)), host.build(intent(TWO))
    assert first is not None
    assert second is not None
    assert (first.sealed, first.delta) == (second.sealed, second.delta)


def test_nothing_changed_is_no_release(host: Host) -> None:
    host.push(intent(TWO))
    assert host.build(intent(TWO), NOW + DAY) is None


def test_only_the_changed_zone_is_in_the_next_release(host: Host) -> None:
    first = host.push(intent(TWO))
    second = host.push(intent(TWO | {"example.org.": SIMPLE + "ftp A 192.0.2.9\n"}), NOW + DAY)
    assert list(second.manifest.zones) == [name("example.org.")]
    assert (second.generation, second.manifest.parent) == (2, first.manifest.digest)
    assert second.carried == 1
    assert [(each.kind, each.owner) for each in second.zones[0].records] == [
        ("add", name("ftp.example.org."))
    ]
    assert host.zone("example.com.").serial == int(NOW.timestamp())
    assert host.zone("example.org.").serial == int((NOW + DAY).timestamp())
    assert len(second.delta) < len(first.delta) / 2


def test_unchanged_rrset_keeps_its_signature(host: Host) -> None:
    host.push(intent(TWO))
    before = host.zone("example.com.").get(name("www.example.com."), Type.A)
    host.push(intent(TWO | {"example.com.": SIMPLE + "zzz A 192.0.2.9\n"}), NOW + DAY)
    assert host.zone("example.com.").get(name("www.example.com."), Type.A) == before


def test_serial_goes_up_within_one_second(host: Host) -> None:
    host.push(intent(TWO))
    host.push(intent(TWO | {"example.com.": SIMPLE + "a A 192.0.2.9\n"}))
    assert host.zone("example.com.").serial == int(NOW.timestamp()) + 1


def test_zone_moved_here_does_not_go_back_for_its_secondaries(host: Host) -> None:
    text = "@ SOA ns1 hostmaster 2126112101 7200 1800 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\n"
    host.push(intent({"example.com.": text}))
    assert host.zone("example.com.").serial == 2126112101
    assert host.build(intent({"example.com.": text}), NOW + DAY) is None


def test_signatures_inside_the_refresh_window_are_renewed(host: Host) -> None:
    host.push(intent(TWO))
    assert host.build(intent(TWO), NOW + 6 * DAY) is None
    release = host.push(intent(TWO), NOW + 8 * DAY)
    assert {each.fate for each in release.zones} == {Fate.RENEWED}
    assert release.changes == 0
    assert release.guards == ()
    expiry = release.manifest.zones[name("example.com.")].expiry
    assert expiry is not None
    assert expiry > (NOW + 15 * DAY).timestamp()


def test_removed_zone_leaves_nothing_behind(host: Host, tmp_path: Path) -> None:
    host.push(intent(TWO))
    release = host.push(intent({"example.com.": SIMPLE}))
    assert release.manifest.removed == (name("example.org."),)
    assert [(each.guard, each.zone) for each in release.guards] == [("removed-zone", name("example.org."))]
    with host.image.reader() as reader:
        assert list(reader.apexes()) == [name("example.com.")]
    assert host.table()[2] == release.manifest.table


def test_unsigned_zone_is_released_and_carried_over(host: Host) -> None:
    release = host.push(intent(TWO, policy=None))
    entry = release.manifest.zones[name("example.com.")]
    assert (entry.signed, entry.expiry, entry.tags) == (False, None, ())
    assert host.build(intent(TWO, policy=None), NOW + 100 * DAY) is None


@pytest.mark.parametrize("policy", [Policy(denial="nsec3"), Policy(keys="ksk+zsk")])
def test_nsec3_and_split_keys_are_carried_over_too(host: Host, policy: Policy) -> None:
    host.push(intent(TWO, policy))
    assert host.build(intent(TWO, policy), NOW + DAY) is None
    host.push(intent(TWO | {"example.com.": "only A 192.0.2.1\n"}, policy), NOW + DAY)
    fresh = Host(host.archive.root.parent / "fresh")
    fresh.keystore = host.keystore
    fresh.push(intent(TWO | {"example.com.": "only A 192.0.2.1\n"}, policy), NOW + DAY)
    stepped, at_once = host.zone("example.com."), fresh.zone("example.com.")
    assert stepped.nodes.keys() == at_once.nodes.keys()
    assert stepped.nsec3_nodes.keys() == at_once.nsec3_nodes.keys()


def test_each_change_of_denial_is_told(host: Host) -> None:
    told = []
    ways = (Policy(), Policy(denial="nsec3"), Policy(denial="nsec3", opt_out=True), Policy())
    for day, policy in enumerate(ways):
        release = host.push(intent({"example.com.": SIMPLE}, policy), NOW + day * DAY)
        told += [event.message for event in release.zones[0].events if event.name == "denial"]
    assert told == [
        "denial of existence changes from nsec to nsec3",
        "denial of existence changes from nsec3 to nsec3 with opt-out",
        "denial of existence changes from nsec3 with opt-out to nsec",
    ]


def test_zone_signed_elsewhere_is_released_as_it_came(host: Host, tmp_path: Path) -> None:
    host.push(intent({"example.com.": SIMPLE}))
    signed = host.zone("example.com.")
    text = master_text(signed)
    other = Host(tmp_path / "other")
    release = other.push(intent({"example.com.": text}))
    assert other.zone("example.com.").nodes == signed.nodes
    assert release.manifest.zones[signed.origin].digest == host_digest(host)
    assert other.build(intent({"example.com.": text}), NOW + DAY) is None


def test_delta_decodes_to_what_makes_the_manifests_table(host: Host, tmp_path: Path) -> None:
    release = host.build(intent(TWO))
    assert release is not None
    with Image.open(tmp_path / "node", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(delta.decode(release.delta, release.manifest.delta.length))
        with image.reader() as reader:
            assert reader.table_digest() == Manifest.from_bytes(release.manifest.to_bytes()).table


def host_digest(host: Host) -> str:
    with host.image.reader() as reader:
        entry = reader.zone(name("example.com."))
    assert entry is not None
    return entry.digest


def test_zones_whose_apex_begins_a_bucket_of_digests_are_released_and_changed(host: Host) -> None:
    """The apex's key is the zone's prefix: both name the first bucket, in one zone of 64."""
    origins = [each for each in (f"z{number}.example." for number in range(500)) if _apex_begins_bucket(each)]
    assert len(origins) > 2
    for text in (SIMPLE, SIMPLE + "a A 192.0.2.9\n", "zz A 192.0.2.9\n"):
        release = host.push(intent(dict.fromkeys(origins, text), None))
        assert len(release.manifest.zones) == len(origins)


def _apex_begins_bucket(origin: str) -> bool:
    return begins_bucket(owner_key(name(origin), name(origin)))
