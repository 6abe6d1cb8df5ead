"""What is kept of the file of a large zone, so that a change of a few owners in it need not read all of it.

A base holds for one object in git, for what dnsctl.yaml says of the zone, and for this code. Nothing depends
on it: losing it only costs time. A base that cannot be read or written stops nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dnsctl.files import durable
from dnsctl.model.facts import Facts
from dnsctl.model.finding import Finding
from dnsctl.model.name import Name
from dnsctl.publish.known import findings_of, findings_text
from dnsctl.validate.landscape import Answer, Question

_MOST_ASKED = 1000  # questions to other zones: with more, asking them again is most of the work
_MOST_WILDCARDS = 1000


@dataclass(frozen=True)
class Base:
    """A zone's file that had no fault: the object `read` in git. `made`: of which code and settings.

    `facts`: of what is written in it; `findings`: of rules, which have `asked` that of other zones; `owners`:
    how many have a record in the file. `plain`: each name is known to be spelt out in the text.
    """

    made: str
    read: str
    facts: Facts
    findings: tuple[Finding, ...]
    asked: Mapping[Question, Answer]
    owners: int
    plain: bool = False

    @property
    def is_small(self) -> bool:
        """True where it is quickly read, and looked through."""
        return len(self.asked) <= _MOST_ASKED and len(self.facts.wildcards) <= _MOST_WILDCARDS


def load(path: Path, made: str) -> tuple[Base, ...]:
    """Return the bases in a file that are of `made`."""
    try:
        told = json.loads(path.read_bytes())
        return tuple(_base(each) for each in told if each["made"] == made)
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return ()


def save(path: Path, bases: Iterable[Base]) -> None:
    """Keep `bases` in place of what a file holds."""
    with contextlib.suppress(OSError):
        durable.make_directory(path.parent)
        durable.write(path, json.dumps([_plain(each) for each in bases]).encode())


def _plain(base: Base) -> dict[str, object]:
    asked = [
        [
            question.kind,
            question.name.hex(),
            None if answer.zone is None else answer.zone.hex(),
            answer.digest,
        ]
        for question, answer in base.asked.items()
    ]
    facts = base.facts
    return {
        "made": base.made,
        "read": base.read,
        "ttls": list(facts.ttls.items()),
        "types": list(facts.types.items()),
        "wildcards": [[owner.hex(), count] for owner, count in facts.wildcards.items()],
        "content": hex(facts.content),
        "findings": findings_text(base.findings),
        "asked": asked,
        "owners": base.owners,
        "plain": base.plain,
    }


def _base(told: dict[str, object]) -> Base:
    def pairs(key: str) -> list[tuple[str, int]]:
        found = told[key]
        if not isinstance(found, list):
            raise TypeError(key)
        return found

    asked = told["asked"]
    if not isinstance(asked, list):
        raise TypeError("asked")
    return Base(
        str(told["made"]),
        str(told["read"]),
        Facts(
            {int(ttl): count for ttl, count in pairs("ttls")},
            {int(rdtype): count for rdtype, count in pairs("types")},
            {Name(bytes.fromhex(owner)): count for owner, count in pairs("wildcards")},
            int(str(told["content"]), 16),
        ),
        findings_of(str(told["findings"])),
        {
            Question(kind, Name(bytes.fromhex(name))): Answer(
                None if zone is None else Name(bytes.fromhex(zone)), digest
            )
            for kind, name, zone, digest in asked
        },
        int(str(told["owners"])),
        bool(told["plain"]),
    )
