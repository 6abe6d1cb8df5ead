"""A hostile or slow host beside a push and a catch-up: neither takes more than two seconds longer.

Real agents, and raw TLS clients and servers that show the certificate of a real node.
"""

import asyncio
import contextlib
import json
import resource
import secrets
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette

from dnsctl.errors import NodeUnreachableError
from dnsctl.replicate import tls
from dnsctl.replicate.api import Limits
from dnsctl.replicate.catchup import recover
from dnsctl.serve.transport.http_server import Guest, HttpServer
from tests.replicate.control import Control, Made, text
from tests.replicate.nodes import PATIENCE, Fleet
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
    before = memory(Path(f"/proc/{fleet.pid('ns1')}"), "VmRSS")
    strangers = [hostile.plain() for _ in range(400)]
    assert memory(Path(f"/proc/{fleet.pid('ns1')}"), "VmRSS") < before + 90  # all of them take a hundred
    assert push_next(fleet, control, 2) < usual + LONGER
    assert len(descriptors(fleet.pid("ns1"))) < 200
    deadline = time.monotonic() + 15
    assert all(map(is_cut, strangers))
    assert time.monotonic() < deadline


def test_handshakes_without_a_certificate_are_begun_at_a_pace_and_delay_no_push(
    control: Control, fleet: Fleet
) -> None:
    usual = push_next(fleet, control, 1)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    begun: list[None] = []
    end = time.monotonic() + 3.0

    def shake() -> None:
        while time.monotonic() < end:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(address(fleet, "ns1"), timeout=10) as plain,
                context.wrap_socket(plain, server_hostname="ns1") as connection,
            ):
                begun.append(None)
                connection.recv(1)

    with ThreadPoolExecutor(6) as attackers:
        for _ in range(6):
            attackers.submit(shake)
        assert push_next(fleet, control, 2) < usual + LONGER
    assert 32 < len(begun) <= 32 + 50 * (3.0 + 1.0)  # unhindered, a core does some 300 a second


def test_node_that_asks_as_fast_as_it_can_is_answered_at_its_pace_and_delays_no_push(
    tmp_path: Path, control: Control
) -> None:
    fleet = Fleet(tmp_path, control, limits=Limits(catch_up_every=0.5, pace=20.0, burst=40))
    fleet.start_all()
    try:
        with contextlib.ExitStack() as stack:
            usual = push_next(fleet, control, 1)
            ask = b"GET /v1/status HTTP/1.1\r\nhost: ns1\r\n\r\n" * 400  # each behind the other
            hasty = [Hostile(fleet, stack).connect(ask) for _ in range(4)]
            began = time.monotonic()
            assert push_next(fleet, control, 2) < usual + LONGER
            time.sleep(max(0.0, began + 2.0 - time.monotonic()))
            seconds = time.monotonic() - began
            answered = sum(map(responses, hasty))
        assert 40 <= answered <= 40 + 20 * (seconds + 2.0)
    finally:
        fleet.stop()


def responses(connection: ssl.SSLSocket) -> int:
    """Return how many responses have come by now."""
    connection.settimeout(0.2)
    octets = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(1 << 16):
            octets += piece
    return octets.count(b"HTTP/1.1 200")


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


def test_handshake_that_completes_as_it_makes_room_keeps_its_descriptor_until_its_end(
    fleet: Fleet,
) -> None:
    """Else what has the descriptor's number next is read by two connections."""
    served = tls.server_context(fleet.credentials("ns1"), datetime.now(UTC))
    asked = tls.client_context(fleet.credentials("ns2"), datetime.now(UTC))
    seen: list[bool] = []

    def welcome(_: asyncio.BaseTransport) -> Guest:
        seen.append(True)
        return Guest("anybody", 10)

    async def complete_and_make_room() -> None:
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        server = HttpServer(Starlette(), listener, welcome, served, handshakes=1)
        serving = asyncio.create_task(server.serve())
        with socket.create_connection(listener.getsockname()) as raw:
            received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = asked.wrap_bio(received, sent, server_hostname="ns1")
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            raw.send(sent.read())
            await asyncio.sleep(0.2)
            received.write(raw.recv(1 << 16))
            client.do_handshake()
            raw.send(sent.read())  # the last of the handshake, and at once a stranger who needs its place
            with socket.create_connection(listener.getsockname()):
                for _ in range(20):
                    await asyncio.sleep(0)
                    for transport in loop._transports.values():  # type: ignore[attr-defined]
                        if not transport.is_closing():
                            assert transport.get_extra_info("socket").fileno() >= 0
        assert seen == [True]
        server.should_exit = True
        await serving

    asyncio.run(complete_and_make_room())


class Impostor(threading.Thread):
    """Answers for ns2, with its certificate, from `answers`: by path, the pieces of a body and its pace.

    A path that is not there drips.
    """

    def __init__(self, fleet: Fleet, answers: dict[str, tuple[bytes, ...]]) -> None:
        super().__init__(daemon=True)
        self._context = tls.server_context(fleet.credentials("ns2"), datetime.now(UTC))
        self._listener = socket.create_server(address(fleet, "ns2"), backlog=64)
        self._answers = answers
        self.sent = 0

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(client, server_side=True) as connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            path = request.split(b" ")[1].decode().partition("?")[0]
            head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ndnsctl-generation: 1\r\n\r\n"
            connection.sendall(head)
            for piece in self._answers.get(path, ()):
                connection.sendall(piece)
                self.sent += len(piece)
            while path not in self._answers:
                connection.sendall(b" ")
                time.sleep(0.5)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def answering(fleet: Fleet, answers: dict[str, tuple[bytes, ...]]) -> Iterator[Impostor]:
    impostor = Impostor(fleet, answers)
    impostor.start()
    yield impostor
    impostor.close()


