"""Why a node could not begin to run with the settings of a release: a note in its state.

The program that is tried at a reload writes it, and removes it once it can take over; the agent shows it.
Losing it loses a reason, which the log has as well.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Final, NamedTuple

from dnsctl.files import durable
from dnsctl.model.repo import NodeFiles

_LONGEST: Final = 4096  # octets


class Refused(NamedTuple):
    """Settings, by their digest, and why the node does not run with them."""

    settings: str
    reason: str


def write(state: Path, refused: Refused) -> None:
    """Keep the note; a disk that is full loses it."""
    text = json.dumps({"settings": refused.settings, "reason": refused.reason[: _LONGEST // 8]})
    with contextlib.suppress(OSError):
        durable.write(NodeFiles(state).reload_refused, text.encode("ascii"))


def remove(state: Path) -> None:
    with contextlib.suppress(OSError):
        NodeFiles(state).reload_refused.unlink(missing_ok=True)


def reason_for(state: Path, settings: str) -> str:
    """Return why the node does not run with `settings`; empty where nothing is known of them."""
    try:
        with NodeFiles(state).reload_refused.open("rb") as file:
            found = json.loads(file.read(_LONGEST))
        return str(found["reason"]) if found["settings"] == settings else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
