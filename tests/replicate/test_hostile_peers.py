"""A hostile or slow host beside a push and a catch-up: neither takes more than two seconds longer.

Real agents, and raw TLS clients and servers that show the certificate of a real node.
"""

import contextlib
import resource
import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dnsctl.replicate import tls
from tests.replicate.control import Control, Made, text
from tests.replicate.nodes import Fleet
from tests.replicate.test_transaction import push

LONGER = 2.0  # seconds at most


def address(fleet: Fleet, name: str) -> tuple[str, int]:
    parts = urlsplit(fleet.node(name).control)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


@pytest.fixture
def hostile(fleet: Fleet) -> Iterator["Hostile"]:
    with contextlib.ExitStack() as stack:
        yield Hostile(fleet, stack)


class Hostile:
    """A host with the certificate of ns2 that connects to ns1, and keeps all that it got open."""

    def __init__(self, fleet: Fleet, stack: contextlib.ExitStack) -> None:
        self._fleet = fleet
        self._stack = stack
        self._context = tls.client_context(fleet.credentials("ns2"), datetime.now(UTC))

    def plain(self) -> socket.socket:
        return self._stack.enter_context(socket.create_connection(address(self._fleet, "ns1"), timeout=20))

    def connect(self, request: bytes = b"") -> ssl.SSLSocket:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(20)
        raw.connect(address(self._fleet, "ns1"))
        connection = self._stack.enter_context(self._context.wrap_socket(raw, server_hostname="ns1"))
        connection.sendall(request)
        return connection


def took(fleet: Fleet, control: Control, made: Made) -> float:
    began = time.monotonic()
    assert push(fleet, control, made).exit_code == 0
    return time.monotonic() - began


def descriptors(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())


def is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except OSError:
        return True


def release(control: Control, number: int, filler: str = "") -> Made:
    origin = "example.com." if filler else "example.org."
    return control.release({origin: text(number) + filler}, adopt=False)


def push_next(fleet: Fleet, control: Control, number: int, filler: str = "") -> float:
    """Push one more release; return how long that took."""
    made = release(control, number, filler)
    seconds = took(fleet, control, made)
    control.adopt(made)
    return seconds


def large_text() -> str:
    """Return about 4,000 octets that cannot be compressed by much more than a quarter."""
    return " ".join(secrets.token_urlsafe(190) for _ in range(16))


def test_idle_connections_of_a_node_take_no_place_of_the_control_host(
    control: Control, fleet: Fleet, hostile: Hostile
) -> None:
    usual = push_next(fleet, control, 1)
    idle = [hostile.connect() for _ in range(70)]
    assert push_next(fleet, control, 2) < usual + LONGER
    assert sum(map(is_cut, idle[:20])) == 20  # those beyond its places, the oldest first


def test_requests_that_never_end_are_cut(fleet: Fleet, hostile: Hostile) -> None:
    begun = hostile.connect(b"GET /v1/status HTTP/1.1\r\nhost: ns1\r\n")
    began = time.monotonic()
    with contextlib.suppress(OSError):
        while begun.send(b"x"):  # an octet every second
            begun.settimeout(1.0)
            with contextlib.suppress(TimeoutError):
                if not begun.recv(1):
                    break
            assert time.monotonic() - began < 20
    assert time.monotonic() - began < 20


def test_snapshots_that_nobody_reads_delay_no_push_and_are_cut(
    control: Control, fleet: Fleet, hostile: Hostile
) -> None:
    filler = "".join(f"f{number} 300 TXT {large_text()}\n" for number in range(300))
    push_next(fleet, control, 1, filler)
    usual = push_next(fleet, control, 2)
    unread = [hostile.connect(b"GET /v1/snapshot HTTP/1.1\r\nhost: ns1\r\n\r\n") for _ in range(4)]
    time.sleep(0.5)
    assert push_next(fleet, control, 3) < usual + LONGER
    time.sleep(11)  # longer than a response may wait to be read
    for one in unread:
        received = 0
        with contextlib.suppress(OSError):
            while octets := one.recv(65536):
                received += len(octets)
        assert 0 < received < 800_000  # the whole is more


def test_clients_without_a_certificate_delay_no_push_and_take_few_descriptors(
    control: Control, fleet: Fleet, hostile: Hostile
) -> None:
    usual = push_next(fleet, control, 1)
    strangers = [hostile.plain() for _ in range(400)]
    assert push_next(fleet, control, 2) < usual + LONGER
    assert len(descriptors(fleet.pid("ns1"))) < 200
    deadline = time.monotonic() + 15
    assert all(map(is_cut, strangers))
    assert time.monotonic() < deadline


def test_agent_without_descriptors_still_takes_a_push_beside_strangers(
    control: Control, fleet: Fleet, hostile: Hostile
) -> None:
    usual = push_next(fleet, control, 1)
    pid = fleet.pid("ns1")
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(descriptors(pid)) + 20, hard))
    strangers = [hostile.plain() for _ in range(200)]
    assert push_next(fleet, control, 2) < usual + LONGER
    assert len(strangers) == 200
