"""The result of a verification: consistent, drift, or could not tell.

A `Fault` is something wrong, with everything needed to act on it; a `Note` is only worth knowing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from dnsctl.model.json_value import Json
from dnsctl.model.name import ROOT, Name, to_text
from dnsctl.model.rrset import type_text
from dnsctl.model.timestamp import stamp


class Fault(NamedTuple):
    """One failure. `rule` is a kebab-case id; `address` is where it was asked, empty: not at a node."""

    node: str
    address: str
    zone: Name
    rule: str
    owner: Name
    rdtype: int
    expected: str
    got: str

    def to_json(self) -> dict[str, Json]:
        return {
            "rule": self.rule,
            "node": self.node,
            "address": self.address,
            "zone": to_text(self.zone),
            "owner": to_text(self.owner),
            "type": type_text(self.rdtype),
            "expected": self.expected,
            "got": self.got,
        }

    def __str__(self) -> str:
        where = f"{self.node} ({self.address})" if self.address else self.node
        return (
            f"{where}: {to_text(self.owner)} {type_text(self.rdtype)} in zone "
            f"{to_text(self.zone)} [{self.rule}]: expected {self.expected}; got {self.got}"
        )


class Note(NamedTuple):
    """Something to know about a zone that is not a failure of a node."""

    zone: Name
    message: str

    def to_json(self) -> dict[str, Json]:
        return {"zone": to_text(self.zone), "message": self.message}


@dataclass(frozen=True, slots=True)
class NodeResult:
    """The result for one address of one node. `silent`: why no answer came; empty where one did."""

    node: str
    site: str
    address: str
    silent: str = ""
    answers: int = 0
    faults: int = 0
    expiry: int | None = None  # the nearest signature expiration seen, Unix seconds
    serials: Mapping[Name, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        return {
            "node": self.node,
            "site": self.site,
            "address": self.address,
            "answered": not self.silent,
            "reason": self.silent,
            "answers": self.answers,
            "faults": self.faults,
            "nearest_expiry": _time(self.expiry),
            "serials": {to_text(zone): serial for zone, serial in self.serials.items()},
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome over all nodes. `checked` of `rrsets` RRsets of the release were compared.

    `one_decoder`: answers with labels that dnslib cannot read.
    """

    generation: int
    manifest: str
    zones: int
    rrsets: int
    checked: int
    seconds: float
    nodes: tuple[NodeResult, ...]
    faults: tuple[Fault, ...] = ()
    notes: tuple[Note, ...] = ()
    one_decoder: int = 0
    more_faults: int = 0  # found, but not kept: a node that serves something else entirely

    @property
    def remarks(self) -> tuple[Note, ...]:
        """The notes, and one on answers that only one decoder could read, if there were any."""
        if not self.one_decoder:
            return self.notes
        message = f"{self.one_decoder} answers hold labels that dnslib cannot read: one decoder read them"
        return (*self.notes, Note(ROOT, message))

    @property
    def silent(self) -> tuple[NodeResult, ...]:
        return tuple(one for one in self.nodes if one.silent)

    @property
    def consistent(self) -> bool:
        """True where every address of every node answered, and with exactly the release."""
        return bool(self.nodes) and not self.faults and not self.silent

    @property
    def exit_code(self) -> int:
        """Return 0: consistent; 1: drift; 2: could not tell, as an address did not answer."""
        if self.faults:
            return 1
        return 0 if self.consistent else 2

    @property
    def verdict(self) -> str:
        return ("consistent", "drift", "could not tell")[self.exit_code]

    def to_json(self) -> dict[str, Json]:
        """Return what `verify --json` prints; its keys are kept stable."""
        return {
            "verdict": self.verdict,
            "generation": self.generation,
            "manifest": self.manifest,
            "zones": self.zones,
            "rrsets": self.rrsets,
            "checked": self.checked,
            "seconds": round(self.seconds, 3),
            "nodes": [one.to_json() for one in self.nodes],
            "faults": [one.to_json() for one in self.faults],
            "more_faults": self.more_faults,
            "notes": [one.to_json() for one in self.remarks],
        }


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else stamp(datetime.fromtimestamp(seconds, UTC))
