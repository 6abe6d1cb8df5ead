"""Files that are damaged: flipped octets, or nothing left, in what hosts keep on disk."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.faults.events import Event
from bench.faults.fleet import Fleet
from bench.faults.network import NODES
from dnsctl.demo.rehearsal import Ran
from dnsctl.image.damage import DamageNote
from dnsctl.node.inspector import look


def image(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Flip octets in a node's image, which is found and replaced, and push meanwhile or afterwards."""
    name = chance.choice(NODES)
    is_running = chance.random() < 0.5
    if not is_running:
        fleet.stage.kill(name)
    fleet.suspect.add(name)
    data = fleet.states[name] / "image/data.mdb"
    event.tell(f"{_flip(chance, data)} of {name}'s image", "running" if is_running else "stopped")
    fleet.revive()
    if chance.random() < 0.5:
        fleet.until(lambda: _is_sound(fleet, name), f"a sound image at {name}")
        event.tell("pushed once it was mended")
    ran = fleet.attempt(chance).wait()
    fleet.revive()
    fleet.until(lambda: _is_sound(fleet, name), f"a sound image at {name}")
    return ran


def _is_sound(fleet: Fleet, name: str) -> bool:
    """True where the image of a node is what its digests say, and no damage waits to be mended."""
    state = fleet.states[name]
    return not DamageNote(state).reason() and (state / "image").exists() and not look(state)


def archive(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Damage files in a node's archive, and empty the other node: it catches up from there all the same."""
    name, other = chance.sample(NODES, 2)
    files = _files(fleet.states[name] / "releases")
    for path in chance.sample(files, min(len(files), chance.choice((1, 3, 10)))):
        event.tell(f"{_flip(chance, path)} of {name}'s {path.parent.name}/{path.name[:12]}")
    empty(fleet, other)
    event.tell(f"{other} emptied")
    fleet.revive()
    return fleet.attempt(chance).wait()


def emptied(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Throw a node's state away, whole or in part, and start it again."""
    name = chance.choice(NODES)
    part = chance.choice((None, "image", "releases", "generation"))
    event.tell(f"{name} without {part or 'its state'}")
    empty(fleet, name, part)
    fleet.revive()
    return fleet.attempt(chance).wait()


def control(fleet: Fleet, chance: random.Random, event: Event) -> Ran:
    """Damage the state of the control host; where a push then says so, remove it, as operations.md has it."""
    state = fleet.states["control"]
    what = chance.choice((None, "control.db", "image/data.mdb", "archive", "archive"))
    if what is None:
        forget(fleet)
        event.tell("state of the control host gone")
    else:
        path = state / what
        if path.is_dir():
            path = chance.choice(_files(path)[-6:])
        event.tell(f"{_flip(chance, path)} of the control host's {path.relative_to(state)}")
    ran = fleet.attempt(chance).wait()
    if ran.code:
        told = next((line for line in reversed(ran.lines) if line.strip()), "nothing")
        event.tell(f"told {told[:160]!r}, removed")
        forget(fleet)
    return ran


def forget(fleet: Fleet) -> None:
    """Remove what the control host has beside keys and git: docs/operations.md, when it is gone."""
    state = fleet.states["control"]
    for each in ("image", "archive"):
        shutil.rmtree(state / each, ignore_errors=True)
    for path in state.glob("control.db*"):
        path.unlink()


def empty(fleet: Fleet, name: str, part: str | None = None) -> None:
    """Stop a node and remove all in its state directory, or a part of it."""
    fleet.stage.kill(name)
    for path in list(fleet.states[name].iterdir()):
        if part is None or path.name == part:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _flip(chance: random.Random, path: Path) -> str:
    """Flip one or more octets of a file, or leave nothing or garbage in it; return that for people."""
    how = chance.choice(
        ("1 octet", "1 octet", "8 octets", "200 octets", "a page", "all octets", "the length")
    )
    size = path.stat().st_size
    with path.open("r+b") as file:
        if how == "the length":
            file.truncate(chance.randrange(size))
        elif how in ("a page", "all octets"):
            first, length = (
                (0, size) if how == "all octets" else (chance.randrange(max(1, size // 4096)) * 4096, 4096)
            )
            file.seek(first)
            file.write(chance.randbytes(min(length, size - first)))
        else:
            for _ in range(int(how.split()[0])):
                at = chance.randrange(size)
                file.seek(at)
                octet = file.read(1)[0]
                file.seek(at)
                file.write(bytes([octet ^ 1 << chance.randrange(8)]))
    return how


def _files(directory: Path) -> Sequence[Path]:
    """Return all files below a directory, the newest last."""
    found = []
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and path.stat().st_size:
                found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found)]
