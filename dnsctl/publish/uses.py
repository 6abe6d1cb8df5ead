"""What each key of a zone does: read from what is served, and from its `.state` file what cannot be served.

A signature names its key by algorithm and tag. A published key is known by its rdata, and signatures of its
tag are its own; one that is not published signs only what no published key can have signed (RFC 6781 §4.1.4).
All data is signed by the same keys in one release, so that the SOA tells them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dnsctl.image.reader import Reader
from dnsctl.model.key import KeyUse, PublicKey, key_tag, signs_keys
from dnsctl.model.name import Name
from dnsctl.model.observation import ServedKeys
from dnsctl.model.overlay import Overlay
from dnsctl.model.parental import names
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.rrsig import parse
from dnsctl.model.soa import negative_ttl
from dnsctl.model.zone import SignedZone
from dnsctl.rollover.keyset import KeySet, RolledKey
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import StoredKey

Uses = Mapping[PublicKey, KeyUse]


def served_uses(served: Reader, origin: Name, stored: Iterable[StoredKey]) -> dict[PublicKey, KeyUse]:
    """Return the use of each of `stored` in the zone as it is served; of those that do anything."""
    dnskey = served.get(origin, Type.DNSKEY, origin)
    if served.zone(origin) is None or dnskey is None:
        return {}
    keys = tuple(one for one in stored if not one.roll.ended)
    of_keys, of_data = _signers(dnskey), _signers(served.get(origin, Type.SOA, origin))
    known = {(rdata[3], key_tag(rdata)) for rdata in dnskey.rdatas}
    asked = _asked(keys, served.get(origin, Type.CDS, origin))
    uses: dict[PublicKey, KeyUse] = {}
    for one in keys:
        named = (one.public.algorithm, one.public.tag)
        published = one.public.rdata in dnskey.rdatas
        signs = named in of_data and (published or named not in known)  # else a published key's signature
        use = KeyUse(published, published and named in of_keys, signs)
        if use:
            uses[one.public] = replace(use, ds=_ds(one, use, asked))
    return uses


def unknown_signers(served: Reader, origin: Name, stored: Iterable[StoredKey]) -> tuple[int, ...]:
    """Return the tags of what signs the zone as it is served and is none of `stored`: keys of ours that are
    elsewhere. Other signers (RFC 8901) sign nothing that is served here.
    """
    known = {(one.public.algorithm, one.public.tag) for one in stored}
    signers = _signers(served.get(origin, Type.DNSKEY, origin)) | _signers(
        served.get(origin, Type.SOA, origin)
    )
    return tuple(sorted(tag for _, tag in signers - known))


def _rdatas(uses: Uses, is_used: Callable[[KeyUse], bool]) -> tuple[bytes, ...]:
    return tuple(sorted(key.rdata for key, use in uses.items() if is_used(use)))


@dataclass(frozen=True, slots=True)
class Cacheable:
    """What caches may hold of a zone: its keys, and for how many seconds the DNSKEY RRset (or the answer that
    there is none) and all other RRsets. `asked`: the DS set that the parent is asked for.
    """

    keys: ServedKeys
    dnskey_ttl: int
    data_ttl: int
    asked: tuple[bytes, ...] = ()


def cacheable(zone: SignedZone, used: Iterable[tuple[PublicKey, KeyUse]]) -> Cacheable:
    """Return what caches may hold of `zone`, whose keys are used so."""
    uses = dict(used)
    dnskey, soa = zone.get(zone.origin, Type.DNSKEY), zone.get(zone.origin, Type.SOA)
    negative = negative_ttl(soa) if soa is not None else 0
    keys = served_keys(dnskey, uses)
    longest = _largest_ttl(zone)
    dnskey_ttl = dnskey.ttl if dnskey is not None else negative
    return Cacheable(keys, dnskey_ttl, max(longest, negative), asked_by(uses))


def _largest_ttl(zone: SignedZone) -> int:
    """Return the largest TTL, in seconds; what signing adds below the apex has that of negative answers."""
    if isinstance(zone.nodes, Overlay):
        return max(zone.facts.largest_ttl, *(one.ttl for one in zone.nodes[zone.origin]))
    return max((one.ttl for one in zone.rrsets()), default=0)


def asked_by(uses: Uses) -> tuple[bytes, ...]:
    """Return the DS set that the parent is asked for while keys are used so."""
    return tuple(sorted(key.ds() for key, use in uses.items() if use.ds))


def served_keys(dnskey: RRset | None, uses: Uses) -> ServedKeys:
    """Return what is served of a zone's keys, other signers' (RFC 8901) included."""
    return ServedKeys(
        tuple(sorted(dnskey.rdatas)) if dnskey is not None else (),
        _rdatas(uses, lambda use: use.signs_keys),
        _rdatas(uses, lambda use: use.signs_data),
    )


def key_set(origin: Name, stored: Iterable[StoredKey], uses: Uses) -> KeySet:
    """Return the keys of a zone as a roll sees them."""
    return KeySet(
        origin,
        tuple(
            RolledKey(
                one.public,
                one.role,
                uses.get(one.public, KeyUse()),
                one.times.active or one.times.generated,
                leaves=one.roll.leaves is not None or one.roll.ended or one.state is KeyState.REMOVED,
                standby=one.roll.standby,
            )
            for one in stored
            if uses.get(one.public) or one.private_path.exists()
        ),
    )


def tokens(keys: Iterable[tuple[PublicKey, KeyUse, KeyUse]]) -> list[bytes]:
    """Return what names keys and their uses in a digest: key, use, and what its role says.

    A key that does all of that is its DNSKEY rdata alone.
    """
    return sorted(
        key.rdata
        if use == whole
        else key.rdata + bytes((use.published, use.signs_keys, use.signs_data, use.ds))
        for key, use, whole in keys
    )


def is_covered(uses: Iterable[KeyUse]) -> bool:
    """True where something signs the DNSKEY RRset, and something the data."""
    told = list(uses)
    return any(each.signs_keys for each in told) and any(each.signs_data for each in told)


def _signers(found: RRset | None) -> set[tuple[int, int]]:
    if found is None:
        return set()
    return {(told.algorithm, told.tag) for told in map(parse, found.signatures)}


def _asked(keys: Sequence[StoredKey], cds: RRset | None) -> set[PublicKey] | None:
    """Return the keys that the zone's CDS name; None where it has none, or they are not of these."""
    if cds is None:
        return None
    found = {
        one.public
        for one in keys
        if any(names(cds.owner, each, Type.CDS, one.public.rdata) for each in cds.rdatas)
    }
    return found or None


def _ds(one: StoredKey, use: KeyUse, asked: set[PublicKey] | None) -> bool:
    if not signs_keys(one.role):
        return False
    if asked is not None:
        return one.public in asked
    if one.roll.ds is not None:
        return one.roll.ds
    return use.signs_keys and one.roll.leaves is None and one.state in (KeyState.ACTIVE, KeyState.GENERATED)
