"""Which names exist in a zone (RFC 4592 §2.2), and what a change does to answers.

By plain rules, for people and for probes, with nothing of the code that answers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from dnsctl.errors import NameSyntaxError
from dnsctl.model import duration
from dnsctl.model.name import Name, ancestors, canonical_key, is_subdomain, is_wildcard, to_text, wildcard
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import Nodes
from dnsctl.release.changes import RecordChange


class Whole(Protocol):
    """A zone in any state, with what stands below its cuts told apart."""

    @property
    def origin(self) -> Name: ...
    @property
    def nodes(self) -> Nodes: ...
    @property
    def cuts(self) -> frozenset[Name]: ...
    def occluder(self, owner: Name) -> Name | None: ...
    def get(self, owner: Name, rdtype: int) -> RRset | None: ...


class Existence:
    """The names of one zone."""

    def __init__(self, zone: Whole) -> None:
        self._zone = zone
        self._owners = list(zone.nodes)

    def exists(self, name: Name) -> bool:
        """True for owners and empty non-terminals (RFC 4592 §2.2.2)."""
        if name in self._zone.nodes:
            return True
        after = bisect_left(self._owners, canonical_key(name), key=canonical_key)
        return after < len(self._owners) and is_subdomain(self._owners[after], name)

    def covering_wildcard(self, name: Name) -> Name | None:
        """Return the wildcard that answers for `name`, which does not exist; None where there is none.

        It may be an empty non-terminal, whose answers have no data (RFC 4592 §2.2.2).
        """
        encloser = next(each for each in ancestors(name, self._zone.origin) if self.exists(each))
        try:
            source = wildcard(encloser)
        except NameSyntaxError:
            return None
        return source if self.exists(source) else None


class Effect(NamedTuple):
    """What clients will notice. `name` is a kebab-case id."""

    name: str
    owner: Name
    message: str


def effects(before: Whole | None, after: Whole, changes: tuple[RecordChange, ...]) -> Iterator[Effect]:
    """Yield what clients of a changed zone will notice beyond the records; nothing for a new zone."""
    if before is None or not changes:
        return
    was, will = Existence(before), Existence(after)
    for owner in dict.fromkeys(change.owner for change in changes):
        if owner != after.origin and not is_wildcard(owner):
            yield from _effects_on(owner, before, after, was, will)
    yield from _in_caches(before, changes, was)


def _effects_on(
    owner: Name, before: Whole, after: Whole, was: Existence, will: Existence
) -> Iterator[Effect]:
    existed, exists = was.exists(owner), will.exists(owner)
    shown = to_text(owner)
    if owner in after.cuts and owner not in before.cuts:
        yield Effect("delegated", owner, f"{shown} and all below it are referred to its name servers")
    elif owner in before.cuts and owner not in after.cuts:
        yield Effect("undelegated", owner, f"{shown} and all below it are no longer referred")
    elif after.occluder(owner) is not None:
        yield Effect("occluded", owner, f"{shown} is below a cut or DNAME, where it is not answered")
    elif existed and not exists:
        source = will.covering_wildcard(owner)
        if source is not None:
            yield Effect("from-wildcard", owner, f"{shown} is answered from {to_text(source)} instead")
        else:
            yield Effect("gone", owner, f"{shown} no longer exists: NXDOMAIN")
    elif exists and not existed and (source := was.covering_wildcard(owner)) is not None:
        yield Effect("own-records", owner, f"{shown} is no longer answered from {to_text(source)}")


def _in_caches(before: Whole, changes: tuple[RecordChange, ...], was: Existence) -> Iterator[Effect]:
    """Tell how long caches may go on with what was: RRsets by their TTL, absence by RFC 2308 §5."""
    stale = [
        change.before.ttl for change in changes if change.before is not None and change.rdtype != Type.SOA
    ]
    if stale:
        yield Effect(
            "cached", before.origin, f"caches may hold replaced records for {duration.to_text(max(stale))}"
        )
    soa = before.get(before.origin, Type.SOA)
    if soa is not None and any(change.kind == "add" and not was.exists(change.owner) for change in changes):
        ttl = min(soa.ttl, int.from_bytes(soa.rdatas[0][-4:], "big"))
        yield Effect(
            "negatively-cached",
            before.origin,
            f"caches may go on denying new names for {duration.to_text(ttl)}",
        )
