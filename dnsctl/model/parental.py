"""CDS and CDNSKEY (RFC 7344, RFC 8078 §4): what a child asks its parent to do with the DS; and the names
where it says so once more (RFC 9615).
"""

from __future__ import annotations

from collections.abc import Iterable

from dnsctl.model.key import DIGESTS, PublicKey, ds_of, key_tag
from dnsctl.model.name import Name, labels
from dnsctl.model.rrset import RRset, Type, rrset

# What asks for the DS to be withdrawn: `0 0 0 00`, and `0 3 0 AA==`
DELETE: dict[int, bytes] = {Type.CDS: bytes(5), Type.CDNSKEY: b"\0\0\3\0\0"}
BOOT, SIGNAL = b"_dsboot", b"_signal"  # RFC 9615 §3.2: first label, and that above the name server
SIGNALLED = frozenset((int(Type.CDS), int(Type.CDNSKEY)))
_FIRST = bytes((len(BOOT),)) + BOOT
_ALGORITHM_AT: dict[int, int] = {Type.CDS: 2, Type.CDNSKEY: 3}


def asks_to_delete(rdtype: int, rdata: bytes) -> bool:
    """True for algorithm 0, which no key has."""
    return rdata[_ALGORITHM_AT[rdtype]] == 0


def is_delete(rdtype: int, rdata: bytes) -> bool:
    return rdata == DELETE[rdtype]


def withdrawal(zone: Name, ttl: int) -> tuple[RRset, ...]:
    """Return the CDS and CDNSKEY that ask the parent of `zone` to remove the DS (RFC 8078 §4)."""
    return tuple(rrset(zone, rdtype, ttl, [rdata]) for rdtype, rdata in DELETE.items())


def names(zone: Name, rdata: bytes, rdtype: int, dnskey: bytes) -> bool:
    """True where CDS or CDNSKEY rdata stands for the key with DNSKEY rdata `dnskey` of `zone`.

    Of a digest that is not known here, only key tag and algorithm are compared.
    """
    if rdtype == Type.CDNSKEY:
        return rdata == dnskey
    if (int.from_bytes(rdata[:2], "big"), rdata[2]) != (key_tag(dnskey), dnskey[3]):
        return False
    return rdata[3] not in DIGESTS or PublicKey.of(zone, dnskey).ds(rdata[3]) == rdata


def leads(zone: Name, ds: Iterable[bytes], dnskeys: Iterable[bytes]) -> bool:
    """True where one of `ds` stands for one of `dnskeys`."""
    keys = tuple(dnskeys)
    return any(names(zone, each, Type.CDS, key) for each in ds for key in keys)  # DS and CDS have one form


def requested_ds(zone: Name, rdtype: int, rdatas: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the DS that CDS or CDNSKEY ask the parent for, sorted: none where they ask to delete."""
    named = [each for each in rdatas if not asks_to_delete(rdtype, each)]
    return tuple(sorted(set(named))) if rdtype == Type.CDS else ds_of(zone, named)


def is_signal(owner: Name) -> bool:
    """True for a signalling name (RFC 9615 §3.2)."""
    return owner.startswith(_FIRST) and SIGNAL in labels(owner)
