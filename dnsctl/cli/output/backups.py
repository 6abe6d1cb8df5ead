"""What is in a backup: for people, and with --json for programs."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.cli import output
from dnsctl.control.backup.contents import BUNDLE, Contents
from dnsctl.model.json_value import Json
from dnsctl.model.repo import KEYS
from dnsctl.model.timestamp import stamp


def print_contents(contents: Contents) -> None:
    """Print a line for each file; those of one zone's keys share a line."""
    output.line(f"made {contents.created:%Y-%m-%d %H:%M:%S}Z on {output.visible(contents.host)}:")
    for path, octets in _lines(contents):
        output.line(f"  {output.visible(path)}  {octets}")


def contents_json(contents: Contents) -> dict[str, Json]:
    """Return what `backup --json` and `restore --json` print of it."""
    return {
        "created": stamp(contents.created),
        "host": contents.host,
        "files": [{"path": each.path, "octets": each.size} for each in contents.items],
    }


def _lines(contents: Contents) -> Iterator[tuple[str, int]]:
    zones: dict[str, tuple[int, int]] = {}
    for each in contents.items:
        parts = each.path.split("/")
        if len(parts) == 3 and parts[0] == KEYS and parts[2].startswith("K"):
            files, octets = zones.get(parts[1], (0, 0))
            zones[parts[1]] = files + parts[2].endswith(".private.pem"), octets + each.size
            continue
        yield (f"{each.path} (the git repository)" if each.path == BUNDLE else each.path), each.size
    for zone, (files, octets) in zones.items():
        yield f"{KEYS}/{zone}/ ({output.plural(files, 'private key')})", octets
