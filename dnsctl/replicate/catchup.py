"""Catch up from peers: fetch activated releases in order, or a snapshot, and verify each step.

A node believes a peer only what the release keys sealed; a peer can at worst withhold. No operator and no
control host is needed: a certificate that reached one node reaches all, and a node that was away, or is new,
comes to what the others serve. It does so in one step: it goes on serving what it served until it has the
newest release that any peer shows, and a node that served nothing keeps silent until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dnsctl.errors import DnsctlError, NodeUnreachableError, RefusalRule, ReleaseRefusedError
from dnsctl.files import durable
from dnsctl.image.silence import Silence
from dnsctl.replicate import snapshot
from dnsctl.replicate.answers import NodeStatus, clocks_of
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.clocks import Offset, require_agreement
from dnsctl.replicate.race import first_of
from dnsctl.replicate.staging import Staging
from dnsctl.replicate.trust import Certified

LONGEST_CHAIN = 50  # releases behind: one at a time takes longer than a snapshot of most images
SURVEY_TIME = 3.0  # seconds for a peer to say what it serves, and to show it
SURVEY_GRACE = 1.0  # seconds that the others have, once one peer has shown a release
PAUSE = 1.0  # seconds until what one peer was asked for is asked of another as well
TRANSFER_TIME = 900.0  # seconds for a delta or a snapshot to come
SILENT_EVERY = 1.0  # seconds between two tries, at most, of a node that answers nothing yet
STARTING = 2.0  # seconds that peers which do not run are given, where all nodes may be starting
_ROUNDS = 4  # times to look whether the fleet has moved on, before what was fetched is committed

_log = logging.getLogger("dnsctl.replicate")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Survey:
    """What peers serve, as far as they answered: the names of those, and who has something newer."""

    answered: frozenset[str]
    newest: int = 0  # generation, sealed; 0: nothing is newer
    holders: tuple[AgentClient, ...] = ()  # who shows it, in no order
    failures: tuple[DnsctlError, ...] = ()  # of those that did not answer, or not validly


class CatchUp:
    """Follows `peers` into `staging`, whose work is done in `writer`, the thread that owns the image.

    `followed` is called with each certificate that changed what is served, `found` once a peer has shown a
    newer release, before it is fetched; `silence` ends once the node is current. Further than
    `longest_chain` releases behind, and from nothing, a snapshot is taken; None: only where the chain is not
    to be had.
    """

    def __init__(
        self,
        staging: Staging,
        writer: Executor,
        peers: Sequence[AgentClient],
        followed: Callable[[bytes], None] = lambda sealed: None,
        *,
        silence: Silence | None = None,
        longest_chain: int | None = LONGEST_CHAIN,
        found: Callable[[], None] = lambda: None,
    ) -> None:
        self._staging = staging
        self._writer = writer
        self._peers = tuple(peers)
        self._followed = followed
        self._silence = silence
        self._found = found
        self._longest_chain = longest_chain
        self._began = time.monotonic()
        self._clocks: dict[str, Offset] = {}  # of peers, as they told last

    async def run(self, every: float, wake: asyncio.Event) -> None:
        """Catch up now, whenever `wake` is set, and about every `every` seconds, until cancelled.

        The interval is jittered, so that the nodes of a fleet do not ask in step.
        """
        while True:
            wake.clear()
            with contextlib.suppress(DnsctlError):  # logged and kept for status by `staging`
                await self.once()
            pause = every * random.uniform(0.7, 1.3)  # noqa: S311 jitter, no secret
            if self._is_silent:
                pause = min(pause, SILENT_EVERY)
            try:
                await asyncio.wait_for(wake.wait(), pause)
            except TimeoutError:
                continue

    async def once(self) -> int:
        """Come to the newest release of any peer, else of the archive; return how many generations that is.

        A peer that is away or sends nonsense is passed over; it is noted in the log.
        """
        before = self._served
        try:
            survey = await self.reach()
        except DnsctlError as error:
            _log.info("catching up: %s", error)
        else:
            await self._write(self._staging.resume)
            self._settle(survey)
        return self._served - before

    async def reach(self, peers: Sequence[AgentClient] | None = None) -> Survey:
        """Take what `peers` (all, if None) have and this host lacks; return what they said last.

        Raises what a check raises, or what the last peer that has it raised.
        """
        asked = self._peers if peers is None else tuple(peers)
        while (survey := await self._survey(asked, before := self._served)).newest:
            self._found()
            await self._advance(survey, before)
            if self._served == before:
                raise ReleaseRefusedError(
                    "peers sent releases that do not follow the served one", rule=RefusalRule.UNEXPECTED
                )
            asked = tuple(peer for peer in asked if peer.node.name in survey.answered)  # the slow, next time
        return survey

    @property
    def _served(self) -> int:
        return self._staging.served.generation

    @property
    def _is_silent(self) -> bool:
        return self._silence is not None and self._silence.holds

    def _settle(self, survey: Survey) -> None:
        """Answer queries from now on, if no peer that answered has a newer release.

        With a release, one peer that answered is enough. Without any, all must have none, or not be running,
        for
        `STARTING` seconds: an answer without a zone is worth less than none where other nodes have it.
        """
        if not self._is_silent:
            return
        missing = len(self._peers) - len(survey.answered)
        if self._served:
            settled = bool(survey.answered) or not self._peers
        else:
            settled = not missing or (
                missing == sum(map(_is_down, survey.failures)) and time.monotonic() - self._began > STARTING
            )
        if settled:
            end_silence(self._silence, self._served)

    # -- Who has what --------------------------------------------------------------------------------------

    async def _survey(self, peers: Sequence[AgentClient], after: int) -> Survey:
        """Ask all `peers` at once what they serve; a claim beyond generation `after` must be shown.

        Once one has shown what is newer, nobody waits long for the slow: they are asked again the next time.
        """
        shown = await self._all_shown(peers, after)
        told = {
            peer.node.name: generation
            for peer, generation in zip(peers, shown, strict=True)
            if isinstance(generation, int)
        }
        failures = tuple(each for each in shown if isinstance(each, DnsctlError))
        newest = max(told.values(), default=0)
        if newest <= after:
            return Survey(frozenset(told), failures=failures)
        holders = [peer for peer in peers if told.get(peer.node.name) == newest]
        return Survey(frozenset(told), newest, tuple(random.sample(holders, len(holders))), failures)

    async def _all_shown(self, peers: Sequence[AgentClient], after: int) -> list[int | DnsctlError]:
        tasks = [asyncio.ensure_future(self._shown(peer, after)) for peer in peers]
        waiting = set(tasks)
        grace: float | None = None
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            if any(isinstance(told := task.result(), int) and told > after for task in done):
                grace = SURVEY_GRACE
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return [
            NodeUnreachableError("is slower than others", where=peer.node.name)
            if task.cancelled()
            else task.result()
            for peer, task in zip(peers, tasks, strict=True)
        ]

    async def _shown(self, peer: AgentClient, after: int) -> int | DnsctlError:
        """Return the generation that `peer` serves, sealed if it is beyond `after`; or what is wrong."""
        try:
            async with asyncio.timeout(SURVEY_TIME):
                status = await peer.status()
                claimed = status.served.generation
                self._clocks |= clocks_of([status])
                if claimed <= after:
                    return claimed
                releases = await peer.releases(claimed - 1)
            if not releases:
                raise NodeUnreachableError(f"claims generation {claimed} and has no release of it")
            return self._staging.trust.certified(releases[-1]).generation
        except TimeoutError:
            failure: DnsctlError = NodeUnreachableError("did not answer in time", where=peer.node.name)
        except DnsctlError as error:
            failure = error
            failure.where = failure.where or peer.node.name
        _log.info("catching up: %s", failure)
        return failure

    # -- Ways to what is newer -----------------------------------------------------------------------------

    async def _advance(self, survey: Survey, after: int) -> None:
        """Come from `after` to `survey.newest` by the chain of releases, or a snapshot where that is less."""
        behind, longest = survey.newest - after, self._longest_chain
        if behind == 1 or longest is None or (after and behind <= longest):
            try:
                releases = await self._chain(survey, after)
            except DnsctlError as error:
                _log.info("cannot fetch releases after generation %d: %s", after, error)
            else:
                await self._commit(survey, self._staging.follow, releases)
                return
        await self._restore(survey)

    async def _chain(self, survey: Survey, after: int) -> tuple[Certified, ...]:
        """Return the releases after generation `after`, to the newest, with their deltas in the archive."""

        async def listed(peer: AgentClient) -> tuple[AgentClient, tuple[Certified, ...]]:
            found: list[Certified] = []
            while after + len(found) < survey.newest:
                more = await peer.releases(after + len(found))
                for release in more:
                    generation = self._staging.trust.certified(release).generation
                    if generation != after + len(found) + 1:
                        raise ReleaseRefusedError(
                            f"has no generation {after + len(found) + 1}",
                            where=peer.node.name,
                            rule=RefusalRule.UNEXPECTED,
                        )
                    found.append(release)
                if not more:
                    raise ReleaseRefusedError(
                        "sent releases that do not follow the served one",
                        where=peer.node.name,
                        rule=RefusalRule.UNEXPECTED,
                    )
            return peer, tuple(found)

        first, releases = await first_of(survey.holders, listed, PAUSE, TRANSFER_TIME)
        holders: Sequence[AgentClient] = survey.holders
        for release in releases:
            holders = _with_first(first, holders)
            first = await self._fetch_delta(holders, release)
        return releases

    async def _fetch_delta(self, peers: Sequence[AgentClient], release: Certified) -> AgentClient:
        """Fetch the delta of `release` into the archive; return the fastest peer, to be asked first again."""
        reference = self._staging.trust.certified(release).delta
        archive = self._staging.archive
        if await asyncio.to_thread(archive.has, reference.digest):
            return peers[0]

        async def fetched(peer: AgentClient) -> tuple[AgentClient, bytes]:
            return peer, await peer.get_blob(reference.digest, reference.size)

        fastest, data = await first_of(peers, fetched, PAUSE, TRANSFER_TIME)
        await self._write(archive.put, data)
        return fastest

    async def _restore(self, survey: Survey) -> None:
        """Replace the image by what a peer serves; where its snapshot is refused, by another's."""
        root = self._staging.archive.root
        await asyncio.to_thread(durable.make_directory, root)
        with tempfile.TemporaryDirectory(dir=root, prefix=durable.TEMPORARY_PREFIX) as directory:
            waiting = list(survey.holders)
            while True:
                peer, release, path = await first_of(
                    waiting, lambda peer: self._snapshot(peer, Path(directory)), PAUSE, TRANSFER_TIME
                )
                try:
                    await self._commit(survey, self._restored(path), (release,))
                except ReleaseRefusedError as error:
                    _log.warning("the snapshot of %s: %s", peer.node.name, error)
                    waiting.remove(peer)
                    if not waiting:
                        raise
                else:
                    _log.info("restored generation %d from a snapshot of %s", self._served, peer.node.name)
                    return

    def _restored(self, path: Path) -> Callable[..., object]:
        return lambda first, *later, late, clocks: self._staging.restore(
            first, snapshot.decode(path), *later, late=late, clocks=clocks
        )

    async def _snapshot(self, peer: AgentClient, into: Path) -> tuple[AgentClient, Certified, Path]:
        """Fetch what `peer` serves, the release that vouches for it, and its delta if the peer has that."""
        generation, path = await peer.snapshot(into)
        releases = await peer.releases(generation - 1)
        if not releases or self._staging.trust.certified(releases[0]).generation != generation:
            raise ReleaseRefusedError(
                f"sent a snapshot of generation {generation} and not its manifest",
                where=peer.node.name,
                rule=RefusalRule.UNEXPECTED,
            )
        try:
            await self._fetch_delta((peer,), releases[0])
        except DnsctlError as error:
            _log.warning("cannot fetch the delta of generation %d, only a snapshot: %s", generation, error)
        return peer, releases[0], path

    async def _commit(
        self, survey: Survey, take: Callable[..., object], releases: tuple[Certified, ...]
    ) -> None:
        """Have `take` commit `releases`, and those that came while they were fetched, in one step."""
        peers = [peer for peer in self._peers if peer.node.name in survey.answered]
        for _ in range(_ROUNDS):
            last = self._staging.trust.certified(releases[-1]).generation
            newer = await self._survey(peers, last)
            if not newer.newest:
                break
            try:
                releases += await self._chain(newer, last)
            except DnsctlError as error:
                _log.info("cannot fetch releases after generation %d: %s", last, error)
                break
        late = not self._clocks or any(not offset.is_far for offset in self._clocks.values())
        clocks = {name: self._clocks[name] for name in sorted(self._clocks) if name in survey.answered}
        await self._write(functools.partial(take, late=late, clocks=clocks), *releases)
        self._followed(releases[-1].certificate)

    async def _write(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, function, *arguments)


