"""What is remembered of the parents of our zones, judged against what is released."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from dnsctl.control.concerns import Concern, Weight
from dnsctl.control.observations import Observed, recall
from dnsctl.image.reader import Reader
from dnsctl.model.authority import zone_above
from dnsctl.model.key import ds_tags
from dnsctl.model.name import Name, is_subdomain, to_text
from dnsctl.model.parental import asks_to_delete
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.rrsig import signers_of
from dnsctl.parent.comparison import Difference, Ours, differences, unseen
from dnsctl.verify.report import Fault

_ORDER = ("act", "note", "unknown")  # a server that is silent stops only what waits for it


def faults_of(found: Iterable[Difference]) -> Iterator[Fault]:
    """Yield what is wrong as a verification tells it."""
    for each in found:
        yield Fault(
            "parent", each.server, each.zone, each.rule, each.zone, each.rdtype, each.expected, each.got
        )


def ours_of(reader: Reader, zone: Name) -> Ours:
    """Return what is released of `zone`, as its parent should know it."""
    ns = _rdatas(reader.get(zone, Type.NS, zone))
    addresses = {to_text(Name(each)): _addresses(reader, Name(each), zone) for each in ns}
    dnskey, cds = reader.get(zone, Type.DNSKEY, zone), reader.get(zone, Type.CDS, zone)
    above = zone_above(zone, lambda name: reader.zone(name) is not None)
    over = reader.zone(above) if above is not None else None
    return Ours(
        zone,
        signers_of(dnskey),
        tuple(each for each in _rdatas(cds) if not asks_to_delete(Type.CDS, each)),
        tuple(sorted(addresses)),
        {name: found for name, found in addresses.items() if found},
        over is not None,
        over is not None and not over.signed,
    )


def _addresses(reader: Reader, name: Name, zone: Name) -> tuple[str, ...]:
    if not is_subdomain(name, zone):
        return ()
    found = (reader.get(name, rdtype, zone) for rdtype in (Type.A, Type.AAAA))
    return tuple(str(ip_address(each)) for one in found for each in _rdatas(one))


def _rdatas(found: RRset | None) -> tuple[bytes, ...]:
    return found.rdatas if found is not None else ()


@dataclass(frozen=True)
class ParentState:
    """What the parent of a zone was seen to say, and what of it differs from what is released."""

    zone: Name
    seen: Observed
    differences: tuple[Difference, ...]

    @property
    def word(self) -> str:
        """What the DS at the parent is like, in a word or two."""
        rules = {each.rule for each in self.differences}
        has_ds = any(each.ds for each in self.seen.ds.views)
        for rule, word in (
            ("parent-ds", "broken"),
            ("parent-differs", "half updated"),
            ("parent-ds-missing", "lags" if has_ds else "no DS"),
            ("parent-ds-foreign", "has another DS too"),
        ):
            if rule in rules:
                return word
        return "not known" if all(each.ds is None for each in self.seen.ds.views) else "in step"


def parent_states(state: HostFiles, reader: Reader, zones: Iterable[Name]) -> Iterator[ParentState]:
    """Yield each of `zones` whose parent was ever looked at."""
    for zone in zones:
        seen = recall(state, zone)
        if seen.ds.views:
            found = differences(ours_of(reader, zone), seen.ds.views, seen.delegation)
            yield ParentState(zone, seen, tuple(found))


def out_of_sight(parents: Iterable[ParentState]) -> Iterator[tuple[Name, str, str]]:
    """Yield each site that does not see parents, with a zone of those, and what to know of it."""
    faults: dict[tuple[str, str], list[Name]] = {}
    stand_ins: dict[tuple[str, str], Name] = {}
    for each in parents:
        for key in unseen(each.seen.ds.views):
            faults.setdefault(key, []).append(each.zone)
        for key in each.seen.stand_ins.items():
            stand_ins.setdefault(key, each.zone)
    for (site, why), zones in faults.items():
        more = f" and of {len(zones) - 1} more zones" if len(zones) > 1 else ""
        what = f"could not look at the parent of {to_text(zones[0])}{more}: {why}"
        yield zones[0], site, f"{what}; what waits for it goes on waiting"
    for (site, why), zone in stand_ins.items():
        yield zone, site, f"{why}; what the control host sees of parents counts for it"


def parent_concerns(parents: Sequence[ParentState]) -> Iterator[Concern]:
    """Yield what a person should know of parents: the gravest of each zone, what it refuses, and sites that
    do not see them.
    """
    weight: Weight
    for _, site, message in out_of_sight(parents):
        yield Concern("soon", site, message)
    for each in parents:
        found, asked = each.differences, each.seen.asked
        if found and asked is not None and asked.outcome != "done":
            weight = "act" if asked.outcome == "refused" else "soon"
            message = f"its parent does not take the DS {ds_tags(asked.ds)}: {asked.message}"
            yield Concern(weight, to_text(each.zone), message)
        for gravest in sorted(found, key=lambda one: _ORDER.index(one.weight))[:1]:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            weight = "act" if gravest.weight == "act" else "soon"
            yield Concern(weight, to_text(each.zone), gravest.message + more)
