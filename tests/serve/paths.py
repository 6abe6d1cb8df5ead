"""One query by the fast path and by the full path, without a worker."""

from dnsctl.image.reader import Reader
from dnsctl.serve.fast.cache import wire_of
from dnsctl.serve.fast.find import find
from dnsctl.serve.fast.known import Known
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder


class Paths:
    """Both paths to the answers of one reader; what the fast path found out stays with it."""

    def __init__(self, reader: Reader, responder: Responder | None = None) -> None:
        self.reader = reader
        self.responder = responder or Responder()
        self._known = Known(reader, self.responder.zones(reader), Tally())

    @property
    def known(self) -> Known:
        """What is known of what the reader sees now."""
        zones = self.responder.zones(self.reader)
        if zones is not self._known.zones:
            self._known = Known(self.reader, zones, Tally())
        self._known.renew()
        return self._known

    def fast(self, wire: bytes) -> bytes | None:
        """Return the answer of the fast path, None where it leaves the query to the full path."""
        entry = find(self.known, wire[2:], wire[2:].lower())
        return None if entry is None else wire_of(entry, wire)

    def full(self, wire: bytes) -> bytes | None:
        """Return the answer of the full path over UDP."""
        response = self.responder.respond(self.reader, wire, stream=False)
        return None if response is None else response.wire

    def same(self, wire: bytes) -> bytes | None:
        """Return the answer over UDP; fail where the fast path has another one."""
        full = self.full(wire)
        assert self.fast(wire) in (None, full), wire
        return full
