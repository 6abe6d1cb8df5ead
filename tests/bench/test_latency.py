"""The benchmark's probes: what they measure, and that what never comes is counted."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import pytest

sys.path.append(str(Path(__file__).parents[2] / "bench"))

import latency
import workload

DELAY = 0.03  # seconds


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait long for answers: the machine may have other work."""
    monkeypatch.setattr(latency, "_PATIENCE", 2.0)


@contextmanager
def slow_echo(kind: socket.SocketKind, dropped: int = -1) -> Iterator[int]:
    """Send back what comes after DELAY, except the message with the ID `dropped`; yield the port."""
    bound = socket.socket(socket.AF_INET, kind)
    bound.bind(("127.0.0.1", 0))
    if kind is socket.SOCK_STREAM:
        bound.listen()

    def serve() -> None:
        link = bound
        if kind is socket.SOCK_STREAM:
            link, _ = bound.accept()
        while True:
            data, address = link.recvfrom(2000)
            if not data or data == b"end":
                return
            time.sleep(DELAY)
            if int.from_bytes(data[:2], "big") != dropped:
                link.sendto(data, address) if address else link.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        if kind is socket.SOCK_DGRAM:
            bound.sendto(b"end", bound.getsockname())
        thread.join(5)
        bound.close()
    assert not thread.is_alive()


def queries(count: int) -> list[bytes]:
    return [workload.query_wire("h4.bench.example. AAAA", number, True) for number in range(count)]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_time_is_from_sending_to_arrival(kind: socket.SocketKind) -> None:
    with slow_echo(kind) as port:
        taken, unanswered = latency.probe(port, queries(1), 1, kind is socket.SOCK_STREAM)
    assert unanswered == 0
    assert len(taken) == 1
    assert DELAY * 1000 <= taken[0] < 2100


@pytest.mark.usefixtures("patient")
def test_what_is_not_answered_is_counted_and_holds_nothing_up() -> None:
    with slow_echo(socket.SOCK_DGRAM, dropped=1) as port:
        taken, unanswered = latency.probe(port, queries(4), 1, False)
    assert (len(taken), unanswered) == (3, 1)


def test_percentile_is_a_value_that_so_many_do_not_exceed() -> None:
    values = [float(number) for number in range(200, 0, -1)]
    assert latency.percentile(values, 0.5) == 100
    assert latency.percentile(values, 0.99) == 198
    assert latency.percentile([7.0], 0.99) == 7
    assert latency.percentile([], 0.5) == 0


@pytest.mark.parametrize("want_dnssec", [True, False])
def test_probe_asks_what_dnsperf_asks(want_dnssec: bool) -> None:
    query = dns.message.from_wire(workload.query_wire("h4.bench.example. AAAA", 77, want_dnssec))
    assert query.id == 77
    assert query.question[0].to_text() == "h4.bench.example. IN AAAA"
    assert query.flags == dns.flags.RD
    assert (query.payload, query.ednsflags) == ((4096, dns.flags.DO) if want_dnssec else (0, 0))


def test_flood_asks_other_names_each_round_and_probes_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(workload.LINES, "flood", 20_000)
    lines = {}
    for number in (1, 2):
        made = workload.write_questions(tmp_path / "q", "flood", 10_000, number)
        lines[number] = set(made.path.read_text().splitlines(keepends=True))
        assert not lines[number] & set(made.probes)
    assert not lines[1] & lines[2]
