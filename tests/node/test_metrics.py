"""/metrics and /health of a node in real processes, over real HTTP, read with Prometheus' own parser."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.build import validated
from tests.cli.test_serve import GOOD, serving
from tests.node.running import RunningNode, publish, running

QUERY = dns.message.make_query("www.example.com", "A")
ANY_PORT = ("127.0.0.1", 0)
Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    publish(tmp_path, [validated("example.com.", "www A 192.0.2.1")], generation=7)
    return tmp_path


def get(node: RunningNode, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(node.metrics + path, timeout=10) as response:  # noqa: S310 - loopback
            return response.status, response.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def scrape(node: RunningNode) -> dict[Sample, float]:
    status, text = get(node, "/metrics")
    assert status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(node: RunningNode, name: str, **labels: str) -> float | None:
    return scrape(node).get((name, frozenset(labels.items())))


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition never held"
        time.sleep(0.02)


def ask_all(port: int, queries: list[dns.message.Message], clients: int) -> None:
    """Ask each query once, from as many sockets as `clients`, which the kernel spreads over the workers."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(clients)]
    for one in sockets:
        one.settimeout(60)
        one.connect(("127.0.0.1", port))
    for number, query in enumerate(queries):
        one = sockets[number % clients]
        one.send(query.to_wire())
        one.recv(4096)
    for one in sockets:
        one.close()


