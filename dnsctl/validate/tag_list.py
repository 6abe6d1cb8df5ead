"""Lists of `tag=value` with semicolons between them, as in DKIM, DMARC, MTA-STS, TLS reporting and BIMI
(RFC 6376 §3.2)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

_SPEC = re.compile(rb"[ \t\r\n]*([A-Za-z][A-Za-z0-9_-]*)[ \t\r\n]*=[ \t\r\n]*(.*?)[ \t\r\n]*", re.DOTALL)


@dataclass(frozen=True)
class TagList:
    """`values` by tag, in the order written; `faults`: what is not as the form wants it."""

    values: Mapping[str, str]
    faults: tuple[str, ...]

    def unknown(self, known: Collection[str]) -> Iterator[str]:
        """Yield a fault for each tag that is very near to one of `known`, and none of them.

        Readers ignore tags that they do not know, so that others may come.
        """
        for tag in self.values:
            if tag not in known and (near := difflib.get_close_matches(tag, known, 1, 0.6)):
                yield f"tag {tag} is not known: did you mean {near[0]}?"


def parse(record: bytes, version: str) -> TagList:
    """Parse `record`, which begins with `v=` and `version`."""
    values: dict[str, str] = {}
    faults: list[str] = []
    specs = record.split(b";")
    if not specs[-1].strip():
        specs.pop()
    for spec in specs:
        found = _SPEC.fullmatch(spec)
        if found is None:
            faults.append(
                f"{shown(spec)} is not of the form tag=value" if spec.strip() else "`;` comes twice"
            )
            continue
        tag, value = found[1].decode("ascii"), found[2].decode("utf-8", "replace")
        if tag in values:
            faults.append(f"tag {tag} comes twice")
        values.setdefault(tag, value)
    if "v" in values and (next(iter(values)) != "v" or values["v"] != version):
        faults.append(f"it does not begin with v={version}")
    return TagList(values, tuple(faults))


def shown(octets: bytes | str) -> str:
    """Return a part of a record for a message: short and printable."""
    text = octets.decode("utf-8", "replace") if isinstance(octets, bytes) else octets
    return repr(text.strip()[:40])
