"""Ports of this machine for servers that try something out."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Container, Iterator
from pathlib import Path

_LOWEST = 10_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")  # that the kernel gives clients of, ip(7)
_ports: dict[int, Iterator[int]] = {}  # by process: those that it tries next


def free_port(taken: Container[int] = ()) -> int:
    """Return a loopback port that is free for UDP and TCP now, and not one of `taken`.

    The kernel gives it to no client, so that a server that is started anew finds it free.
    """
    tried = _ports.setdefault(os.getpid(), _by_turns())
    return next(port for port in tried if port not in taken and _is_free(port))


def _by_turns() -> Iterator[int]:
    """Yield ports, from one at random on: two processes that look at once find different ones."""
    clients = int(_RANGE.read_text().split()[0])
    ports = range(_LOWEST, clients) if clients > 2 * _LOWEST else range(_LOWEST, 2**16)
    place = random.randrange(len(ports))  # noqa: S311 - nothing secret
    while True:
        yield ports[place % len(ports)]
        place += 1


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as one:
                one.bind(("127.0.0.1", port))
        return True
    return False
