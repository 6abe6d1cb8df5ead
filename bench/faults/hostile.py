"""Peers that are hostile or slow, with the certificate of a node or without one, beside a push."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from bench.faults.events import Event
from bench.faults.fleet import Fleet
from bench.faults.network import NODES
from dnsctl.demo.rehearsal import Ran
from dnsctl.model.fleet import Endpoint
from dnsctl.replicate import pki, tls

_PATIENCE = 5.0  # seconds to connect


def hostile(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Hold connections of one kind to one node's agent, or to where it answers queries, for all of a push."""
    target, other = chance.sample(NODES, 2)
    kind = chance.choice(("idle", "drip", "unread", "strangers", "garbage", "queries"))
    with contextlib.ExitStack() as stack:
        peer = _Peer(fleet, target, other, stack)
        fleet.until(peer.is_heard, f"the agent of {target}")
        event.tell(f"{getattr(peer, kind)()} at {target}")
        return fleet.attempt(chance).wait()


class _Peer:
    """Whoever has the certificate of `other` and connects to `target`."""

    def __init__(self, fleet: Fleet, target: str, other: str, stack: contextlib.ExitStack) -> None:
        directory = fleet.stage.root / "keys/pki"
        credentials = pki.Credentials(
            directory / "ca.crt", directory / f"{other}.crt", directory / f"{other}.pem", bytes
        )
        self._context = tls.client_context(credentials, datetime.now(UTC))
        self._target, self._stack = target, stack
        self._agent, self._listen = fleet.agents[target], fleet.listen[target]

    def is_heard(self) -> bool:
        """True where the agent listens: it may have been started just now."""
        with contextlib.suppress(OSError), socket.create_connection(_pair(self._agent), _PATIENCE):
            return True
        return False

    def idle(self) -> str:
        return f"{self._held(70)} idle connections of the other node"

    def unread(self) -> str:
        request = f"GET /v1/snapshot HTTP/1.1\r\nhost: {self._target}\r\n\r\n".encode()
        return f"{self._held(8, request)} snapshots that are not read"

    def drip(self) -> str:
        request = f"GET /v1/status HTTP/1.1\r\nhost: {self._target}\r\n".encode()
        connections: list[ssl.SSLSocket] = []
        count = self._held(8, request, connections)
        self._in_background(lambda: _send(connections, b"x"))
        return f"{count} requests that drip"

    def strangers(self) -> str:
        for _ in range(300):
            self._plain(self._agent)
        return "300 connections without a certificate"

    def garbage(self) -> str:
        for _ in range(30):
            self._plain(self._agent, random.randbytes(1000))
        return "30 connections that send garbage"

    def queries(self) -> str:
        connections = [self._plain(self._listen, b"\0") for _ in range(200)]
        self._in_background(lambda: _send(connections, b"\1"))
        return "200 queries that drip"

    def _held(self, count: int, request: bytes = b"", connections: list[ssl.SSLSocket] | None = None) -> int:
        """Open so many connections and keep them; return how many there are."""
        opened = 0
        for _ in range(count):
            with contextlib.suppress(OSError):
                raw = self._plain(self._agent)
                secure = self._context.wrap_socket(raw, server_hostname=self._target)
                self._stack.callback(secure.close)
                secure.sendall(request)
                opened += 1
                if connections is not None:
                    connections.append(secure)
        return opened

    def _plain(self, where: Endpoint, first: bytes = b"") -> socket.socket:
        raw = socket.socket()
        self._stack.callback(raw.close)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(_PATIENCE)
        with contextlib.suppress(OSError):
            raw.connect(_pair(where))
            raw.sendall(first)
        return raw

    def _in_background(self, send: Callable[[], None]) -> None:
        """Send an octet on each connection twice a second until the end."""
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(0.5):
                send()

        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(ended.set)


def _send(connections: list[socket.socket] | list[ssl.SSLSocket], octets: bytes) -> None:
    for each in connections:
        with contextlib.suppress(OSError):
            each.setblocking(False)
            each.send(octets)


def _pair(where: Endpoint) -> tuple[str, int]:
    return where.address, where.port
