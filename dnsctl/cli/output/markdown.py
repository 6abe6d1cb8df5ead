"""A plan in Markdown, for a comment on a pull request. What files say is in fenced blocks: it stays text.

GitHub takes comments of 65,536 characters at most; what is longer is cut, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from dnsctl.cli import output
from dnsctl.cli.output.changes import allowing, change_lines
from dnsctl.publish.changeset import ZoneChangeset
from dnsctl.publish.guards import GuardVerdict

FOLDED: Final = 100  # RRsets: more are shown once somebody asks for them
_LONGEST: Final = 60_000  # characters of all blocks
_TICKS = re.compile("`+")
_SIGNS = {"+": "+", "-": "-", "~": "!"}  # as the language `diff` colours them


def plan_markdown(
    zones: Sequence[ZoneChangeset], guards: Sequence[GuardVerdict], summary: Sequence[str]
) -> str:
    """Return the comment: what it comes to, what guards refuse, and the changes, folded if they are many."""
    parts = ["### dnsctl plan", "", _fenced(summary, "text")]
    if guards:
        verdicts = [f"{each}{f'; {each.advice}' if each.advice else ''}" for each in guards]
        refused = f"**A push is refused** without `{allowing(guards)} --reason TEXT`:"
        parts += ["", refused, "", _fenced(verdicts, "text")]
    if zones:
        count = sum(len(each.records) for each in zones)
        changes = _fenced(_diff(zones), "diff")
        if count > FOLDED:
            title = f"{output.plural(len(zones), 'zone')} with {count} RRsets"
            changes = f"<details><summary>{title}</summary>\n\n{changes}\n\n</details>"
        parts += ["", changes]
    return "\n".join(parts)


def _diff(zones: Iterable[ZoneChangeset]) -> list[str]:
    lines: list[str] = []
    length = 0
    for zone in zones:
        for sign, text in change_lines(zone):
            lines.append(_line(sign, text))
            length += len(lines[-1]) + 1
            if length > _LONGEST:
                return [*lines[:-1], "and more: see `dnsctl plan`"]
    return lines


def _line(sign: str, text: str) -> str:
    """Return a line whose first character says what happens; the parts of an RRset have theirs inside."""
    if not sign:
        return f"@@ {text} @@"
    inner = text[2:3] if sign == " " and text.startswith(("  - ", "  + ")) else ""
    return f"{inner}   {text[4:]}" if inner else f"{_SIGNS.get(sign, ' ')} {text}"


def _fenced(lines: Iterable[str], language: str) -> str:
    """Return a fenced block that nothing in it can end."""
    texts = [output.visible(each) for each in lines]
    longest = max((len(run) for each in texts for run in _TICKS.findall(each)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((f"{fence}{language}", *texts, fence))
