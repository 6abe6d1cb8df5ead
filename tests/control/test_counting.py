"""The job `count` reads what a real node counts, over real HTTP."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query

from dnsctl.control.daemon.counting import counted
from dnsctl.control.daemon.job import Work
from dnsctl.control.query_counts import last_day
from dnsctl.demo.ports import free_port
from dnsctl.load.settings.file import parse_config
from dnsctl.model.name import from_text
from tests.build import validated
from tests.node.running import publish, running
from tests.node.test_metrics import ANY_PORT, until, value

COM = from_text("example.com.")
NODE = 'ns{0}: {{listen: ["127.0.0.1:5{0}"], control: "https://127.0.0.1:885{0}"{1}}}'


def work(root: Path, now: datetime, *metrics: str) -> Work:
    """Return what the job gets; `metrics`: addresses of the nodes, empty for one that has none."""
    nodes = ", ".join(
        NODE.format(number, f', metrics: "{each}"' if each else "") for number, each in enumerate(metrics)
    )
    config = parse_config(f"version: 1\nsites: {{dc1: {{nodes: {{{nodes}}}}}}}\n".encode())
    (root / "state").mkdir(exist_ok=True)
    return Work(root, config, b"", now)


def test_queries_of_a_node_are_counted_from_one_look_to_the_next(tmp_path: Path) -> None:
    publish(tmp_path / "node", [validated("example.com.", "www A 192.0.2.1")])
    now = datetime.now(UTC)
    nobody = f"127.0.0.1:{free_port()}"
    with running(tmp_path / "node", metrics=ANY_PORT) as node:
        address = node.metrics.removeprefix("http://")

        def ask(count: int) -> None:
            before = value(node, "dnsctl_queries_total", transport="udp", family="ipv4") or 0
            for name in ["www.example.com."] * count + ["www.example.net."]:
                query = dns.message.make_query(name, "A")
                dns.query.udp(query, "127.0.0.1", port=node.port, timeout=10)
            until(
                lambda: (
                    value(node, "dnsctl_queries_total", transport="udp", family="ipv4") == before + count + 1
                )
            )

        ask(3)
        first = counted(work(tmp_path, now, address, nobody, ""))
        assert first.weight == "well"
        assert first.message.startswith("queries of 1 of 2 nodes are counted; ns1: http://127.0.0.1:")
        ask(5)
        later = now + timedelta(hours=1)
        counted(work(tmp_path, later, address))
    found = last_day(tmp_path / "state/queries.db", [COM], later)
    assert found is not None
    assert (found.nodes, found.queries, found.zones) == (("ns0",), 6, {COM: 5})


def test_fleet_without_metrics_counts_nothing_and_says_why(tmp_path: Path) -> None:
    told = counted(work(tmp_path, datetime.now(UTC), ""))
    assert (told.weight, "no node has `metrics:`" in told.message) == ("well", True)
    assert not (tmp_path / "state/queries.db").exists()
