import asyncio
import time

import pytest

from dnsctl.errors import NodeUnreachableError
from dnsctl.replicate.race import first_of


def run(hosts: list[float], pause: float = 0.05, limit: float = 5.0) -> tuple[float, list[float]]:
    """Ask hosts that answer after as many seconds, negative ones with a failure: who won, who was asked."""
    asked: list[float] = []

    async def ask(host: float) -> float:
        asked.append(host)
        await asyncio.sleep(abs(host))
        if host < 0:
            raise NodeUnreachableError("is away")
        return host

    return asyncio.run(first_of(hosts, ask, pause, limit)), asked


def test_first_host_that_answers_in_time_is_the_only_one_asked() -> None:
    assert run([0.01, 0.02]) == (0.01, [0.01])


def test_host_that_drips_costs_the_pause_and_no_more() -> None:
    began = time.monotonic()
    assert run([60, 0.01, 0.02]) == (0.01, [60, 0.01])
    assert time.monotonic() - began < 4  # of 5 that a host may take


def test_host_that_fails_makes_way_at_once() -> None:
    assert run([-0.001, 0.01], pause=30) == (0.01, [-0.001, 0.01])


def test_slow_host_still_wins_where_the_others_fail() -> None:
    assert run([0.3, -0.01, -0.01]) == (0.3, [0.3, -0.01, -0.01])


def test_last_failure_is_told_where_all_fail() -> None:
    with pytest.raises(NodeUnreachableError, match="is away"):
        run([-0.01, -0.01])


def test_host_over_the_limit_is_given_up() -> None:
    with pytest.raises(NodeUnreachableError, match="did not answer within"):
        run([60], limit=0.1)


def test_nobody_to_ask_is_told() -> None:
    with pytest.raises(NodeUnreachableError, match="no node has it"):
        run([])
