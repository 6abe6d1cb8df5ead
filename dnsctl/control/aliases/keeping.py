"""What is known of targets, in `state/aliases.json`: written whole or not at all.

A file that is missing, damaged or of another version is empty: then resolvers are asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from dnsctl.errors import NameSyntaxError, SystemRefusalError
from dnsctl.files import durable
from dnsctl.model.alias import Known
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.repo import HostFiles

VERSION: Final = 1


def read_known(state: HostFiles) -> dict[Name, Known]:
    """Return what is kept there."""
    try:
        kept = json.loads(state.aliases.read_bytes())
        if kept["version"] != VERSION:
            return {}
        return {from_text(name): _known(one) for name, one in kept["targets"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NameSyntaxError):
        return {}


def write_known(state: HostFiles, known: Mapping[Name, Known]) -> None:
    """Keep `known`. Raises SystemRefusalError: what was kept before is still there."""
    kept: dict[str, Json] = {
        "version": VERSION,
        "targets": {to_text(name): _json(one) for name, one in sorted(known.items())},
    }
    try:
        durable.make_directory(state.directory)
        durable.write(state.aliases, json.dumps(kept, indent=1).encode() + b"\n")
    except OSError as error:
        raise SystemRefusalError.of(error, state.aliases) from None


def _json(one: Known) -> dict[str, Json]:
    return {
        **one._asdict(),
        "addresses": {
            str(rdtype): [each.hex() for each in rdatas] for rdtype, rdatas in one.addresses.items()
        },
        "path": [to_text(each) for each in one.path],
    }


def _known(kept: dict[str, Any]) -> Known:
    addresses = {
        int(rdtype): tuple(bytes.fromhex(each) for each in rdatas)
        for rdtype, rdatas in kept["addresses"].items()
    }
    path = tuple(from_text(each) for each in kept["path"])
    return Known(**{**kept, "addresses": addresses, "path": path})
