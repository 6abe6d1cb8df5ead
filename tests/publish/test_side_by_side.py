"""Many small zones are signed and compiled by forks: the same release, and no fork is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.errors import SigningError, SystemRefusalError
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.publish import making
from dnsctl.publish.intent import Intent
from dnsctl.publish.pipeline import build
from dnsctl.publish.side_by_side import shared_out
from tests.publish.host import NOW, Host, intent

pytestmark = pytest.mark.usefixtures("no_process_left")
ED25519 = Policy(algorithm=Algorithm.ED25519)
POLICIES = (ED25519, replace(ED25519, denial="nsec3", opt_out=True), replace(ED25519, zonemd="publish"), None)


def zones(address: str = "192.0.2.1") -> dict[str, str]:
    hosts = "".join(f"h{number} A 192.0.2.{number}\n" for number in range(4))
    return {
        f"z{number}.example.": f"{hosts}www A {address}\nsub NS ns.example.net.\n" for number in range(24)
    }


def mixed(address: str = "192.0.2.1") -> Intent:
    """Return zones of every policy in turn."""
    found = intent(zones(address), ED25519)
    told = {
        origin: replace(each, policy=POLICIES[number % len(POLICIES)])
        for number, (origin, each) in enumerate(found.zones.items())
    }
    return replace(found, zones=told)


def test_release_is_the_same_octet_by_octet_with_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forks: list[int] = []
    fork = os.fork

    def counted() -> int:
        forks.append(1)
        return fork()

    monkeypatch.setattr(os, "fork", counted)
    monkeypatch.setattr(making, "_GROUP", 30)
    monkeypatch.setattr(making, "_WORTH_FORKS", 20)
    host = Host(tmp_path)
    drafted = host.build(mixed())
    host.keystore.store(drafted.new_keys)
    one = build(mixed(), host.keystore, host.keys, host.image, NOW)
    assert not forks
    three = build(mixed(), host.keystore, host.keys, host.image, NOW, workers=3)
    assert len(forks) > 3, "more than one group"
    assert not len(forks) % 3, "each of three shares"
    assert (one.sealed, one.delta) == (three.sealed, three.delta)
    assert [each.origin for each in one.zones] == [each.origin for each in three.zones]
    assert one.served == three.served
    host.take(three, NOW)
    later = NOW + timedelta(days=1)
    again = [
        build(mixed("192.0.2.2"), host.keystore, host.keys, host.image, later, workers=each)
        for each in (1, 3)
    ]
    assert again[0].delta == again[1].delta


def test_few_small_zones_are_not_worth_a_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))
    host = Host(tmp_path)
    few = intent(dict(list(zones().items())[:3]), ED25519)
    assert build(few, host.keystore, host.keys, host.image, NOW, workers=3) is not None


def groups(*sizes: int) -> Iterator[list[int]]:
    started = 0
    for size in sizes:
        yield list(range(started, started + size))
        started += size


def test_results_come_in_order_a_group_at_a_time() -> None:
    made = list(shared_out(groups(7, 1, 5), lambda each: (each * each, os.getpid()), 3))
    assert [[result for result, _ in group] for group in made] == [
        [each * each for each in group] for group in groups(7, 1, 5)
    ]
    pids = [{pid for _, pid in group} for group in made]
    assert [len(each) for each in pids] == [3, 1, 3]
    assert os.getpid() not in set.union(*pids)


def test_fault_in_a_fork_is_raised_as_it_is_and_no_fork_is_left() -> None:
    def work(each: int) -> int:
        if each == 8:
            raise SigningError("does not fit", where="example.com.", advice="try another")
        return each

    with pytest.raises(SigningError) as fault:
        list(shared_out(groups(6, 6, 6), work, 2))
    assert str(fault.value) == "example.com.: does not fit; try another"


def test_killed_fork_is_told_in_one_line_and_no_fork_is_left() -> None:
    with pytest.raises(SystemRefusalError, match="a process that signs zones was killed; check the memory"):
        list(
            shared_out(groups(6), lambda each: os.kill(os.getpid(), signal.SIGKILL) if each == 3 else each, 2)
        )


def test_who_stops_listening_leaves_no_fork() -> None:
    made = shared_out(groups(2, 2, 2), lambda each: each, 2)
    assert next(made) == [0, 1]
    made.close()  # type: ignore[attr-defined]


def test_fork_ignores_interrupts_and_ends_with_its_parent() -> None:
    ((told,),) = shared_out(groups(1), lambda _: signal.getsignal(signal.SIGINT), 1)
    assert told == signal.SIG_IGN
    told_by, tell = os.pipe()

    def hang(_: int) -> None:
        os.write(tell, b".")
        signal.pause()

    parent = os.fork()
    if not parent:
        os.close(told_by)
        list(shared_out(groups(1), hang, 1))
        os._exit(0)
    os.close(tell)
    assert os.read(told_by, 1) == b"."
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert os.read(told_by, 1) == b"", "nobody has the other end any more"
    os.close(told_by)
