"""What the control host works on the fleet with: one lock, its image, archive and records, its connections.

Invariant: of all processes on this host, one at a time holds a `ControlHost`, and only that one writes
`state/` or talks to agents to change something. How the fleet is reached (sites, certificates, release keys)
comes from the dnsctl.yaml of the work tree, also when another commit's zones are released.
"""

from __future__ import annotations

import asyncio
import fcntl
import getpass
import os
import socket
import ssl
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from dnsctl.control.state import ControlState
from dnsctl.errors import ConfigError, DnsctlError
from dnsctl.image.store import Image
from dnsctl.load.config import Config
from dnsctl.load.nearest import did_you_mean
from dnsctl.model.fleet import Node
from dnsctl.release import durable
from dnsctl.release.archive import Archive
from dnsctl.release.commit import load_release_keys
from dnsctl.release.envelope import ReleaseKey, load_public_keys
from dnsctl.replicate import probe, tls
from dnsctl.replicate.answers import NodeStatus, clocks_of
from dnsctl.replicate.catchup import recover
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.clocks import require_agreement
from dnsctl.replicate.pki import Credentials
from dnsctl.replicate.staging import Staging
from dnsctl.replicate.supply import Supply
from dnsctl.replicate.trust import Trust
from dnsctl.sign.keystore import Keystore

_Result = TypeVar("_Result")


class Connections:
    """Clients of the agents of `nodes`, on an event loop of their own; nothing is sent before it is asked."""

    def __init__(self, nodes: Sequence[Node], context: ssl.SSLContext) -> None:
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

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run `work` to its end. An interrupt cancels it, and is raised when it has ended."""
        return self._runner.run(work)


@dataclass(frozen=True)
class ControlHost:
    """All of it, opened. `nodes` are those to work on: every site's, but for one that is left out."""

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

    @property
    def supply(self) -> Supply:
        return Supply(self.archive, self.image, self.trust)

    def recover(self) -> int:
        """Take what the fleet serves, or this host decided, and this host's image lacks; return how many.

        Raises ReleaseRefusedError where the fleet's history is another than this host's.
        """
        return _recovered(self.image, self.archive, self.trust, self.fleet)


def _recovered(image: Image, archive: Archive, trust: Trust, fleet: Connections) -> int:
    with ThreadPoolExecutor(1) as writer:
        staging = Staging(image, archive, trust, prove=probe.prove)
        try:
            return fleet.run(recover(staging, writer, fleet.clients))
        finally:
            writer.submit(staging.close).result()


def take_over(root: Path, config: Config, passphrase: bytes) -> tuple[DnsctlError, ...]:
    """Bring this host's image to the newest release that a node serves; return why others told nothing.

    Writes nothing where no node is ahead, and needs no private release key. Raises ReleaseRefusedError where
    the fleet's history is another than this host's, or clocks differ, as a push does; DnsctlError where
    another process holds the lock, or the control host's certificate cannot be used.
    """
    state = root / "state"
    with connections(root, config.nodes(), passphrase) as fleet:
        answers = fleet.run(_statuses(fleet.clients))
        told = [each for each in answers if isinstance(each, NodeStatus)]
        require_agreement(clocks_of(told), time.time())
        if any(each.served.generation > _generation(state / "image") for each in told):
            with _locked(state), Image.open(state / "image", readonly=False) as image:
                _recovered(image, Archive(state / "archive"), trust_of(root, config), fleet)
    return tuple(each for each in answers if isinstance(each, DnsctlError))


async def _statuses(clients: Sequence[AgentClient]) -> list[NodeStatus | DnsctlError]:
    async def one(client: AgentClient) -> NodeStatus | DnsctlError:
        try:
            return await client.status()
        except DnsctlError as error:
            return error

    return list(await asyncio.gather(*(one(client) for client in clients)))


def _generation(path: Path) -> int:
    if not (path / "data.mdb").exists():
        return 0
    with Image.open(path) as image, image.reader() as reader:
        return reader.generation


@contextmanager
def control_host(root: Path, config: Config, passphrase: bytes, without: str = "") -> Iterator[ControlHost]:
    """Open the control host's state at `root` for work on all sites but `without`.

    Order: the lock, release keys, certificates, then the image and the records, made where they are missing.
    Raises DnsctlError where another process holds the lock, ConfigError for an unknown site, and what opening
    any of it raises.
    """
    nodes = nodes_of(config, without)
    state = root / "state"
    with ExitStack() as stack:
        stack.enter_context(_locked(state))
        release_keys = load_release_keys(root, config, passphrase)
        image = stack.enter_context(Image.open(state / "image", readonly=False))
        yield ControlHost(
            root=root,
            config=config,
            nodes=nodes,
            keystore=Keystore(root / "keys", lambda: passphrase),
            release_keys=release_keys,
            image=image,
            archive=Archive(state / "archive"),
            state=stack.enter_context(ControlState.open(state / "control.db")),
            fleet=stack.enter_context(connections(root, nodes, passphrase)),
            trust=trust_of(root, config),
        )


def connections(root: Path, nodes: Sequence[Node], passphrase: bytes) -> Connections:
    """Return connections as the control host. Raises PkiError, PassphraseError for its certificate."""
    pki = root / "keys" / "pki"
    credentials = Credentials(pki / "ca.crt", pki / "control.crt", pki / "control.pem", lambda: passphrase)
    return Connections(nodes, tls.client_context(credentials, datetime.now(UTC)))


def trust_of(root: Path, config: Config) -> Trust:
    """Return the release keys that dnsctl.yaml pins. Raises KeystoreError."""
    return Trust(load_public_keys(root / each for each in config.release.keys), config.release.threshold)


def nodes_of(config: Config, without: str = "") -> tuple[Node, ...]:
    """Return the nodes of all sites but `without`. Raises ConfigError for no site, or the only one."""
    if without and without not in config.sites:
        advice = did_you_mean(without, list(config.sites))
        raise ConfigError(f"there is no site {without!r} in dnsctl.yaml", advice=advice)
    nodes = tuple(node for node in config.nodes() if node.site != without)
    if not nodes:
        raise ConfigError(f"without site {without!r} no node is left", advice="bring one site back first")
    return nodes


def actor() -> str:
    """Return who does this, for the audit log: the person behind sudo, and the host."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # no name for this uid
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    """Hold `state/push.lock` for this process; the kernel lets go of it however the process ends."""
    path = state / "push.lock"
    try:
        durable.make_directory(state)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DnsctlError(f"cannot be written: {error.strerror}", where=str(path)) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "?"
            raise DnsctlError(
                f"another push is running on this host (process {holder})",
                where=str(path),
                advice="wait for it to end; it holds the lock as long as it lives and no longer",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
        yield
    finally:
        os.close(descriptor)
