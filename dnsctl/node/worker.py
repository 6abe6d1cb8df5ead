"""The main functions of a node's processes: one UDP worker, or the server of streams.

Each opens the image itself, after the fork: LMDB environments do not survive a fork. While the node keeps
silent (`image.silence`), each reads what comes and answers nothing.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from dnsctl.image.generation import GenerationCounter
from dnsctl.image.silence import Silence
from dnsctl.image.store import Image
from dnsctl.model.fleet import ServeSettings
from dnsctl.model.repo import NodeFiles
from dnsctl.serve.message.chaos import Chaos
from dnsctl.serve.message.cookies import Cookies
from dnsctl.serve.message.tsig import Keyring
from dnsctl.serve.metrics.tally import Tally
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.rate_limit import RateLimiter
from dnsctl.serve.transport.silent import drop_connections, drop_datagrams
from dnsctl.serve.transport.stream import StreamServer
from dnsctl.serve.transport.udp import UdpWorker

Ready = Callable[[int], None]  # called with the served generation, once it can answer


def cookie_paths(serve: ServeSettings, state: Path) -> tuple[Path, ...]:
    """Return where secrets of cookies may stand: the fleet's, else the node's own."""
    own = NodeFiles(state).cookie_secret
    return (own,) if serve.cookie_secret is None else (serve.cookie_secret, own)


def responder_of(serve: ServeSettings, state: Path) -> Responder:
    """Return a responder that answers as `serve` says."""
    return Responder(
        serve.identity,
        about=Chaos(serve.identity.encode(), serve.version.encode()) if serve.chaos else None,
        cookies=Cookies(cookie_paths(serve, state)) if serve.cookies else None,
        keys=Keyring(serve.keys),
        networks=serve.transfer,
    )


def answer_datagrams(
    sockets: Sequence[socket.socket],
    state: Path,
    serve: ServeSettings,
    tally: Tally,
    ready: Ready,
    limiter: RateLimiter | None = None,
) -> None:
    """Answer on UDP `sockets` until SIGTERM; what was read is answered.

    Raises ImageError if the node has no image.
    """
    counter = GenerationCounter(NodeFiles(state).generation)
    with Image.open(NodeFiles(state).image) as image:
        _keep_silent(image, state, ready, lambda holds: drop_datagrams(sockets, holds, tally))
        with image.reader() as reader:
            responder = responder_of(serve, state)
            worker = UdpWorker(sockets, reader, counter, responder, tally=tally, limiter=limiter)
            signal.signal(signal.SIGTERM, lambda *_: worker.end())
            ready(reader.generation)
            worker.run()


def answer_streams(
    sockets: Sequence[socket.socket],
    state: Path,
    serve: ServeSettings,
    tally: Tally,
    ready: Ready,
) -> None:
    """Answer on TCP `sockets` until SIGTERM, and then only clients that are connected.

    Raises ImageError if the node has no image.
    """
    counter = GenerationCounter(NodeFiles(state).generation)
    with Image.open(NodeFiles(state).image) as image:
        _keep_silent(image, state, ready, lambda holds: drop_connections(sockets, holds, tally))
        with image.reader() as reader:
            server = StreamServer(image, counter, responder_of(serve, state), serve.transfer, tally=tally)

            async def run() -> None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.end)
                await server.run(sockets, lambda: ready(reader.generation))

            asyncio.run(run())


def _keep_silent(image: Image, state: Path, ready: Ready, drop: Callable[[Callable[[], bool]], None]) -> None:
    """Where the node keeps silent, be ready and `drop` what comes until it may speak."""
    silence = Silence(NodeFiles(state).silent)
    if not silence.holds:
        return
    with image.reader() as reader:
        ready(reader.generation)
    drop(lambda: silence.holds)
