"""The RRsets that publish a zone's keys: DNSKEY (RFC 4034 §2), CDS and CDNSKEY (RFC 7344, RFC 8078).

DNSKEYs that stand in the zone's own data are published too, and named to the parent if they have the SEP
flag: they are another signer's, whose answers must validate as well (RFC 8901 §2.1.2, §8). Where the zone's
own data holds CDS or CDNSKEY, the operator is telling the parent something (such as to withdraw DS, RFC 8078
§4): nothing is added to it, not even the other of the two, which would have to say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dnsctl.errors import SigningError
from dnsctl.model.key import PublicKey, key_tag
from dnsctl.model.name import to_text
from dnsctl.model.parental import asks_to_delete, names
from dnsctl.model.rrset import RRset, Type, rrset, type_text
from dnsctl.model.zone import ValidatedZone


def key_rrsets(
    zone: ValidatedZone, keys: Sequence[PublicKey], ttl: int, *, cds: Sequence[PublicKey] | None
) -> tuple[RRset, ...]:
    """Return the DNSKEY RRset of the apex, then CDS and CDNSKEY: of `cds`, or as the zone has them.

    `cds`: those of `keys` that the parent should have a DS for; None where it is not told. Where there are
    none yet, it is not told either: CDS that ask for less are for the operator to write (RFC 8078 §4).

    Raises SigningError where the zone's own CDS or CDNSKEY names none of its keys.
    """
    dnskey = rrset(zone.origin, Type.DNSKEY, ttl, [*_given(zone, Type.DNSKEY), *(one.rdata for one in keys)])
    own = [
        found for rdtype in (Type.CDS, Type.CDNSKEY) if (found := zone.get(zone.origin, rdtype)) is not None
    ]
    if own:
        for one in own:
            _refuse_orphan(one, dnskey)
        return (dnskey, *(one._replace(signatures=()) for one in own))
    if not cds:
        return (dnskey,)
    others = (PublicKey.of(zone.origin, each) for each in _given(zone, Type.DNSKEY))
    sep = [*cds, *(one for one in others if one.is_sep)]
    return (
        dnskey,
        rrset(zone.origin, Type.CDS, ttl, [one.ds() for one in sep]),
        rrset(zone.origin, Type.CDNSKEY, ttl, [one.rdata for one in sep]),
    )


def _refuse_orphan(one: RRset, dnskey: RRset) -> None:
    asked = [rdata for rdata in one.rdatas if not asks_to_delete(one.rdtype, rdata)]
    keys = dnskey.rdatas
    if asked and not any(names(one.owner, rdata, one.rdtype, key) for rdata in asked for key in keys):
        which = f"{to_text(one.owner)} {type_text(one.rdtype)}"
        raise SigningError(
            f"{which} matches no DNSKEY of the zone: the parent would break the chain of trust",
            where=str(one.position) if one.position else to_text(one.owner),
            advice="write it for a key that signs the zone, see `dnsctl key ds`; or remove it",
        )


def _given(zone: ValidatedZone, rdtype: int) -> list[bytes]:
    found = zone.get(zone.origin, rdtype)
    return list(found.rdatas) if found else []


def refuse_equal_tags(zone: ValidatedZone, keys: Iterable[PublicKey]) -> None:
    """Raise SigningError where two of the zone's own DNSKEYs and `keys` share a tag and algorithm.

    A validator could take one for the other; also while one of them only signs and is not published.
    """
    seen: set[tuple[int, int]] = set()
    for rdata in {*_given(zone, Type.DNSKEY), *(one.rdata for one in keys)}:
        tag = (rdata[3], key_tag(rdata))
        if tag in seen:
            raise SigningError(
                f"two DNSKEYs of algorithm {tag[0]} share key tag {tag[1]}",
                where=to_text(zone.origin),
                advice="remove one of them",
            )
        seen.add(tag)
