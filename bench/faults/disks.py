"""Disks that are full, or become full while a release goes out."""

from __future__ import annotations

import os
import random
import time

from bench.faults.events import Event, told
from bench.faults.fleet import Fleet
from bench.faults.network import NODES
from dnsctl.demo.rehearsal import Ran

_PAGE = 4096
_MOST_LEFT = 40  # pages
_TRIES = 20


def node_disk(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Fill the disk of one node or both."""
    names = NODES if chance.random() < 0.2 else (chance.choice(NODES),)
    return _filled(fleet, chance, event, names)


def control_disk(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Fill the disk of the control host."""
    return _filled(fleet, chance, event, ("control",))


def _filled(fleet: Fleet, chance: random.Random, event: Event, names: tuple[str, ...]) -> Ran:
    """Fill disks but for some pages, before the push or in the middle of it."""
    before, begins = chance.random() < 0.6, chance.random() * fleet.usual()
    left = chance.choice((0, 1, 2, chance.randrange(_MOST_LEFT), chance.randrange(_MOST_LEFT)))
    when = "before" if before else told(begins)
    event.tell(f"disk of {' and '.join(names)} full but for {left} pages", when)
    if before:
        _fill(fleet, names, left)
    command = fleet.attempt(chance)
    if not before:
        time.sleep(begins)
        _fill(fleet, names, left)
    return command.wait()


def _fill(fleet: Fleet, names: tuple[str, ...], left: int) -> None:
    for name in names:
        with fleet.filler(name).open("wb") as file:
            for _ in range(_TRIES):
                told = os.statvfs(fleet.disks[name])
                octets = told.f_bavail * told.f_frsize - left * _PAGE
                try:
                    if octets > 0:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, octets)
                except OSError:
                    continue  # others write meanwhile
                break
