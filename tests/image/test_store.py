"""Images: what goes in comes out, and digests do not depend on the way an image came about."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.errors import DamagedImageError, ImageError
from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import Change, difference
from dnsctl.image.layout import Table, owner_key
from dnsctl.image.store import MAP_SIZE, Image
from dnsctl.model.name import Name, from_labels, from_text, to_text
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import SignedZone, nodes_of
from tests.build import validated

ORIGIN = from_text("example.com.")
SOA_RDATA = from_text("ns1.example.com.") + from_text("hostmaster.example.com.")


def signed(rrsets, origin=ORIGIN, serial=1):
    soa = rrset(origin, Type.SOA, 3600, [SOA_RDATA + struct.pack("!5I", serial, 7200, 1800, 1209600, 300)])
    return SignedZone(origin, nodes_of([soa, *rrsets]), serial=serial)


labels = st.binary(min_size=1, max_size=6).map(bytes.lower)
owners = st.lists(labels, max_size=4).map(lambda parts: from_labels([*parts, b"example", b"com"]))


@st.composite
def rrsets(draw):
    owner = draw(owners)
    kind = draw(st.sampled_from([Type.A, Type.NS, Type.MX, Type.TXT, Type.CNAME, Type.DNAME]))
    target = draw(owners)
    rdata = {
        Type.A: st.binary(min_size=4, max_size=4),
        Type.TXT: st.binary(max_size=20).map(lambda text: bytes([len(text)]) + text),
        Type.MX: st.just(b"\0\x0a" + target),
    }.get(kind, st.just(target))
    signatures = tuple(draw(st.lists(st.binary(min_size=20, max_size=30), max_size=2)))
    return rrset(owner, kind, draw(st.integers(0, 2**31 - 1)), [draw(rdata), draw(rdata)], None, signatures)


zones = st.lists(rrsets(), max_size=12, unique_by=lambda one: (one.owner, one.rdtype)).map(signed)


def fresh(path):
    return Image.open(path, readonly=False)


@given(zone=zones)
def test_zone_read_back_is_the_zone_that_was_compiled(tmp_path_factory, zone):
    with fresh(tmp_path_factory.mktemp("image")) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(zone)]))
        with image.reader() as reader:
            assert reader.signed_zone(ORIGIN) == zone
            assert list(reader.signed_zone(ORIGIN).nodes) == list(zone.nodes)


@given(first=zones, second=zones)
def test_digest_after_a_delta_is_that_of_a_full_build(tmp_path_factory, first, second):
    with fresh(tmp_path_factory.mktemp("image")) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(first)]))
        with image.writer() as writer:
            changes = list(difference(writer, [compile_zone(second)]))
            writer.apply(changes)
            stepwise = writer.table_digest(), list(writer.nodes(Table.OWNERS, b""))
        with image.writer() as writer:
            assert list(difference(writer, [compile_zone(second)])) == []
    with fresh(tmp_path_factory.mktemp("image")) as image, image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(second)]))
        assert (writer.table_digest(), list(writer.nodes(Table.OWNERS, b""))) == stepwise


def numbered(count, skip=()):
    return signed(
        [
            rrset(from_text(f"h{i}.example.com."), Type.A, 300, [struct.pack("!I", i)])
            for i in range(count)
            if i not in skip
        ]
    )


@pytest.mark.parametrize("skip", [{i} for i in range(0, 400, 7)] + [set(range(100, 300)), set(range(400))])
def test_removed_and_readded_owners_keep_bucket_digests_right(tmp_path, skip):
    whole, less = compile_zone(numbered(400)), compile_zone(numbered(400, skip))
    with fresh(tmp_path) as image, image.writer() as writer:
        writer.apply(difference(writer, [whole]))
        writer.apply(difference(writer, [less]))
        writer.apply(difference(writer, [whole]))
        entry = writer.zone(ORIGIN)
        assert entry is not None
        assert entry.digest == whole.entry.digest


def test_removed_zone_leaves_nothing_and_its_child_zone_stays(tmp_path):
    child = from_text("sub.example.com.")
    with fresh(tmp_path) as image, image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(numbered(200)), compile_zone(signed([], child))]))
        before = writer.apexes_version
        assert writer.apply(difference(writer, [], [ORIGIN])) == {ORIGIN}
        assert list(writer.apexes()) == [child]
        assert writer.apexes_version != before
        prefixes = {key[: len(b"com\0example\0sub\0")] for key, _ in writer.nodes(Table.OWNERS, b"")}
        assert prefixes == {b"com\0example\0sub\0"}


def test_change_that_does_not_match_its_digest_is_refused(tmp_path):
    zone = compile_zone(numbered(5))
    key = owner_key(from_text("h3.example.com."), ORIGIN)
    with fresh(tmp_path) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [zone]))
        writer = image.writer()
        with pytest.raises(ImageError, match="do not match its digest"):
            writer.apply([Change(Table.OWNERS, key, None)])
        writer.abort()
        with image.reader() as reader:
            assert reader.owner(key) == zone.owners[key]


def test_node_outside_every_zone_is_refused(tmp_path):
    with fresh(tmp_path) as image:
        writer = image.writer()
        with pytest.raises(ImageError, match="no entry"):
            writer.apply([Change(Table.OWNERS, b"org\0example\0\0www\0", b"\0\0\0\0")])
        writer.abort()


def test_reader_sees_a_new_generation_only_when_renewed(tmp_path):
    with fresh(tmp_path) as image, image.reader() as reader:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(numbered(1))]))
            writer.set_release(7, "ab" * 32)
        assert (reader.generation, reader.zone(ORIGIN)) == (0, None)
        reader.renew()
        assert (reader.generation, reader.manifest) == (7, "ab" * 32)


def test_image_of_another_format_is_refused(tmp_path):
    with fresh(tmp_path) as image:
        image._environment.begin(write=True, db=image._tables.meta).put(b"format", b"0")
        transaction = image._environment.begin(write=True)
        transaction.put(b"format", b"99", db=image._tables.meta)
        transaction.commit()
    with pytest.raises(ImageError, match="format 99") as refused:
        Image.open(tmp_path)
    assert refused.value.advice is not None
    section = refused.value.advice.split('"')[1]
    assert f"### {section}\n" in (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def test_image_that_counts_more_pages_than_it_has_is_damaged_and_not_full(tmp_path):
    with fresh(tmp_path) as image, image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(numbered(1))]))
    data = next(tmp_path.rglob("data.mdb"))
    with data.open("r+b") as file:
        for meta in (0, 4096):  # where each meta page keeps the number of the last page
            file.seek(meta + 136)
            file.write(struct.pack("<Q", MAP_SIZE // 4096 - 1))
    with pytest.raises(DamagedImageError, match="beyond its end"):
        Image.open(data.parent, readonly=False)


def test_missing_image_is_told_with_its_path(tmp_path):
    with pytest.raises(ImageError, match="nowhere"):
        Image.open(tmp_path / "nowhere")


def test_names_below_cut_and_dname_carry_the_depth_of_what_hides_them_others_their_labels():
    zone = validated(
        "example.com.",
        "sub NS ns.sub\nns.sub A 192.0.2.1\ndeep.er.sub A 192.0.2.2\n"
        "d DNAME x\nbelow.d A 192.0.2.3\nsubway A 192.0.2.4\n",
    )
    owners = compile_zone(SignedZone(zone.origin, zone.nodes, serial=1)).owners
    flags = {to_text(name): owners[owner_key(name, zone.origin)][:2] for name in zone.nodes}
    assert flags["sub.example.com."] == b"\x01\x03"
    assert flags["ns.sub.example.com."] == b"\x02\x01"
    assert flags["deep.er.sub.example.com."] == b"\x02\x01"
    assert flags["d.example.com."] == b"\x04\x03"
    assert flags["below.d.example.com."] == b"\x02\x01"
    assert flags["subway.example.com."] == b"\x00\x03"


def test_longest_names_of_zero_octets_fit_lmdb_keys(tmp_path):
    long = from_labels([b"\0" * 61, b"\0" * 63, b"\0" * 63, b"\0" * 63])
    root = Name(b"\0")
    zone = SignedZone(
        root,
        nodes_of(
            [rrset(root, Type.SOA, 1, [root + root + bytes(20)]), RRset(long, Type.A, 1, (b"\1\2\3\4",))]
        ),
        serial=0,
    )
    with fresh(tmp_path) as image, image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(zone)]))
        assert writer.signed_zone(root) == zone


def test_owner_with_more_than_narrow_entries_can_say_reads_back(tmp_path):
    owner = from_text("many.example.com.")
    many = rrset(owner, Type.A, 60, [struct.pack("!I", number) for number in range(300)])
    large = rrset(owner, Type.TXT, 60, [bytes([200]) + struct.pack("!H", n) + bytes(198) for n in range(400)])
    zone = signed([many, large])
    with fresh(tmp_path) as image, image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(zone)]))
        assert writer.signed_zone(ORIGIN) == zone


def test_journal_tells_which_zones_changed_until_it_has_forgotten(tmp_path):
    child = from_text("sub.example.com.")
    with fresh(tmp_path) as image, image.reader() as reader:
        for count in range(3):
            with image.writer() as writer:
                writer.apply(difference(writer, [compile_zone(numbered(count))]))
        reader.renew()
        seen = reader.changes
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(signed([], child))]))
        with image.writer() as writer:
            writer.apply(difference(writer, [], [child]))
        reader.renew()
        assert reader.changed_since(reader.changes) == frozenset()
        assert reader.changed_since(seen) == {child}
        assert reader.changed_since(seen - 1) == {child, ORIGIN}
        for count in range(70):
            with image.writer() as writer:
                writer.apply(difference(writer, [compile_zone(numbered(count % 3))]))
        reader.renew()
        assert reader.changed_since(seen) is None
