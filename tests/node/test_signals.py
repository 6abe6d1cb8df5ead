"""Signals that stray: to each process of a node, begun as an operator begins it, none of them ends one."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from dnsctl.demo.ports import free_port
from dnsctl.demo.rehearsal import Rehearsal, rehearsal
from tests.node.running import children_of
from tests.scenarios.fleet import is_up

# Those whose default action ends a process, but for KILL, TERM and those of faults; signal(7)
STRAYS = [
    "SIGALRM", "SIGHUP", "SIGINT", "SIGIO", "SIGPIPE", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSTKFLT", "SIGUSR1",
    "SIGUSR2", "SIGVTALRM", "SIGXCPU", "SIGXFSZ",
]  # fmt: skip
ROLES = {"udp0", "stream", "agent", "inspect", "notify", "metrics"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """The first node of a fleet, with each kind of process that there is."""
    with rehearsal(tmp_path_factory.mktemp("signals") / "ops") as stage:
        stage.run("init")
        stage.use_free_ports()
        config = stage.root / "dnsctl.yaml"
        text = re.sub(r"(ns1: {.*)}", rf'\1, metrics: "127.0.0.1:{free_port()}"}}', config.read_text())
        text = text.replace("transfers: {", f'transfers: {{notify: ["127.0.0.1:{free_port()}"], ')
        config.write_text(text)
        stage.start("ns1")
        stage.wait(lambda: is_up(stage, "ns1"), "an answer")
        stage.wait(lambda: children(stage).keys() == ROLES, "all processes")
        stage.wait(lambda: "agent of ns1 on" in log(stage), "the agent")
        yield stage


def log(stage: Rehearsal) -> str:
    return (stage.root / "state" / "ns1.log").read_text()


def children(stage: Rehearsal) -> dict[str, int]:
    """Return name to process id of the children of the supervisor."""
    return children_of(stage.nodes["ns1"].pid)


@pytest.mark.parametrize("name", STRAYS)
def test_stray_signal_to_any_child_ends_nothing(stage: Rehearsal, name: str):
    before = children(stage)
    for pid in before.values():
        os.kill(pid, signal.Signals[name])
    time.sleep(0.3)
    assert children(stage) == before
    assert is_up(stage, "ns1")


def test_real_time_signal_to_any_process_ends_nothing(stage: Rehearsal):
    before = children(stage)
    for pid in (stage.nodes["ns1"].pid, *before.values()):
        for number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
            os.kill(pid, number)
    time.sleep(0.3)
    assert children(stage) == before
    assert is_up(stage, "ns1")


@pytest.mark.parametrize("name", [name for name in STRAYS if name not in ("SIGINT", "SIGHUP")])
def test_stray_signal_to_the_supervisor_ends_nothing(stage: Rehearsal, name: str):
    before = children(stage)
    stage.nodes["ns1"].send_signal(signal.Signals[name])
    time.sleep(0.1)
    assert stage.nodes["ns1"].poll() is None
    assert children(stage) == before
    assert is_up(stage, "ns1")


@pytest.mark.parametrize("role", sorted(ROLES))
def test_child_that_gets_sigterm_is_started_anew(stage: Rehearsal, role: str):
    before = children(stage)
    os.kill(before[role], signal.SIGTERM)
    is_back: Callable[[], bool] = lambda: children(stage).get(role, before[role]) != before[role]  # noqa: E731
    stage.wait(is_back, "another process")
    assert {name: pid for name, pid in children(stage).items() if name != role} == {
        name: pid for name, pid in before.items() if name != role
    }
    assert is_up(stage, "ns1")


@pytest.mark.parametrize("role", sorted(ROLES))
def test_child_that_is_stopped_is_replaced_within_seconds(stage: Rehearsal, role: str):
    before = children(stage)
    os.kill(before[role], signal.SIGSTOP)
    is_back: Callable[[], bool] = lambda: children(stage).get(role, before[role]) != before[role]  # noqa: E731
    assert stage.wait(is_back, "another process") < 8  # 4 s at most, and what a busy machine takes
    assert f"{role} (process {before[role]}) is stopped; killed" in log(stage)
    assert is_up(stage, "ns1")


def test_reload_with_an_address_that_is_taken_leaves_all_as_it_was(stage: Rehearsal):
    config = stage.root / "dnsctl.yaml"
    text = config.read_text()
    own = stage.fleet["ns1"].listen[0]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = f"127.0.0.1:{taken.getsockname()[1]}"
        config.write_text(re.sub(rf'"?{re.escape(str(own))}"?', rf'\g<0>, "{other}"', text))
        before = children(stage)
        told = log(stage).count("the new program does not take over")
        stage.nodes["ns1"].send_signal(signal.SIGHUP)
        stage.wait(lambda: log(stage).count("the new program does not take over") > told, "a refusal")
        config.write_text(text)
    assert "is taken by" in log(stage).splitlines()[-2]
    assert children(stage) == before
