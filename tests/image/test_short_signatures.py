"""RRSIGs kept in short: which are, which are not, and that either comes back to the octet."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnsctl.image import fragment
from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.layout import NEGATIVE_SOA, OCCLUDED, WIDE, Table, owner_key, zone_prefix
from dnsctl.image.store import Image
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.rrset import Type, rrset
from dnsctl.model.zone import SignedZone
from dnsctl.serve.fast.nsec_parts import INDEX_END
from tests.build import validated

ROOT = Name(b"\0")
APEX = from_text("example.com.")
OWNER = from_text("www.example.com.")
TTL = 3600
SIGNATURE = b"\x5a" * 64
A = (b"\xc0\0\2\1",)


def signature(**changed):
    """Return RRSIG rdata over A of `OWNER` by a key of the zone, but for what is `changed`."""
    told = {
        "covered": Type.A,
        "algorithm": 13,
        "labels": 3,
        "ttl": TTL,
        "expiration": 1_800_000_000,
        "inception": 1_790_000_000,
        "tag": 4711,
        "signer": APEX,
        "octets": SIGNATURE,
    } | changed
    *numbers, signer, octets = told.values()
    assert isinstance(signer, bytes)
    assert isinstance(octets, bytes)
    return struct.pack("!HBBIIIH", *numbers) + signer + octets


def signed(*signatures, owner=OWNER, kind=Type.A, rdatas=A, ttl=TTL):
    return rrset(owner, kind, ttl, rdatas, None, tuple(signatures))


def node(one, flags=0, apex=APEX):
    return fragment.encode_node(flags, 0, [(one.rdtype, one)], one.owner, apex)


def whole(one):
    """Return the octets of `one` in an answer, from the RFCs: RFC 1035 §4.1.3, RFC 4034 §3.1."""
    kinds = [(one.rdtype, rdata) for rdata in one.rdatas] + [(Type.RRSIG, each) for each in one.signatures]
    return b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, one.ttl, len(rdata)) + rdata for kind, rdata in kinds
    )


def is_short(value, one):
    return SIGNATURE in value and one.signatures[0] not in value


SHORT = {
    "one record": signed(signature()),
    "several records": signed(signature(), rdatas=(A[0], b"\xc0\0\2\2", b"\xc0\0\2\3")),
    "another algorithm": signed(signature(algorithm=8, octets=SIGNATURE * 4)),
    "a signature of no octets but one": signed(signature(octets=SIGNATURE + b"\1")),
    "a wildcard": signed(signature(labels=2), owner=from_text("*.example.com.")),
    "an asterisk further down": signed(signature(labels=4), owner=from_text("a.*.example.com.")),
    "the apex": signed(signature(labels=2), owner=APEX),
    "no rdata": signed(signature(covered=Type.TXT), kind=Type.TXT, rdatas=(b"",)),
}
IN_FULL = {
    "two signatures": signed(signature(), signature(tag=4712)),
    "no signature": signed(),
    "a signer above": signed(signature(signer=from_text("com."))),
    "a signer below": signed(signature(signer=OWNER)),
    "a signer elsewhere": signed(signature(signer=from_text("example.net."))),
    "the root as signer": signed(signature(signer=ROOT)),
    "another original TTL": signed(signature(ttl=TTL + 1)),
    "fewer labels": signed(signature(labels=2)),
    "more labels": signed(signature(labels=4)),
    "another type covered": signed(signature(covered=Type.AAAA)),
    "algorithm 0": signed(signature(algorithm=0)),
    "a private algorithm": signed(signature(algorithm=253)),
    "algorithm 128": signed(signature(algorithm=128)),
    "rdata that ends early": signed(signature()[:17]),
    "rdata that ends in the signer": signed(signature()[:25]),
}


@pytest.mark.parametrize("one", SHORT.values(), ids=SHORT)
def test_signature_of_the_zones_own_key_is_kept_in_short(one):
    value = node(one)
    assert is_short(value, one)
    assert fragment.find(value, one.rdtype, APEX).octets == whole(one)
    assert fragment.decode(value, one.rdtype, one.owner, APEX) == one


@pytest.mark.parametrize("one", IN_FULL.values(), ids=IN_FULL)
def test_any_other_signature_is_kept_in_full(one):
    value = node(one)
    assert all(each in value for each in one.signatures)
    assert fragment.find(value, one.rdtype, APEX).octets == whole(one)
    assert fragment.decode(value, one.rdtype, one.owner, APEX) == one


def test_signature_of_an_occluded_name_is_kept_in_full():
    one = signed(signature())
    value = fragment.encode_node(OCCLUDED, 3, [(Type.A, one)], OWNER, APEX)
    assert value[1] == 3
    assert one.signatures[0] in value
    assert fragment.decode(value, Type.A, OWNER, APEX) == one


def test_denials_soa_with_another_ttl_is_kept_in_full():
    rdata = from_text("ns.example.com.") + from_text("me.example.com.") + bytes(20)
    soa = signed(signature(covered=Type.SOA, labels=2), owner=APEX, kind=Type.SOA, rdatas=(rdata,))
    for ttl, is_kept in ((300, True), (TTL, False)):
        negative = soa._replace(ttl=ttl)
        value = fragment.encode_node(0, 0, [(NEGATIVE_SOA, negative)], APEX, APEX)
        assert (soa.signatures[0] in value) is is_kept
        assert fragment.decode(value, NEGATIVE_SOA, APEX, APEX) == negative._replace(rdtype=Type.SOA)


def test_large_node_keeps_signatures_in_short_too():
    texts = tuple(bytes([200]) + b"%0200d" % number for number in range(400))
    one = signed(signature(covered=Type.TXT), kind=Type.TXT, rdatas=texts)
    value = node(one)
    assert value[0] & WIDE
    assert is_short(value, one)
    assert fragment.decode(value, Type.TXT, OWNER, APEX) == one


@pytest.mark.parametrize("count", [127, 128, 129, 255, 256, 40_000])
def test_many_signatures_are_not_taken_for_one_in_short(count):
    one = signed(*(signature(tag=number) for number in range(count)))
    assert fragment.decode(node(one), Type.A, OWNER, APEX) == one


def test_short_form_spares_what_every_signature_repeats():
    one = signed(signature())
    kept = len(node(one)) - len(node(signed()))
    assert kept == 4 + 4 + 2 + len(SIGNATURE)  # expiration, inception, key tag
    assert len(whole(one)) - len(whole(signed())) == kept + 12 + 8 + len(APEX)


names = st.sampled_from([APEX, OWNER, ROOT, *map(from_text, ("com.", "*.example.com.", "a.b.example.com."))])
signatures = st.builds(
    signature,
    covered=st.sampled_from([Type.A, Type.NS]),
    algorithm=st.sampled_from([13, 13, 13, 8, 0, 127, 128, 253]),
    labels=st.integers(0, 5),
    ttl=st.sampled_from([TTL, TTL, 60]),
    expiration=st.integers(0, 2**32 - 1),
    signer=names,
    octets=st.binary(max_size=80),
)


@given(
    apex=names,
    owner=names,
    found=st.lists(signatures, max_size=2),
    rdatas=st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=3, unique=True),
    occluded=st.booleans(),
)
@example(ROOT, ROOT, [signature(signer=ROOT, labels=0)], [A[0]], False)
def test_any_signature_comes_back_to_the_octet(apex, owner, found, rdatas, occluded):
    one = signed(*found, owner=owner, rdatas=rdatas)
    value = fragment.encode_node(OCCLUDED if occluded else 0, 1, [(Type.A, one)], owner, apex)
    assert fragment.find(value, Type.A, apex).octets == whole(one)
    assert fragment.decode(value, Type.A, owner, apex) == one


def test_nodes_that_differ_in_times_and_signatures_have_one_index():
    values = [
        node(signed(signature(expiration=second, tag=second, octets=bytes([second]) * 64)))
        for second in range(5)
    ]
    assert len({value[: INDEX_END[1]] for value in values}) == 1
    shapes = {repr(fragment.shape_of(value, Type.A, APEX)) for value in values}
    assert len(shapes) == 1
    assert len({fragment.find(value, Type.A, APEX).octets for value in values}) == 5


def zone(**changed):
    """Return a zone in which every RRset below the apex is signed, `www` as is `changed`."""
    made = validated("example.com.", "www A 192.0.2.1\nmail A 192.0.2.2\nmail MX 10 mail\n")
    nodes = {
        owner: tuple(
            one._replace(signatures=(signature(covered=one.rdtype, **(changed if owner == OWNER else {})),))
            if owner != APEX
            else one
            for one in rrsets
        )
        for owner, rrsets in made.nodes.items()
    }
    return SignedZone(made.origin, nodes, serial=1, signed=True)


def octets_of(image):
    with image.reader() as reader:
        return reader.table_digest(), dict(reader.nodes(Table.OWNERS, zone_prefix(APEX)))


def test_zone_changed_step_by_step_has_the_octets_of_one_compiled_at_once(tmp_path):
    steps = [zone(), zone(tag=1), zone(signer=OWNER), zone(ttl=60), zone(expiration=9), zone()]
    with Image.open(tmp_path / "steps", readonly=False) as image:
        for number, step in enumerate(steps):
            with image.writer() as writer:
                changes = list(difference(writer, [compile_zone(step)]))
                writer.apply(changes)
            touched = [to_text(APEX) if one.table is Table.ZONES else one.key for one in changes]
            if number:
                assert touched == [owner_key(OWNER, APEX), to_text(APEX)]
            with Image.open(tmp_path / f"whole{number}", readonly=False) as at_once:
                with at_once.writer() as writer:
                    writer.apply(difference(writer, [compile_zone(step)]))
                assert octets_of(at_once) == octets_of(image)
