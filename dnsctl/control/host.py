"""The control host's tools for a push: its lock, image, archive, records and connections.

Invariant: only one process on this host holds a `ControlHost` at a time, and only that one writes `state/` or
asks agents to change something. Sites, certificates and release keys come from the dnsctl.yaml of the work
tree, also when the zones of another commit are released.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import socket
import ssl
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self, TypeVar

from dnsctl.control.own_image import generation_of, open_own, own_writes, remove_damaged
from dnsctl.control.release_keys import load_release_keys, trust_of
from dnsctl.control.state import ControlState
from dnsctl.control.telling import Tell, tell_nobody
from dnsctl.errors import (
    ConfigError,
    DnsctlError,
    HostBusyError,
    NodeUnreachableError,
    RefusalRule,
    ReleaseError,
    SystemRefusalError,
    is_shortage,
)
from dnsctl.files import durable
from dnsctl.files.lock import lock_file, take
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.load.nearest import did_you_mean
from dnsctl.load.settings.config import Config
from dnsctl.model.fleet import Node
from dnsctl.model.repo import AUTHORITY, CONTROL, HostFiles, Repo
from dnsctl.release.archive import Archive
from dnsctl.release.envelope import ReleaseKey
from dnsctl.release.manifest import Manifest
from dnsctl.replicate import tls
from dnsctl.replicate.answers import NodeStatus, clocks_of
from dnsctl.replicate.catchup import recover
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.clocks import require_agreement, require_witness
from dnsctl.replicate.pki import Credentials
from dnsctl.replicate.recall import recall
from dnsctl.replicate.staging import Staging
from dnsctl.replicate.supply import Supply
from dnsctl.replicate.trust import Trust
from dnsctl.sign.keystore import Keystore

_DESCRIPTORS = 8  # of an event loop, and of modules that are loaded meanwhile
JOB: Final = "job"  # who holds the lock: a job of `dnsctl control`, which ends by itself and soon
_PAUSE: Final = 0.01  # seconds between two looks at who holds the lock
_SETTLED: Final = 1.0  # seconds after which who holds the lock has said so
_PATIENCE: Final = 900.0  # seconds that a person's push waits for a job
_Result = TypeVar("_Result")


class Connections:
    """Clients of the agents of `nodes`, on an event loop of their own; nothing is sent before a request."""

    def __init__(self, nodes: Sequence[Node], context: ssl.SSLContext) -> None:
        _require_descriptors(_DESCRIPTORS + len(nodes))
        self._runner = asyncio.Runner()
        self.clients = tuple(AgentClient(node, context) for node in nodes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._close())
        self._runner.close()

    async def _close(self) -> None:
        for client in self.clients:
            await client.__aexit__(None, None, None)

    def run(self, work: Coroutine[object, None, _Result]) -> _Result:
        """Run `work` to its end. An interrupt cancels it, and is raised when it has ended."""
        return self._runner.run(work)


@dataclass(frozen=True)
class ControlHost:
    """All of it, opened. `nodes`: those of every site, except one that is left out."""

    root: Path
    config: Config
    nodes: tuple[Node, ...]
    keystore: Keystore
    release_keys: tuple[ReleaseKey, ...]
    image: Image
    archive: Archive
    state: ControlState
    fleet: Connections
    trust: Trust
    notes: list[str] = field(default_factory=list)  # what a person should know beside the result

    @property
    def supply(self) -> Supply:
        return Supply(self.archive, self.image, self.trust)

    def recover(self) -> int:
        """Take what the fleet serves, or this host decided, and this host's image lacks; return how many.

        Raises ReleaseRefusedError where the fleet's release history has diverged from this host's.
        """
        return _recovered(self.image, self.archive, self.trust, self.fleet)

    def have_archived(self) -> None:
        """Make sure that the archive has the image's release, undamaged: else fetch it from a node."""
        served = self.supply.served()
        fault = self.supply.fault(served) if served.generation else ""
        if fault and self._had_again(served.generation):
            self.notes.append(f"{fault}; it was taken from a node again")

    def served_manifest(self) -> Manifest | None:
        """Return the manifest of what is served, as `manifest` does; None before the first release."""
        return self.manifest(self.supply.served().generation)

    def manifest(self, generation: int) -> Manifest | None:
        """Return the manifest of an activated generation; None where the archive has none.

        Fetched again from a node if the archive does not hold what was released. Raises ReleaseError, with
        advice, if no node has it.
        """
        if not generation:
            return None
        digest = self._digest(generation)
        found = self.supply.released(generation, digest)
        if isinstance(found, ReleaseError) and self._had_again(generation):
            self.notes.append(f"{found.where}: {found.what}; it was taken from a node again")
            found = self.supply.released(generation, digest)
        if isinstance(found, ReleaseError):
            raise found
        return found

    def _digest(self, generation: int) -> str:
        """Return what is known of a release beside the archive: its manifest's digest, or empty."""
        served = self.supply.served()
        if served.generation == generation:
            return served.manifest
        with contextlib.suppress(DnsctlError):
            record = self.state.release(generation)
            return record.manifest if record is not None else ""
        return ""

    def _had_again(self, generation: int) -> bool:
        return self.fleet.run(recall(self.archive, self.trust, self.fleet.clients, generation))


