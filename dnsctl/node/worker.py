"""What the processes of a node run: one UDP worker, or the server of streams.

Each opens the image itself, after the fork: LMDB environments do not survive one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.fleet import Network
from dnsctl.serve.respond import Responder
from dnsctl.serve.stream import StreamServer
from dnsctl.serve.tally import Tally
from dnsctl.serve.udp import UdpWorker

Ready = Callable[[int], None]  # told the generation served, once answers can be given


def image_path(state: Path) -> Path:
    return state / "image"


def counter_path(state: Path) -> Path:
    return state / "generation"


def answer_datagrams(
    sockets: Sequence[socket.socket], state: Path, identity: str, tally: Tally, ready: Ready
) -> None:
    """Answer on UDP `sockets` for ever. Raises ImageError where there is no image to serve."""
    counter = GenerationCounter(counter_path(state))
    with Image.open(image_path(state)) as image, image.reader() as reader:
        worker = UdpWorker(sockets, reader, counter, Responder(identity), tally=tally)
        ready(reader.generation)
        worker.run()


def answer_streams(
    sockets: Sequence[socket.socket],
    state: Path,
    identity: str,
    networks: Sequence[Network],
    tally: Tally,
    ready: Ready,
) -> None:
    """Answer on TCP `sockets` for ever. Raises ImageError where there is no image to serve."""
    counter = GenerationCounter(counter_path(state))
    with Image.open(image_path(state)) as image, image.reader() as reader:
        server = StreamServer(image, counter, Responder(identity), networks, tally=tally)
        asyncio.run(server.run(sockets, lambda: ready(reader.generation)))
