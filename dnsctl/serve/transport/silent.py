"""Sockets of a node that keeps silent: what arrives is read, so that it is not answered late, and dropped.

Without an answer, a resolver asks another server of the zone. It would believe REFUSED or SERVFAIL, and pass
it on. Connections are reset at once, for the same reason.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final

from dnsctl.serve.metrics.tally import Tally

_LOOK: Final = 0.05  # seconds between two looks whether it is over, where nothing comes
_BATCH: Final = 32  # datagrams or connections of a socket between two looks
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST, nothing is left to send


def drop_datagrams(sockets: Sequence[socket.socket], holds: Callable[[], bool], tally: Tally) -> None:
    """Drop datagrams while `holds`; what arrives after that stays in the socket."""
    _drop(sockets, holds, tally, lambda one: one.recv(1, socket.MSG_DONTWAIT | socket.MSG_TRUNC))


def drop_connections(sockets: Sequence[socket.socket], holds: Callable[[], bool], tally: Tally) -> None:
    """Reset connections while `holds`; those that come after that wait to be accepted."""
    for one in sockets:
        one.setblocking(False)
    _drop(sockets, holds, tally, _reset)


def _reset(listener: socket.socket) -> None:
    with listener.accept()[0] as accepted:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _drop(
    sockets: Sequence[socket.socket],
    holds: Callable[[], bool],
    tally: Tally,
    take: Callable[[socket.socket], object],
) -> None:
    poll = select.poll()
    by_descriptor = {one.fileno(): one for one in sockets}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = poll.poll(_LOOK * 1000)
        if not holds():
            return
        tally.idle()  # or this process would count as hanging
        for descriptor, _ in ready:
            with contextlib.suppress(OSError):  # nothing is left, or it went before it was taken
                for _ in range(_BATCH):
                    take(by_descriptor[descriptor])
