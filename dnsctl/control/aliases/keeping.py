"""What is known of ALIAS, in `state/aliases.json`: what resolvers said of targets, and the aliases of the
last release with where they lead. Written whole or not at all.

A file that is missing, damaged or of another version is empty: then resolvers are asked again, and the commit
that was released is read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from dnsctl.errors import NameSyntaxError, SystemRefusalError
from dnsctl.files import durable
from dnsctl.model.alias import Known, Resolved
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.repo import HostFiles

VERSION: Final = 1


class Followed(NamedTuple):
    """An ALIAS of a release. `path`: where it led through zones of ours, `ttl` the least on that way, in
    seconds; `outside`: the last name, where that is not ours.
    """

    zone: Name
    owner: Name
    types: tuple[int, ...]
    ttl: int
    path: tuple[Name, ...]
    outside: Name | None


@dataclass(frozen=True)
class Kept:
    """All of it. `followed`: the aliases of the release of `commit`."""

    known: Mapping[Name, Known] = field(default_factory=dict)
    commit: str | None = None
    followed: tuple[Followed, ...] = ()

    @classmethod
    def read(cls, state: HostFiles) -> Kept:
        """Return what is kept there."""
        try:
            kept = json.loads(state.aliases.read_bytes())
            if kept["version"] != VERSION:
                return cls()
            known = {from_text(name): _known(one) for name, one in kept["targets"].items()}
            return cls(known, kept["commit"], tuple(_followed(one) for one in kept["aliases"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, NameSyntaxError):
            return cls()

    def write(self, state: HostFiles) -> None:
        """Keep it. Raises SystemRefusalError: what was kept before is still there."""
        kept: dict[str, Json] = {
            "version": VERSION,
            "targets": {to_text(name): _known_json(one) for name, one in sorted(self.known.items())},
            "commit": self.commit,
            "aliases": [_followed_json(one) for one in self.followed],
        }
        try:
            durable.make_directory(state.directory)
            durable.write(state.aliases, json.dumps(kept, indent=1).encode() + b"\n")
        except OSError as error:
            raise SystemRefusalError.of(error, state.aliases) from None


def followed_of(aliases: Mapping[Name, tuple[Resolved, ...]]) -> tuple[Followed, ...]:
    """Return what is kept of the aliases of a release, by zone."""
    return tuple(
        Followed(zone, one.alias.owner, one.alias.types, one.ttl, _own(one), one.outside)
        for zone, each in aliases.items()
        for one in each
    )


def _own(one: Resolved) -> tuple[Name, ...]:
    return one.path if one.known is None else one.path[: len(one.path) - len(one.known.path) + 1]


def _known_json(one: Known) -> dict[str, Json]:
    addresses = {str(kind): [each.hex() for each in rdatas] for kind, rdatas in one.addresses.items()}
    return {**one._asdict(), "addresses": addresses, "path": [to_text(each) for each in one.path]}


def _known(kept: Mapping[str, Any]) -> Known:
    addresses = {
        int(kind): tuple(bytes.fromhex(each) for each in rdatas) for kind, rdatas in kept["addresses"].items()
    }
    path = tuple(from_text(each) for each in kept["path"])
    return Known(**{**kept, "addresses": addresses, "path": path})


def _followed_json(one: Followed) -> dict[str, Json]:
    return {
        "zone": to_text(one.zone),
        "owner": to_text(one.owner),
        "types": list(one.types),
        "ttl": one.ttl,
        "path": [to_text(each) for each in one.path],
        "outside": None if one.outside is None else to_text(one.outside),
    }


def _followed(kept: Mapping[str, Any]) -> Followed:
    return Followed(
        from_text(kept["zone"]),
        from_text(kept["owner"]),
        tuple(kept["types"]),
        kept["ttl"],
        tuple(from_text(each) for each in kept["path"]),
        None if kept["outside"] is None else from_text(kept["outside"]),
    )
