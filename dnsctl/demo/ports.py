"""Ports of this machine for servers that try something out."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Container


def free_port(taken: Container[int] = ()) -> int:
    """Return a loopback port that is free for UDP and TCP now, and not one of `taken`."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind(("127.0.0.1", 0))
            port = int(stream.getsockname()[1])
            with contextlib.suppress(OSError):
                datagram.bind(("127.0.0.1", port))
                if port not in taken:
                    return port
