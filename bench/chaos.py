"""Attack a fleet with all that goes wrong, one event after the other, while every answer is watched.

    .venv/bin/python -m bench.chaos --events 500
    .venv/bin/python -m bench.chaos --seed 7 --event 123      # that one again

Two nodes, three zones; each event is a release that goes out while something befalls it: processes are
killed or stopped, links cut or slow, disks full, files damaged, peers hostile. A process per node asks it all
the time: every answer must belong to one release, and a node never goes back, nor mixes two. After each event
both nodes must come to serve one release, the next push must go through, and `dnsctl verify` must agree.

Runs in namespaces of its own, so that hosts are hosts and disks are small; where that is not allowed, kinds
that need them are left out, and named. Exit code 1 for a wrong answer or what did not come about in time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path

from bench.faults import damage, disks, hostile, kills, links
from bench.faults.events import Act, Event
from bench.faults.fleet import ZONES, Fleet, MissedError, deployed
from bench.faults.judge import Judge
from bench.faults.network import NODES, Network, NoNetworkError, network
from bench.faults.watch import watching
from dnsctl.demo.rehearsal import Ran, RehearsalError

KINDS: dict[str, tuple[tuple[Act, int], ...]] = {  # by name: what may happen, and how often
    "kill": (
        (kills.kill_command, 12),
        (kills.kill_process, 10),
        (kills.kill_node, 5),
        (kills.stop_process, 1),
        (kills.reload_node, 2),
    ),
    "partition": ((links.partition, 10), (links.lone_site, 2)),
    "slow": ((links.slow, 9),),
    "disk": ((disks.node_disk, 7), (disks.control_disk, 7)),
    "damage": ((damage.image, 4), (damage.archive, 3), (damage.emptied, 4), (damage.control, 4)),
    "hostile": ((hostile.hostile, 12),),
}
_INSIDE = "--inside"
_BUGS = ("Traceback", "this is a bug", "internal error")
ALONE = 30.0  # seconds that nodes have to agree before the control host helps
_MORE_PUSHES = 3  # that may be needed until one goes through again


@dataclass
class Tally:
    """What came of all events."""

    kinds: Counter[str] = field(default_factory=Counter)
    exits: dict[str, Counter[int]] = field(default_factory=dict)
    again: Counter[int] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)  # that pushes took that went well
    helped: int = 0
    agreed: list[float] = field(default_factory=list)
    verified: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@dataclass
class Trial:
    """A fleet, those who watch it, and what is known so far."""

    fleet: Fleet
    watchers: dict[str, Connection]
    judges: dict[str, Judge] = field(default_factory=lambda: {name: Judge(name) for name in NODES})
    tally: Tally = field(default_factory=Tally)
    helped: bool = False  # by a push, to come to one release
    told: int = 0  # wrong answers that were printed

    def go_through(self, event: Event, act: Act, chance: random.Random) -> None:
        """Let one event happen, and see that all is well afterwards. Raises MissedError."""
        before = len(self.fleet.pushes)
        ran = act(self.fleet, chance, event)
        self.tally.kinds[event.kind] += 1
        self.tally.exits.setdefault(event.kind, Counter())[ran.code] += 1
        self.tally.seconds.setdefault(event.kind, []).extend(self.fleet.pushes[before:])
        _look_for_bugs(ran, is_killed=event.is_killed)
        mended = time.monotonic()
        self.fleet.mend()
        agreed = self._agreed(event, ran)
        if not self.helped:
            self._push_again(ran)
        self.fleet.until(lambda: self.fleet.run("verify").code == 0, "a verification without faults")
        verified = time.monotonic() - mended
        self.tally.agreed.append(agreed)
        self.tally.verified.append(verified)
        times = f"agreed {agreed:4.1f} s  verified {verified:4.1f} s"
        why = f"; {ran.lines[-1][:200]}" if ran.code and ran.lines else ""
        print(f"{event.number:5}  push {ran.code:3}  {times}  {event}{why}")

    def _agreed(self, event: Event, ran: Ran) -> float:
        """Return the seconds until both nodes serve one release. Only damage may need a push for that."""
        began = time.monotonic()
        self.helped = False
        if event.kind == "damage":
            try:
                return self.fleet.until(self.fleet.is_agreed, "", ALONE)
            except MissedError:
                self.tally.helped += 1
                self.helped = True
                event.tell("agreed by a push only")
                self._push_again(replace(ran, code=1))
        self.fleet.until(self.fleet.is_agreed, "the same release at both nodes")
        return time.monotonic() - began

    def _push_again(self, ran: Ran) -> None:
        for _ in range(_MORE_PUSHES if ran.code else 0):
            again = self.fleet.run("push")
            _look_for_bugs(again)
            self.tally.again[again.code] += 1
            if again.code == 0:
                return
        if ran.code:
            raise MissedError(f"no push goes through any more: {again.lines[-3:]}")

    def judge(self, event: Event) -> None:
        """Judge all that was seen since; print what is wrong."""
        seen = {}
        for name, watcher in self.watchers.items():
            watcher.send(None)
            seen[name] = watcher.recv()
        self.fleet.learn()
        for name, judge in self.judges.items():
            for each in seen[name]:
                judge.take(each, self.fleet.releases, excused=name in self.fleet.suspect)
        self.fleet.suspect.clear()
        for judge in self.judges.values():
            for wrong in judge.wrong[:5]:
                print(f"       WRONG  {wrong}")
            self.tally.missed += [f"event {event.number}: wrong: {each}" for each in judge.wrong[:5]]
            self.told += len(judge.wrong)
            judge.wrong.clear()


def _look_for_bugs(ran: Ran, *, is_killed: bool = False) -> None:
    """Raise MissedError where a command ended otherwise than by saying why."""
    text = "\n".join(ran.lines)
    if any(each in text for each in _BUGS) or (ran.code < 0 and not is_killed):
        raise MissedError(f"a command ended with {ran.code}: {text[-2000:] or 'it printed nothing'}")


def go(trial: Trial, asked: argparse.Namespace, left_out: set[str]) -> None:
    """Let events happen until there were enough, or the time is over, or one went wrong."""
    acts = [
        (kind, act, weight)
        for kind, ways in KINDS.items()
        if kind not in left_out and asked.only in (None, kind)
        for act, weight in ways
    ]
    ends = time.monotonic() + asked.seconds if asked.seconds else float("inf")
    first = asked.event or 1
    for number in range(first, first + (1 if asked.event else asked.events)):
        if time.monotonic() > ends or len(trial.tally.missed) >= asked.faults:
            break
        chance = random.Random(f"{asked.seed}/{number}")
        kind, act, _ = chance.choices(acts, [weight for _, _, weight in acts])[0]
        event = Event(number, kind)
        try:
            trial.go_through(event, act, chance)
        except (MissedError, RehearsalError, subprocess.SubprocessError) as fault:
            print(f"{number:5}  MISSED  {event}: {fault}")
            trial.tally.missed.append(f"event {number}: {event}: {fault}")
            if not _restored(trial.fleet):
                trial.judge(event)
                break
        trial.judge(event)


def _restored(fleet: Fleet) -> bool:
    """Do what an operator would who has lost patience: state anew, host by host; True if that helps."""
    for name in (None, *NODES):
        with contextlib.suppress(MissedError):
            fleet.mend()
            if name is None:
                damage.forget(fleet)
            else:
                damage.empty(fleet, name)
                fleet.revive()
            fleet.until(fleet.is_agreed, "the same release at both nodes")
            for _ in range(_MORE_PUSHES):
                if fleet.run("push").code == 0 and fleet.run("verify").code == 0:
                    return True
    return False


def show(trial: Trial, seconds: float, left_out: Sequence[str], seed: str) -> None:
    tally, judges = trial.tally, trial.judges.values()
    print(
        f"\n{sum(tally.kinds.values())} events in {seconds:.0f} s, seed {seed}; load {os.getloadavg()[1]:.1f}"
    )
    for kind in KINDS:
        if kind in left_out:
            print(f"  {kind:10} left out")
        elif tally.kinds[kind]:
            codes = ", ".join(f"{code}: {count}" for code, count in sorted(tally.exits[kind].items()))
            took = tally.seconds[kind] or [0.0]
            times = f"{statistics.median(took):.1f} s, worst {max(took):.1f} s"
            print(
                f"  {kind:10} {tally.kinds[kind]:4}   pushes by exit code: {codes}; those with 0 took {times}"
            )
    print(f"pushes that were needed afterwards, by exit code: {dict(sorted(tally.again.items()))}")
    print(f"events after which nodes came to one release only by a push: {tally.helped}")
    print(f"releases: {len(trial.fleet.releases.records)}")
    for name, values in (("both nodes agreed", tally.agreed), ("verified", tally.verified)):
        if values:
            print(f"{name} after: median {statistics.median(values):.2f} s, worst {max(values):.2f} s")
    asked, answers = sum(each.asked for each in judges), sum(each.answers for each in judges)
    print(
        f"queries: {asked:,}, answers: {answers:,}, unanswered: {sum(each.silence for each in judges):,},"
        f" SERVFAIL: {sum(each.servfail for each in judges):,},"
        f" of damaged images not found yet: {sum(each.damaged for each in judges):,}, wrong: {trial.told:,}"
    )
    for each in tally.missed:
        print(f"MISSED {each}")


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0, help="begin no event after so many")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--event", type=int, help="only the event of this number, as drawn from the seed")
    parser.add_argument("--only", choices=KINDS, help="one kind of event")
    parser.add_argument("--faults", type=int, default=1, help="end after so many faults")
    parser.add_argument("--keep", type=Path, help="a directory to work in, which is kept")
    parser.add_argument("--loopback", action="store_true", help="no namespaces")
    parser.add_argument(_INSIDE, action="store_true", help=argparse.SUPPRESS)
    return parser


def _move_in(arguments: list[str]) -> None:
    """Begin this program anew in namespaces of its own, where that is allowed; else return."""
    for rights in ((), ("--map-root-user",)):
        unshare = ("unshare", *rights, "--net", "--mount")
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run((*unshare, "true"), capture_output=True, check=False).returncode == 0:
                command = (*unshare, sys.executable, "-m", "bench.chaos", _INSIDE, *arguments)
                os.execvp(command[0], command)  # noqa: S606 - the same program again


@contextlib.contextmanager
def _network(asked: argparse.Namespace) -> Iterator[Network | None]:
    if not asked.inside:
        print("no namespaces of our own: hosts are on loopback")
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(network())
        except NoNetworkError as fault:
            print(f"{fault}: hosts are on loopback")
            subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
            found = None
        yield found


def main() -> int:
    asked = options().parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if not asked.inside and not asked.loopback:
        _move_in(sys.argv[1:])
    directory = asked.keep or Path(tempfile.mkdtemp(prefix="dnsctl-chaos-"))
    try:
        with _network(asked) as hosts, deployed(directory, hosts, mounts=asked.inside) as fleet:
            left_out = set() if hosts else {"partition", "slow"}
            left_out |= set() if fleet.disks else {"disk"}
            print(f"seed {asked.seed}; left out: {', '.join(sorted(left_out)) or 'nothing'}")
            if asked.only in left_out:
                return 1
            keys = fleet.keys()
            with contextlib.ExitStack() as stack:
                watchers = {
                    name: stack.enter_context(watching(fleet.listen[name], list(ZONES), keys))
                    for name in NODES
                }
                trial, began = Trial(fleet, watchers), time.monotonic()
                go(trial, asked, left_out)
                show(trial, time.monotonic() - began, sorted(left_out), asked.seed)
    finally:
        if not asked.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return int(bool(trial.tally.missed))


if __name__ == "__main__":
    raise SystemExit(main())
