"""An agent that is replaced on the way of a push: both nodes serve the release, or none, as is told."""

import pytest

from dnsctl.errors import RefusalRule
from dnsctl.replicate.transaction import Outcome, push_release
from tests.refusals import refused_by
from tests.replicate.control import Control, Made, text
from tests.replicate.nodes import Fleet
from tests.replicate.test_transaction import generations, outgoing, push, supply, with_clients


@pytest.fixture
def first(control: Control, fleet: Fleet) -> Made:
    made = control.release({"example.com.": text(1)}, adopt=False)
    push(fleet, control, made)
    control.adopt(made)
    return made


def replace(fleet: Fleet, *names: str) -> None:
    """Kill agents, and begin others at once, as a supervisor does."""
    for name in names:
        fleet.kill(name)
        fleet.start(name, wait=False)


def pushed(fleet: Fleet, control: Control, made: Made, moment: str, *names: str, times: int = 1) -> Outcome:
    """Push; each time that `moment` has come at all nodes, `times` times at most, replace agents."""
    seen: list[str] = []
    left = [None] * times

    def progress(phase: str, node: str) -> None:
        seen.append(phase)
        if left and seen.count(moment) == len(fleet.nodes):
            seen.clear()
            left.pop()
            replace(fleet, *names)

    def certify() -> bytes:
        if moment == "decide":
            replace(fleet, *names)
        return made.certificate

    return with_clients(
        fleet, lambda clients: push_release(outgoing(made), clients, supply(control), certify, progress)
    )


@pytest.mark.parametrize("moment", ["catch up", "stage", "prepare", "decide"])
def test_release_is_served_everywhere_where_agents_are_replaced_on_the_way(
    control: Control, fleet: Fleet, first: Made, moment: str
) -> None:
    made = control.release({"example.com.": text(2)}, adopt=False)
    outcome = pushed(fleet, control, made, moment, "ns1", "ns2")
    assert outcome == Outcome(2, ("ns1", "ns2"), {})
    assert generations(fleet) == [2, 2]
    assert fleet.table("ns1") == fleet.table("ns2")


def test_agents_that_keep_dying_before_the_decision_leave_the_old_release_everywhere(
    control: Control, fleet: Fleet, first: Made
) -> None:
    made = control.release({"example.com.": text(2)}, adopt=False)
    with refused_by(RefusalRule.PREPARED_LOST, "ns1: "):
        pushed(fleet, control, made, "prepare", "ns1", times=9)
    assert generations(fleet) == [1, 1]
    assert fleet.status("ns2").prepared is None
    assert control.archive.activation(2) is None
