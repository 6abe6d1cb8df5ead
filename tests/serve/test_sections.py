"""RRsets placed anywhere in a message: any resolver reads the names that they were compiled from."""

import struct

import dns.message
import dns.name
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnsctl.image import fragment
from dnsctl.model.name import Name, from_labels, from_text
from dnsctl.model.rrset import Type, rrset
from dnsctl.serve.message.sections import ANSWER, AUTHORITY, Draft

ROOT = Name(b"\0")
QNAME = from_text("www.example.com.")
FILLER = 65400
SIGNATURE = bytes(18) + QNAME + b"\1" * 64
PROVIDER = [b"\0\x0a" + from_text(f"mx{number}.mail.example.net.") for number in range(5)]
label = st.sampled_from([b"a", b"bb", b"mail", b"x" * 63, b"\0\xc0"])
names = st.tuples(st.lists(label, max_size=3), st.sampled_from([[], [b"example", b"com"]])).map(
    lambda both: from_labels([*both[0], *both[1]])
)


@st.composite
def placings(draw):
    """Return (question's name, octets before, RRset as compiled, owner it is placed under)."""
    owner = template = draw(names)
    if draw(st.booleans()):
        template = Name(b"\1*" + template)
        owner = Name(b"".join(b"\1" + bytes([97 + n]) for n in range(draw(st.integers(1, 9)))) + owner)
    kind = draw(st.sampled_from([Type.NS, Type.MX, Type.SOA]))
    before = b"\0\x0a" if kind == Type.MX else b""
    after = bytes(20) if kind == Type.SOA else b""
    count = 2 if kind == Type.SOA else 1
    rdatas = [
        before + b"".join(draw(names) for _ in range(count)) + after
        for _ in range(draw(st.integers(1, 1 if kind == Type.SOA else 7)))
    ]
    one = rrset(template, kind, 60, rdatas, None, tuple(draw(st.sampled_from([[], [SIGNATURE]]))))
    qname = draw(st.sampled_from([owner, QNAME, Name(b"\1q" + owner), ROOT]))
    return qname, draw(st.integers(0, 400) | st.integers(15_700, 16_500) | st.just(30_000)), one, owner


def drafted(qname, octets, one, owner, *, anew=False, signed=True):
    """Return the message with `octets` of another record, then `one` under `owner`; where its rdata is."""
    found = fragment.find(fragment.encode_node(0, 0, [(one.rdtype, one)], one.owner, ROOT), one.rdtype, ROOT)
    draft = Draft(qname, signed)
    if octets:
        draft.put(ANSWER, struct.pack("!HHHIH", 0xC00C, FILLER, 1, 0, octets) + bytes(octets), 1)
    template = one.owner if one.owner != owner else None
    way = draft.place_anew if anew else draft.place
    rdata_at = way(AUTHORITY, found, owner, template)
    head = struct.pack("!6H", 7, 0x8400, 1, *draft.counts)
    wire = head + qname + struct.pack("!HH", one.rdtype, 1) + b"".join(draft.parts)
    assert len(wire) == draft.at
    return wire, rdata_at


def authority(wire):
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    return [(each.name.to_wire(), each.rdtype, each[0].to_digestable()) for each in message.authority]


def wanted(one, owner):
    return [(owner, one.rdtype, rdata) for rdata in one.rdatas] + [
        (owner, Type.RRSIG, signature) for signature in one.signatures
    ]


@pytest.mark.parametrize("anew", [False, True], ids=["placed", "placed anew"])
def test_names_are_read_wherever_the_rrset_stands(anew):
    @given(placings())
    @example((QNAME, 0, rrset(QNAME, Type.MX, 60, PROVIDER), QNAME))
    @example((QNAME, 16_383 - 100, rrset(QNAME, Type.MX, 60, PROVIDER), QNAME))
    @example((QNAME, 20, rrset(ROOT, Type.MX, 60, PROVIDER), ROOT))
    @example((QNAME, 20, rrset(ROOT, Type.NS, 60, [from_text(f"{n}.") for n in ("x", "aa.z", "bb.z")]), ROOT))
    def read(placing):
        qname, octets, one, owner = placing
        wire, rdata_at = drafted(qname, octets, one, owner, anew=anew)
        assert authority(wire) == wanted(one, owner)
        first = dns.name.from_wire(wire, rdata_at + (2 if one.rdtype == Type.MX else 0))[0]
        assert one.rdatas[0][2 if one.rdtype == Type.MX else 0 :].startswith(first.to_wire())

    read()


def test_rrset_behind_the_question_for_its_owner_is_copied():
    one = rrset(QNAME, Type.MX, 60, PROVIDER)
    wire, rdata_at = drafted(QNAME, 0, one, QNAME)
    value = fragment.encode_node(0, 0, [(one.rdtype, one)], QNAME, ROOT)
    assert wire[rdata_at - fragment.RECORD_HEAD :] == fragment.find(value, Type.MX, ROOT).octets


@pytest.mark.parametrize("octets", [0, 100, 14_000])
@pytest.mark.parametrize(
    ("template", "owner"),
    [
        ("www.example.com.", "www.example.com."),
        ("mail.example.com.", "mail.example.com."),
        ("*.example.com.", "www.example.com."),
        ("*.example.com.", "a.b.c.example.com."),
        (".", "."),
    ],
)
def test_moved_rrset_is_as_short_as_one_compressed_anew(octets, template, owner):
    one = rrset(from_text(template), Type.MX, 60, PROVIDER)
    sizes = [len(drafted(QNAME, octets, one, from_text(owner), anew=anew)[0]) for anew in (False, True)]
    assert sizes[0] <= sizes[1] + (4 * len(PROVIDER) if template == "." else 0)
    plain = sum(map(len, PROVIDER)) + len(PROVIDER) * 12
    assert sizes[0] < octets + plain


def test_rrset_past_the_reach_of_pointers_has_whole_names():
    one = rrset(from_text("mail.example.org."), Type.MX, 60, PROVIDER)
    near, _ = drafted(QNAME, 16_000, one, one.owner)
    far, rdata_at = drafted(QNAME, 17_000, one, one.owner)
    assert authority(far) == authority(near) == wanted(one, one.owner)
    assert len(near) < len(far) - 1000
    assert far.count(b"\4mail\7example\3net\0") == len(PROVIDER)
    assert rdata_at > 0x3FFF
