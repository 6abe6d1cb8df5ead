"""CDS and CDNSKEY that would make the parent break the chain of trust (RFC 7344, RFC 8078).

The keys of a zone that is signed here are not known yet: whether one of them is named is judged when it is
signed (see `dnsctl.sign.dnskey`).
"""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.name import to_text
from dnsctl.model.parental import DELETE, asks_to_delete, is_delete, names
from dnsctl.model.rrset import RRset, Type, rdata_text
from dnsctl.validate.rule import Fault, Scope, named

_TYPES = (Type.CDS, Type.CDNSKEY)


def cds_below_apex(scope: Scope) -> Iterator[Fault]:
    for rdtype in _TYPES:
        for one in scope.index.of(rdtype):
            if one.owner != scope.origin:
                yield Fault(
                    scope.at(one),
                    f"{named(one)} is not at the apex: a parent reads it only there (RFC 7344 §4.1)",
                    f"write it at {to_text(scope.origin)}",
                )


def cds_delete(scope: Scope) -> Iterator[Fault]:
    for one in _at_apex(scope):
        deleting = [rdata for rdata in one.rdatas if asks_to_delete(one.rdtype, rdata)]
        form = rdata_text(one.rdtype, DELETE[one.rdtype])
        if any(not is_delete(one.rdtype, rdata) for rdata in deleting):
            message = f"{named(one)} has algorithm 0, which withdraws the DS, but its other fields are wrong"
            yield Fault(scope.at(one), f"{message} (RFC 8078 §4)", f"write {form}")
        elif deleting and len(one.rdatas) > 1:
            message = f"{named(one)} withdraws the DS and names keys as well (RFC 8078 §4)"
            yield Fault(scope.at(one), message, f"keep {form} alone, or remove it")


def cds_mismatch(scope: Scope) -> Iterator[Fault]:
    cds, cdnskey = (scope.zone.get(scope.origin, rdtype) for rdtype in _TYPES)
    if cds is None or cdnskey is None:
        return
    of_cds = [rdata for rdata in cds.rdatas if not asks_to_delete(Type.CDS, rdata)]
    of_keys = [rdata for rdata in cdnskey.rdatas if not asks_to_delete(Type.CDNSKEY, rdata)]
    alone = sum(not any(names(scope.origin, each, Type.CDS, key) for key in of_keys) for each in of_cds)
    alone += sum(not any(names(scope.origin, each, Type.CDS, key) for each in of_cds) for key in of_keys)
    if alone or (len(of_cds) < len(cds.rdatas)) != (len(of_keys) < len(cdnskey.rdatas)):
        yield Fault(
            scope.at(cds),
            f"CDS and CDNSKEY of {to_text(scope.origin)} disagree (RFC 7344 §4)",
            "write both for the same keys, or only one of the two",
        )


def cds_orphan(scope: Scope) -> Iterator[Fault]:
    """A parent that does what such a record asks leaves the zone without a chain of trust."""
    for one, orphans, asked in _orphans(scope):
        if 0 < asked == len(orphans):
            yield Fault(
                scope.at(one),
                f"{named(one)} matches no DNSKEY of the zone: the parent would break the chain of trust",
                "write it for a key that signs the DNSKEY RRset (RFC 7344 §4.1)",
            )


def cds_standby(scope: Scope) -> Iterator[Fault]:
    for one, orphans, asked in _orphans(scope):
        if 0 < len(orphans) < asked:
            shown = ", ".join(rdata_text(one.rdtype, each)[:40] for each in orphans[:3])
            yield Fault(
                scope.at(one),
                f"{named(one)} names a key that the zone does not publish: {shown}…",
                "remove it, unless the key is about to be published (RFC 6781 §4.1.2)",
            )


def _at_apex(scope: Scope) -> Iterator[RRset]:
    for rdtype in _TYPES:
        found = scope.zone.get(scope.origin, rdtype)
        if found is not None:
            yield found


def _orphans(scope: Scope) -> Iterator[tuple[RRset, list[bytes], int]]:
    """Yield each RRset with what of it names no DNSKEY of the zone, and how many of it name a key at all."""
    dnskey = scope.zone.get(scope.origin, Type.DNSKEY)
    if scope.signed or dnskey is None:
        return
    for one in _at_apex(scope):
        asked = [rdata for rdata in one.rdatas if not asks_to_delete(one.rdtype, rdata)]
        keys, kind = dnskey.rdatas, one.rdtype
        orphans = [rdata for rdata in asked if not any(names(scope.origin, rdata, kind, key) for key in keys)]
        yield one, orphans, len(asked)
