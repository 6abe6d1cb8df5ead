"""Response rate limiting: a limit on answers of one kind to one network over UDP.

As in Knot and NSD, answers are counted by the client's network (/24, /56), the kind of answer, and a name:
the question's for data, the zone's for what an attacker can ask for endlessly (names that do not exist, or
only by a wildcard), the cut's for referrals, none for errors. Beyond `rate` a second, every `slip`th answer
is sent empty with TC=1, so that a real client comes back over TCP, which is never limited; the others are
dropped.

There are two steps, for speed. Once a batch, queries are counted by network only, in a table that may mix up
networks: it only says which ones to look at more closely. Only the answers of a network above its share are
counted exactly, by kind, in a table that all workers share. Both tables have a fixed size, whatever arrives.
"""

from __future__ import annotations

import ipaddress
import logging
import mmap
import struct
import time
from array import array
from collections import Counter
from collections.abc import Callable, Collection
from enum import IntEnum
from typing import Final

from dnsctl.model.fleet import Network, RateLimit
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type
from dnsctl.serve.message.datagrams import Batch
from dnsctl.serve.message.edns import COOKIE, OPT_HEAD, OPT_LENGTH
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.query import HEADER_LENGTH, TC, Rcode, read_options
from dnsctl.serve.metrics.tally import Tally

_SECOND: Final = 1_000_000_000  # nanoseconds
_LOG_INTERVAL: Final = 60 * _SECOND
_NETWORKS: Final = 65_521  # counters of the first step; a prime, so that all octets of an address count
_PLACES: Final = 4  # places a flow may have in the table
_MAX_KNOWN: Final = 1024  # networks and responses whose meaning is remembered
_TC: Final = TC >> 8  # of the third octet
_AA: Final = 0x04
_TAG: Final = (1 << 64) - 1
_POINTER: Final = 0xC0
_DNSSEC: Final = frozenset((Type.DS, Type.RRSIG, Type.DNSKEY))
_FROM_ZONES: Final = frozenset((Rcode.NOERROR, Rcode.NXDOMAIN, Rcode.YXDOMAIN))
_log = logging.getLogger(__name__)


class Flow(IntEnum):
    """Answers that are counted together; in brackets: the name they are counted by."""

    POSITIVE = 0  # question
    ANY = 1  # question
    DNSSEC = 2  # question
    WILDCARD = 3  # zone
    NO_DATA = 4  # zone
    NAME_ERROR = 5  # zone
    REFERRAL = 6  # cut
    ERROR = 7  # none


_FLOWS: Final = {Kind.NXDOMAIN: Flow.NAME_ERROR, Kind.NODATA: Flow.NO_DATA, Kind.REFERRAL: Flow.REFERRAL}


class FlowTable:
    """When each flow may go on, in memory that processes forked from here on share.

    A flow's bucket is one number: the time at which it will be full again (the generic cell rate algorithm).
    Where all its places are taken by others, the flow that is nearest to full makes room. Two workers that
    write at once may lose a count, which lets one more answer through.
    """

    def __init__(self, size: int) -> None:
        size = max(size, _PLACES)
        self._first_places = size - _PLACES + 1
        self.cells = memoryview(mmap.mmap(-1, size * 16)).cast("Q")  # tag, time, tag, time

    def take(self, flow: object, now: int, interval: int) -> bool:
        """Take one token from the bucket of `flow`; False if it is empty. One comes each `interval`."""
        cells = self.cells
        tag = hash(flow) & _TAG
        at = tag % self._first_places * 2
        if cells[at] != tag:
            at = self._place(at, tag, now)
        full = cells[at + 1]
        full = max(full, now)
        if full - now > _SECOND - interval:
            return False
        cells[at + 1] = full + interval
        return True

    def _place(self, first: int, tag: int, now: int) -> int:
        """Return where `tag` stands, or now stands instead of another."""
        cells = self.cells
        places = range(first, first + 2 * _PLACES, 2)
        for at in places:
            if cells[at] == tag:
                return at
        at = min(places, key=lambda place: cells[place + 1])
        cells[at] = tag
        cells[at + 1] = now
        return at


