"""Canonical form of rdata (RFC 4034 §6.2 as amended by RFC 6840 §5.1): names that become lower-case.

The one table of where names stand in the rdata of the types that RFC 4034 lists. HINFO and TXT are on its
list but hold no name; the next name of NSEC is not touched. Names in all other types keep their case, but
that of NSAP-PTR: BIND signs and validates it in lower case, so that only lower case is valid everywhere.
"""

from __future__ import annotations

from dnsctl.errors import NameSyntaxError
from dnsctl.model.name import MAX_LABEL, MAX_NAME, Name

_NAME, _STRING = -1, -2  # other numbers: so many octets of anything
_LAYOUTS: dict[int, tuple[int, ...]] = {
    2: (_NAME,),  # NS
    3: (_NAME,),  # MD
    4: (_NAME,),  # MF
    5: (_NAME,),  # CNAME
    6: (_NAME, _NAME, 20),  # SOA
    7: (_NAME,),  # MB
    8: (_NAME,),  # MG
    9: (_NAME,),  # MR
    12: (_NAME,),  # PTR
    14: (_NAME, _NAME),  # MINFO
    15: (2, _NAME),  # MX
    17: (_NAME, _NAME),  # RP
    18: (2, _NAME),  # AFSDB
    21: (2, _NAME),  # RT
    23: (_NAME,),  # NSAP-PTR
    26: (2, _NAME, _NAME),  # PX
    33: (6, _NAME),  # SRV
    35: (4, _STRING, _STRING, _STRING, _NAME),  # NAPTR
    36: (2, _NAME),  # KX
    39: (_NAME,),  # DNAME
}
_OPEN_ENDED: dict[int, tuple[int, ...]] = {  # more octets follow
    24: (18, _NAME),  # SIG
    30: (_NAME,),  # NXT
    46: (18, _NAME),  # RRSIG
}
_NAMES_ALONE = frozenset((3, 4, 7, 8, 9, 14))  # MD, MF, MB, MG, MR, MINFO
A6 = 38  # RFC 2874
_A6_BITS = 128  # of an address, RFC 2874 §3.1


def canonical(rdtype: int, rdata: bytes) -> bytes:
    """Return rdata in canonical form. Raises NameSyntaxError where it has not the form of its type."""
    layout = _LAYOUTS.get(rdtype)
    if layout is None:
        layout = _a6_layout(rdata) if rdtype == A6 else _OPEN_ENDED.get(rdtype)
        if layout is None:
            return rdata
    made = bytearray(rdata)
    at = 0
    for part in layout:
        start = at
        if part == _NAME:
            at = _end_of_name(rdata, at)
            made[start:at] = rdata[start:at].lower()  # a length octet is at most 63, never a letter
        else:
            at += 1 + rdata[at] if part == _STRING and at < len(rdata) else max(part, 1)
        if at > len(rdata):
            raise NameSyntaxError("rdata ends too early")
    if at != len(rdata) and rdtype not in _OPEN_ENDED:
        raise NameSyntaxError(f"{len(rdata) - at} octets too many behind the rdata")
    return bytes(made)


def names_alone(rdtype: int, rdata: bytes) -> tuple[Name, ...]:
    """Return the names that rdata consists of, in types that dnspython has no form for; () for all others."""
    if rdtype not in _NAMES_ALONE:
        return ()
    found, at = [], 0
    for _ in _LAYOUTS[rdtype]:
        end = _end_of_name(rdata, at)
        found.append(Name(rdata[at:end]))
        at = end
    return tuple(found)


def _a6_layout(rdata: bytes) -> tuple[int, ...]:
    """Return the layout of A6 (RFC 2874 §3.1): prefix length, the rest of the address, the prefix's name."""
    if not rdata or rdata[0] > _A6_BITS:
        raise NameSyntaxError(f"a prefix length is at most {_A6_BITS}")
    suffix = (_A6_BITS - rdata[0] + 7) // 8
    return (1 + suffix, _NAME) if rdata[0] else (1 + suffix,)


def _end_of_name(rdata: bytes, start: int) -> int:
    """Return where an uncompressed name ends. Raises NameSyntaxError."""
    at = start
    while at < len(rdata) and 0 < rdata[at] <= MAX_LABEL:
        at += 1 + rdata[at]
    if at >= len(rdata) or rdata[at] or at + 1 - start > MAX_NAME:
        raise NameSyntaxError("rdata holds no uncompressed name where its type has one")
    return at + 1
