"""Zones drawn at random, of every type that is easy to get wrong, and what they are compared by."""

from collections.abc import Mapping

from hypothesis import strategies as st

from dnsctl.load.presentation import strings_wire
from dnsctl.model.canonical import canonical
from dnsctl.model.finding import Position
from dnsctl.model.name import Name, from_labels, from_text, labels
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import Zone, nodes_of

ORIGIN = from_text("example.com.")
AT = Position("zones/example.com.yaml", 1, 1)
_octets = st.binary(min_size=0, max_size=12)
_label = st.one_of(
    st.sampled_from([b"*", b"www", b"_x", b"10", b"9", b"a10b", b"null", b"no", b"<<", b"@", b"1.5", b"~"]),
    st.binary(min_size=1, max_size=6).map(bytes.lower),
)
names = st.lists(_label, max_size=3).map(lambda found: from_labels([*found, *labels(ORIGIN)]))
_strings = st.lists(
    st.one_of(
        _octets,
        st.text(' "\\;ab,:#1%@', max_size=8).map(str.encode),
        st.sampled_from(
            [b"yes", b"1e3", b"v=spf1 -all; x", b"0x1f", b"a" * 255, b"null", b"", b"2026-01-01"]
        ),
    ),
    min_size=1,
    max_size=3,
)


def _short(number: int) -> bytes:
    return number.to_bytes(2, "big")


_u16 = st.integers(0, 65535).map(_short)
_one = _octets.map(lambda found: bytes((len(found),)) + found)
_RDATA: dict[int, st.SearchStrategy[bytes]] = {
    Type.A: st.binary(min_size=4, max_size=4),
    Type.AAAA: st.binary(min_size=16, max_size=16),
    Type.NS: names,
    Type.MX: st.tuples(_u16, names).map(b"".join),
    Type.TXT: _strings.map(strings_wire),
    Type.SRV: st.tuples(_u16, _u16, _u16, names).map(b"".join),
    Type.NAPTR: st.tuples(_u16, _u16, _one, _one, _one, names).map(b"".join),
    Type.DS: st.binary(min_size=32, max_size=32).map(lambda digest: b"\x30\x39\x0d\x02" + digest),
    44: st.binary(min_size=32, max_size=32).map(lambda digest: b"\4\2" + digest),
    52: st.binary(min_size=32, max_size=32).map(lambda digest: b"\3\1\1" + digest),
    64: names.map(lambda name: b"\0\1" + name + b"\0\1\0\3\2h2\0\3\0\2\1\xbb"),
    256: st.tuples(_u16, _u16, st.binary(min_size=1, max_size=9)).map(b"".join),
    257: st.tuples(st.sampled_from([b"\0", b"\x80"]), st.just(b"\5issue"), _octets).map(b"".join),
    65400: _octets,
}


@st.composite
def _rrset(draw: st.DrawFn) -> RRset:
    rdtype = draw(st.sampled_from(sorted(_RDATA)))
    rdatas = draw(st.lists(_RDATA[rdtype], min_size=1, max_size=3))
    ttl = draw(st.sampled_from([0, 60, 300, 3600, 2**31 - 1]))
    made = {canonical(rdtype, each) for each in rdatas}
    return rrset(draw(names), int(rdtype), ttl, made, AT)


def _zone(found: list[RRset]) -> Zone:
    one_each = {(each.owner, each.rdtype): each for each in found}
    return Zone(ORIGIN, nodes_of(one_each.values()), AT.file)


rrsets = _rrset()
zones = st.lists(rrsets, max_size=6).map(_zone)


def content(zone: Zone) -> Mapping[Name, tuple[RRset, ...]]:
    """Return what a zone says, without where it is written."""
    return {
        owner: tuple(one._replace(position=None) for one in node)
        for owner, node in zone.nodes.items()
        if node
    }