def _with_first(first: AgentClient, peers: Sequence[AgentClient]) -> tuple[AgentClient, ...]:
    return (first, *(peer for peer in peers if peer is not first))


def _is_down(failure: BaseException) -> bool:
    """True where the host was reached, and nothing listens there: a node that does not run serves nothing."""
    waiting: list[BaseException | None] = [failure]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, ConnectionRefusedError):
            return True
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return False


def end_silence(silence: Silence | None, generation: int) -> None:
    """Let the node answer, if it did not yet: it serves what its fleet serves."""
    if silence is not None and silence.end():
        _log.info("current with generation %d: queries are answered from now on", generation)


async def recover(staging: Staging, writer: Executor, clients: Sequence[AgentClient]) -> int:
    """Bring a control host that lost or never had the last releases up to the fleet; return how many.

    The nodes come first, the host's own archive second: what was decided here and reached nobody is
    completed only where no other host has decided otherwise. Nodes that are away are passed over.
    Raises ReleaseRefusedError where the fleet's history and this host's differ, ClockError where clocks do.
    """
    before = staging.served.generation
    answers = await asyncio.gather(*(client.status() for client in clients), return_exceptions=True)
    require_agreement(clocks_of(answers), time.time())
    ahead = []
    for client, answer in zip(clients, answers, strict=True):
        if isinstance(answer, NodeStatus):
            ahead += [client] if answer.served.generation > before else []
        elif not isinstance(answer, NodeUnreachableError):
            raise answer
    if ahead:
        survey = await CatchUp(staging, writer, clients, longest_chain=None).reach(ahead)
        for failure in survey.failures:
            if not isinstance(failure, NodeUnreachableError):
                raise failure
    await asyncio.get_running_loop().run_in_executor(writer, staging.resume)
    return staging.served.generation - before
