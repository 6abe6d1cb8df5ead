"""The exporter of a node: /metrics for Prometheus and /health, over plain HTTP at its own address.

It only reads: the counters that the other processes write, the image, and /proc. It is a process of its own,
so no request can delay an answer. It shows no secret; the operator decides who may reach it. /health is 200
while at least one UDP worker serves a release and no process that answers hangs, else 503.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import dns.opcode
import dns.rcode
import dns.rdatatype
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dnsctl import __version__
from dnsctl.errors import ImageReplacedError
from dnsctl.image.damage import DamageNote
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.layout import ZoneEntry
from dnsctl.image.silence import Silence
from dnsctl.image.store import Image
from dnsctl.model.fleet import NodeSettings
from dnsctl.model.name import to_text
from dnsctl.model.repo import NodeFiles
from dnsctl.node.proc import STOPPED, standing
from dnsctl.serve.metrics import counters
from dnsctl.serve.metrics.counters import Block
from dnsctl.serve.metrics.tally import is_silent
from dnsctl.serve.transport.http_server import Guest, HttpServer, network_of

_PLACES: Final = 16  # connections of one network; the longest quiet makes room for one more
_PACE: Final = 50.0  # requests of one network a second
_SECOND: Final = 1e9  # nanoseconds
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def export(settings: NodeSettings, blocks: Mapping[str, Block], listener: socket.socket) -> None:
    """Answer HTTP on `listener` for ever. `blocks`: by the name of the process that writes each."""
    with Image.open(NodeFiles(settings.state).image) as image:
        asyncio.run(_serve(_Node(settings, image, blocks), listener))


async def _serve(node: _Node, listener: socket.socket) -> None:
    await HttpServer(_application(node), listener, _welcome).serve()  # SIGTERM ends the process


def _welcome(transport: asyncio.BaseTransport) -> Guest:
    return Guest(network_of(transport), _PLACES, pace=_PACE)


def _application(node: _Node) -> Starlette:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(node)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    async def health(_request: Request) -> Response:
        status = node.status()
        body = {"status": status, "node": node.name, "generation": node.served().generation}
        return JSONResponse(body, 200 if status == "serving" else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/health", health)])


class _Served(NamedTuple):
    """What the image holds, as of one state of the generation counter."""

    activation: int
    generation: int
    zones: tuple[ZoneEntry, ...]


class _Node(Collector):
    """All metrics of a node, read again at each request."""

    def __init__(self, settings: NodeSettings, image: Image, blocks: Mapping[str, Block]) -> None:
        self.name = settings.node.name
        self._site = settings.node.site
        self._by_zone = settings.serve.zone_metrics
        self._path = NodeFiles(settings.state).image
        self._image = image
        self._note = DamageNote(settings.state)
        self._counter = GenerationCounter(NodeFiles(settings.state).generation)
        self._silence = Silence(NodeFiles(settings.state).silent)
        self._blocks = blocks
        self._supervisor = os.getppid()
        self._served = _Served(-1, 0, ())

    def served(self) -> _Served:
        """Return what is served now; the image is looked at only where it changed."""
        activation = self._counter.value
        if activation != self._served.activation:
            try:
                with self._image.reader() as reader:
                    self._served = _Served(activation, reader.generation, tuple(reader.zones()))
            except ImageReplacedError:
                self._image.close()
                self._image = Image.open(self._path)
                return self.served()
            except Exception:
                if not self._note.reason():
                    raise
        return self._served

    def status(self) -> str:
        """Return `serving`, or why not."""
        if self._silence.holds:
            return "catching up"
        if reason := self._note.reason():
            return f"image damaged: {reason}"
        if not self.served().generation:
            return "no release yet"
        workers = [block for name, block in self._blocks.items() if name.startswith("udp")]
        if not any(standing(block.cells[counters.PID]) for block in workers):
            return "no worker runs"
        hanging = next((name for name, block in self._blocks.items() if _is_hanging(name, block)), None)
        return "serving" if hanging is None else f"{hanging} hangs"

    def collect(self) -> Iterable[Metric]:
        info = InfoMetricFamily("dnsctl_node", "This node, and its software")
        info.add_metric((), {"node": self.name, "site": self._site, "version": __version__})
        yield info
        damage = self._note.last()
        for name, what, value in (
            ("dnsctl_image_damaged", "1 while the image is known to be damaged", bool(self._note.reason())),
            ("dnsctl_image_damage_timestamp_seconds", "When damage was last found", damage and damage.at),
        ):
            yield GaugeMetricFamily(name, what, int(value or 0))
        yield GaugeMetricFamily("dnsctl_up", "1 where queries are answered", int(self.status() == "serving"))
        yield from self._releases()
        blocks = tuple(self._blocks.values())
        yield from _queries(blocks)
        yield from _answers(blocks)
        yield from _connections(blocks)
        yield from _notifies(blocks)
        yield _latency(blocks)
        if self._by_zone:
            yield _zone_queries(blocks)
        yield from self._processes()

    def _releases(self) -> Iterator[Metric]:
        served = self.served()
        yield GaugeMetricFamily("dnsctl_generation", "Number of the release served", served.generation)
        yield GaugeMetricFamily("dnsctl_zones", "Zones served", len(served.zones))
        expiries = [zone.expiry for zone in served.zones if zone.expiry is not None]
        if expiries:
            yield GaugeMetricFamily(
                "dnsctl_signature_expiry_timestamp_seconds", "When the first signature expires", min(expiries)
            )
        inceptions = [zone.inception for zone in served.zones if zone.inception is not None]
        if inceptions:
            yield GaugeMetricFamily(
                "dnsctl_signature_inception_timestamp_seconds",
                "When the last signature becomes valid",
                max(inceptions),
            )
        if not self._by_zone:
            return
        serials = GaugeMetricFamily("dnsctl_zone_serial", "SOA serial", labels=("zone",))
        expiry = GaugeMetricFamily(
            "dnsctl_zone_signature_expiry_timestamp_seconds",
            "When the first signature of the zone expires",
            labels=("zone",),
        )
        inception = GaugeMetricFamily(
            "dnsctl_zone_signature_inception_timestamp_seconds",
            "When the last signature of the zone becomes valid",
            labels=("zone",),
        )
        for zone in served.zones:
            label = (to_text(zone.origin),)
            serials.add_metric(label, zone.serial)
            if zone.expiry is not None:
                expiry.add_metric(label, zone.expiry)
            if zone.inception is not None:
                inception.add_metric(label, zone.inception)
        yield from (serials, expiry, inception)

    def _processes(self) -> Iterator[Metric]:
        restarts = CounterMetricFamily(
            "dnsctl_process_restarts", "Times a process was restarted", labels=("process",)
        )
        started = GaugeMetricFamily(
            "dnsctl_process_start_time_seconds", "When it was started last", labels=("process",)
        )
        memory = GaugeMetricFamily(
            "dnsctl_process_resident_memory_bytes",
            "Resident memory: anonymous (with what is unchanged since the fork), and mapped (the image)",
            labels=("process", "memory"),
        )
        cpu = CounterMetricFamily("dnsctl_process_cpu_seconds", "CPU time spent", labels=("process",))
        pids = {"supervisor": self._supervisor}
        for name, block in self._blocks.items():
            pids[name] = block.cells[counters.PID]
            restarts.add_metric((name,), max(block.cells[counters.STARTS], 1) - 1)
            started.add_metric((name,), block.cells[counters.STARTED] / _SECOND)
        for name, pid in pids.items():
            figures = _figures(pid)
            if figures is not None:
                memory.add_metric((name, "anonymous"), figures.resident - figures.mapped)
                memory.add_metric((name, "mapped"), figures.mapped)
                cpu.add_metric((name,), figures.cpu)
        yield from (restarts, started, memory, cpu)


def _sum(blocks: Sequence[Block], cell: int) -> int:
    return sum(block.cells[cell] for block in blocks)


def _queries(blocks: Sequence[Block]) -> Iterator[Metric]:
    queries = CounterMetricFamily("dnsctl_queries", "Queries", labels=("transport", "family"))
    for transport, cell in (("udp", counters.UDP), ("tcp", counters.TCP)):
        for offset, family in enumerate(("ipv4", "ipv6")):
            queries.add_metric((transport, family), _sum(blocks, cell + offset))
    yield queries
    by_type = CounterMetricFamily("dnsctl_queries_by_type", "Queries by type asked for", labels=("type",))
    for offset in range(counters.TYPE_COUNT):
        if count := _sum(blocks, counters.TYPES + offset):
            by_type.add_metric((_type_text(offset),), count)
    yield by_type
    by_opcode = CounterMetricFamily("dnsctl_queries_by_opcode", "Queries by opcode", labels=("opcode",))
    for offset in range(counters.OPCODE_COUNT):
        if (count := _sum(blocks, counters.OPCODES + offset)) or not offset:
            by_opcode.add_metric((dns.opcode.to_text(dns.opcode.Opcode.make(offset)),), count)
    yield by_opcode
    for name, what, cell in (
        ("dnsctl_queries_edns", "Queries with EDNS", counters.EDNS),
        ("dnsctl_queries_dnssec_ok", "Queries with DO: DNSSEC wanted", counters.DNSSEC_OK),
        ("dnsctl_ignored", "Messages that are not queries and got no answer", counters.IGNORED),
    ):
        yield CounterMetricFamily(name, what, _sum(blocks, cell))


def _answers(blocks: Sequence[Block]) -> Iterator[Metric]:
    by_rcode = CounterMetricFamily("dnsctl_responses", "Responses by response code", labels=("rcode",))
    for offset in range(counters.RCODE_COUNT):
        if (count := _sum(blocks, counters.RCODES + offset)) or offset in (0, 2, 3, 5):
            by_rcode.add_metric((dns.rcode.to_text(dns.rcode.Rcode.make(offset)),), count)
    yield by_rcode
    by_kind = CounterMetricFamily("dnsctl_answers", "Responses by kind of answer", labels=("kind",))
    for offset, kind in enumerate(counters.KIND_NAMES):
        by_kind.add_metric((kind,), _sum(blocks, counters.KINDS + offset))
    yield by_kind
    limited = CounterMetricFamily(
        "dnsctl_rate_limited", "Answers over UDP that the rate limit dropped or truncated", labels=("action",)
    )
    limited.add_metric(("drop",), _sum(blocks, counters.RATE_DROPPED))
    limited.add_metric(("slip",), _sum(blocks, counters.RATE_SLIPPED))
    yield limited
    for name, what, cell in (
        ("dnsctl_truncated", "Responses cut to fit UDP", counters.TRUNCATED),
        ("dnsctl_cache_hits", "Queries over UDP answered from the cache", counters.CACHE_HITS),
        ("dnsctl_unsent", "Answers that the kernel did not send", counters.UNSENT),
    ):
        yield CounterMetricFamily(name, what, _sum(blocks, cell))


def _connections(blocks: Sequence[Block]) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "dnsctl_tcp_connections", "Open connections of clients", _sum(blocks, counters.CONNECTIONS)
    )
    for name, what, cell in (
        ("dnsctl_tcp_refused", "Connections closed: too many of one client", counters.CONNECTIONS_REFUSED),
        (
            "dnsctl_tcp_cut",
            "Connections closed to make room: those that were silent longest",
            counters.CONNECTIONS_CUT,
        ),
        ("dnsctl_transfers", "Zone transfers begun", counters.TRANSFERS),
    ):
        yield CounterMetricFamily(name, what, _sum(blocks, cell))


def _notifies(blocks: Sequence[Block]) -> Iterator[Metric]:
    for name, what, cell in (
        ("dnsctl_notifies_sent", "NOTIFY sent to secondaries, each try", counters.NOTIFIES_SENT),
        ("dnsctl_notifies_answered", "NOTIFY answered NOERROR", counters.NOTIFIES_ANSWERED),
        ("dnsctl_notifies_refused", "NOTIFY answered otherwise", counters.NOTIFIES_REFUSED),
        ("dnsctl_notifies_given_up", "NOTIFY given up after all tries", counters.NOTIFIES_GIVEN_UP),
    ):
        yield CounterMetricFamily(name, what, _sum(blocks, cell))


def _latency(blocks: Sequence[Block]) -> Metric:
    buckets = []
    total = 0
    bounds = [str(bound / _SECOND) for bound in counters.LATENCY_BOUNDS]
    for offset, bound in enumerate([*bounds, "+Inf"]):
        total += _sum(blocks, counters.LATENCIES + offset)
        buckets.append((bound, total))
    family = HistogramMetricFamily(
        "dnsctl_answer_seconds", "From reading a query over UDP to its answer sent: one batch in 64"
    )
    family.add_metric((), buckets, _sum(blocks, counters.LATENCY_SUM) / _SECOND)
    return family


def _zone_queries(blocks: Sequence[Block]) -> Metric:
    family = CounterMetricFamily("dnsctl_zone_queries", "Queries answered from a zone", labels=("zone",))
    sums: dict[bytes, tuple[str, int]] = {}
    for block in blocks:
        for origin, cell in block.zones():
            text, count = sums.get(origin) or (to_text(origin), 0)
            sums[origin] = text, count + block.cells[cell]
    for text, count in sums.values():
        family.add_metric((text,), count)
    return family


def _type_text(code: int) -> str:
    if code == counters.OTHER_TYPE:
        return "other"
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(code))


class _Figures(NamedTuple):
    """Of a process: memory in octets, CPU time in seconds."""

    resident: int
    mapped: int  # of it, from files
    cpu: float


def _figures(pid: int) -> _Figures | None:
    """Return what /proc says about a process, or None where it has ended."""
    found = standing(pid)
    if found is None:
        return None
    try:
        _, resident, mapped, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    except OSError:
        return None
    return _Figures(resident * _PAGE, mapped * _PAGE, found.cpu)


def _is_hanging(name: str, block: Block) -> bool:
    """True where a process that answers is stopped, or has not written its counts for too long."""
    if not name.startswith(("udp", "stream")):
        return False
    found = standing(block.cells[counters.PID])
    return found is not None and (found.state == STOPPED or is_silent(block))
