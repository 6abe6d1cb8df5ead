"""DNSSEC data written by hand in a zone that is signed here, where it would be replaced or be wrong."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.name import to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.rule import Fault, Scope

_OURS = (Type.DNSKEY, Type.CDS, Type.CDNSKEY, Type.NSEC, Type.NSEC3, Type.NSEC3PARAM)


def dnssec_by_hand(scope: Scope) -> Iterator[Fault]:
    """A zone already signed elsewhere is served as it is; it just cannot be signed here as well."""
    if not scope.signed:
        return
    for rdtype in _OURS:
        found = scope.survey.of(rdtype)
        if found:
            yield _by_hand(scope, found, rdtype.name)
    covered = [each for rrsets in scope.survey.by_type.values() for each in rrsets if each.signatures]
    if covered:
        yield _by_hand(scope, covered, "RRSIG")


def _by_hand(scope: Scope, found: list[RRset], what: str) -> Fault:
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return Fault(
        scope.at(found[0]),
        f"{what} at {to_text(found[0].owner)}{more}, in a zone that dnsctl signs",
        f"remove it, or set `zones: {to_text(scope.origin)[:-1]}: {{dnssec: none}}` in dnsctl.yaml",
    )


def zonemd_by_hand(scope: Scope) -> Iterator[Fault]:
    zonemd = scope.zone.get(scope.origin, Type.ZONEMD)
    if zonemd is not None and (scope.signed or not zonemd.signatures):
        yield Fault(
            scope.at(zonemd),
            "ZONEMD is a digest of the zone with its serial, which changes at every release",
            "remove it",
        )
