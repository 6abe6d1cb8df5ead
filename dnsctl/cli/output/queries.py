"""The share of the last day's queries that a plan touches, as people and programs read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from dnsctl.control.query_counts import LastDay
from dnsctl.model import duration
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, to_text
from dnsctl.model.timestamp import stamp

_NAMED = 3  # zones
_A_DAY = timedelta(hours=22)  # from here on it is called a day


def queries_lines(counted: LastDay | None, now: datetime) -> Iterator[str]:
    """Yield a line on the queries to zones whose records change, if anybody counted."""
    if counted is None:
        return
    share = 100 * counted.touched / counted.queries
    zones = _most_first(counted)
    named = ", ".join(f"{to_text(zone)} {count}" for zone, count in zones[:_NAMED])
    more = f", {len(zones) - _NAMED} more" if len(zones) > _NAMED else ""
    yield (
        f"Queries of the last {_span(now - counted.since)} to zones that change: {counted.touched} of"
        f" {counted.queries} ({share:.2g}%{f': {named}{more}' if named else ''}), at"
        f" {', '.join(counted.nodes)}"
    )


def queries_json(counted: LastDay | None) -> Json:
    """Return the same as `plan --json` prints it."""
    if counted is None:
        return None
    return {
        "since": stamp(counted.since),
        "nodes": list(counted.nodes),
        "total": counted.queries,
        "touched": counted.touched,
        "zones": [{"zone": to_text(zone), "queries": count} for zone, count in _most_first(counted)],
    }


def _most_first(counted: LastDay) -> list[tuple[Name, int]]:
    return sorted(counted.zones.items(), key=lambda each: (-each[1], each[0]))


def _span(time: timedelta) -> str:
    minutes = max(1, round(time.total_seconds() / 60))
    hours = round(minutes / 60)
    return "day" if time >= _A_DAY else duration.to_text(3600 * hours if hours > 1 else 60 * minutes)
