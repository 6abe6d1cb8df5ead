"""What one process has learned about the zones it was asked for: the state that all fast answers use.

For each zone it holds what queries have in common (`template`). The amount is bounded: hostile clients ask in
many ways, and when there is too much, all of it is forgotten.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.serve.fast.columns import Keys
from dnsctl.serve.fast.intervals import Intervals
from dnsctl.serve.fast.template import AskedZone, Form
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.zone.names import Zones

# How much is remembered: plans, denials, name errors, and forms at `FORM` each. Some 30 MB at most, and a few
# kB more for each zone, so that with many zones each has room for what it is asked every day.
ENOUGH: Final = 24_576
_EACH_ZONE: Final = 12


class Usual(NamedTuple):
    """How most queries are asked now (see `bulk`)."""

    keys: Keys
    zone: AskedZone
    form: Form


class Known:
    """Zones as `reader` sees them, with what was found out. Call `renew` where that may be something new."""

    def __init__(self, reader: Reader, zones: Zones, tally: Tally) -> None:
        self.zones: Final = zones
        self.reader: Final = reader
        self.tally: Final = tally
        self.asked: dict[bytes, AskedZone] = {}  # by apex: those that were asked for
        self.missed = False  # the last name was not there: look for neighbours first
        self.cuts = 0  # answers of which something was left out, as it did not fit
        self.intervals: Final = Intervals()
        self.usual: Usual | None = None
        self.batches = 0  # of other queries, since the usual ones were chosen
        self._room = 0
        self._epoch = -1
        self.renew()

    def renew(self) -> None:
        """See what the reader sees now; forget the zones that changed."""
        if self._epoch == self.reader.epoch:
            return
        self._epoch = self.reader.epoch
        self.owner = self.reader.owner
        self.cursor = self.reader.owner_cursor
        self.hash_cursor = self.reader.hash_cursor
        views = self.zones.views
        self.asked = {apex: one for apex, one in self.asked.items() if views.get(Name(apex)) is one.view}
        self.intervals.renew(lambda view: views.get(view.origin) is view)

    def make_room(self, share: int = 1) -> None:
        """Count what is about to be remembered; forget all where that is too much."""
        self._room -= share
        if self._room < 0:
            self.forget()
            self._room = ENOUGH + _EACH_ZONE * len(self.zones)

    def forget(self) -> None:
        """Forget what was found out of all zones."""
        self.asked.clear()
