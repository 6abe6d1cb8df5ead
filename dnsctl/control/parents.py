"""What is remembered of the parents of our zones, judged against what is released."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from dnsctl.control.concerns import Concern, Weight
from dnsctl.control.observations import Observed, recall
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name, is_subdomain, to_text
from dnsctl.model.parental import asks_to_delete
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.rrsig import signers_of
from dnsctl.parent.comparison import Difference, Ours, differences, tags
from dnsctl.verify.report import Fault

_ORDER = ("act", "note", "unknown")  # a server that is silent stops only what waits for it


def remembered_differences(
    state: HostFiles, reader: Reader, zones: Iterable[Name]
) -> Iterator[tuple[Name, tuple[Difference, ...]]]:
    """Yield each zone whose parent was ever looked at, with what differs there."""
    for zone in zones:
        seen = recall(state, zone)
        if seen.ds.views:
            yield zone, tuple(differences(ours_of(reader, zone), seen.ds.views, seen.delegation))


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
    return Ours(
        zone,
        signers_of(dnskey),
        tuple(each for each in _rdatas(cds) if not asks_to_delete(Type.CDS, each)),
        tuple(sorted(addresses)),
        {name: found for name, found in addresses.items() if found},
    )


def _addresses(reader: Reader, name: Name, zone: Name) -> tuple[str, ...]:
    if not is_subdomain(name, zone):
        return ()
    found = (reader.get(name, rdtype, zone) for rdtype in (Type.A, Type.AAAA))
    return tuple(str(ip_address(each)) for one in found for each in _rdatas(one))


def _rdatas(found: RRset | None) -> tuple[bytes, ...]:
    return found.rdatas if found is not None else ()


def parent_concerns(state: HostFiles, reader: Reader) -> Iterator[Concern]:
    """Yield what a person should know of parents: the gravest of each zone, and what it refuses."""
    weight: Weight
    for zone, found in remembered_differences(state, reader, [each.origin for each in reader.zones()]):
        asked = recall(state, zone).asked if found else None
        if asked is not None and asked.outcome != "done":
            weight = "act" if asked.outcome == "refused" else "soon"
            message = f"its parent does not take the DS {tags(asked.ds)}: {asked.message}"
            yield Concern(weight, to_text(zone), message)
        for gravest in sorted(found, key=lambda each: _ORDER.index(each.weight))[:1]:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            weight = "act" if gravest.weight == "act" else "soon"
            yield Concern(weight, to_text(zone), gravest.message + more)


@dataclass(frozen=True)
class ParentState:
    """What the parent of a zone was seen to say, in a word: `state`."""

    zone: Name
    state: str
    seen: Observed


def parent_states(state: HostFiles, reader: Reader) -> Iterator[ParentState]:
    """Yield each zone whose parent was ever looked at."""
    for entry in reader.zones():
        seen = recall(state, entry.origin)
        if seen.ds.views:
            found = differences(ours_of(reader, entry.origin), seen.ds.views, ())
            yield ParentState(entry.origin, _word(found, seen), seen)


def _word(found: Iterable[Difference], seen: Observed) -> str:
    rules = {each.rule for each in found}
    has_ds = any(each.ds for each in seen.ds.views)
    for rule, word in (
        ("parent-ds", "broken"),
        ("parent-differs", "half updated"),
        ("parent-ds-missing", "lags" if has_ds else "no DS"),
        ("parent-ds-foreign", "has another DS too"),
    ):
        if rule in rules:
            return word
    return "not known" if all(each.ds is None for each in seen.ds.views) else "in step"
