"""kill -9 at random points of a push: the command itself, processes of nodes, whole nodes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

from bench.faults.events import Event, told
from bench.faults.fleet import Fleet
from bench.faults.network import NODES
from dnsctl.demo.rehearsal import Ran

_PART = 0.8  # of the usual time of a push: when the last kill comes, at most


def kill_command(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Kill the command on the control host."""
    command = fleet.attempt(chance)
    event.tell("the command", _wait(fleet, chance, command.began, 1.1))
    command.kill()
    event.is_killed = True
    return command.wait()


def kill_process(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Kill one to three processes of nodes while a push goes on: agents, workers, inspectors, supervisors."""
    command = fleet.attempt(chance)
    for _ in range(chance.choice((1, 1, 2, 3))):
        after = _wait(fleet, chance, time.monotonic(), _PART / 2)
        name = chance.choice(NODES)
        alive = fleet.children(name)
        role = chance.choice(("agent", "agent", "inspect", "udp0", "stream", "supervisor"))
        event.tell(f"{role} of {name}", after)
        if role in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(alive[role], signal.SIGKILL)
        if role == "supervisor":
            fleet.stage.nodes[name].wait()
            fleet.start(name)
    return command.wait()


def kill_node(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Kill all processes of one node, or of both, at once, as a power cut does; start them again soon."""
    command = fleet.attempt(chance)
    after = _wait(fleet, chance, command.began, 1.0)
    names = NODES if chance.random() < 0.2 else (chance.choice(NODES),)
    event.tell(f"power of {' and '.join(names)}", after)
    for name in names:
        fleet.stage.kill(name)
    time.sleep(chance.random() * 0.5)
    fleet.revive()
    return command.wait()


def stop_process(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Stop a process of a node (SIGSTOP) while a push goes on: it is replaced."""
    command = fleet.attempt(chance)
    name = chance.choice(NODES)
    after = _wait(fleet, chance, command.began, _PART)
    role, pid = chance.choice(
        sorted(each for each in fleet.children(name).items() if each[0] != "supervisor")
    )
    event.tell(f"{role} of {name} stopped", after)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    return command.wait()


def reload_node(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Have a node taken over by a new program (SIGHUP) while a push goes on."""
    command = fleet.attempt(chance)
    name = chance.choice(NODES)
    event.tell(f"takeover of {name}", _wait(fleet, chance, command.began, _PART))
    fleet.stage.nodes[name].send_signal(signal.SIGHUP)
    return command.wait()


def _wait(fleet: Fleet, chance: random.Random, since: float, most: float) -> str:
    """Wait for a random share, up to `most`, of the usual time of a push; return it for people."""
    seconds = chance.random() * most * fleet.usual()
    time.sleep(max(0.0, since + seconds - time.monotonic()))
    return told(seconds)
