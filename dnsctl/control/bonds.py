"""What would break if a key of a zone were gone: what is served with it, and the DS that point to it.

Looks at the last release, which has our own parent zones too, and at the DS that the parent's servers were
seen to give. What nobody has looked at is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnsctl.image.reader import Reader
from dnsctl.model.authority import zone_above
from dnsctl.model.name import to_text
from dnsctl.model.parental import leads
from dnsctl.model.rrset import Type
from dnsctl.publish.uses import served_uses
from dnsctl.sign.keystore import StoredKey


def bonds(key: StoredKey, served: Reader | None, seen_ds: Iterable[bytes] = ()) -> tuple[str, ...]:
    """Return what depends on `key`, in words. `seen_ds`: DS that the parent's servers were seen to give."""
    return tuple(_bonds(key, served, seen_ds))


def _bonds(key: StoredKey, served: Reader | None, seen_ds: Iterable[bytes]) -> Iterator[str]:
    zone, rdata = key.public.zone, key.public.rdata
    if served is not None and served_uses(served, zone, (key,)):
        yield f"{to_text(zone)} is served with it"
    above = zone_above(zone, lambda name: served.zone(name) is not None) if served is not None else None
    if served is not None and above is not None:
        found = served.get(zone, Type.DS, above)
        if found is not None and leads(zone, found.rdatas, (rdata,)):
            yield f"a DS in {to_text(above)} points to it"
    if leads(zone, seen_ds, (rdata,)):
        yield "a DS at the parent points to it"
