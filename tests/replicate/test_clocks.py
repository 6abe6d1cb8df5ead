"""What is told where clocks differ, and what a node refuses by its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from dnsctl.errors import ClockError, DnsctlError, RefusalRule, ReleaseRefusedError
from dnsctl.image.store import Image
from dnsctl.release.archive import Archive
from dnsctl.release.envelope import seal
from dnsctl.release.manifest import ActivationCertificate
from dnsctl.replicate import acceptance
from dnsctl.replicate.answers import NodeStatus
from dnsctl.replicate.catchup import CatchUp
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.clocks import Offset, require_agreement, require_witness, span
from dnsctl.replicate.staging import OwnHost, Staging
from tests.refusals import refused_by
from tests.replicate.control import CREATED, Control, Made, text
from tests.replicate.nodes import Fleet
from tests.replicate.test_catchup import push

OURS = 1_795_262_400.0  # 2026-11-21 12:00:00 UTC


def told(**seconds: float) -> str:
    with pytest.raises(ClockError) as caught:
        require_agreement({name: Offset(each) for name, each in seconds.items()}, OURS)
    assert caught.value.exit_code == 1
    return str(caught.value)


def test_this_host_is_named_where_all_nodes_agree_with_each_other() -> None:
    assert told(ns1=-7200, ns2=-7199).startswith(
        "the clock of this host (2026-11-21 12:00:00 UTC) is 2 h 0 min ahead of ns1's and ns2's,"
        " which agree with each other; set it by NTP"
    )
    assert "is 60 d 0 h behind ns1's and ns2's" in told(ns1=60 * 86400, ns2=60 * 86400 + 3)


def test_one_node_that_stands_alone_is_named() -> None:
    message = told(ns1=0.4, ns2=90)
    assert message.startswith(
        "ns2: the clock of ns2 (2026-11-21 12:01:30 UTC) is 90 s ahead of that of this host"
        " (2026-11-21 12:00:00 UTC); ns1's agrees with this host's"
    )
    assert "is 24 h 0 min behind" not in message
    assert "the clock of ns1 (2026-11-20 12:00:00 UTC) is 1 d 0 h behind that of" in told(ns1=-86400, ns2=0)


def test_one_node_that_agrees_is_witness_enough() -> None:
    require_witness({"ns1": Offset(0.4), "ns2": Offset(90)}, OURS)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ({"ns1": 90.0, "ns2": 90.0}, "the clock of this host"),
        ({"ns1": 90.0}, "cannot tell which of them is wrong"),
        ({"ns1": 90.0, "ns2": -90.0}, "cannot tell which of them is wrong"),
        ({}, "no node tells its time"),
    ],
)
def test_clock_without_a_witness_is_refused(seconds: dict[str, float], words: str) -> None:
    with pytest.raises(ClockError, match=words):
        require_witness({name: Offset(each) for name, each in seconds.items()}, OURS)


def test_nobody_is_accused_where_it_is_one_against_one() -> None:
    message = told(ns1=7200)
    assert "the clock of ns1 (2026-11-21 14:00:00 UTC) is 2 h 0 min ahead of that of this host" in message
    assert "this host cannot tell which of them is wrong" in message


def test_nobody_is_accused_where_all_differ() -> None:
    message = told(ns1=7200, ns2=-600)
    assert "ns1" in message
    assert "ns2" in message
    assert "cannot tell which of them is wrong" in message


@pytest.mark.parametrize("seconds", [0, 59, -59, 60, -60])
def test_a_minute_is_no_difference(seconds: float) -> None:
    require_agreement({"ns1": Offset(seconds)}, OURS)


def test_slow_link_accuses_nobody_of_what_it_took_itself() -> None:
    slow = Offset.measured(theirs=OURS + 65, ours=OURS, round_trip=12.0)
    assert (slow.seconds, slow.uncertainty) == (71, 6)
    assert slow.is_far
    assert not Offset.measured(theirs=OURS + 58, ours=OURS, round_trip=12.0).is_far
    assert Offset.measured(theirs=OURS + 90, ours=OURS, round_trip=15.0).is_far


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (61, "61 s"),
        (90.4, "90 s"),
        (125, "2 min 5 s"),
        (7198, "2 h 0 min"),
        (7200, "2 h 0 min"),
        (86399, "1 d 0 h"),
        (5184000, "60 d 0 h"),
    ],
)
def test_span_is_told_in_two_units(seconds: float, words: str) -> None:
    assert span(seconds) == span(-seconds) == words


class Node:
    """A node's staging whose clock is told."""

    def __init__(self, root: Path, control: Control) -> None:
        self.now = float(CREATED)
        self.image = Image.open(root / "image", readonly=False)
        self.staging = Staging(
            self.image,
            Archive(root / "releases"),
            control.trust,
            prove=acceptance.prove,
            own=OwnHost(lambda: self.now),
        )

    def prepare(self, made: Made) -> None:
        self.staging.archive.put(made.delta)
        self.staging.prepare(made.sealed)


