"""The inspector of a node: reads the whole image again and again, and notes what is damaged.

It begins as the node starts, beside processes that answer already, at the lowest priority, and then spends
at most `SHARE` of one core: each look is followed by a pause of so many times what it took. Answers with
SERVFAIL are a reason to look sooner. Each look is a process of its own, since a damaged page can end it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from dnsctl.errors import DamagedImageError, DnsctlError
from dnsctl.image.damage import DamageNote
from dnsctl.image.inspection import inspect
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image, identity
from dnsctl.node import sandbox
from dnsctl.node.worker import image_path
from dnsctl.serve import counters
from dnsctl.serve.counters import Block

SHARE: Final = 1 / 100  # of a core, at most
SHARE_SUSPECTED: Final = 1 / 10  # the same, while queries are answered SERVFAIL
SHORTEST: Final = 10.0  # seconds between two looks, at least
_POLL: Final = 1.0  # seconds between two looks at the counters, and two looks at a suspect image
_LONGEST: Final = 1800  # seconds of CPU time for one look: more is a circle of pages
_LOWEST: Final = 19  # nice(2)
_ENDS: Final = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGXCPU)
_SERVFAIL: Final = counters.RCODES + 2
_log = logging.getLogger(__name__)

Vouched = Callable[
    [int], tuple[str, str]
]  # of a generation: digests of its manifest and table; empty: unknown


def nobody_vouches(_generation: int) -> tuple[str, str]:
    return "", ""


def watch_image(state: Path, blocks: Mapping[str, Block], vouched: Vouched) -> NoReturn:
    """Inspect the image in `state` for ever. `blocks`: what the processes that answer count."""
    note = DamageNote(state)
    while True:
        failures = _failures(blocks)
        began, spent = time.monotonic(), _spent()
        if not note.reason() and (reason := look(state, vouched)):
            note.write(reason)
            _log.error("the image is damaged: %s", reason)
        took = _spent() - spent
        due, soonest = began + max(SHORTEST, took / SHARE), began + max(_POLL, took / SHARE_SUSPECTED)
        time.sleep(_POLL)
        while (now := time.monotonic()) < due and not (now >= soonest and _failures(blocks) != failures):
            time.sleep(_POLL)


def look(state: Path, vouched: Vouched = nobody_vouches, *, whole: bool = True) -> str:
    """Return what is wrong with the image in `state`; empty where nothing is, or it was replaced meanwhile.

    Where not `whole`, see only whether it can be opened. An image of another format is not damaged.
    """
    path = image_path(state)
    before = identity(path)
    read, write = os.pipe()
    parent, pid = os.getpid(), os.fork()
    if not pid:
        _examine(state, write, parent, vouched if whole else None)
    os.close(write)
    with os.fdopen(read, "rb") as told:
        reason = told.read().decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0 and -code in _ENDS:
        reason = f"reading it ends in {signal.Signals(-code).name}"
    return reason if before is not None and identity(path) == before else ""


def _examine(state: Path, write: int, parent: int, vouched: Vouched | None) -> NoReturn:
    """Inspect the image, write what is wrong to `write`, and end the process."""
    try:
        sandbox.die_with_parent(parent)
        with contextlib.suppress(OSError):
            os.nice(_LOWEST)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (_LONGEST, hard))
        with Image.open(image_path(state)) as image, image.reader() as reader:
            reason = _first_fault(reader, vouched) if vouched else ""
        os.write(write, reason.encode()[:4000])
    except DamagedImageError as fault:
        os.write(write, str(fault).encode()[:4000])
    except Exception:  # noqa: BLE001, S110 - of another format, no descriptors left: nothing is damaged
        pass
    finally:
        os._exit(0)


def _first_fault(reader: Reader, vouched: Vouched) -> str:
    """Return what is wrong with what the image holds; empty where nothing is."""
    manifest = table = ""
    try:
        with contextlib.suppress(DnsctlError):  # what the archive holds is not the image's fault
            manifest, table = vouched(reader.generation)
        inspect(reader, manifest, table)
    except (OSError, MemoryError):
        return ""
    except DnsctlError as fault:
        return str(fault)
    except Exception as fault:  # noqa: BLE001 - whatever octets that are not ours bring about
        return f"{type(fault).__name__}: {fault}"
    return ""


def _spent() -> float:
    """Return the seconds of CPU time of looks so far."""
    times = os.times()
    return times.children_user + times.children_system


def _failures(blocks: Mapping[str, Block]) -> int:
    return sum(block.cells[_SERVFAIL] for block in blocks.values())