def status_answer(control: Control, **changes: object) -> bytes:
    served = control.staging.served
    told = {
        "name": "ns2",
        "site": "dc2",
        "generation": served.generation,
        "manifest": served.manifest,
        "created": None,
        "prepared": None,
        "refusal": None,
        "workers": 1,
        "zone_count": 1,
        "expiry": None,
        "inception": None,
        "time": time.time(),
    }
    return json.dumps({**told, **changes}).encode()


def releases_answer(control: Control) -> bytes:
    last = control.made[-1].certified
    release = {"manifest": last.manifest.decode(), "certificate": last.certificate.decode()}
    return json.dumps({"releases": [release]}).encode()


EMPTY_LISTS = (b'{"releases":[', *([b"[]," * 2**20] * 60), b"0]}")


@pytest.fixture
def lone(tmp_path: Path, control: Control) -> Iterator[Fleet]:
    """Three nodes, of which ns1 runs."""
    fleet = Fleet(tmp_path, control, size=3)
    fleet.start("ns1")
    yield fleet
    fleet.stop()


def test_node_that_drips_is_given_up_at_the_deadline(control: Control, lone: Fleet) -> None:
    with answering(lone, {}):
        began = time.monotonic()
        with pytest.raises(NodeUnreachableError, match="did not answer in time") as caught:
            lone.ask("ns2", lambda client: client.status())
        assert caught.value.where == "ns2"
        assert time.monotonic() - began < PATIENCE.short + LONGER


def test_answer_of_empty_lists_is_given_up_before_it_takes_memory(control: Control, lone: Fleet) -> None:
    own = Path("/proc/self")
    (own / "clear_refs").write_text("5")  # the peak begins anew
    before_all = memory(own, "VmRSS")
    with answering(lone, {"/v1/status": EMPTY_LISTS, "/v1/releases": EMPTY_LISTS}) as impostor:
        for ask in (
            lambda client: client.status(),
            lambda client: client.status(zones=True),
            lambda client: client.releases(0),
        ):
            before = impostor.sent
            with pytest.raises(NodeUnreachableError, match=r"too many (octets|values)"):
                lone.ask("ns2", ask)
            assert impostor.sent - before < 60 * 2**20
    assert memory(own, "VmHWM") - before_all < 200  # the whole of it takes 1,600


def memory(process: Path, what: str) -> int:
    """Return the MB that a process has resident (VmRSS), or had at most (VmHWM)."""
    return int((process / "status").read_text().partition(f"{what}:")[2].split()[0]) // 1024


@pytest.mark.parametrize(
    ("field", "value"), [("generation", 10**300), ("created", 10**18), ("time", float("inf")), ("expiry", -1)]
)
def test_numbers_out_of_range_are_that_nodes_fault_alone(
    control: Control, lone: Fleet, field: str, value: object
) -> None:
    with answering(lone, {"/v1/status": (status_answer(control, **{field: value}),)}):
        with pytest.raises(NodeUnreachableError, match=f"a status that is not valid: .*{field}") as caught:
            lone.ask("ns2", lambda client: client.status())
        assert caught.value.where == "ns2"
        assert lone.status("ns1").served.generation == 0


@pytest.mark.parametrize(
    "kind",
    ["drips its status", "drips its releases", "drips its snapshot", "lists", "numbers", "nothing shown"],
)
def test_wiped_node_catches_up_from_the_good_peer_beside_a_hostile_one(
    control: Control, lone: Fleet, kind: str
) -> None:
    made = release(control, 1)
    assert push(lone, control, made, names=("ns1",)).exit_code == 0
    control.adopt(made)
    status: dict[str, tuple[bytes, ...]] = {"/v1/status": (status_answer(control),)}
    shown = {**status, "/v1/releases": (releases_answer(control),)}
    answers: dict[str, dict[str, tuple[bytes, ...]]] = {
        "drips its status": {},
        "drips its releases": status,
        "drips its snapshot": shown,
        "lists": {**status, "/v1/releases": EMPTY_LISTS},
        "numbers": {"/v1/status": (status_answer(control, generation=10**300),)},
        "nothing shown": {**status, "/v1/releases": (b'{"releases": []}',)},
    }
    usual = caught_up(lone)
    with answering(lone, answers[kind]):
        assert caught_up(lone) < usual + LONGER


def test_claim_of_one_node_that_shows_nothing_hides_no_other(control: Control, lone: Fleet) -> None:
    answers: dict[str, tuple[bytes, ...]] = {
        "/v1/status": (status_answer(control, generation=10**9, manifest="ab" * 32),),
        "/v1/releases": (b'{"releases": []}',),
    }

    async def recovered() -> int:
        async with lone.client("ns1") as good, lone.client("ns2") as claims:
            with ThreadPoolExecutor(1) as writer:
                return await recover(control.staging, writer, (claims, good))

    assert push(lone, control, made := release(control, 1), names=("ns1",)).exit_code == 0
    with answering(lone, answers):
        assert asyncio.run(recovered()) == 1
    assert control.staging.served.manifest == made.manifest.digest


def caught_up(fleet: Fleet) -> float:
    """Start ns3 with nothing; return the seconds from when it runs until it serves what ns1 serves."""
    fleet.start("ns3")
    began = time.monotonic()
    fleet.wait_for_generation(1, "ns3")
    took = time.monotonic() - began
    fleet.kill("ns3")
    shutil.rmtree(fleet.state("ns3"))
    return took
