"""Send NOTIFY to secondaries (RFC 1996): for all zones after a start, then for those that change.

A process of its own, if dnsctl.yaml names secondaries. Each NOTIFY is sent again, less and less often, until
it is answered or given up; a newer serial replaces it. However many zones changed, a secondary gets at most
`RATE` a second. NOTIFY is sent from an address that answers queries, by which the secondary knows its primary
(RFC 1996 §3.10). `notify.verdict` judges what comes back.
"""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import logging
import secrets
import select
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dnsctl.image import fragment
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.layout import owner_key
from dnsctl.image.reader import Reader
from dnsctl.image.silence import Silence
from dnsctl.image.store import Image
from dnsctl.model.fleet import Endpoint, Secondary, ServeSettings
from dnsctl.model.name import Name, to_text
from dnsctl.model.repo import NodeFiles
from dnsctl.model.rrset import RRset, Type
from dnsctl.serve.message.notify import Notice, notice, verdict
from dnsctl.serve.metrics import counters
from dnsctl.serve.metrics.tally import Tally

RATE: Final = 100.0  # NOTIFY a second to one secondary
WAITS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0)  # seconds for a response, try by try
LINES: Final = 50  # of one kind on one secondary in the log, in `LINES_EVERY`; the others are counted
LINES_EVERY: Final = 10.0  # seconds
_LOOK: Final = 0.1  # seconds between two looks at the generation counter
_BATCH: Final = 256  # responses of one secondary between two sends
_DONE: Final = "NOERROR"

_log = logging.getLogger(__name__)


def notify(serve: ServeSettings, listen: Sequence[Endpoint], state: Path, tally: Tally) -> None:
    """Notify the secondaries of `serve` for ever. `listen`: where queries are answered."""
    silence = Silence(NodeFiles(state).silent)
    while silence.holds:
        time.sleep(_LOOK)
    counter = GenerationCounter(NodeFiles(state).generation)
    with Image.open(NodeFiles(state).image) as image, image.reader() as reader:
        targets = [_Target(one, listen, reader, tally) for one in serve.notify]
        changes = _Changes(reader)
        seen = -1
        while True:
            if (value := counter.value) != seen:
                seen = value
                for origin, serial in changes.since():
                    for target in targets:
                        target.announce(origin, serial)
            for target in targets:
                target.send_due()
            _receive(targets)


def _receive(targets: Sequence[_Target]) -> None:
    """Take the responses that come in `_LOOK` seconds, or within the first batch."""
    poll = select.poll()
    by_descriptor: dict[int, _Target] = {}
    for target in targets:
        if target.socket is not None:
            by_descriptor[target.socket.fileno()] = target
            poll.register(target.socket, select.POLLIN)
    for descriptor, _ in poll.poll(_LOOK * 1000):
        by_descriptor[descriptor].receive()


