"""The agent process of a node: its API over mutual TLS, its catch-up, and the only writer of its image.

Invariants: without a certificate of this fleet, no client reaches HTTP; only one thread writes the image;
whatever fails here, the node's other processes go on serving what was committed last.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

from dnsctl.errors import DamagedImageError, DnsctlError, ListenError, PkiError
from dnsctl.image.damage import DamageNote
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.silence import Silence
from dnsctl.image.store import Image
from dnsctl.model.fleet import NodeSettings
from dnsctl.model.repo import CONTROL, NodeFiles
from dnsctl.release.archive import Archive
from dnsctl.replicate import acceptance, tls
from dnsctl.replicate.api import PEER_CERTIFICATE, Api, Limits
from dnsctl.replicate.catchup import CatchUp
from dnsctl.replicate.client import AgentClient, Patience
from dnsctl.replicate.fitting import Reloads, require_fit
from dnsctl.replicate.pki import Credentials
from dnsctl.replicate.staging import Notices, OwnHost, Staging
from dnsctl.replicate.tls import peer_of
from dnsctl.replicate.trust import Trust
from dnsctl.serve.transport.http_server import Guest, HttpServer, Welcome

KEEP_RELEASES = 200  # in a node's archive: what peers can catch up on without a snapshot
_TIDY_EVERY = 3600.0  # seconds
_BEAT = 1.0  # seconds
_QUIET = 600.0  # seconds since the last delta came, before what nothing refers to is removed
_PATIENCE = Patience(connect=2.0, short=5.0, long=120.0)  # a peer that is away must not hold us up

_log = logging.getLogger("dnsctl.replicate")


def run_agent(
    settings: NodeSettings,
    stop: threading.Event | None = None,
    limits: Limits | None = None,
    alive: Callable[[], None] | None = None,
    reload: Callable[[], None] | None = None,
) -> None:
    """Run the agent until SIGTERM, SIGINT, or `stop` is set. Call it in a process of its own, after the fork.

    `alive` is called each second while the agent does not hang; nothing is begun before its first return.
    `reload` asks for the whole node to be reloaded, where a release has brought other settings.
    Raises PkiError for certificates that nobody would accept, ListenError where the address of
    `settings.node.control` cannot be bound, ImageError for a damaged image.
    """
    if alive is not None:
        alive()
    asyncio.run(_Agent(settings, limits or Limits(), alive, Reloads(settings, reload)).run(stop))


def try_agent(settings: NodeSettings) -> None:
    """Check that an agent could serve with the certificates there are. Raises PkiError."""
    tls.server_context(_credentials(settings), datetime.now(UTC))


def welcome(limits: Limits, known: frozenset[str]) -> Welcome:
    """Return a function that says whose a connection is; `Api` judges a certificate that is not of `known`.

    The control host and each node have places of their own: none can take another's. Nodes have a pace.
    """

    def whose(transport: asyncio.BaseTransport) -> Guest:
        certificate = transport.get_extra_info("peercert")
        peer = peer_of(certificate)
        state = {PEER_CERTIFICATE: certificate}
        if peer is not None and peer.is_control:
            return Guest(CONTROL, limits.control_places, state)
        if peer is not None and peer.node in known:
            return Guest(f"node {peer.node}", limits.places, state, limits.pace, limits.burst)
        return Guest("others", limits.places, state, limits.pace, limits.burst)

    return whose


class _Agent:
    def __init__(
        self,
        settings: NodeSettings,
        limits: Limits,
        alive: Callable[[], None] | None,
        reloads: Reloads,
    ) -> None:
        self._settings = settings
        self._reloads = reloads
        self._alive = alive
        self._limits = limits
        self._credentials = _credentials(settings)
        self._note = DamageNote(settings.state)
        self._replacing = False  # our image is not yet the one that is served
        self._tasks: set[asyncio.Task[None]] = set()
        self._peers: list[AgentClient] = []
        self._server: HttpServer | None = None
        self._fault: BaseException | None = None

    async def run(self, stop: threading.Event | None) -> None:
        settings = self._settings
        context = tls.server_context(self._credentials, datetime.now(UTC))
        listener = _bind(settings.node.control)
        note = self._note
        counter = GenerationCounter(NodeFiles(settings.state).generation)
        self._replacing = bool(note.reason())
        path = note.replacement() if self._replacing else NodeFiles(settings.state).image
        image = Image.open(path, readonly=False)
        silence = Silence(NodeFiles(settings.state).silent)
        writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        try:
            staging = self._staging(image, counter)
            counter.advance()  # a predecessor may have died between commit and this
            self._reloads.begun(staging.served.generation, staging.settings)
            await asyncio.get_running_loop().run_in_executor(writer, _prune, staging.archive)
            try:
                await self._serve(context, listener, image, staging, writer, silence, counter, stop)
            finally:
                await asyncio.get_running_loop().run_in_executor(writer, staging.close)
        finally:
            writer.shutdown()
            await asyncio.get_running_loop().shutdown_default_executor()  # a snapshot may be under way
            counter.close()
            image.close()
            listener.close()

    def _staging(self, image: Image, counter: GenerationCounter) -> Staging:
        settings = self._settings
        staging = Staging(
            image,
            Archive(NodeFiles(settings.state).releases),
            Trust(settings.release_keys, settings.threshold),
            prove=acceptance.prove,
            notices=Notices(lambda: self._committed(counter, staging), self._note_damage),
            expiry=self._limits.expiry,
            own=OwnHost(time.time, lambda coming: require_fit(coming, settings)),
        )
        return staging

    def _committed(self, counter: GenerationCounter, staging: Staging) -> None:
        """Show the other processes what was committed, and have them begun anew for other settings."""
        if self._replacing:
            self._note.replace()
            self._replacing = False
        counter.advance()
        self._reloads.committed(staging.served.generation, staging.settings)

    def _note_damage(self, reason: str) -> None:
        """Have the image replaced: readers do not see that its free pages are damaged."""
        if not self._replacing:
            _log.error("the image is damaged: %s", reason)
            self._note.write(reason)

    def _found(self, counter: GenerationCounter, silence: Silence, staging: Staging) -> None:
        """Go on as a new node does, if our image is damaged: a peer serves what we should, and answers."""
        if self._replacing:
            silence.begin()
            self._committed(counter, staging)

    async def _serve(
        self,
        context: ssl.SSLContext,
        listener: socket.socket,
        image: Image,
        staging: Staging,
        writer: ThreadPoolExecutor,
        silence: Silence,
        counter: GenerationCounter,
        stop: threading.Event | None,
    ) -> None:
        wake = asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            towards_peers = tls.client_context(self._credentials, datetime.now(UTC))
            self._peers = [
                await stack.enter_async_context(AgentClient(peer, towards_peers, _PATIENCE, keep=False))
                for peer in self._settings.peers
                if peer.name != self._settings.node.name
            ]
            api = Api(
                self._settings,
                image,
                staging,
                writer,
                limits=self._limits,
                activated=self._announce,
                missed=wake.set,
                silence=silence,
            )
            known = frozenset(peer.name for peer in self._settings.peers)
            server = self._server = HttpServer(
                api.application(), listener, welcome(self._limits, known), context
            )
            catch_up = CatchUp(
                staging,
                writer,
                self._peers,
                self._announce,
                silence=silence,
                found=lambda: self._found(counter, silence, staging),
            )
            self._spawn(catch_up.run(self._limits.catch_up_every, wake))
            self._spawn(_tidy(api, staging, writer))
            self._spawn(self._until_damaged())
            if self._alive is not None:
                self._spawn(_beat(self._alive))
            with _ended_by_signal(server):
                if stop is not None:
                    self._spawn(_wait(stop, server))
                name, control = self._settings.node.name, self._settings.node.control
                _log.info("agent of %s on %s, generation %d", name, control, staging.served.generation)
                await server.serve()
            api.end()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._fault is not None:
            raise self._fault

    def _announce(self, sealed: bytes) -> None:
        """Hand a certificate that changed what is served on to every peer, without waiting."""
        for peer in self._peers:
            self._spawn(_tell(peer, sealed))

    async def _until_damaged(self) -> None:
        """Raise DamagedImageError once the image is found to be damaged: the next agent begins with another.

        Also where this agent has begun with another itself, and that is in place.
        """
        while True:
            await asyncio.sleep(_BEAT)
            if not self._replacing and (reason := self._note.reason()):
                raise DamagedImageError(f"begins a new image, because the old one is damaged: {reason}")

    def _spawn(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End the process where background work failed: the supervisor starts another, on a fresh image."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fault = task.exception()
            if self._server is not None:
                self._server.should_exit = True


async def _tell(peer: AgentClient, sealed: bytes) -> None:
    try:
        await peer.activate(sealed)
    except DnsctlError as error:  # it asks by itself, in a few seconds at most
        _log.debug("announcing to %s: %s", peer.node.name, error)


async def _tidy(api: Api, staging: Staging, writer: ThreadPoolExecutor) -> None:
    """Keep the archive bounded. Not while a push may be under way: its delta is not referred to yet."""
    while True:
        await asyncio.sleep(_TIDY_EVERY)
        if time.monotonic() - api.last_received > _QUIET and staging.prepared() is None:
            await asyncio.get_running_loop().run_in_executor(writer, _prune, staging.archive)


async def _beat(alive: Callable[[], None]) -> None:
    """Give a sign of life each second."""
    while True:
        alive()
        await asyncio.sleep(_BEAT)


def _prune(archive: Archive) -> None:
    if len(archive.generations()) > KEEP_RELEASES:
        archive.prune(KEEP_RELEASES)


def _credentials(settings: NodeSettings) -> Credentials:
    if not (settings.authority and settings.certificate and settings.key):
        raise PkiError(
            "a node of a fleet needs a certificate",
            where=settings.node.name,
            advice="run `dnsctl init` on the control host; copy keys/pki/ca.crt, NODE.crt and NODE.pem here",
        )
    return Credentials(settings.authority, settings.certificate, settings.key)


def _bind(control: str) -> socket.socket:
    """Return a listening socket for the address in a node's `control:` URL. Raises ListenError."""
    advice = "set `control:` of this node in dnsctl.yaml to https://ADDRESS:PORT of this host"
    try:
        parts = urlsplit(control)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ListenError(f"no address: {error}", where=control, advice=advice) from None
    if parts.scheme != "https" or not host or not port:
        raise ListenError("is not https://ADDRESS:PORT", where=control, advice=advice)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol is named because asyncio sets TCP_NODELAY only on sockets that say they are TCP.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise ListenError(f"is not an address: {error.strerror}", where=control, advice=advice) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot be bound: {error.strerror}", where=control, advice=advice) from None
    listener.setblocking(False)
    return listener


@contextlib.contextmanager
def _ended_by_signal(server: HttpServer) -> Iterator[None]:
    """Let SIGTERM end `server`, and SIGINT unless it is ignored.

    In a thread other than the main one there is nothing to do.
    """

    def end() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    caught = []
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            if (
                signal.getsignal(number) is signal.SIG_IGN
            ):  # of a node's processes the supervisor alone heeds it
                continue
            loop.add_signal_handler(number, end)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


async def _wait(stop: threading.Event, server: HttpServer) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.05)
    server.should_exit = True
