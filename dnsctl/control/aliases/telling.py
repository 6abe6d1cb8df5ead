"""Where the addresses of an answer came from, if its owner is an ALIAS of the release."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from dnsctl.control.aliases.keeping import Followed, Kept
from dnsctl.model.alias import Known, Resolved
from dnsctl.model.name import Name
from dnsctl.model.repo import HostFiles


class Told(NamedTuple):
    """An ALIAS and what led to its addresses. `outside`: the last of its names is not ours."""

    zone: Name
    owner: Name
    path: tuple[Name, ...]
    known: Known | None
    outside: bool


def told_of(zone: Name, aliases: Iterable[Resolved]) -> list[Told]:
    """Return what is told of the aliases of a zone."""
    return [Told(zone, one.alias.owner, one.path, one.known, one.outside is not None) for one in aliases]


def told_of_release(state: HostFiles, generation: int, owners: Collection[Name]) -> list[Told]:
    """Return what is kept of those `owners` that are aliases in the release of `generation`."""
    kept = Kept.read(state)
    found = [each for each in kept.followed if each.owner in owners]
    return (
        [_told(each, kept) for each in found] if found and kept.commit == _commit(state, generation) else []
    )


def _told(one: Followed, kept: Kept) -> Told:
    known = kept.known.get(one.outside) if one.outside is not None else None
    path = one.path if known is None else (*one.path, *known.path[1:])
    return Told(one.zone, one.owner, path, known, one.outside is not None)


def _commit(state: HostFiles, generation: int) -> str | None:
    from dnsctl.release.archive import Archive, activated  # noqa: PLC0415 - only where an ALIAS is told of

    manifest = activated(Archive(state.archive), generation)
    return manifest.commit if manifest is not None else None
