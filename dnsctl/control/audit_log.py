"""Read the audit log of the control host: who did what, when and why. Never writes, and waits for no lock."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from dnsctl.control.state import StateError

_BUSY = 10.0  # seconds to wait for a write of another process
_AuditRow = tuple[float, str, str, str, str]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry. `details`: what `ControlState.audit` was given."""

    at: datetime
    actor: str
    action: str
    reason: str
    details: Mapping[str, Any]


def audit_entries(path: Path) -> tuple[AuditEntry, ...]:
    """Return what `path` (`state/control.db`) has, the oldest first; nothing where there is none.

    Raises StateError where it cannot be read.
    """
    try:
        rows = _rows(path, "SELECT at, actor, action, reason, details FROM audit ORDER BY id")
        return tuple(
            AuditEntry(datetime.fromtimestamp(at, UTC), actor, action, reason, json.loads(details))
            for at, actor, action, reason, details in cast("list[_AuditRow]", rows)
        )
    except (sqlite3.Error, ValueError, OverflowError, OSError) as error:
        raise StateError(
            f"cannot be read: {error}",
            where=str(path),
            advice="check its owner and mode; the next `dnsctl push` puts a damaged one aside",
        ) from None


def released_commits(path: Path) -> dict[int, str | None]:
    """Return the commit of each generation that `path` has; nothing where it cannot be read."""
    try:
        rows = _rows(path, "SELECT generation, commit_id FROM releases")
        return dict(cast("list[tuple[int, str]]", rows))
    except (sqlite3.Error, OSError):
        return {}


def _rows(path: Path, query: str) -> list[tuple[object, ...]]:
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", _BUSY, uri=True)) as log:
        return log.execute(query).fetchall()