class _Changes:
    """Serials as they were last seen, by zone; the first time all are new."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._serials: dict[Name, int] = {}
        self._changes: int | None = None

    def since(self) -> list[tuple[Name, int]]:
        """Return zones whose serial is another than the last time, with it; a zone that is gone with 0."""
        reader = self._reader
        reader.renew()
        touched = None if self._changes is None else reader.changed_since(self._changes)
        self._changes = reader.changes
        now = (
            {entry.origin: entry.serial for entry in reader.zones()}
            if touched is None
            else {origin: entry.serial for origin in touched if (entry := reader.zone(origin))}
        )
        gone = (self._serials.keys() if touched is None else touched) - now.keys()
        changed = [(origin, 0) for origin in gone if self._serials.pop(origin, None) is not None]
        changed += [(origin, serial) for origin, serial in now.items() if self._serials.get(origin) != serial]
        self._serials |= now
        return changed


@dataclass(slots=True)
class _Pending:
    """A zone whose new serial a secondary has not acknowledged."""

    origin: Name
    serial: int
    tries: int = 0
    sent: Notice | None = None
    number: int = -1  # id of the message sent last


class _Target:
    """One secondary: what it is to be told, when, and the socket that is open while there is something."""

    def __init__(
        self, secondary: Secondary, listen: Sequence[Endpoint], reader: Reader, tally: Tally
    ) -> None:
        self.socket: socket.socket | None = None
        self._secondary = secondary
        self._listen = listen
        self._reader = reader
        self._tally = tally
        self._pending: dict[Name, _Pending] = {}
        self._by_number: dict[int, _Pending] = {}
        self._due: list[tuple[float, int, _Pending]] = []
        self._pushed = itertools.count()  # keeps in order what is due at the same time
        self._slot = 0.0  # when the next of many that are announced is due; later changes come in between
        self._free = 0.0  # when one may be sent again
        self._log = _LimitedLog()

    def announce(self, origin: Name, serial: int) -> None:
        """Send the secondary NOTIFY of `serial`, instead of an earlier one; 0: the zone is gone."""
        if not self._secondary.wants(origin):
            return
        self._forget(self._pending.get(origin))
        if serial:
            self._slot = max(self._slot, time.monotonic()) + 1 / RATE
            pending = self._pending[origin] = _Pending(origin, serial)
            self._put(self._slot - 1 / RATE, pending)

    def send_due(self) -> None:
        """Send what is due, and give up what was sent often enough."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now and self._free <= now:
            _, _, pending = heapq.heappop(self._due)
            if self._pending.get(pending.origin) is not pending:
                continue
            self._by_number.pop(pending.number, None)
            if pending.tries == len(WAITS):
                self._give_up(pending)
            else:
                self._free = max(self._free, now - _LOOK) + 1 / RATE
                self._send(pending)
                self._put(now + WAITS[pending.tries], pending)
                pending.tries += 1
        if not self._pending:
            self._close()
        self._log.flush()

    def receive(self) -> None:
        """Take the responses that are there."""
        for _ in range(_BATCH):
            if self.socket is None:
                return
            try:
                response = self.socket.recv(65535)
            except BlockingIOError:
                return
            except OSError:  # a port nobody listens on; it is sent again in time
                continue
            pending = self._by_number.get(int.from_bytes(response[:2], "big"))
            if pending is not None and pending.sent is not None:
                told = verdict(pending.sent, response)
                if told is not None:
                    self._heard(pending, told)

    def _heard(self, pending: _Pending, told: str) -> None:
        to, zone = self._secondary.endpoint, to_text(pending.origin)
        if told == _DONE:
            self._tally.add(counters.NOTIFIES_ANSWERED, 1)
            self._log.tell(
                logging.INFO, f"{to} answered NOTIFY", f"{to} answered NOTIFY of {zone} {pending.serial}"
            )
            self._forget(pending)
            return
        self._tally.add(counters.NOTIFIES_REFUSED, 1)
        final = told.isalpha() and told != "SERVFAIL"  # what is not signed, or says "later", decides nothing
        self._log.tell(
            logging.WARNING,
            f"{to} refused NOTIFY",
            f"{to} answered NOTIFY of {zone} {pending.serial} with {told}: is it a secondary of it, does it"
            " take this host for a primary, and has it the key?",
        )
        if final:
            self._forget(pending)

    def _give_up(self, pending: _Pending) -> None:
        to, zone = self._secondary.endpoint, to_text(pending.origin)
        self._tally.add(counters.NOTIFIES_GIVEN_UP, 1)
        self._log.tell(
            logging.WARNING,
            f"{to} did not answer NOTIFY",
            f"{to} did not answer NOTIFY of {zone} {pending.serial}, sent {pending.tries} times: given up; it"
            " asks by itself when the SOA's refresh is over",
        )
        self._forget(pending)

    def _send(self, pending: _Pending) -> None:
        soa = self._soa(pending.origin)
        if soa is None:
            return
        pending.number = secrets.randbits(16)
        while pending.number in self._by_number:
            pending.number = secrets.randbits(16)
        pending.sent = notice(pending.origin, soa, self._secondary.key, pending.number)
        self._by_number[pending.number] = pending
        try:
            if self.socket is None:
                self.socket = _connected(self._secondary.endpoint, self._listen)
            self.socket.send(pending.sent.wire)
        except OSError as error:
            to = self._secondary.endpoint
            self._log.tell(logging.WARNING, f"{to} unsent", f"{to} cannot be sent NOTIFY: {error.strerror}")
            self._close()
        else:
            self._tally.add(counters.NOTIFIES_SENT, 1)

    def _soa(self, origin: Name) -> RRset | None:
        node = self._reader.owner(owner_key(origin, origin))
        return None if node is None else fragment.decode(node, Type.SOA, origin, origin)

    def _put(self, when: float, pending: _Pending) -> None:
        heapq.heappush(self._due, (when, next(self._pushed), pending))

    def _forget(self, pending: _Pending | None) -> None:
        if pending is not None:
            self._pending.pop(pending.origin, None)
            self._by_number.pop(pending.number, None)

    def _close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class _LimitedLog:
    """Lines of each kind up to a number in a time; of those beyond it their number, when the time is over."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str]] = Counter()
        self._until = 0.0

    def tell(self, level: int, kind: str, line: str) -> None:
        self._counts[level, kind] += 1
        if self._counts[level, kind] <= LINES:
            _log.log(level, "%s", line)

    def flush(self) -> None:
        """Log how many lines were left out, if it is time."""
        if (now := time.monotonic()) < self._until:
            return
        for (level, kind), count in self._counts.items():
            if count > LINES:
                _log.log(level, "%s: %d more in %.0f s", kind, count - LINES, LINES_EVERY)
        self._counts.clear()
        self._until = now + LINES_EVERY


def _connected(to: Endpoint, listen: Sequence[Endpoint]) -> socket.socket:
    """Return a socket to `to`, from an address of `listen` that can reach it, else as the kernel chooses.

    Raises OSError.
    """
    version = ipaddress.ip_address(to.address).version
    sources = [ipaddress.ip_address(each.address) for each in listen]
    own = [str(each) for each in sources if each.version == version and not each.is_unspecified]
    if any(each.is_unspecified and each.version == version for each in sources):
        own = []
    for source in (*own, ""):
        one = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            one.setblocking(False)
            if source:
                one.bind((source, 0))
            one.connect((to.address, to.port))
        except OSError:
            one.close()
            if not source:
                raise
        else:
            return one
    raise AssertionError("the last attempt returns or raises")
