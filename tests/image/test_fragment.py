"""Fragments: octets of an answer that any resolver reads, and from which the RRset comes back as it was."""

import struct

import dns.message
import dns.name
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnsctl.errors import ImageError
from dnsctl.image import fragment
from dnsctl.image.layout import NEGATIVE_SOA
from dnsctl.model.name import Name, from_labels, from_text
from dnsctl.model.rrset import Type, rrset

ROOT = Name(b"\0")
TIMES = bytes(20)  # of a SOA
OWNER = from_text("www.example.com.")
label = st.sampled_from([b"a", b"bb", b"mail", b"x" * 63, b"\0\xc0", b"*"])
names = st.lists(label, max_size=3).map(from_labels) | st.lists(label, max_size=3).map(
    lambda found: from_labels([*found, b"example", b"com"])
)
KINDS = {
    Type.NS: names,
    Type.PTR: names,
    Type.CNAME: names,
    Type.MX: st.tuples(st.sampled_from([b"\0\0", b"\0\x0a"]), names).map(b"".join),
    Type.SOA: st.tuples(names, names).map(lambda both: both[0] + both[1] + TIMES),
    Type.DNAME: names,
    Type.SRV: names.map(lambda name: bytes(6) + name),
}


@st.composite
def rrsets(draw):
    kind = draw(st.sampled_from(list(KINDS)))
    rdatas = draw(st.lists(KINDS[kind], min_size=1, max_size=9))
    signatures = tuple(draw(st.lists(st.just(b"\0\1" + bytes(16) + OWNER + b"\1" * 64), max_size=1)))
    return rrset(draw(names), kind, 300, rdatas, None, signatures)


def many(count):
    """Return as many mail servers of one domain, and two of another behind them."""
    first = [b"\0\x0a" + from_text(f"mx{n}.mail.example.net.") for n in range(count)]
    return rrset(OWNER, Type.MX, 60, first + [b"\0\x14" + from_text(f"{n}.example.org.") for n in "ab"])


def node(one, apex=ROOT):
    return fragment.encode_node(0, 0, [(one.rdtype, one)], one.owner, apex)


def placed(one):
    """Return the message that asks for `one` and has its fragment for an answer, as it is."""
    value = node(one)
    found = fragment.find(value, one.rdtype, ROOT)
    head = struct.pack("!6H", 7, 0x8400, 1, found.records + found.signatures, 0, 0)
    question = one.owner + struct.pack("!HH", one.rdtype, 1)
    return head + question + found.octets


def records(message):
    return [(each.name.to_wire(), each.rdtype, each[0].to_digestable()) for each in message.answer]


def hops(wire, at):
    """Return how many pointers are followed from the name at `at` to its end."""
    count = 0
    while wire[at]:
        if wire[at] < 0xC0:
            at += 1 + wire[at]
        else:
            target = (wire[at] << 8 | wire[at + 1]) & 0x3FFF
            assert target < at, "a pointer leads forward"
            at, count = target, count + 1
    return count


@given(rrsets())
@example(many(1000))  # past what pointers reach
@example(many(4000))  # and past what a message holds
@example(rrset(ROOT, Type.NS, 60, [from_text(f"{letter}.root.example.") for letter in "abcdefghijklm"]))
@example(rrset(from_text("*.example.com."), Type.NS, 60, [from_text(f"{n}.example.com.") for n in "ab"]))
@example(rrset(OWNER, Type.SOA, 60, [from_text("ns.dns.example.") + from_text("me.dns.example.") + TIMES]))
def test_rrset_comes_back_from_its_fragment_as_it_was(one):
    assert fragment.decode(node(one), one.rdtype, one.owner, ROOT) == one


@given(rrsets())
@example(many(1000))
@example(many(650))
def test_fragment_behind_a_question_for_its_owner_is_an_answer(one):
    found = records(dns.message.from_wire(placed(one), one_rr_per_rrset=True))
    owner = one.owner.lower()
    wanted = [(owner, one.rdtype, rdata) for rdata in one.rdatas]
    assert found == wanted + [(owner, Type.RRSIG, signature) for signature in one.signatures]


