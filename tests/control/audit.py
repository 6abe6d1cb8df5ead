"""The audit log of a control host, as a person reads it: with SQLite."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple


class Entry(NamedTuple):
    at: int  # unix seconds
    actor: str
    action: str
    reason: str
    details: dict[str, Any]


def entries(path: Path) -> list[Entry]:
    """Return all entries, the newest first."""
    query = "SELECT at, actor, action, reason, details FROM audit ORDER BY id DESC"
    with closing(sqlite3.connect(path)) as database:
        return [
            Entry(at, actor, action, reason, json.loads(details))
            for at, actor, action, reason, details in database.execute(query)
        ]
