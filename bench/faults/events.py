"""One event: a fault that the fleet meets while a release goes out, described in a few words."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.faults.fleet import Fleet
from dnsctl.demo.rehearsal import Ran


@dataclass
class Event:
    """`number` and the seed of the run say all that is drawn in it."""

    number: int
    kind: str
    what: list[str] = field(default_factory=list)
    is_killed: bool = False  # the command, by us

    def tell(self, what: str, when: str = "") -> None:
        self.what.append(f"{what} {when}".rstrip())

    def __str__(self) -> str:
        return f"{self.kind}: {', '.join(self.what)}"


Act = Callable[[Fleet, random.Random, Event], Ran]  # begins a push, does harm, returns how the push ended


def told(seconds: float) -> str:
    return f"at {seconds:.2f} s"
