"""Times as files and JSON have them: RFC 3339, in UTC, whole seconds. For people: see `validity.moment`."""

from __future__ import annotations

from datetime import UTC, datetime

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def stamp(when: datetime) -> str:
    """Return an aware time as text."""
    return when.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def from_stamp(text: str) -> datetime:
    """Read what `stamp` returns. Raises ValueError for anything else."""
    return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
