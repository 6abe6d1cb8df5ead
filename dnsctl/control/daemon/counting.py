"""The job `count`: how many queries each zone got, from the /metrics of nodes that have one.

So a plan can tell which share of the last day's queries it touches. Nodes count from their start only, and
are asked no more than a Prometheus asks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from dnsctl.control.daemon.job import Verdict, Work
from dnsctl.control.query_counts import NodeCounts, keep_counts
from dnsctl.errors import NameSyntaxError
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import Name, from_text
from dnsctl.model.repo import Repo

_QUERIES: Final = "dnsctl_queries"
_BY_ZONE: Final = "dnsctl_zone_queries"
_WAIT: Final = 10.0  # seconds, for each step
_MOST: Final = 64 * 2**20  # octets: 10,000 zones have 3 MB
_AT_ONCE: Final = 8


class _NotCountedError(Exception):
    """A node does not tell its counts, or they cannot be read."""


def counted(work: Work) -> Verdict:
    """Read the counts of all nodes with `metrics:`, and keep what came since the last look."""
    asked = {
        name: node.metrics
        for site in work.config.sites.values()
        for name, node in site.nodes.items()
        if node.metrics is not None
    }
    if not asked:
        return Verdict("well", "no node has `metrics:`, so plans tell nothing of queries")
    found: dict[str, NodeCounts] = {}
    silent: list[str] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looks = {name: pool.submit(_counts_at, address) for name, address in asked.items()}
        for name, look in looks.items():
            try:
                found[name] = look.result()
            except _NotCountedError as error:
                silent.append(f"{name}: {error}")
    try:
        keep_counts(Repo(work.root).state.queries, found, work.now)
    except OSError as error:
        return Verdict("unknown", f"cannot keep what was counted: {error}")
    told = f"queries of {len(found)} of {len(asked)} nodes are counted"
    # A silent node is not a fault: its address may be open to others only, see docs/metrics.md.
    return Verdict("well", "; ".join([told, *silent[:1]]))


def _counts_at(address: Endpoint) -> NodeCounts:
    """Raises _NotCountedError."""
    url = f"http://{address}/metrics"
    try:
        with httpx.stream("GET", url, timeout=_WAIT, trust_env=False, follow_redirects=False) as answer:
            if answer.status_code != httpx.codes.OK:
                raise _NotCountedError(f"{url} says {answer.status_code}")
            octets = bytearray()
            for part in answer.iter_bytes():
                octets += part
                if len(octets) > _MOST:
                    raise _NotCountedError(f"{url} has over {_MOST} octets")
    except httpx.HTTPError as error:
        raise _NotCountedError(f"{url} does not answer: {error or type(error).__name__}") from None
    try:
        return _parsed(octets.decode())
    except (ValueError, NameSyntaxError) as error:
        raise _NotCountedError(f"{url} is not what a node says: {str(error)[:80]}") from None


def _parsed(text: str) -> NodeCounts:
    """Raises ValueError, NameSyntaxError."""
    queries = 0
    zones: dict[Name, int] = {}
    wanted = "".join(f"{line}\n" for line in text.splitlines() if line.startswith((_QUERIES, _BY_ZONE)))
    for family in text_string_to_metric_families(wanted):
        for sample in family.samples:
            if sample.name == f"{_QUERIES}_total":
                queries += int(sample.value)
            elif sample.name == f"{_BY_ZONE}_total":
                zones[from_text(sample.labels["zone"])] = int(sample.value)
    return NodeCounts(queries, zones)
