r"""Owner names as zone files write them, for completion, which cannot wait for a parser: it looks at lines.

It looks neither at included files nor beyond `MOST` octets of all files together. It gives a name as it is
written, without the final dot, and leaves out names that a terminal would show in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dnsctl.load.zone_directories import zone_directories
from dnsctl.load.zone_files import PART, ROOT_STEM
from dnsctl.model.repo import MASTER, YAML, ZONE_SUFFIXES

MOST: Final = 2 * 2**20  # octets: some 15 ms
MOST_OF_ONE: Final = 2**18  # octets of a file that may not be the one that is meant
MOST_FILES: Final = 1000  # to open one takes as long as to look at 1 KB
_KEY = re.compile(
    rb"""^(?:'((?:[^'\n]|'')*)'|"([^"\\\n]*)"|([^\s#'"{}\[\],&*!|>%@`?-][^\n]*?|-[^\s][^\n]*?)) *:(?=\s|$)""",
    re.M,
)  # of a mapping in block style, at the beginning of a line
_OWNER = re.compile(rb"^(?:\$ORIGIN[ \t]+([^\s;]+)|([^\s;$()\"][^\s;()\"]*)(?=[ \t]))", re.M | re.I)


def written_zones(root: Path) -> dict[str, list[Path]]:
    """Return the files of each zone, by its name without the final dot."""
    found: dict[str, list[Path]] = {}
    for place in zone_directories(root):
        for path in place.glob("*"):
            if path.suffix in ZONE_SUFFIXES:
                found.setdefault(path.stem.removeprefix(PART), []).append(path)
            elif path.name.endswith(".") and path.is_dir():  # a split zone
                found.setdefault(path.name[:-1], []).extend(sorted(path.glob(f"*{YAML}")))
    return {name: files for name, files in found.items() if _is_shown(name)}


def owners_like(zones: Mapping[str, list[Path]], begun: str) -> Iterator[str]:
    """Yield owners that begin with `begun`: first those of the zones that it may be about to name."""
    left, files = MOST, 0
    for zone in sorted(zones, key=lambda each: (not _may_be_in(begun, each), each)):
        likely = _may_be_in(begun, zone)
        if "." in begun and not likely:
            return
        for path in zones[zone]:
            files += 1
            if left <= 0 or files > MOST_FILES:
                return
            text = _head(path, left if likely else min(left, MOST_OF_ONE))
            left -= len(text)
            found = _of_master_file(text, zone) if path.suffix == MASTER else _of_yaml(text, zone)
            yield from (each for each in found if each.startswith(begun) and _is_shown(each))


def _may_be_in(begun: str, zone: str) -> bool:
    """Return whether `begun` may be the beginning of a name in the zone: `www.exam` is one in example.com."""
    parts = begun.split(".")
    return any(f"{zone}.".startswith(".".join(parts[at:])) for at in range(1, len(parts)))


def _head(path: Path, octets: int) -> bytes:
    try:
        if not path.is_file():  # a FIFO would wait for its writer
            return b""
        with path.open("rb") as file:
            return file.read(octets)
    except OSError:
        return b""


def _of_yaml(text: bytes, zone: str) -> Iterator[str]:
    for single, double, plain in _KEY.findall(text):
        key = (single.replace(b"''", b"'") or double or plain).decode("utf-8", "replace")
        yield _below(key, zone) if key else zone


def _of_master_file(text: bytes, zone: str) -> Iterator[str]:
    origin = zone
    for directive, owner in _OWNER.findall(text):
        name = (directive or owner).decode("utf-8", "replace")
        whole = origin if name == "@" else name[:-1] if name.endswith(".") else _below(name, origin)
        if directive:
            origin = whole
        else:
            yield whole


def _below(name: str, zone: str) -> str:
    return name if zone in ("", ROOT_STEM) else f"{name}.{zone}"


def _is_shown(name: str) -> bool:
    return name.isprintable() and " " not in name