@pytest.fixture
def node(tmp_path: Path, control: Control) -> Iterator[Node]:
    node = Node(tmp_path / "node", control)
    yield node
    node.staging.close()
    node.image.close()


def refused(node: Node, reason: str) -> None:
    """Make sure that the reason is kept for `status`, and nothing changed."""
    assert node.staging.refusal is not None
    assert reason in node.staging.refusal.reason
    assert node.staging.served.generation == 0


def test_manifest_of_the_future_is_not_prepared(node: Node, control: Control) -> None:
    made = control.release({"example.com.": text(1)}, adopt=False)
    node.now = CREATED - 7200.0
    with pytest.raises(
        ReleaseRefusedError, match=r"generation 1 was made at .* 2 h 0 min ahead of this node"
    ):
        node.prepare(made)
    refused(node, "ahead of this node's clock")
    assert node.staging.prepared() is None
    node.now = CREATED - 59.0
    node.prepare(made)


def test_certificate_of_the_future_activates_nothing(node: Node, control: Control) -> None:
    made = control.release({"example.com.": text(1)}, adopt=False)
    node.prepare(made)
    late = ActivationCertificate(1, made.manifest.digest, CREATED + 3600)
    with pytest.raises(
        ReleaseRefusedError, match=r"certificate of generation 1 was made at .* ahead of this"
    ):
        node.staging.activate(seal(late.to_bytes(), [control.key], "activation"))
    refused(node, "ahead of this node's clock")
    assert node.staging.activate(made.certificate)


@pytest.mark.parametrize(
    ("period", "reason"),
    [
        (
            (CREATED + 10, CREATED + 86400),
            "signatures of example.com. are not valid before 2026-11-21 12:00:10",
        ),
        ((CREATED - 86400, CREATED - 1), "signatures of example.com. ran out at 2026-11-21 11:59:59"),
    ],
)
def test_signatures_that_do_not_hold_are_not_prepared(
    node: Node, control: Control, period: tuple[int, int], reason: str
) -> None:
    made = _with_period(control, control.release({"example.com.": text(1)}, adopt=False), *period)
    with refused_by(RefusalRule.SIGNATURE_TIME, reason):
        node.prepare(made)
    refused(node, reason)


def test_clock_that_was_set_back_after_prepare_activates_nothing(node: Node, control: Control) -> None:
    made = control.release({"example.com.": text(1)}, adopt=False)
    node.prepare(made)
    node.now = CREATED - 3600.0
    with refused_by(RefusalRule.CLOCK):
        node.staging.activate(made.certificate)
    refused(node, "generation 1 was made")


def test_release_that_was_decided_is_taken_late_but_not_of_the_future(node: Node, control: Control) -> None:
    late = _with_period(
        control, control.release({"example.com.": text(1)}, adopt=False), CREATED - 9000, CREATED + 10
    )
    node.staging.archive.put(late.delta)
    node.now = CREATED - 7200.0
    with refused_by(RefusalRule.CLOCK):
        node.staging.follow(late.certified)
    node.now = CREATED + 86400.0
    with refused_by(RefusalRule.SIGNATURE_TIME):
        node.staging.follow(late.certified, late=False)
    with refused_by(RefusalRule.ZONE_DIFFERS):
        node.staging.follow(late.certified)
    refused(node, "would not be")


