"""The daemon's own address: /metrics for Prometheus, and /healthz, over plain HTTP.

It only reads the journal, in a thread of its own. It names zones whose signatures run out soon, and no
secret; the operator decides who may reach it. /healthz is 200 while jobs are done at their times, else 503:
whether all is *well* is what the metrics and `dnsctl status` say, and a restart would not help.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dnsctl import __version__
from dnsctl.control.daemon.rounds import Rounds
from dnsctl.control.journal import VERDICTS, Journal, hangs
from dnsctl.model.fleet import Endpoint
from dnsctl.model.timestamp import stamp
from dnsctl.serve.transport.http_server import Guest, HttpServer, network_of
from dnsctl.serve.transport.listen import listen_http

_PLACES = 16  # connections of one network; the longest quiet makes room for one more
_PACE = 50.0  # requests of one network a second


@contextmanager
def exported(rounds: Rounds, at: Endpoint | None) -> Iterator[None]:
    """Answer HTTP at `at` while the block runs; None: nowhere. Raises ListenError."""
    if at is None:
        yield
        return
    _, listener = listen_http(at)
    loop = asyncio.new_event_loop()
    server = HttpServer(_application(rounds), listener, _welcome)
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(server.serve()), name="metrics", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(5)


def _welcome(transport: asyncio.BaseTransport) -> Guest:
    return Guest(network_of(transport), _PLACES, pace=_PACE)


def _application(rounds: Rounds) -> Starlette:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Jobs(lambda: rounds.journal, rounds.clock))

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    async def health(_request: Request) -> Response:
        journal = rounds.journal
        late = hangs(journal, rounds.clock())
        body = {
            "status": f"hangs: no job was done since {stamp(late)}" if late else "running",
            "jobs": {name: VERDICTS[each.weight] for name, each in journal.jobs.items()},
        }
        return JSONResponse(body, 503 if late else 200)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", health)])


class _Jobs(Collector):
    """What the journal says, read again at each request."""

    def __init__(self, journal: Callable[[], Journal], clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        journal, now = self._journal(), self._clock().timestamp()
        info = InfoMetricFamily("dnsctl_control", "The daemon of this control host, and its software")
        info.add_metric((), {"host": socket.gethostname(), "version": __version__})
        yield info
        if journal.holder is not None:
            yield GaugeMetricFamily(
                "dnsctl_control_start_time_seconds", "When it was started", journal.holder.since.timestamp()
            )
        yield from _of_jobs(journal)
        yield from _of_endings(journal, now)
        concerns = GaugeMetricFamily(
            "dnsctl_control_concerns", "What `dnsctl status` would say, counted by weight", labels=("weight",)
        )
        for weight in ("act", "unknown", "soon"):
            concerns.add_metric((weight,), sum(each.weight == weight for each in journal.concerns))
        yield concerns


def _of_jobs(journal: Journal) -> Iterator[Metric]:
    def gauge(name: str, what: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"dnsctl_control_job_{name}", what, labels=("job",))

    well = gauge("well", "1 where the job ended well the last time")
    failures = gauge("failures", "How often in a row the job did not end well")
    ended = gauge("last_run_timestamp_seconds", "When the job was done last")
    seconds = gauge("duration_seconds", "How long that took")
    due = gauge("next_run_timestamp_seconds", "When the job is due again")
    for name, record in journal.jobs.items():
        well.add_metric((name,), int(record.weight == "well"))
        failures.add_metric((name,), record.failures)
        ended.add_metric((name,), record.ended.timestamp())
        seconds.add_metric((name,), (record.ended - record.began).total_seconds())
        if record.next is not None:
            due.add_metric((name,), record.next.timestamp())
    yield from (well, failures, ended, seconds, due)


def _of_endings(journal: Journal, now: float) -> Iterator[Metric]:
    labels = ("what", "name")
    ends = GaugeMetricFamily(
        "dnsctl_control_expiry_timestamp_seconds",
        "When signatures and certificates run out: the first of the fleet, and of zones that are near it",
        labels=labels,
    )
    alarms = GaugeMetricFamily(
        "dnsctl_control_alarm_days", "The alarm that is raised: 7 or 3 days are left; 0: none", labels=labels
    )
    for each in journal.endings:
        ends.add_metric((each.what, each.about), each.at)
        alarms.add_metric((each.what, each.about), each.alarm(now))
    yield from (ends, alarms)