class RateLimiter:
    """Applies `limit` to the answers of one UDP worker. `table`: shared by all `workers` of the node."""

    def __init__(
        self,
        limit: RateLimit,
        table: FlowTable,
        tally: Tally,
        workers: int = 1,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._limit = limit
        self._table = table
        self._tally = tally
        self._clock = clock
        self._interval = _SECOND // limit.rate
        self._share = max(
            limit.rate // workers, 1
        )  # of a network, in a second and worker, that is not looked at
        self.masks = (_mask(limit.ipv4_prefix, 4), _mask(limit.ipv6_prefix, 8))
        self._counts = array("L", bytes(8 * _NETWORKS))
        self._busy: set[int] = set()  # places in it that are over the share
        self._next_second = 0
        self._whitelisted: dict[tuple[bool, int], tuple[Network, ...] | None] = {}
        self._known: dict[
            bytes, tuple[tuple[Flow, bytes] | None, bytes]
        ] = {}  # response -> flow, cut response
        self._cut = 0  # answers limited, for slip
        self._log_next = 0
        self._logged_cut = 0

    def apply(self, batch: Batch, count: int, silent: list[int], proved: Collection[int]) -> list[int]:
        """Limit the `count` answers in `batch`; return the indexes of those not to send, ascending.

        `silent`: those without an answer; `proved`: those to clients whose address a cookie proves.
        """
        now = self._clock()
        if now >= self._next_second:
            self._halve(now)
        mask = self.masks[batch.is_ipv6]
        sources = batch.sources(count)
        counts, share = self._counts, self._share
        busy = set()
        for source, number in Counter(sources).items():
            network = source & mask
            at = network % _NETWORKS
            counts[at] = total = counts[at] + number
            if total > share:
                self._busy.add(at)
                busy.add(network)
        if not busy:
            return silent
        closely = {network for network in busy if not self._is_trusted(batch.is_ipv6, network)}
        dropped = set(silent)
        for index, source in enumerate(sources):
            network = source & mask
            if network not in closely or index in dropped or index in proved:
                continue
            if self._is_over(batch, index, network, now):
                dropped.add(index)
        return sorted(dropped)

    def _halve(self, now: int) -> None:
        """Begin a second: a network that was over its share is watched until two seconds were quiet."""
        self._next_second = now + _SECOND
        before = [(at, self._counts[at] >> 1) for at in self._busy]
        self._counts = array("L", bytes(8 * _NETWORKS))
        for at, half in before:
            self._counts[at] = half
        self._busy = {at for at, half in before if half > self._share}
        self._known.clear()  # what stands in a zone may have changed

    def _is_trusted(self, is_ipv6: bool, network: int) -> bool:
        """True where all of `network` is in the whitelist."""
        if not self._limit.whitelist:
            return False
        found = self._overlapping(is_ipv6, network)
        return found is None

    def _overlapping(self, is_ipv6: bool, network: int) -> tuple[Network, ...] | None:
        """Return what of the whitelist is inside `network`, or None where that is inside it."""
        known = self._whitelisted
        slot = (is_ipv6, network)
        if slot not in known:
            if len(known) >= _MAX_KNOWN:
                known.clear()
            whole = self.network(is_ipv6, network)
            same = [one for one in self._limit.whitelist if one.version == whole.version]
            inside = any(whole.subnet_of(one) for one in same)  # type: ignore[arg-type]
            known[slot] = None if inside else tuple(one for one in same if one.overlaps(whole))
        return known[slot]

    def network(self, is_ipv6: bool, network: int) -> Network:
        """Return a client's network as people write it."""
        if is_ipv6:
            octets = network.to_bytes(8, "little") + bytes(8)
            return ipaddress.IPv6Network((octets, self._limit.ipv6_prefix))
        return ipaddress.IPv4Network((network.to_bytes(4, "little"), self._limit.ipv4_prefix))

    def _is_over(self, batch: Batch, index: int, network: int, now: int) -> bool:
        """Count the answer; where it is over the rate, cut it down, or return True: it is to be dropped."""
        if self._limit.whitelist and (inside := self._overlapping(batch.is_ipv6, network)):
            source = batch.source(index)
            if any(source in one for one in inside):
                return False
        whole = batch.answer(index)
        response = whole[2:]  # without its id, many are the same
        known = self._known.get(response)
        if known is None:
            known = self._classify(response, batch.class_of(index))
        flow, short = known
        if flow is None or self._table.take((batch.is_ipv6, network, flow), now, self._interval):
            return False
        if now >= self._log_next:
            self._log_limited(flow[0], self.network(batch.is_ipv6, network), now)
        self._cut += 1
        if not self._limit.slip or self._cut % self._limit.slip:
            self._tally.dropped += 1
            return True
        self._tally.slipped += 1
        batch.replace(index, whole[:2] + short)
        return False

    def _classify(self, response: bytes, class_: int) -> tuple[tuple[Flow, bytes] | None, bytes]:
        """Return flow and cut form of a response without its id; remember both for a second at most."""
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        wire = b"\0\0" + response
        known = self._known[response] = (flow_of(wire, *self._tally.kind_of(class_)), truncated(wire)[2:])
        return known

    def _log_limited(self, flow: Flow, network: Network, now: int) -> None:
        """Log what is limited, once a minute."""
        self._log_next = now + _LOG_INTERVAL
        _log.warning(
            "rate limit: %d answers cut since the last such line; now %s to %s",
            self._cut + 1 - self._logged_cut,
            flow.name.lower().replace("_", " "),
            network,
        )
        self._logged_cut = self._cut + 1


def flow_of(wire: bytes, kind: Kind, zone: Name | None) -> tuple[Flow, bytes] | None:
    """Return how the response `wire` is counted, and by which name; None where it is truncated already.

    `kind`: what it says; `zone`: where that is from.
    """
    if wire[2] & _TC:
        return None
    end = question_end(wire)
    if wire[3] & 0xF not in _FROM_ZONES or end == HEADER_LENGTH:
        return Flow.ERROR, b""
    if kind is Kind.SYNTHESIZED:
        return Flow.WILDCARD, zone or b""
    flow = _FLOWS.get(kind)
    if flow is not None:
        return flow, _first_owner(wire, end)
    qname = Name(wire[HEADER_LENGTH : end - 4].lower())
    rdtype = wire[end - 4] << 8 | wire[end - 3]
    if rdtype == Type.ANY:
        return Flow.ANY, qname
    return Flow.DNSSEC if rdtype in _DNSSEC else Flow.POSITIVE, qname


def question_end(wire: bytes) -> int:
    """Return where the question of our response ends; the header's end where it has none."""
    if not wire[5]:
        return HEADER_LENGTH
    at = HEADER_LENGTH
    while wire[at]:
        at += 1 + wire[at]
    return at + 5


def _first_owner(wire: bytes, end: int) -> bytes:
    """Return the owner of the first record, SOA or NS, which is the question's name or an ancestor of it."""
    if wire[end : end + 1] < b"\xc0":
        return b""
    at = (wire[end] & ~_POINTER) << 8 | wire[end + 1]
    return wire[at : end - 4].lower()


def truncated(wire: bytes) -> bytes:
    """Return the response `wire` with TC set and nothing but question and OPT; an error without TC.

    Of options only a cookie is left, which is what lets the client show that it is itself.
    """
    end = question_end(wire)
    is_error = wire[3] & 0xF not in _FROM_ZONES or end == HEADER_LENGTH
    opt = _only_cookie(_opt_of(wire, end))
    flags = bytes((wire[2] if is_error else wire[2] | _TC, wire[3]))
    counts = bytes((0, wire[5], 0, 0, 0, 0, 0, 1 if opt else 0))
    return wire[:2] + flags + counts + wire[HEADER_LENGTH:end] + opt


def _only_cookie(opt: bytes) -> bytes:
    """Return an OPT record of ours without its other options (RFC 6891 §6.1.2, RFC 7873 §4)."""
    if not opt:
        return b""
    cookie = (read_options(opt[OPT_LENGTH:]) or {}).get(COOKIE)
    made = b"" if cookie is None else struct.pack("!HH", COOKIE, len(cookie)) + cookie
    return opt[: OPT_LENGTH - 2] + len(made).to_bytes(2, "big") + made


def _opt_of(wire: bytes, end: int) -> bytes:
    """Return the OPT record of our response, which stands last; empty where there is none."""
    if not (wire[10] or wire[11]):
        return b""
    last = wire[-OPT_LENGTH:]
    if last[:3] == OPT_HEAD and last[-2:] == b"\0\0":
        return last
    records = sum(wire[at] << 8 | wire[at + 1] for at in (6, 8, 10))
    at = end
    for _ in range(records - 1):
        while (length := wire[at]) and length < _POINTER:
            at += 1 + length
        at += 2 if length else 1
        at += 10 + (wire[at + 8] << 8 | wire[at + 9])
    return wire[at:] if wire[at : at + 3] == OPT_HEAD else b""


def _mask(prefix: int, octets: int) -> int:
    """Return the mask of `prefix` bits for an address, its first `octets` octets as a number."""
    bits = octets * 8
    kept = (1 << bits) - (1 << bits - min(prefix, bits))
    return int.from_bytes(kept.to_bytes(octets, "big"), "little")
