"""A push over the whole fleet: fence, stage, prepare, certify, activate. All nodes, or none.

The release is decided when its sealed certificate is durable in the control host's archive. Before that,
nothing has changed anywhere, and everything is dropped; after that, the fleet serves the release, and a node
that missed it gets it from a peer or from the next push. Two pushes cannot both decide: a node holds one
prepared release at a time, for a fixed time, and a certificate is made only while every node holds this one,
well before the first of them expires. An agent that is replaced meanwhile has lost what it had prepared:
before the decision it prepares that again, after it it gets the whole release.

Works on sealed bytes; builds nothing, prints nothing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from dnsctl.errors import AgentGoneError, DnsctlError, NodeUnreachableError, RefusalRule, ReleaseRefusedError
from dnsctl.release.manifest import Manifest
from dnsctl.replicate.answers import NodeStatus, clocks_of
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.clocks import require_agreement
from dnsctl.replicate.staging import Served
from dnsctl.replicate.supply import Supply

Phase = Literal["reach", "catch up", "stage", "prepare", "activate"]
Progress = Callable[[Phase, str], None]  # a node has done with a phase
_Result = TypeVar("_Result")

MARGIN = 0.5  # of the time prepared releases are held may pass before the certificate is made
CONFIRM = 5.0  # seconds in which a node that missed the certificate may tell what it serves
RETURN = 5.0  # seconds in which an agent that answered before and is gone may be back: one takes its place
PREPARES = 3  # times that a release is prepared, where agents are replaced meanwhile
_AGAIN = 0.1  # seconds until a node is asked again


@dataclass(frozen=True)
class Outgoing:
    """A release on its way out: what the nodes are sent, and the manifest that is inside `sealed`."""

    manifest: Manifest
    sealed: bytes = field(repr=False)
    delta: bytes = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """How a push ended after the decision: who serves the release, and who did not get it, and why."""

    generation: int
    activated: tuple[str, ...]
    missed: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return NodeUnreachableError.exit_code if self.missed else 0


def _silent(phase: Phase, node: str) -> None:
    pass


async def fence(
    clients: Sequence[AgentClient], supply: Supply, progress: Progress = _silent
) -> dict[str, NodeStatus]:
    """Read what every node serves, and bring those that are behind to the control host's release.

    Returns the statuses as they were read. What a push of this host left prepared when it was killed is
    dropped: it was staged from this archive, and has no certificate. Raises ReleaseRefusedError for a node
    that cannot be reached, serves another history, or is ahead, ClockError where clocks differ.
    """
    target = supply.served()
    statuses = await reach(clients, progress)
    for client in clients:
        served = statuses[client.node.name].served
        if served.generation > target.generation:
            raise ReleaseRefusedError(
                f"serves generation {served.generation} ({served.manifest[:12]}), this host was about to"
                f" build on {target.generation}",
                where=client.node.name,
                advice="another push was first; run `dnsctl push` again to build on it",
                rule=RefusalRule.FENCE,
            )
    stale = supply.staged(target.generation + 1)

    async def ready(client: AgentClient) -> None:
        status = statuses[client.node.name]
        if stale and status.prepared is not None and status.prepared.manifest == stale:
            await client.abort(stale)
        await supply.level(client, status, target)

    _or_raise(clients, await _each(clients, "catch up", progress, _patiently(ready)))
    return statuses


async def reach(
    clients: Sequence[AgentClient],
    progress: Progress = _silent,
    ask: Callable[[AgentClient], Awaitable[NodeStatus]] = AgentClient.status,
) -> dict[str, NodeStatus]:
    """Return every node's status, all clocks being right with ours. Raises as `fence` does."""
    statuses = _or_raise(clients, await _each(clients, "reach", progress, ask))
    require_agreement(clocks_of(statuses.values()), time.time())
    return statuses


async def push_release(
    outgoing: Outgoing,
    clients: Sequence[AgentClient],
    supply: Supply,
    certify: Callable[[], bytes],
    progress: Progress = _silent,
) -> Outcome:
    """Have every node of `clients` serve `outgoing`, or none of them.

    `certify` returns the sealed certificate. Raises ReleaseRefusedError where any node could not be reached
    or refused before the decision: nothing has changed then, and nothing is left prepared. Cancelled before
    the decision, it leaves nothing; cancelled after it, it completes first.
    """
    manifest = outgoing.manifest
    await fence(clients, supply, progress)
    supply.archive.put(outgoing.delta)
    supply.archive.put_manifest(manifest.generation, outgoing.sealed)
    try:
        _or_raise(
            clients,
            await _each(
                clients,
                "stage",
                progress,
                _patiently(lambda one: one.put_delta(manifest.delta.digest, outgoing.delta, outgoing.sealed)),
            ),
        )
        await _prepare(outgoing, clients, progress)
        sealed = certify()
        supply.archive.put_activation(manifest.generation, sealed)  # the decision
    except BaseException:
        await _completed(_abort(clients, manifest))
        raise
    return await _completed(_activate(clients, supply, manifest, sealed, progress))


