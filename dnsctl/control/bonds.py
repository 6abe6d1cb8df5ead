"""What would break if a key of a zone were gone: what is served with it, and the DS that point to it.

Looks at the last release, which has our own parent zones too, and at the DS that the parent's servers were
seen to give. What nobody has looked at is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnsctl.image.reader import Reader
from dnsctl.model.name import ROOT, to_text
from dnsctl.model.name import parent as parent_of
from dnsctl.model.parental import names
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
    above = zone
    while served is not None and above != ROOT:
        above = parent_of(above)
        if served.zone(above) is not None:
            found = served.get(zone, Type.DS, above)
            if found is not None and any(names(zone, each, Type.CDS, rdata) for each in found.rdatas):
                yield f"a DS in {to_text(above)} points to it"
            break
    if any(names(zone, each, Type.CDS, rdata) for each in seen_ds):
        yield "a DS at the parent points to it"