@given(rrsets())
def test_each_place_that_is_listed_holds_a_pointer_back(one):
    found = fragment.find(node(one), one.rdtype, ROOT)
    wire = placed(one)
    start = fragment.fragment_at(one.owner)
    places = found.pointers
    assert all(0 < hops(wire, start + place) <= fragment.MAX_HOPS for place in places)
    assert list(places) == sorted(places)
    assert all(place < found.plain for place in places), "a signer's name is not compressed (RFC 4034 §3.1.7)"


@pytest.mark.parametrize(
    ("owner", "kind", "rdatas", "octets"),
    [
        ("www.example.com.", Type.MX, ["mx1.mail.example.net", "mx2.mail.example.net"], [24, 8]),
        ("www.example.com.", Type.MX, ["mx1.example.com", "mx2.example.com"], [8, 8]),
        ("www.example.com.", Type.NS, ["example.net", "ns.example.net", "a.ns.example.net"], [18, 2, 2]),
        ("1.2.0.192.in-addr.arpa.", Type.PTR, ["a.example", "b.example", "example"], [11, 2, 4]),
        (".", Type.NS, ["a.root.example", "b.root.example"], [16, 4]),
        ("www.example.com.", Type.DNAME, ["a.example.net"], [15]),
    ],
)
def test_names_are_as_short_as_pointers_make_them(owner, kind, rdatas, octets):
    before = b"\0\x0a" if kind == Type.MX else b""
    one = rrset(from_text(owner), kind, 60, [before + from_text(f"{rdata}.") for rdata in rdatas])
    wire = fragment.find(node(one), kind, ROOT).octets
    lengths = [struct.unpack_from("!H", wire, place + 10)[0] for place in fragment.record_places(wire)]
    assert sorted(lengths) == sorted(octets)


def test_names_in_names_are_not_followed_without_end():
    nested: list[bytes] = [
        from_labels([b"%02d" % depth for depth in range(count, 0, -1)]) for count in range(1, 40)
    ]
    one = rrset(OWNER, Type.NS, 60, nested)
    wire, value = placed(one), node(one)
    start = fragment.fragment_at(OWNER)
    found = fragment.find(value, Type.NS, ROOT)
    places = fragment.record_places(found.octets[: found.plain])
    assert max(hops(wire, start + place + fragment.RECORD_HEAD) for place in places) == fragment.MAX_HOPS
    assert fragment.decode(value, Type.NS, OWNER, ROOT) == one


def test_soa_of_denials_keeps_its_names_too():
    one = rrset(OWNER, Type.SOA, 60, [from_text("ns.dns.example.") + from_text("me.dns.example.") + TIMES])
    value = fragment.encode_node(0, 0, [(NEGATIVE_SOA, one), (Type.SOA, one)], OWNER, OWNER)
    for code in (NEGATIVE_SOA, Type.SOA):
        assert fragment.decode(value, code, OWNER, OWNER) == one
    assert fragment.points_into_itself(fragment.find(value, NEGATIVE_SOA, OWNER), OWNER)


def test_pointer_to_the_owner_is_none_into_the_fragment():
    one = rrset(OWNER, Type.MX, 60, [b"\0\x0a" + from_text("mx.example.com.")])
    assert not fragment.points_into_itself(fragment.find(node(one), Type.MX, ROOT), OWNER)


def test_pointer_to_its_own_name_ends_as_an_error():
    whole = node(many(3))
    value = bytearray(whole)
    shape = fragment.shape_of(whole, Type.MX, ROOT)
    place = fragment.find(whole, Type.MX, ROOT).pointers[0]
    name = fragment.fragment_at(OWNER) + place - len(b"\3mx1")
    start = shape.rdata.start
    value[start + place : start + place + 2] = (0xC000 | name).to_bytes(2, "big")
    with pytest.raises(ImageError, match="backwards"):
        fragment.decode(bytes(value), Type.MX, OWNER, ROOT)


def test_type_that_the_node_lacks_is_an_error():
    with pytest.raises(ImageError, match="no RRset of type 1"):
        fragment.decode(node(many(2)), Type.A, OWNER, ROOT)
