"""The inspector of a node: reads the whole image again and again, and records damage.

It starts with the node, beside processes that answer already, at the lowest priority, and spends at most
`SHARE` of one core: each look is followed by a pause that is so many times longer. SERVFAIL answers make it
look sooner. Each look is a process of its own, because a damaged page can end it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

from dnsctl.errors import SystemRefusalError
from dnsctl.image import inspection
from dnsctl.image.damage import DamageNote
from dnsctl.image.inspection import Depth, Vouched, nobody_vouches
from dnsctl.model.repo import NodeFiles
from dnsctl.serve.metrics import counters
from dnsctl.serve.metrics.counters import Block

SHARE: Final = 1 / 100  # of a core, at most
SHARE_SUSPECTED: Final = 1 / 10  # the same, while queries are answered SERVFAIL
SHORTEST: Final = 10.0  # seconds between two looks, at least
_POLL: Final = 1.0  # seconds between two looks at the counters, and two looks at a suspect image
_LOWEST: Final = 19  # nice(2)
_SERVFAIL: Final = counters.RCODES + 2
_log = logging.getLogger(__name__)


def watch_image(state: Path, blocks: Mapping[str, Block], vouched: Vouched) -> NoReturn:
    """Inspect the image in `state` for ever. `blocks`: what the processes that answer count."""
    note = DamageNote(state)
    while True:
        failures = _failures(blocks)
        began, spent = time.monotonic(), _spent()
        if not note.reason() and (reason := look(state, vouched)):
            _log.error("the image is damaged: %s", reason)
            try:
                note.write(reason)
            except OSError as error:
                _log.error("%s", SystemRefusalError.of(error, state))  # and again at the next look
        took = _spent() - spent
        due, soonest = began + max(SHORTEST, took / SHARE), began + max(_POLL, took / SHARE_SUSPECTED)
        time.sleep(_POLL)
        while (now := time.monotonic()) < due and not (now >= soonest and _failures(blocks) != failures):
            time.sleep(_POLL)


def look(state: Path, vouched: Vouched = nobody_vouches, *, depth: Depth = Depth.WHOLE) -> str:
    """Return what is wrong with the image of the node in `state`; see `image.inspection.look`."""
    return inspection.look(NodeFiles(state).image, vouched, depth=depth, begin=_begin)


def _begin() -> None:
    """Yield to whatever answers queries."""
    with contextlib.suppress(OSError):
        os.nice(_LOWEST)


def _spent() -> float:
    """Return the seconds of CPU time of looks so far."""
    times = os.times()
    return times.children_user + times.children_system


def _failures(blocks: Mapping[str, Block]) -> int:
    return sum(block.cells[_SERVFAIL] for block in blocks.values())