def test_expired_release_on_the_way_to_a_current_one_stops_nothing(node: Node, control: Control) -> None:
    first = control.release({"example.com.": text(1)})
    second = control.release({"example.com.": text(2)})
    for made in (first, second):
        node.staging.archive.put(made.delta)
    node.now = CREATED + 30.0
    assert node.staging.follow(first.certified, second.certified, late=False)
    assert node.staging.served.generation == 2


def _with_period(control: Control, made: Made, inception: int, expiry: int) -> Made:
    zones = {
        origin: replace(entry, inception=inception, expiry=expiry)
        for origin, entry in made.manifest.zones.items()
    }
    return control.altered(made, zones=zones)


def test_agent_tells_its_time(fleet: Fleet) -> None:
    clock = fleet.status("ns1").clock
    assert clock is not None
    assert abs(clock.seconds) <= clock.uncertainty + 0.01
    assert not clock.is_far


def test_agent_refuses_what_is_of_the_future_and_says_so_in_its_status(
    fleet: Fleet, control: Control
) -> None:
    made = control.release({"example.com.": text(1)}, adopt=False)
    ahead = control.altered(made, created=2**33)
    fleet.ask("ns1", lambda client: client.put_delta(ahead.manifest.delta.digest, ahead.delta, ahead.sealed))
    with refused_by(RefusalRule.CLOCK, "ns1: generation 1 was made at 2242-"):
        fleet.ask("ns1", lambda client: client.prepare(ahead.sealed))
    refusal = fleet.status("ns1").refusal
    assert refusal is not None
    assert "ahead of this node's clock" in refusal.reason


class _Telling:
    """A client of an agent whose clock is `seconds` ahead of ours."""

    def __init__(self, client: AgentClient, seconds: float) -> None:
        self._client, self._seconds = client, seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def status(self) -> NodeStatus:
        return replace(await self._client.status(), clock=Offset(self._seconds, 0.1))


@pytest.mark.parametrize(
    ("ahead", "refusal"),
    [
        ((90.0, 91.0), "is 90 s behind ns1's and ns2's, which agree with each other"),
        ((-600.0, -600.0), "is 10 min 0 s ahead of ns1's and ns2's, which agree with each other"),
        ((90.0, 0.0), ""),
        ((90.0, 900.0), ""),
        ((59.0, 59.0), ""),
    ],
)
def test_node_whose_clock_no_other_agrees_with_does_not_catch_up(
    tmp_path: Path, control: Control, fleet: Fleet, ahead: tuple[float, float], refusal: str
) -> None:
    push(fleet, control.release({"example.com.": text(1)}), "ns1", "ns2")

    async def caught_up(staging: Staging, writer: ThreadPoolExecutor) -> int:
        async with fleet.client("ns1") as one, fleet.client("ns2") as two:
            peers = [
                cast("AgentClient", _Telling(each, by)) for each, by in zip((one, two), ahead, strict=True)
            ]
            return await CatchUp(staging, writer, peers).once()

    with Image.open(tmp_path / "image", readonly=False) as image, ThreadPoolExecutor(1) as writer:
        staging = Staging(
            image,
            Archive(tmp_path / "archive"),
            control.trust,
            prove=acceptance.prove,
            own=OwnHost(time.time),
        )
        if refusal:
            with contextlib.suppress(DnsctlError):
                asyncio.run(caught_up(staging, writer))
            assert staging.served.generation == 0
            assert staging.refusal is not None
            assert staging.refusal.rule is RefusalRule.CLOCK
            assert refusal in staging.refusal.reason
        else:
            assert asyncio.run(caught_up(staging, writer)) == 1
