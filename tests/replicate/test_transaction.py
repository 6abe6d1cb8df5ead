"""Pushes over two real nodes: all or none, and what is left when something dies on the way."""

import asyncio
import random
import secrets
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from dnsctl.errors import RefusalRule, ReleaseRefusedError
from dnsctl.files.durable import TEMPORARY_PREFIX
from dnsctl.release.archive import Archive
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.supply import Supply
from dnsctl.replicate.transaction import Outcome, Outgoing, fence, push_release
from tests.refusals import refused_by
from tests.replicate.control import Control, Made, text
from tests.replicate.nodes import Fleet

_Result = TypeVar("_Result")


def supply(control: Control) -> Supply:
    return Supply(control.archive, control.image, control.trust)


def outgoing(made: Made) -> Outgoing:
    return Outgoing(made.manifest, made.sealed, made.delta)


def with_clients(
    fleet: Fleet, work: Callable[[list[AgentClient]], Awaitable[_Result]], names: tuple[str, ...] = ()
) -> _Result:
    async def run() -> _Result:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(fleet.client(node.name))
                for node in fleet.nodes
                if not names or node.name in names
            ]
            return await work(clients)

    return asyncio.run(run())


def push(
    fleet: Fleet,
    control: Control,
    made: Made,
    *,
    names: tuple[str, ...] = (),
    certify: Callable[[], bytes] | None = None,
    seen: list[tuple[str, str]] | None = None,
) -> Outcome:
    return with_clients(
        fleet,
        lambda clients: push_release(
            outgoing(made),
            clients,
            supply(control),
            certify or (lambda: made.certificate),
            lambda phase, node: seen.append((phase, node)) if seen is not None else None,
        ),
        names,
    )


@pytest.fixture
def first(control: Control, fleet: Fleet) -> Made:
    """Generation 1, served by both nodes and adopted by the control host."""
    made = control.release({"example.com.": text(1)}, adopt=False)
    push(fleet, control, made)
    control.adopt(made)
    return made


def generations(fleet: Fleet) -> list[int]:
    return [fleet.status(node.name).served.generation for node in fleet.nodes]


def test_push_ends_served_everywhere(control: Control, fleet: Fleet) -> None:
    made = control.release({"example.com.": text(1)}, adopt=False)
    seen: list[tuple[str, str]] = []
    outcome = push(fleet, control, made, seen=seen)
    assert outcome == Outcome(1, ("ns1", "ns2"), {})
    assert outcome.exit_code == 0
    assert generations(fleet) == [1, 1]
    assert [phase for phase, _ in seen] == [
        phase for phase in ("reach", "catch up", "stage", "prepare", "activate") for _ in range(2)
    ]
    assert control.archive.activation(1) == made.certificate


def test_node_that_is_down_stops_the_push_before_anything_changes(
    control: Control, fleet: Fleet, first: Made
) -> None:
    fleet.kill("ns2")
    made = control.release({"example.com.": text(2)}, adopt=False)
    with refused_by(RefusalRule.UNREACHABLE, "--without dc2 --reason TEXT"):
        push(fleet, control, made)
    assert fleet.status("ns1").served.generation == 1
    assert fleet.status("ns1").prepared is None
    assert control.archive.activation(2) is None


def test_site_left_out_catches_up_when_it_is_back(control: Control, fleet: Fleet, first: Made) -> None:
    fleet.kill("ns2")
    made = control.release({"example.com.": text(2)}, adopt=False)
    assert push(fleet, control, made, names=("ns1",)).activated == ("ns1",)
    fleet.start("ns2")
    fleet.wait_for_generation(2)
    assert fleet.table("ns1") == fleet.table("ns2")


def test_refusal_by_one_node_leaves_nothing_prepared_at_the_other(
    control: Control, fleet: Fleet, first: Made
) -> None:
    made = control.release({"example.com.": text(2)}, adopt=False)
    other = control.release({"example.com.": text(3)}, adopt=False)

    async def occupy(client: AgentClient) -> None:
        await client.put_delta(other.manifest.delta.digest, other.delta, other.sealed)
        await client.prepare(other.sealed)

    fleet.ask("ns2", occupy)
    with refused_by(RefusalRule.ANOTHER_PREPARED, "ns2: "):
        push(fleet, control, made)
    assert fleet.status("ns1").prepared is None
    assert generations(fleet) == [1, 1]


