"""What is known of zones from one command to the next, as types, and as the rows of a table.

A row is read when somebody asks for it: with thousands of zones, nearly all of them are as they were, and
nobody asks. So a row that is damaged shows late, by RowError.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.load.zone_files import ZoneFiles
from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name
from dnsctl.model.repo import Repo

ZoneRow = tuple[bytes, bytes, str, str, str, str, str, str, str]  # as `row_of` makes it
COLUMNS = "zone, place, files, read, settings, day, faults, findings, rest"
_PlainFinding = tuple[str, int, tuple[str, int, int], str, str, str | None]  # as JSON has it

NEVER = "never"  # in the place of a day: what is read again each time


class RowError(DnsctlError):
    """A row is not what this code wrote."""

    def __init__(self) -> None:
        super().__init__(
            "what is remembered of zone files is damaged",
            where=str(Repo(Path()).state.memory),
            advice="remove that file, and run the command again: nothing is lost by that",
            rule=RefusalRule.DAMAGED,
        )


class Rest(NamedTuple):
    """A zone at rest: see `resting`. `source`: of its entry in the image; `due`: when its signatures are, in
    unix seconds.

    `refresh` and `lifetime`: of its signatures, in seconds, as `validity.due` takes them; -1 where it is not
    signed here.
    """

    source: str
    refresh: int
    lifetime: int
    due: float = math.inf


@dataclass(frozen=True)
class Seen:
    """What zones were found at rest by: the release, and the stamp of each directory of keys, by its name.

    `at`: when, in unix seconds.
    """

    manifest: str
    stamps: Mapping[str, str | None] = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a zone. `place`: where it stands among all; `read`: objects of all files that it was
    read from; `settings`: digest of what dnsctl.yaml says of it; `day`: of which it holds, where dates may be
    in the files; `faults`: what readers found, `findings`: what rules did.
    """

    place: bytes
    files: ZoneFiles
    read: Mapping[str, str]
    settings: str
    day: str
    faults: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    rest: Rest | None = None


class KnownZones(Mapping[Name, Known]):
    """What is known of each zone, in the order that zones are loaded in."""

    def __init__(self, rows: Mapping[Name, ZoneRow | Known]) -> None:
        self._rows = rows
        self._read: dict[Name, Known] = {}

    def __getitem__(self, zone: Name) -> Known:
        row = self._rows[zone]
        if isinstance(row, Known):
            return row
        found = self._read.get(zone)
        if found is None:
            found = self._read[zone] = _known(row)
        return found

    def __contains__(self, zone: object) -> bool:
        return zone in self._rows

    def __iter__(self) -> Iterator[Name]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def replaced(self, order: Iterable[Name] | None, by: Mapping[Name, Known]) -> KnownZones:
        """Return these with those of `by` in their place; with `order`, the zones in it, and no others."""
        if order is None:
            return KnownZones({**self._rows, **by})
        return KnownZones({zone: by[zone] if zone in by else self._rows[zone] for zone in order})

    def new(self, before: KnownZones) -> Iterator[tuple[Name, Known]]:
        """Yield what is not as in `before`."""
        for zone, row in self._rows.items():
            if isinstance(row, Known) and before._rows.get(zone) is not row:
                yield zone, row

    def outdated(self, today: str) -> set[Name]:
        """Return the zones that hold for another day."""
        return {zone for zone, row in self._rows.items() if _day(row) not in ("", today)}

    def otherwise_set(self, settings: Mapping[Name, str]) -> set[Name]:
        """Return the zones of which dnsctl.yaml does not say what it said."""
        return {zone for zone, row in self._rows.items() if _settings(row) != settings.get(zone)}

    def resting(self) -> set[Name]:
        """Return the zones that were found at rest."""
        return {zone for zone, row in self._rows.items() if _rests(row)}

    def with_findings(self) -> Iterator[Name]:
        """Yield the zones of which something was found."""
        for zone, row in self._rows.items():
            if (row.faults or row.findings) if isinstance(row, Known) else (row[6] or row[7]):
                yield zone


def _day(row: ZoneRow | Known) -> str:
    return row.day if isinstance(row, Known) else row[5]


def _settings(row: ZoneRow | Known) -> str:
    return row.settings if isinstance(row, Known) else row[4]


def _rests(row: ZoneRow | Known) -> bool:
    return row.rest is not None if isinstance(row, Known) else bool(row[8])


@dataclass(frozen=True)
class Remembered:
    """All of it. `tree`: the object in git that holds all files, as they were read; `seen`: what zones were
    found at rest by, and `due`: when the first of these is looked at again, in unix seconds.

    `about`: findings that are of no zone, where the files have the names of `names`, and dnsctl.yaml has the
    digest `config`; `checks`: those about `checks` in it; `included`: files that zones include.
    """

    number: int = 0  # of the writes before it was read
    zones: KnownZones = field(default_factory=lambda: KnownZones({}), repr=False)
    tree: str = ""
    names: str = ""
    config: str = ""
    about: tuple[Finding, ...] = ()
    checks: tuple[Finding, ...] = ()
    included: frozenset[str] = frozenset()
    seen: Seen | None = field(default=None, repr=False)
    due: float = math.inf


NOTHING_KEPT = Remembered(-1)  # of no state of the memory: nothing is added to it


def row_of(zone: Name, known: Known) -> ZoneRow:
    return (
        bytes(zone),
        known.place,
        json.dumps(known.files),
        json.dumps(known.read),
        known.settings,
        known.day,
        _texts(known.faults),
        _texts(known.findings),
        rest_text(known.rest),
    )


def rest_text(rest: Rest | None) -> str:
    return json.dumps(rest) if rest is not None else ""


def _known(row: ZoneRow) -> Known:
    _, place, files, read, settings, day, faults, findings, rest = row
    try:
        path, parts = json.loads(files)
        return Known(
            place,
            ZoneFiles(path, tuple(parts)),
            json.loads(read),
            settings,
            day,
            findings_of(faults),
            findings_of(findings),
            Rest(*json.loads(rest)) if rest else None,
        )
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise RowError from error


def _texts(found: tuple[Finding, ...]) -> str:
    return findings_text(found) if found else ""


def findings_text(found: Iterable[Finding]) -> str:
    """Return findings as JSON."""
    return json.dumps([_plain(each) for each in found])


def findings_of(text: str) -> tuple[Finding, ...]:
    """Return the findings of `findings_text`, or none. Raises what JSON of another kind raises."""
    return tuple(map(_finding, json.loads(text))) if text else ()


def _plain(found: Finding) -> list[object]:
    zone = found.zone.hex() if found.zone is not None else None
    return [found.rule, int(found.severity), list(found.position), found.message, found.advice, zone]


def _finding(told: _PlainFinding) -> Finding:
    rule, severity, position, message, advice, zone = told
    apex = Name(bytes.fromhex(zone)) if zone is not None else None
    return Finding(rule, Severity(severity), Position(*position), message, advice, apex)