def _prove(manifest: Manifest, reader: Reader) -> None:
    """Ask what a release must answer. Answers are made by what a node has: only where there is a release."""
    from dnsctl.replicate.acceptance import prove  # noqa: PLC0415 - as above

    prove(manifest, reader)


def _recovered(image: Image, archive: Archive, trust: Trust, fleet: Connections) -> int:
    with ThreadPoolExecutor(1) as writer:
        staging = Staging(image, archive, trust, prove=_prove)
        try:
            return fleet.run(recover(staging, writer, fleet.clients))
        finally:
            writer.submit(staging.close).result()


def take_over(
    root: Path, config: Config, passphrase: bytes, *, damaged: bool = False
) -> tuple[DnsctlError, ...]:
    """Bring this host's image to the newest release that a node serves; return why others did not answer.

    Writes nothing where no node is ahead, and needs no private release key. `damaged`: the image is, and is
    fetched again where a node has a release. Raises ReleaseRefusedError where the fleet's release history has
    diverged from this host's, or clocks differ, as a push does; DnsctlError where another process holds the
    lock, or the control host's certificate cannot be used.
    """
    state = Repo(root).state
    with connections(root, config.nodes(), passphrase) as fleet:
        answers = fleet.run(statuses(fleet.clients))
        told = [each for each in answers if isinstance(each, NodeStatus)]
        require_agreement(clocks_of(told), time.time())
        known = 0 if damaged else generation_of(state)
        trust, archive = trust_of(root, config), Archive(state.archive)
        behind = any(each.served.generation > known for each in told)
        if behind or (known and told and _archive_fault(state, archive, trust)):
            with locked(state):
                remove_damaged(state, trust)
                with open_own(state, readonly=False) as image:
                    if behind:
                        _recovered(image, archive, trust, fleet)
                    supply = Supply(archive, image, trust)
                    served = supply.served()
                    if served.generation and supply.fault(served):
                        fleet.run(recall(archive, trust, fleet.clients, served.generation))
    return tuple(each for each in answers if isinstance(each, DnsctlError))


def _archive_fault(state: HostFiles, archive: Archive, trust: Trust) -> str:
    with open_own(state) as image:
        supply = Supply(archive, image, trust)
        return supply.fault(supply.served())


async def statuses(clients: Sequence[AgentClient]) -> list[NodeStatus | DnsctlError]:
    """Ask every node what it serves; where one does not tell, why, in its place."""

    async def one(client: AgentClient) -> NodeStatus | DnsctlError:
        try:
            return await client.status()
        except DnsctlError as error:
            return error

    return list(await asyncio.gather(*(one(client) for client in clients)))


@contextmanager
def control_host(
    root: Path,
    config: Config,
    passphrase: bytes,
    without: str = "",
    *,
    holder: str = "",
    tell: Tell = tell_nobody,
    wait: bool = False,
    whole: bool = False,
) -> Iterator[ControlHost]:
    """Open the control host's state at `root` for work on all sites but `without`.

    Order: the lock, release keys, the image and the records, made where they are missing or damaged, then
    certificates. `holder`: `JOB`, for what the daemon does. Another who finds a job at work waits for it, and
    is told so; with `wait`, for a push of somebody else as well. `whole`: as of `own_image.remove_damaged`,
    for work that signs what the image holds.
    Raises HostBusyError where another process holds the lock, ConfigError for an unknown site, and what
    opening any of it raises.
    """
    nodes = nodes_of(config, without)
    state = Repo(root).state
    with ExitStack() as stack:
        stack.enter_context(locked(state, holder, tell, wait=wait))
        release_keys = load_release_keys(root, config, passphrase)
        trust = trust_of(root, config)
        removed = remove_damaged(state, trust, whole=whole)
        stack.enter_context(own_writes(state))
        image = stack.enter_context(open_own(state, readonly=False))
        records = stack.enter_context(ControlState.open(state.records))
        yield ControlHost(
            root=root,
            config=config,
            nodes=nodes,
            keystore=Keystore(Repo(root).keys.directory, lambda: passphrase),
            release_keys=release_keys,
            image=image,
            archive=Archive(state.archive),
            state=records,
            fleet=stack.enter_context(connections(root, nodes, passphrase)),
            trust=trust,
            notes=[each for each in (removed, records.note) if each],
        )


