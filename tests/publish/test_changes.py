from dnsctl.model.rrset import Type
from dnsctl.publish.changes import RecordChange, zone_changes
from dnsctl.publish.source import data_digest, keys_digest, with_keys
from dnsctl.sign.signer import unsigned_zone
from tests.build import validated, zone
from tests.publish.host import SIMPLE, STANDARD, name

COM = "example.com."


def _told(changes: tuple[RecordChange, ...]) -> list[tuple[str, bytes, int]]:
    return [(each.kind, each.owner, each.rdtype) for each in changes]


def test_added_deleted_and_updated_rrsets_are_told_in_canonical_order() -> None:
    before = zone(COM, "b A 192.0.2.1\na TXT x\nz.b A 192.0.2.1\n")
    after = zone(COM, "b 60 A 192.0.2.1\na TXT y\nc A 192.0.2.1\n")
    changes = zone_changes(before, after, signed_here=False)
    assert _told(changes.records) == [
        ("update", name("a.example.com."), Type.TXT),
        ("update", name("b.example.com."), Type.A),
        ("delete", name("z.b.example.com."), Type.A),
        ("add", name("c.example.com."), Type.A),
    ]
    ttl = changes.records[1]
    assert ttl.before is not None
    assert ttl.after is not None
    assert (ttl.before.ttl, ttl.after.ttl) == (3600, 60)
    assert (changes.before, changes.after) == (7, 7)


def test_serial_alone_is_no_change() -> None:
    one = validated(COM, SIMPLE)
    assert zone_changes(unsigned_zone(one, 5), unsigned_zone(one, 9), signed_here=False).records == ()


def test_expire_that_signing_lowers_is_no_change() -> None:
    before = zone(COM, SIMPLE.replace("x", "x"))
    soa = "@ 3600 SOA ns1 hostmaster 1 7200 1800 604800 300\n@ 3600 NS ns1\n@ 3600 NS ns2\n"
    lowered = zone(COM, soa + "ns1 A 192.0.2.53\nns2 A 198.51.100.53\n" + SIMPLE, apex=False)
    assert zone_changes(lowered, before, signed_here=True, longest_expire=604800).records == ()
    assert _told(zone_changes(lowered, before, signed_here=True).records) == [("update", name(COM), Type.SOA)]


def test_keys_are_derived_in_a_zone_signed_here_and_data_elsewhere() -> None:
    key = "@ DNSKEY 257 3 13 AAECAwQFBgc=\n"
    before, after = zone(COM, SIMPLE + key), zone(COM, SIMPLE)
    assert zone_changes(before, after, signed_here=True).records == ()
    assert _told(zone_changes(before, after, signed_here=False).records) == [
        ("delete", name(COM), Type.DNSKEY)
    ]


def test_cds_that_the_operator_wrote_is_told_although_keys_are_derived() -> None:
    changes = zone_changes(zone(COM, SIMPLE), zone(COM, SIMPLE + "@ CDS 0 0 0 00\n"), signed_here=True)
    assert _told(changes.records) == [("add", name(COM), Type.CDS)]


def test_whole_zone_comes_and_goes() -> None:
    one = zone(COM, "")
    assert [each.kind for each in zone_changes(None, one, signed_here=True).records] == ["add"] * 4
    assert [each.kind for each in zone_changes(one, None, signed_here=True).records] == ["delete"] * 4


def test_source_digest_sees_data_policy_and_keys_and_neither_serial_nor_position() -> None:
    plain = data_digest(validated(COM, SIMPLE), None)
    soa = "@ 3600 SOA ns1 hostmaster 77 7200 1800 1209600 300\n@ 3600 NS ns1\n@ 3600 NS ns2\n"
    other_serial = validated(COM, soa + "ns1 A 192.0.2.53\nns2 A 198.51.100.53\n" + SIMPLE, apex=False)
    assert data_digest(other_serial, None) == plain
    seen = {plain, data_digest(validated(COM, SIMPLE), STANDARD)}
    for text in (
        SIMPLE + "a A 192.0.2.1\n",
        SIMPLE.replace("www A", "www 60 A"),
        SIMPLE.replace("www A", "wwx A"),
    ):
        seen.add(data_digest(validated(COM, text), None))
    assert len(seen) == 5
    both = keys_digest([b"a"]) + plain
    assert with_keys(both, [b"a", b"b"]) == keys_digest([b"b", b"a"]) + plain != both
    assert len(both) == 64
