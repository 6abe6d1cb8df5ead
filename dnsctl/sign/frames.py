"""Lists of octet strings over a stream socket, between a process that signs and the one that started it.

A frame has the length of the rest and the number of strings, their lengths (4 octets each), their octets.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence

_HEAD = struct.Struct("!II")  # octets after it, and how many strings


def frame(parts: Sequence[bytes]) -> bytearray:
    """Return the octets that `send` sends."""
    lengths = struct.pack(f"!{len(parts)}I", *map(len, parts))
    made = bytearray(_HEAD.pack(len(lengths) + sum(map(len, parts)), len(parts)))
    made += lengths
    for one in parts:
        made += one
    return made


def send(stream: socket.socket, parts: Sequence[bytes]) -> None:
    """Send a frame. Raises OSError."""
    stream.sendall(frame(parts))


def receive(stream: socket.socket) -> list[bytes]:
    """Return the strings of the next frame. Raises EOFError at the end, OSError."""
    return list(map(bytes, split(*receive_whole(stream))))


def receive_whole(stream: socket.socket) -> tuple[bytearray, int]:
    """Return the octets of the next frame, to be wiped if need be, and how many strings they hold.

    Raises EOFError at the end, OSError.
    """
    size, count = _HEAD.unpack(_exactly(stream, _HEAD.size))
    return _exactly(stream, size), count


def split(octets: bytearray, count: int) -> Iterable[memoryview]:
    """Yield views of the strings in a frame."""
    view, at = memoryview(octets), 4 * count
    for length in struct.unpack_from(f"!{count}I", octets):
        yield view[at : at + length]
        at += length


def _exactly(stream: socket.socket, size: int) -> bytearray:
    octets = bytearray(size)
    view = memoryview(octets)
    while view:
        got = stream.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return octets