def connections(root: Path, nodes: Sequence[Node], passphrase: bytes) -> Connections:
    """Return connections as the control host. Raises PkiError, PassphraseError for its certificate."""
    return Connections(nodes, shown_by_control(root, passphrase))


def shown_by_control(root: Path, passphrase: bytes) -> ssl.SSLContext:
    """Return what shows the control host's certificate. Raises PkiError, PassphraseError for it."""
    pki = Repo(root).keys.pki
    credentials = Credentials(
        pki.certificate(AUTHORITY), pki.certificate(CONTROL), pki.key(CONTROL), lambda: passphrase
    )
    return tls.client_context(credentials, datetime.now(UTC))


def require_right_clock(root: Path, nodes: Sequence[Node], passphrase: bytes) -> None:
    """Raise ClockError where the clock of no node agrees with this host's. Holds no lock.

    Raises PkiError, PassphraseError for the control host's certificate.
    """
    with connections(root, nodes, passphrase) as fleet:
        answers = fleet.run(statuses(fleet.clients))
    require_witness(clocks_of(answers), time.time())


def unreached(host: ControlHost) -> tuple[Node, ...]:
    """Return the nodes that do not answer now."""
    answers = host.fleet.run(statuses(host.fleet.clients))
    return tuple(
        node
        for node, answer in zip(host.nodes, answers, strict=True)
        if isinstance(answer, NodeUnreachableError)
    )


def nodes_of(config: Config, without: str = "") -> tuple[Node, ...]:
    """Return the nodes of all sites but `without`. Raises ConfigError for no site, or the only one."""
    if without and without not in config.sites:
        advice = did_you_mean(without, list(config.sites))
        raise ConfigError(f"there is no site {without!r} in dnsctl.yaml", advice=advice)
    nodes = tuple(node for node in config.nodes() if node.site != without)
    if not nodes:
        raise ConfigError(f"without site {without!r} no node is left", advice="restore one site first")
    return nodes


def actor() -> str:
    """Return who does this, for the audit log: the person behind sudo, and the host."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # no name for this uid
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _require_descriptors(count: int) -> None:
    """Raise OSError where not as many files can be opened: a half-made event loop does not say why."""
    opened: list[int] = []
    try:
        while len(opened) < count:
            opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for each in opened:
            os.close(each)


@contextmanager
def locked(
    state: HostFiles, holder: str = "", tell: Tell = tell_nobody, *, wait: bool = False
) -> Iterator[None]:
    """Hold `state/push.lock` for this process; the kernel releases it however the process ends."""
    path = state.lock
    try:
        durable.make_directory(state.directory)
        descriptor = lock_file(path)
    except OSError as error:
        refused = SystemRefusalError.of(error, path)
        if path.exists() and not is_shortage(error):
            refused.advice = "remove it: nothing is lost by that"
        raise refused from None
    try:
        _take(descriptor, path, holder, tell, wait=wait)
        _say(descriptor, f"{os.getpid()} {holder}".strip() + "\n")
        try:
            yield
        finally:
            _say(descriptor, "")  # who takes it next has not said so at once
    finally:
        os.close(descriptor)


def _say(descriptor: int, holder: str) -> None:
    """Write who holds the lock: for messages alone, so that a full disk stops nobody."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)


def _take(descriptor: int, path: Path, holder: str, tell: Tell, *, wait: bool) -> None:
    """Take the lock, in time with `wait`, or where a job has it and this is not one. Raises HostBusyError."""
    deadline = time.monotonic() + _SETTLED
    while not take(descriptor, _PAUSE):
        process, _, kind = os.pread(descriptor, 40, 0).decode("ascii", "replace").strip().partition(" ")
        if process or time.monotonic() > deadline:
            break
    else:
        return
    what = "a job of `dnsctl control`" if kind == JOB else "another push"
    if wait or (kind == JOB and holder != JOB):
        tell(f"waiting for {what} (process {process or '?'}) to end")
        if take(descriptor, _PATIENCE):
            return
    raise HostBusyError(
        f"{what} is running on this host (process {process or '?'})",
        where=str(path),
        advice="wait for it to end; the lock ends with that process",
        rule=RefusalRule.ANOTHER_PUSH,
    )
