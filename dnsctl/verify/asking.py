"""The questions of a verification, and which zone of the release must answer each.

Each zone is asked questions of its own. Names that were touched are asked of the zone that answers for them
now, whether or not it changed itself, and those that no zone is above any more must be refused.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from dnsctl.image.layout import ZoneEntry
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type
from dnsctl.verify.anchor import Anchors, Found, chain_of
from dnsctl.verify.client import Question
from dnsctl.verify.expectation import Expectation, Refused
from dnsctl.verify.lookup import expected
from dnsctl.verify.questions import Depth, expectations, of_names
from dnsctl.verify.released import ReleasedZone, home

QUICK_OWNERS = 4  # a zone, beside what was touched
SAMPLED_OWNERS = 4000  # enough to find a node that is wrong, in a few seconds
_REFUSALS = 8  # names that no zone is above: one for each is too much where a large zone is gone
_KEPT_ZONES = 64  # with their chains of trust, beside the one that is asked

Progress = Callable[[int, int], None]  # zones asked, zones in all
Told = Callable[[Name, Found], None]  # what is known of a zone's chain of trust


class Asked(NamedTuple):
    """A question with the zone it belongs to; None: none of our zones.

    `first`: the zone's SOA, its first question. `verified`: it is one of the zones that are verified.
    """

    zone: ReleasedZone | None
    expectation: Expectation
    first: bool = False
    verified: bool = True

    @property
    def origin(self) -> Name:
        return self.zone.origin if self.zone is not None else self.expectation.question.qname


@dataclass
class Asking:
    """The questions of one verification. `told` hears of each zone's chain of trust, once."""

    reader: Reader
    anchors: Anchors
    now: datetime
    told: Told
    sampled: int = SAMPLED_OWNERS  # over all zones together, where not everything is asked
    _beside: OrderedDict[Name, ReleasedZone] = field(default_factory=OrderedDict)

    def questions(
        self,
        entries: Sequence[ZoneEntry],
        touched: Collection[Name] | None,
        progress: Progress | None,
        *,
        full: bool,
    ) -> Iterator[Asked]:
        """Yield what is asked of `entries`: everything, a sample, or what was touched and a little more."""
        by_home, homeless = self._homes(touched or ())
        for done, entry in enumerate(entries):
            if progress:
                progress(done, len(entries))
            found = chain_of(self.reader, entry, self.anchors, self.now)
            self.told(entry.origin, found)
            zone = ReleasedZone(self.reader, entry, found.chain)
            names = frozenset(by_home.pop(entry.origin, ()))
            depth = Depth(max(2, self.sampled // len(entries)))
            if full:
                depth = Depth(None, touched=names)
            elif touched is not None:
                depth = Depth(QUICK_OWNERS, transports=False, touched=names)
            for number, expectation in enumerate(expectations(zone, depth, self._chance(entry.origin))):
                yield Asked(zone, expectation, first=number == 0)
            yield from self._undelegated(entry.origin)
        yield from self._elsewhere(by_home)
        for name in islice(sorted(homeless), _REFUSALS):
            yield Asked(None, Refused(Question(name, Type.SOA)))
        if progress:
            progress(len(entries), len(entries))

    def _homes(self, touched: Collection[Name]) -> tuple[dict[Name, set[Name]], set[Name]]:
        """Return the touched names by the zones that answer for them, and those that none answers for."""
        by_home: dict[Name, set[Name]] = {}
        homeless = set()
        for name in touched:
            homes = {home(self.reader, name, Type.A), home(self.reader, name, Type.DS)}
            for each in homes - {None}:
                by_home.setdefault(each, set()).add(name)  # type: ignore[arg-type]
            if homes == {None}:
                homeless.add(name)
        return by_home, homeless

    def _chance(self, origin: Name) -> random.Random:
        """Return what draws the sample of a zone: the same, whichever zones are asked beside it."""
        return random.Random(f"{self.now.timestamp()} {origin.hex()}")  # noqa: S311 - a sample, not a secret

    def _elsewhere(self, by_home: Mapping[Name, Collection[Name]]) -> Iterator[Asked]:
        """Yield touched names that zones answer for which are not verified themselves."""
        for origin, names in by_home.items():
            zone = self._zone(origin)
            for expectation in of_names(zone, names, self._chance(origin)):
                yield Asked(zone, expectation, verified=False)

    def _undelegated(self, origin: Name) -> Iterator[Asked]:
        """Yield the question for the DS of a zone that the zone of ours above it does not delegate."""
        above = home(self.reader, origin, Type.DS)
        if above is None or above == origin:
            return
        parent = self._zone(above)
        node = parent.node(origin)
        if node is None or not node.cut:
            found = expected(parent, Question(origin, Type.DS))
            if found is not None:
                yield Asked(parent, found, verified=False)

    def _zone(self, origin: Name) -> ReleasedZone:
        """Return a zone of the release, with its chain of trust where it has one."""
        zone = self._beside.pop(origin, None)
        if zone is None:
            entry = self.reader.zone(origin)
            assert entry is not None  # noqa: S101 - its apex was found in the release
            chain = chain_of(self.reader, entry, self.anchors, self.now).chain
            zone = ReleasedZone(self.reader, entry, chain)
        self._beside[origin] = zone
        if len(self._beside) > _KEPT_ZONES:
            self._beside.popitem(last=False)
        return zone