async def _prepare(outgoing: Outgoing, clients: Sequence[AgentClient], progress: Progress) -> None:
    """Return when all nodes hold the release, for long enough, and all clocks are right with ours.

    Raises ReleaseRefusedError where they do not.
    """
    wanted = Served(outgoing.manifest.generation, outgoing.manifest.digest)

    async def prepared(one: AgentClient) -> float:
        """Return the moment until which this node's word is relied on."""
        return await one.prepare(outgoing.sealed) * MARGIN + time.monotonic()

    for _ in range(PREPARES):
        deadlines = _or_raise(clients, await _each(clients, "prepare", progress, _patiently(prepared)))
        if time.monotonic() > min(deadlines.values(), default=0.0):
            raise ReleaseRefusedError(
                "the last node was ready only when the prepared release was about to expire on the first",
                advice="look for the slow node in `dnsctl status`, then push again",
                rule=RefusalRule.TOO_SLOW,
            )
        # Once more: a clock that was set meanwhile decides nothing, and an agent may have been replaced.
        statuses = await reach(clients, ask=_patiently(AgentClient.status))
        lost = [name for name, status in statuses.items() if status.prepared != wanted]
        if not lost:
            return
    raise ReleaseRefusedError(
        f"prepared the release {PREPARES} times, and lost it each time",
        where=lost[0],
        advice="see the agent's log; then push again",
        rule=RefusalRule.PREPARED_LOST,
    )


async def clocks_ahead(clients: Sequence[AgentClient]) -> dict[str, float]:
    """Return how many seconds each node's clock is ahead of ours; nodes that do not say are left out."""
    answers = await _each(clients, "reach", _silent, lambda client: client.status())
    return {name: offset.seconds for name, offset in clocks_of(answers.values()).items()}


async def _activate(
    clients: Sequence[AgentClient], supply: Supply, manifest: Manifest, sealed: bytes, progress: Progress
) -> Outcome:
    target = Served(manifest.generation, manifest.digest)

    async def activated(one: AgentClient) -> None:
        try:
            await _patiently(lambda client: client.activate(sealed))(one)
        except DnsctlError as error:
            if isinstance(error, AgentGoneError) or not await _brought(one, supply, target):
                raise

    results = await _each(clients, "activate", progress, activated)
    missed = {name: str(result) for name, result in results.items() if isinstance(result, DnsctlError)}
    reached = tuple(one.node.name for one in clients if one.node.name not in missed)
    return Outcome(manifest.generation, reached, missed)


async def _brought(client: AgentClient, supply: Supply, target: Served) -> bool:
    """True once the node serves the release after all, which is given to it where its agent had lost it.

    The response may have been lost, or a peer may be faster. False where it does not say what it serves.
    """
    try:
        async with asyncio.timeout(CONFIRM):
            status = await _patiently(AgentClient.status)(client)
        await supply.level(client, status, target)
    except (DnsctlError, TimeoutError):
        return False
    return True


def _patiently(
    ask: Callable[[AgentClient], Awaitable[_Result]],
) -> Callable[[AgentClient], Awaitable[_Result]]:
    """Return `ask`, asked again for `RETURN` seconds while a node's agent is gone: it answered just before.

    Whatever is asked may have been done already.
    """

    async def asked(client: AgentClient) -> _Result:
        last_try = math.inf
        while True:
            try:
                return await ask(client)
            except AgentGoneError:
                last_try = min(last_try, time.monotonic() + RETURN)
                if time.monotonic() > last_try:
                    raise
            await asyncio.sleep(_AGAIN)

    return asked


async def _abort(clients: Sequence[AgentClient], manifest: Manifest) -> None:
    """Tell every node to drop it; a node that does not hear this drops it when it expires."""
    await _each(clients, "prepare", _silent, lambda one: one.abort(manifest.digest))


async def _completed(work: Awaitable[_Result]) -> _Result:
    """Wait for `work` to end, also when cancelled meanwhile; then the cancellation goes on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _each(
    clients: Iterable[AgentClient],
    phase: Phase,
    progress: Progress,
    ask: Callable[[AgentClient], Awaitable[_Result]],
) -> dict[str, _Result | DnsctlError]:
    """Ask all nodes at once; the error of a node stands in place of its answer."""

    async def one(client: AgentClient) -> _Result | DnsctlError:
        try:
            result = await ask(client)
        except DnsctlError as error:
            return error
        progress(phase, client.node.name)
        return result

    clients = list(clients)
    results = await asyncio.gather(*(one(client) for client in clients))
    return {client.node.name: result for client, result in zip(clients, results, strict=True)}


def _or_raise(
    clients: Sequence[AgentClient], results: Mapping[str, _Result | DnsctlError]
) -> dict[str, _Result]:
    """Return the answers if every node gave one. Raises the first failure, with how many more there are."""
    answers: dict[str, _Result] = {}
    failures: list[tuple[AgentClient, DnsctlError]] = []
    for client in clients:
        result = results[client.node.name]
        if isinstance(result, DnsctlError):
            failures.append((client, result))
        else:
            answers[client.node.name] = result
    if failures:
        raise _stopped(*failures[0], len(failures) - 1)
    return answers


def _stopped(client: AgentClient, failure: DnsctlError, others: int) -> DnsctlError:
    failure.what += f" (and {others} more node{'s' if others > 1 else ''})" if others else ""
    if not isinstance(failure, NodeUnreachableError):
        return failure
    return ReleaseRefusedError(  # nothing has changed: a refusal, not a push that reached some
        failure.what,
        where=failure.where,
        advice=f"restore it, or go ahead: push and rollback take --without {client.node.site} --reason TEXT",
        rule=failure.rule,
    )
