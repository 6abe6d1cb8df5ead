"""Write zones as master files (RFC 1035 §5): one record a line, absolute names, as a stream.

What is written is read back the same by BIND, Knot, NSD and ldns: SOA first, owners in canonical order, the
RRSIGs behind what they cover, NSEC3 at the end. Types that a peer may not know yet are written as RFC 3597.
"""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain

from dnsctl.model.name import Name, from_wire, name_end, to_text
from dnsctl.model.nsec3 import next_hash
from dnsctl.model.rrset import RRset, Type, rdata_text, type_text
from dnsctl.model.rrsig import parse
from dnsctl.model.type_bitmap import bitmap_types
from dnsctl.model.zone import SignedZone, ValidatedZone, Zone

_CERT = struct.Struct("!HHB")  # certificate type, key tag, algorithm
_NSEC3 = struct.Struct("!BBHB")  # algorithm, flags, iterations, length of the salt
_KNOWN_EVERYWHERE = 65  # HTTPS; of the types up to it, BIND 9.18, Knot 3.2, NSD 4.6 and ldns 1.8 know all
# by name but these, which are old.
_SELDOM_KNOWN = frozenset(
    (3, 4, 7, 8, 9, 10, 11, 14, *range(19, 28), 30, 31, 32, 34, 38, 40, 54, 55, 56, 57, 58)
)
_ALSO_KNOWN = frozenset({99, 104, 105, 106, 107, 108, 109, 256, 257})  # SPF, NID … EUI64, URI, CAA


def master_file(zone: Zone | ValidatedZone | SignedZone) -> Iterator[str]:
    """Yield the lines of `zone` with their line breaks."""
    hashed = zone.nsec3_nodes.values() if isinstance(zone, SignedZone) else ()
    yield from lines(chain(zone.rrsets(), hashed))


def lines(rrsets: Iterable[RRset]) -> Iterator[str]:
    """Yield the lines of a zone given as RRsets whose first owner is the apex."""
    before_soa: list[RRset] = []
    source = iter(rrsets)
    for one in source:
        if one.rdtype == Type.SOA:
            yield from records(one)
            break
        before_soa.append(one)
        if one.owner != before_soa[0].owner:
            break  # no SOA at the apex
    for one in chain(before_soa, source):
        yield from records(one)


def records(rrset: RRset) -> Iterator[str]:
    """Yield one line a record, then one a signature."""
    owner = to_text(rrset.owner)
    head = f"{owner} {rrset.ttl} IN {_type(rrset.rdtype)} "
    write = _WRITERS.get(rrset.rdtype) or _writer(rrset.rdtype)
    for rdata in rrset.rdatas:
        yield f"{head}{write(rdata)}\n"
    for signature in rrset.signatures:
        yield f"{owner} {rrset.ttl} IN RRSIG {_rrsig(signature)}\n"


def _type(rdtype: int) -> str:
    return type_text(rdtype) if _is_known(rdtype) else f"TYPE{rdtype}"


def _is_known(rdtype: int) -> bool:
    if rdtype in _SELDOM_KNOWN:
        return False
    return rdtype <= _KNOWN_EVERYWHERE or rdtype in _ALSO_KNOWN


def _writer(rdtype: int) -> Callable[[bytes], str]:
    if not _is_known(rdtype):
        return _generic
    return lambda rdata: rdata_text(rdtype, rdata)


def _generic(rdata: bytes) -> str:
    return rf"\# {len(rdata)} {rdata.hex()}" if rdata else r"\# 0"  # RFC 3597 §5


def _address(rdata: bytes) -> str:
    return ".".join(map(str, rdata))


def _name(rdata: bytes) -> str:
    return to_text(Name(rdata))


def _cert(rdata: bytes) -> str:
    """Return CERT rdata as text (RFC 4398 §2.2), in numbers: of mnemonics there are several spellings."""
    certificate, tag, algorithm = _CERT.unpack_from(rdata)
    return f"{certificate} {tag} {algorithm} {base64.b64encode(rdata[_CERT.size :]).decode('ascii')}"


def _rrsig(rdata: bytes) -> str:
    """Return RRSIG rdata as text; a zone has as many as RRsets, so this does without dnspython."""
    one = parse(rdata)
    signature = base64.b64encode(rdata[one.start :]).decode("ascii")
    return (
        f"{_type(one.covered)} {one.algorithm} {one.labels} {one.original_ttl} {_moment(one.expiration)} "
        f"{_moment(one.inception)} {one.tag} {to_text(one.signer)} {signature}"
    )


def _nsec(rdata: bytes) -> str:
    end = name_end(rdata, 0)
    return " ".join((to_text(from_wire(rdata[:end])), *_bitmap(rdata[end:])))


def _nsec3(rdata: bytes) -> str:
    """Return NSEC3 rdata as text (RFC 5155 §3.3)."""
    algorithm, flags, iterations, length = _NSEC3.unpack_from(rdata)
    salt = rdata[_NSEC3.size : _NSEC3.size + length].hex() or "-"
    digest, bitmap = next_hash(rdata)
    following = base64.b32hexencode(digest).decode("ascii").lower().rstrip("=")
    return " ".join((f"{algorithm} {flags} {iterations} {salt} {following}", *_bitmap(bitmap)))


@lru_cache(maxsize=4096)
def _bitmap(bitmap: bytes) -> tuple[str, ...]:
    """Return the types of a bitmap, a mnemonic only where every peer knows it."""
    return tuple(map(_type, sorted(bitmap_types(bitmap))))


def _moment(seconds: int) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))  # RFC 4034 §3.2


_WRITERS: dict[int, Callable[[bytes], str]] = {
    Type.A: _address,
    Type.NS: _name,
    Type.CNAME: _name,
    Type.PTR: _name,
    Type.DNAME: _name,
    37: _cert,
    Type.RRSIG: _rrsig,
    Type.NSEC: _nsec,
    Type.NSEC3: _nsec3,
}