def test_sums_over_two_workers_and_streams_are_exact(state: Path):
    with running(state, workers=2, metrics=ANY_PORT) as node:
        missing = dns.message.make_query("missing.example.com", "AAAA", want_dnssec=True)
        foreign = dns.message.make_query("www.example.org", "A")
        ask_all(node.port, [QUERY, QUERY, missing, foreign] * 120, clients=40)
        for _ in range(5):
            dns.query.tcp(QUERY, "127.0.0.1", port=node.port, timeout=5)
        until(lambda: value(node, "dnsctl_queries_total", transport="udp", family="ipv4") == 480)
        until(lambda: value(node, "dnsctl_queries_total", transport="tcp", family="ipv4") == 5)
        found = scrape(node)
        children = node.children()

    def of(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert of("dnsctl_responses_total", rcode="NOERROR") == 245
    assert of("dnsctl_queries_by_type_total", type="A") == 365
    assert of("dnsctl_queries_by_type_total", type="AAAA") == 120
    assert of("dnsctl_queries_by_opcode_total", opcode="QUERY") == 485
    assert of("dnsctl_queries_edns_total") == of("dnsctl_queries_dnssec_ok_total") == 120
    assert of("dnsctl_responses_total", rcode="NXDOMAIN") == 120
    assert of("dnsctl_responses_total", rcode="REFUSED") == 120
    assert of("dnsctl_answers_total", kind="data") == 245
    assert of("dnsctl_answers_total", kind="name_error") == 120
    assert of("dnsctl_zone_queries_total", zone="example.com.") == 365
    assert 240 < of("dnsctl_cache_hits_total") < 480
    assert of("dnsctl_generation") == of("dnsctl_zone_serial", zone="example.com.") == 7
    assert of("dnsctl_up") == 1
    assert ("dnsctl_node_info", frozenset({("node", "ns1"), ("site", "site"), ("version", "0.1.0")})) in found
    processes = {name for name in children if name != "supervisor"}
    assert processes == {"udp0", "udp1", "stream", "inspect", "metrics"}
    for process in processes:
        assert of("dnsctl_process_restarts_total", process=process) == 0
        assert of("dnsctl_process_resident_memory_bytes", process=process, memory="anonymous") > 1 << 20
        assert of("dnsctl_process_cpu_seconds_total", process=process) >= 0


def test_health_is_503_before_the_first_release_and_200_with_its_generation_after(tmp_path: Path):
    with running(tmp_path, metrics=ANY_PORT) as node:
        status, text = get(node, "/health")
        assert status == 503
        assert json.loads(text) == {"status": "no release yet", "node": "ns1", "generation": 0}
        assert value(node, "dnsctl_up") == 0
        publish(tmp_path, [validated("example.com.", "www A 192.0.2.1")], generation=3)
        status, text = get(node, "/health")
        assert (status, json.loads(text)["generation"]) == (200, 3)
        publish(tmp_path, [validated("example.com.", "www A 192.0.2.2")], generation=4)
        assert value(node, "dnsctl_generation") == 4
        assert value(node, "dnsctl_zone_serial", zone="example.com.") == 4


def test_health_is_503_where_no_worker_can_run(state: Path):
    with running(state, metrics=ANY_PORT) as node:
        assert get(node, "/health")[0] == 200
        worker = node.children()["udp0"]
        os.kill(node.process.pid, signal.SIGSTOP)  # nobody starts it anew, or buries it
        os.kill(worker, signal.SIGKILL)
        try:
            until(lambda: get(node, "/health")[0] == 503)
        finally:
            os.kill(node.process.pid, signal.SIGCONT)
        until(lambda: get(node, "/health")[0] == 200)


@pytest.mark.parametrize("stopped", ["udp1", "stream"])
def test_process_that_is_stopped_is_told_by_health_and_replaced_within_seconds(state: Path, stopped: str):
    with running(state, workers=2, metrics=ANY_PORT) as node:
        assert get(node, "/health")[0] == 200
        pid = node.children()[stopped]
        os.kill(pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        told: set[str] = set()

        def is_started_again() -> bool:
            told.add(get(node, "/health")[1])
            return bool(node.children().get(stopped, pid) != pid)

        until(is_started_again)
        assert f"{stopped} hangs" in {json.loads(each)["status"] for each in told}
        assert time.monotonic() - stopped_at < 8  # 4 s at most, and what a busy machine takes
        node.wait_for(rf"{stopped} \(process {pid}\) is stopped; killed")
        node.wait_for(rf"{stopped} \(process {pid}\) was ended by SIGKILL; restarted")
        until(lambda: get(node, "/health")[0] == 200)
        assert value(node, "dnsctl_process_restarts_total", process=stopped) == 1
        ask_all(node.port, [QUERY] * 40, clients=40)
        assert dns.query.tcp(QUERY, "127.0.0.1", port=node.port, timeout=5).answer


def test_zones_are_not_named_where_that_is_switched_off(state: Path):
    with running(state, metrics=ANY_PORT, by_zone=False) as node:
        ask_all(node.port, [QUERY] * 10, clients=1)
        until(lambda: value(node, "dnsctl_queries_total", transport="udp", family="ipv4") == 10)
        assert "example.com" not in get(node, "/metrics")[1]


def test_address_without_configuration_is_not_there_and_other_paths_are_not_found(state: Path):
    with running(state) as node:
        assert node.port
        assert "metrics" not in node.children()
    with running(state, metrics=ANY_PORT) as node:
        assert get(node, "/")[0] == get(node, "/metrics/x")[0] == 404


def test_taken_address_is_told_in_one_line(state: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(state, metrics=("127.0.0.1", port)) as node:
            assert node.process.wait(60) == 1
            node.wait_for(rf"127\.0\.0\.1:{port}: TCP port {port} is taken by ")
            assert len(node.lines) == 1


def test_killed_exporter_is_back_and_nothing_it_tells_is_lost(state: Path):
    with running(state, metrics=ANY_PORT) as node:
        ask_all(node.port, [QUERY] * 20, clients=1)
        until(lambda: value(node, "dnsctl_queries_total", transport="udp", family="ipv4") == 20)
        os.kill(node.children()["metrics"], signal.SIGKILL)
        until(lambda: value(node, "dnsctl_process_restarts_total", process="metrics") == 1)
        assert value(node, "dnsctl_queries_total", transport="udp", family="ipv4") == 20


def test_clients_that_send_nothing_do_not_keep_others_out(state: Path):
    with running(state, metrics=ANY_PORT) as node:
        port = int(node.metrics.rpartition(":")[2])
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        assert get(node, "/health")[0] == 200
        for one in idle:
            one.close()


@contextmanager
def load(port: int) -> Iterator[Callable[[], float]]:
    """Ask all the time from one socket, eight queries under way; give when the last answer came."""
    wires = [
        dns.message.make_query(f"{name}.example.com", "A").to_wire() for name in ("www", "a", "b", "c")
    ] * 2
    done = threading.Event()
    last = time.monotonic()

    def run() -> None:
        nonlocal last
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(0.02)
            one.connect(("127.0.0.1", port))
            while not done.is_set():
                for wire in wires:
                    one.send(wire)
                try:
                    for _ in wires:
                        one.recv(4096)
                        last = time.monotonic()
                except TimeoutError:
                    pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: last
    finally:
        done.set()
        thread.join(5)


def test_worker_killed_again_and_again_under_load_answers_within_100_ms_and_is_counted(state: Path):
    """The machine may be busy: it has a minute for five kills that are made good soon, one in time."""
    with running(state, metrics=ANY_PORT) as node, load(node.port) as answered:
        delays: list[float] = []
        gaps: list[float] = []
        deadline = time.monotonic() + 60
        while len(gaps) < 8 or max(delays[-5:]) >= 0.5 or min(gaps[-5:]) >= 0.1:
            assert time.monotonic() < deadline, (delays, gaps)
            kill = len(gaps) + 1
            until(lambda: time.monotonic() - answered() < 0.01)
            before = node.children()["udp0"]
            killed = time.monotonic()
            os.kill(before, signal.SIGKILL)
            until(lambda before=before: node.children().get("udp0", before) != before)  # type: ignore[misc]  # has a default
            started = time.monotonic()
            delays.append(started - killed)
            until(lambda started=started: answered() > started)  # type: ignore[misc]  # has a default
            gaps.append(answered() - killed)
            until(lambda kill=kill: value(node, "dnsctl_process_restarts_total", process="udp0") == kill)  # type: ignore[misc]  # has a default
        counted = value(node, "dnsctl_queries_total", transport="udp", family="ipv4")
        until(
            lambda: (
                (value(node, "dnsctl_queries_total", transport="udp", family="ipv4") or 0) > (counted or 0)
            )
        )


def test_idle_connections_to_the_exporter_hide_nobodys_health(state: Path):
    with running(state, metrics=ANY_PORT) as node, contextlib.ExitStack() as stack:
        port = int(node.metrics.rpartition(":")[2])
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        began = time.monotonic()
        assert get(node, "/health")[0] == 200
        assert get(node, "/metrics")[0] == 200
        assert time.monotonic() - began < 2
        assert len(list(Path(f"/proc/{node.children()['metrics']}/fd").iterdir())) < 60


def test_serve_zones_tells_when_signatures_expire(tmp_path: Path):
    zones = tmp_path / "zones"
    zones.mkdir()
    (zones / "example.com.zone").write_text(GOOD)
    with serving(zones, "--sign", "--metrics", "127.0.0.1:0") as node:
        expiry = value(node, "dnsctl_signature_expiry_timestamp_seconds")
        assert expiry is not None
        assert 7 * 86400 < expiry - time.time() < 15 * 86400
        assert value(node, "dnsctl_zone_signature_expiry_timestamp_seconds", zone="example.com.") == expiry
        inception = value(node, "dnsctl_signature_inception_timestamp_seconds")
        assert inception is not None
        assert 0 < time.time() - inception < 7200
        assert (
            value(node, "dnsctl_zone_signature_inception_timestamp_seconds", zone="example.com.") == inception
        )
        assert get(node, "/health")[0] == 200


def test_metrics_of_a_fleets_node_stand_in_its_settings_not_on_the_command_line(tmp_path: Path):
    told = subprocess.run(
        [Path(sys.executable).with_name("dnsctl"), "serve", "--node", "ns1", "--metrics", "127.0.0.1:1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "--metrics goes with --zones" in " ".join(told.stderr.split())


def test_every_metric_is_documented_and_every_one_documented_is_told(tmp_path: Path):
    zones = tmp_path / "zones"
    zones.mkdir()
    (zones / "example.com.zone").write_text(GOOD)
    document = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    named = re.findall(
        r"\bdnsctl_(?!control_)[a-z_]+", document
    )  # the daemon's: tests/control/test_daemon.py
    written = {name.removesuffix("_total") for name in named}
    with serving(zones, "--sign", "--metrics", "127.0.0.1:0") as node:
        families = text_string_to_metric_families(get(node, "/metrics")[1])
        told = {family.name + ("_info" if family.type == "info" else "") for family in families}
    assert written == told
    for block in re.findall(r"```yaml\n(.*?)```", document, re.DOTALL):
        assert yaml.safe_load(block)