def test_release_on_an_older_parent_is_refused_at_the_fence(
    tmp_path: Path, control: Control, fleet: Fleet, first: Made
) -> None:
    late = Control(tmp_path / "late", control.key)
    late.adopt(first)
    slow = late.release({"example.com.": text(41)}, adopt=False)
    fast = control.release({"example.com.": text(2)}, adopt=False)
    push(fleet, control, fast)
    with refused_by(RefusalRule.FENCE, "ns1: "):
        push(fleet, late, slow)
    assert generations(fleet) == [2, 2]
    late.close()


def test_two_hosts_push_at_once_and_one_wins_everywhere(
    tmp_path: Path, control: Control, fleet: Fleet, first: Made
) -> None:
    rival = Control(tmp_path / "rival", control.key)
    rival.adopt(first)
    mine = control.release({"example.com.": text(2)}, adopt=False)
    theirs = rival.release({"example.com.": text(3)}, adopt=False)
    outcomes: dict[str, object] = {}

    def run(name: str, host: Control, made: Made) -> None:
        try:
            outcomes[name] = push(fleet, host, made)
        except ReleaseRefusedError as error:
            outcomes[name] = error

    threads = [
        threading.Thread(target=run, args=("mine", control, mine)),
        threading.Thread(target=run, args=("theirs", rival, theirs)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [name for name, outcome in outcomes.items() if isinstance(outcome, Outcome)]
    assert len(winners) <= 1
    fleet.wait_for_generation(1 + len(winners))
    served = {fleet.status(node.name).served.manifest for node in fleet.nodes}
    expected = {"mine": mine, "theirs": theirs}[winners[0]] if winners else first
    assert served == {expected.manifest.digest}
    rival.close()


def test_node_that_is_behind_is_fed_from_the_archive(control: Control, fleet: Fleet) -> None:
    for number in (1, 2, 3):
        control.release({"example.com.": text(number)})
    with_clients(fleet, lambda clients: fence(clients, supply(control)))
    assert generations(fleet) == [3, 3]


def test_node_too_far_behind_is_restored_from_the_image(control: Control, fleet: Fleet) -> None:
    for number in (1, 2, 3):
        made = control.release({"example.com.": text(number)})
    Archive(control.archive.root).prune(1)
    with_clients(fleet, lambda clients: fence(clients, supply(control)))
    assert generations(fleet) == [3, 3]
    assert fleet.table("ns1") == (3, made.manifest.digest, made.manifest.table)


def test_node_with_another_history_is_named_and_left_alone(
    tmp_path: Path, control: Control, fleet: Fleet
) -> None:
    other = Control(tmp_path / "other", control.key)
    push(fleet, other, other.release({"example.org.": text(9)}, adopt=False))
    for number in (1, 2):
        control.release({"example.com.": text(number)})
    with refused_by(RefusalRule.FENCE, "ns1: "):
        with_clients(fleet, lambda clients: fence(clients, supply(control)))
    assert generations(fleet) == [1, 1]
    other.close()


def test_full_disk_refuses_the_release_and_the_node_goes_on_serving(
    control: Control, fleet: Fleet, first: Made
) -> None:
    fleet.kill("ns2")
    fleet.start("ns2", largest_file=200_000)
    records = "".join(f"host{number} 300 A 192.0.2.{number % 250}\n" for number in range(3000))
    made = control.release({"example.com.": text(2) + records}, adopt=False)
    with refused_by(RefusalRule.SYSTEM, "ns2: "):
        push(fleet, control, made)
    refusal = fleet.status("ns2").refusal
    assert refusal is not None
    assert "large" in refusal.reason  # EFBIG, the kernel's word for it
    assert generations(fleet) == [1, 1]
    assert fleet.status("ns1").prepared is None
    assert fleet.table("ns2") == (1, first.manifest.digest, first.manifest.table)
    fleet.kill("ns2")
    fleet.start("ns2")
    assert push(fleet, control, made).activated == ("ns1", "ns2")


def test_delta_that_finds_no_room_is_refused_with_the_reason(
    control: Control, fleet: Fleet, first: Made
) -> None:
    fleet.kill("ns2")
    fleet.start("ns2", largest_file=20_000)
    noise = "".join(f'host{number} 300 TXT "{secrets.token_hex(100)}"\n' for number in range(300))
    made = control.release({"example.com.": text(2) + noise}, adopt=False)
    assert len(made.delta) > 20_000
    with refused_by(RefusalRule.SYSTEM, "releases: File too large;"):
        push(fleet, control, made)
    assert generations(fleet) == [1, 1]
    assert not list((fleet.state("ns2") / "releases").glob(f"{TEMPORARY_PREFIX}*"))


class _Killed(BaseException):
    """Stands for the death of the control host: nothing of its own runs after it."""


def test_control_killed_before_the_certificate_changes_nothing_and_the_next_push_goes_through(
    control: Control, fleet: Fleet, first: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = control.release({"example.com.": text(2)}, adopt=False)

    def die() -> bytes:
        raise _Killed

    with monkeypatch.context() as patched, pytest.raises(_Killed):
        patched.setattr("dnsctl.replicate.transaction._abort", _nothing)
        push(fleet, control, lost, certify=die)
    assert [fleet.status(node.name).prepared is not None for node in fleet.nodes] == [True, True]
    assert generations(fleet) == [1, 1]
    again = control.release({"example.com.": text(3)}, adopt=False)
    assert push(fleet, control, again).activated == ("ns1", "ns2")  # without waiting for the expiry


async def _nothing(*arguments: object) -> None:
    return None


def test_control_killed_after_the_decision_is_completed_by_the_next_push(
    control: Control, fleet: Fleet, first: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = control.release({"example.com.": text(2)}, adopt=False)

    async def die(*arguments: object) -> Outcome:
        raise _Killed

    with monkeypatch.context() as patched, pytest.raises(_Killed):
        patched.setattr("dnsctl.replicate.transaction._activate", die)
        push(fleet, control, decided)
    assert generations(fleet) == [1, 1]
    control.staging.resume()
    with_clients(fleet, lambda clients: fence(clients, supply(control)))
    assert generations(fleet) == [2, 2]


def test_interrupt_while_preparing_leaves_nothing_prepared(
    control: Control, fleet: Fleet, first: Made
) -> None:
    made = control.release({"example.com.": text(2)}, adopt=False)

    async def interrupted(clients: list[AgentClient]) -> None:
        task = asyncio.current_task()
        assert task is not None
        seen: list[str] = []

        def stop(phase: str, node: str) -> None:
            if phase == "prepare" and not seen:
                seen.append(node)
                task.cancel()

        await push_release(outgoing(made), clients, supply(control), lambda: made.certificate, stop)

    with pytest.raises(asyncio.CancelledError):
        with_clients(fleet, interrupted)
    assert [fleet.status(node.name).prepared for node in fleet.nodes] == [None, None]
    assert generations(fleet) == [1, 1]


def test_interrupt_after_the_decision_completes_first(control: Control, fleet: Fleet, first: Made) -> None:
    made = control.release({"example.com.": text(2)}, adopt=False)

    async def interrupted(clients: list[AgentClient]) -> None:
        task = asyncio.current_task()
        assert task is not None

        def certify() -> bytes:
            task.cancel()
            return made.certificate

        await push_release(outgoing(made), clients, supply(control), certify)

    with pytest.raises(asyncio.CancelledError):
        with_clients(fleet, interrupted)
    assert generations(fleet) == [2, 2]


def test_node_lost_between_prepare_and_activate_is_reported_and_gets_it_from_its_peer(
    control: Control, fleet: Fleet, first: Made
) -> None:
    made = control.release({"example.com.": text(2)}, adopt=False)

    def certify() -> bytes:
        fleet.kill("ns2")
        return made.certificate

    outcome = push(fleet, control, made, certify=certify)
    assert outcome.exit_code == 3
    assert outcome.activated == ("ns1",)
    assert "ns2: cannot be reached" in outcome.missed["ns2"]
    fleet.start("ns2")
    fleet.wait_for_generation(2)
    assert fleet.table("ns1") == fleet.table("ns2")


@pytest.mark.parametrize("seed", range(6))
def test_node_killed_at_a_random_moment_of_a_push_ends_on_the_release_of_the_fleet(
    control: Control, fleet: Fleet, first: Made, seed: int
) -> None:
    moment = random.Random(seed).uniform(0.0, 0.12)
    records = "".join(f"host{number} 300 A 192.0.2.{number % 250}\n" for number in range(2000))
    made = control.release({"example.com.": text(2) + records}, adopt=False)

    def kill() -> None:
        time.sleep(moment)
        fleet.kill("ns2")

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        outcome: Outcome | None = push(fleet, control, made)
    except ReleaseRefusedError:
        outcome = None
    killer.join()
    served = fleet.table("ns2")  # what a worker serves while the agent is dead
    assert served in (
        (1, first.manifest.digest, first.manifest.table),
        (2, made.manifest.digest, made.manifest.table),
    )
    fleet.start("ns2")
    decided = made if outcome is not None or control.archive.activation(2) else first
    fleet.wait_for_generation(decided.manifest.generation)
    expected = (decided.manifest.generation, decided.manifest.digest, decided.manifest.table)
    assert fleet.table("ns1") == fleet.table("ns2") == expected
