"""CDS and CDNSKEY (RFC 7344, RFC 8078 §4): what a child asks its parent to do with the DS."""

from __future__ import annotations

from dnsctl.model.key import DIGESTS, PublicKey, key_tag
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type

# What asks for the DS to be withdrawn: `0 0 0 00`, and `0 3 0 AA==`
DELETE: dict[int, bytes] = {Type.CDS: bytes(5), Type.CDNSKEY: b"\0\0\3\0\0"}
_ALGORITHM_AT: dict[int, int] = {Type.CDS: 2, Type.CDNSKEY: 3}


def asks_to_delete(rdtype: int, rdata: bytes) -> bool:
    """True for algorithm 0, which no key has."""
    return rdata[_ALGORITHM_AT[rdtype]] == 0


def is_delete(rdtype: int, rdata: bytes) -> bool:
    return rdata == DELETE[rdtype]


def names(zone: Name, rdata: bytes, rdtype: int, dnskey: bytes) -> bool:
    """True where CDS or CDNSKEY rdata stands for the key with DNSKEY rdata `dnskey` of `zone`.

    Of a digest that is not known here, only key tag and algorithm are compared.
    """
    if rdtype == Type.CDNSKEY:
        return rdata == dnskey
    if (int.from_bytes(rdata[:2], "big"), rdata[2]) != (key_tag(dnskey), dnskey[3]):
        return False
    key = PublicKey(zone, dnskey[3], int.from_bytes(dnskey[:2], "big"), dnskey[4:])
    return rdata[3] not in DIGESTS or key.ds(rdata[3]) == rdata
