"""Get what was missed from peers: activated releases in order, or a snapshot, each step verified.

Nothing a peer says is believed but what the release keys sealed; a peer can at worst withhold. So that no
operator and no control host is needed: a certificate that reached one node reaches all, and a node that was
away, or is new, comes to what the others serve.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar

from dnsctl.errors import DnsctlError, NodeUnreachableError, ReleaseRefusedError
from dnsctl.release import durable
from dnsctl.replicate import snapshot
from dnsctl.replicate.client import AgentClient, NodeStatus
from dnsctl.replicate.staging import Staging
from dnsctl.replicate.trust import Certified

_log = logging.getLogger("dnsctl.replicate")
_Result = TypeVar("_Result")


class CatchUp:
    """Follows `peers` into `staging`, whose work is done in `writer`, the thread that owns the image.

    `followed` is called with each certificate that changed what is served.
    """

    def __init__(
        self,
        staging: Staging,
        writer: Executor,
        peers: Sequence[AgentClient],
        followed: Callable[[bytes], None] = lambda sealed: None,
    ) -> None:
        self._staging = staging
        self._writer = writer
        self._peers = tuple(peers)
        self._followed = followed

    async def once(self) -> int:
        """Take all there is, from the archive first, then from each peer; return how many releases.

        A peer that is away or sends nonsense is passed over; it is noted in the log.
        """
        taken = await self._write(self._staging.resume)
        for peer in random.sample(self._peers, len(self._peers)):
            try:
                taken += await self.follow(peer)
            except DnsctlError as error:
                _log.info("catching up from %s: %s", peer.node.name, error)
        return taken

    async def follow(self, peer: AgentClient) -> int:
        """Take all that `peer` has and this host has not. Raises what the peer or a check raises."""
        taken = 0
        while releases := await peer.releases(self._staging.served.generation):
            before = self._staging.served
            for release in releases:
                ahead = self._staging.trust.certified(release).generation - self._staging.served.generation
                if ahead > 1:
                    await self._restore(peer)
                    taken += 1
                    break
                await self._fetch_delta(peer, release)
                if await self._write(self._staging.follow, release):
                    taken += 1
                    self._followed(release.certificate)
            if self._staging.served == before:
                raise ReleaseRefusedError("sends releases that lead nowhere", where=peer.node.name)
        return taken

    async def _fetch_delta(self, peer: AgentClient, release: Certified) -> None:
        reference = self._staging.trust.certified(release).delta
        archive = self._staging.archive
        if not await asyncio.to_thread(archive.has, reference.digest):
            data = await peer.get_blob(reference.digest, reference.size)
            await self._write(archive.put, data)

    async def _restore(self, peer: AgentClient) -> None:
        """Replace the image by what `peer` serves: the chain from here to there is not to be had."""
        root = self._staging.archive.root
        await asyncio.to_thread(durable.make_directory, root)
        with tempfile.TemporaryDirectory(dir=root, prefix=durable.TEMPORARY_PREFIX) as directory:
            generation, path = await peer.snapshot(Path(directory))
            releases = await peer.releases(generation - 1)
            if not releases:
                raise ReleaseRefusedError(
                    f"sent a snapshot of generation {generation} and not its manifest", where=peer.node.name
                )
            await self._fetch_delta(peer, releases[0])
            await self._write(self._staging.restore, releases[0], snapshot.decode(path))
        _log.info("restored generation %d from a snapshot of %s", generation, peer.node.name)
        self._followed(releases[0].certificate)

    async def run(self, every: float, wake: asyncio.Event) -> None:
        """Catch up now, whenever `wake` is set, and about every `every` seconds, until cancelled.

        The interval is jittered, so that the nodes of a fleet do not ask in step.
        """
        while True:
            wake.clear()
            with contextlib.suppress(DnsctlError):  # logged and kept for status by `staging`
                await self.once()
            pause = every * random.uniform(0.7, 1.3)  # noqa: S311 jitter, no secret
            try:
                await asyncio.wait_for(wake.wait(), pause)
            except TimeoutError:
                continue

    async def _write(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, function, *arguments)


async def recover(staging: Staging, writer: Executor, clients: Sequence[AgentClient]) -> int:
    """Bring a control host that lost or never had the last releases up to the fleet; return how many.

    The nodes come first, the host's own archive second: what was decided here and reached nobody is
    completed only where no other host has decided otherwise. Nodes that are away are passed over.
    Raises ReleaseRefusedError where the fleet's history and this host's differ.
    """
    answers = await asyncio.gather(*(client.status() for client in clients), return_exceptions=True)
    follower = CatchUp(staging, writer, clients)
    taken = 0
    for client, answer in zip(clients, answers, strict=True):
        if isinstance(answer, NodeStatus) and answer.served.generation > staging.served.generation:
            taken += await follower.follow(client)
        elif isinstance(answer, BaseException) and not isinstance(answer, NodeUnreachableError):
            raise answer
    return taken + await asyncio.get_running_loop().run_in_executor(writer, staging.resume)
