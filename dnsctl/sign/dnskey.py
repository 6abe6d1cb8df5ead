"""The RRsets that publish a zone's keys: DNSKEY (RFC 4034 §2), CDS and CDNSKEY (RFC 7344, RFC 8078).

DNSKEYs that stand in the zone's own data are published too (another signer's, RFC 8901). Where the zone's own
data holds CDS or CDNSKEY, the operator is telling the parent something (such as to withdraw DS, RFC 8078 §4):
nothing is added to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey, key_tag
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import ValidatedZone

DS_DIGEST = 2  # SHA-256, RFC 8624 §3.3


def key_rrsets(zone: ValidatedZone, keys: Sequence[PublicKey], ttl: int) -> tuple[RRset, ...]:
    """Return the DNSKEY, CDS and CDNSKEY RRsets of the apex. CDS and CDNSKEY tell of the SEP keys.

    Raises SigningError where two DNSKEYs share a tag and algorithm: a validator could take one for the other.
    """
    dnskey = rrset(zone.origin, Type.DNSKEY, ttl, [*_given(zone, Type.DNSKEY), *(one.rdata for one in keys)])
    _refuse_equal_tags(zone.origin, dnskey.rdatas)
    sep = [one for one in keys if one.is_sep]
    cds = _given(zone, Type.CDS) or [one.ds(DS_DIGEST) for one in sep]
    cdnskey = _given(zone, Type.CDNSKEY) or [one.rdata for one in sep]
    return (
        dnskey,
        rrset(zone.origin, Type.CDS, ttl, cds),
        rrset(zone.origin, Type.CDNSKEY, ttl, cdnskey),
    )


def public_key(zone: Name, rdata: bytes) -> PublicKey:
    """Take DNSKEY rdata apart."""
    return PublicKey(zone, rdata[3], int.from_bytes(rdata[:2], "big"), rdata[4:])


def _given(zone: ValidatedZone, rdtype: int) -> list[bytes]:
    found = zone.get(zone.origin, rdtype)
    return list(found.rdatas) if found else []


def _refuse_equal_tags(origin: Name, rdatas: Iterable[bytes]) -> None:
    seen: set[tuple[int, int]] = set()
    for rdata in rdatas:
        tag = (rdata[3], key_tag(rdata))
        if tag in seen:
            raise SigningError(
                f"two DNSKEYs of algorithm {tag[0]} share key tag {tag[1]}",
                where=to_text(origin),
                advice="remove one of them",
            )
        seen.add(tag)
