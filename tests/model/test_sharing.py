"""Work that is shared out gives what one process gives, whatever happens to the others."""

import os
import signal
from collections.abc import Sequence

import pytest

from dnsctl.model.sharing import shared
from tests.processes import children

THINGS = list(range(11))


def squares(share: Sequence[int]) -> list[int]:
    return [each * each for each in share]


@pytest.mark.parametrize("processes", [-1, 0, 1, 2, 3, 11, 50])
def test_results_stand_in_the_order_of_what_was_shared(processes: int) -> None:
    before = children()
    assert shared(squares, THINGS, processes) == squares(THINGS)
    assert children() == before


def test_nothing_is_shared_where_there_is_nothing() -> None:
    assert shared(squares, [], 3) == []


def test_result_that_is_nothing_counts() -> None:
    assert shared(lambda share: [None for _ in share], THINGS, 3) == [None] * len(THINGS)


def test_each_process_works_on_a_share_of_its_own() -> None:
    made = shared(lambda share: [os.getpid() for _ in share], THINGS, 3)
    assert len(set(made)) == 3
    assert made[0] == os.getpid()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_share_of_a_process_that_is_killed_is_done_here(number: signal.Signals) -> None:
    here = os.getpid()

    def dying(share: Sequence[int]) -> list[int]:
        if os.getpid() != here and 1 in share:
            os.kill(os.getpid(), number)
        return squares(share)

    assert shared(dying, THINGS, 3) == squares(THINGS)


def test_results_that_cannot_be_sent_are_made_here() -> None:
    made = shared(lambda share: [lambda each=each: each for each in share], THINGS, 2)
    assert [each() for each in made] == THINGS


def test_fault_of_the_work_is_raised_here_and_no_process_is_left() -> None:
    before = children()

    def failing(share: Sequence[int]) -> list[int]:
        if 4 in share:
            raise ValueError(f"{share[0]}")
        return squares(share)

    for processes in (1, 2, 3):
        with pytest.raises(ValueError, match=r"[01]"):
            shared(failing, THINGS, processes)
    assert children() == before
