"""The guard `history`: the commit that was released last must be an ancestor of the pushed one.

Otherwise another clone has released something that this commit does not contain, or history was rewritten,
and the push would undo it. A rollback does so on purpose and is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.errors import DnsctlError
from dnsctl.load.ancestry import Commit, fork, has_commit, is_ancestor, is_shallow, only_in
from dnsctl.load.revision import Revision
from dnsctl.load.settings.file import load_config
from dnsctl.model.guard_names import HISTORY
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import type_text
from dnsctl.publish.changes import RecordChange
from dnsctl.publish.changeset import Changeset, Fate, ZoneChangeset, compare
from dnsctl.publish.commit import intent_of
from dnsctl.publish.guards import GuardVerdict
from dnsctl.publish.intent import Intent
from dnsctl.release.manifest import Manifest

_SHOWN = 3  # commits, and changes, named in one message


def judge_history(
    root: Path,
    released: Manifest | None,
    pushed: str | None,
    zones: Iterable[ZoneChangeset],
    *,
    more: bool = False,
) -> tuple[GuardVerdict, ...]:
    """Return the verdict of the guard; none where `pushed` comes from the commit that `released` is of.

    `zones`: what the push would change, and `more`: whether it changes something beside their records, such
    as who may release; where neither changes, nothing can be lost.
    """
    changed = tuple(each for each in zones if each.fate is not Fate.RENEWED)
    if released is None or released.commit is None or pushed is None or not (changed or more):
        return ()
    before = released.commit
    if before == pushed:
        return ()
    fetch = "`git fetch --unshallow`" if is_shallow(root) else "`git fetch`"
    if not has_commit(root, before):
        made = datetime.fromtimestamp(released.created, UTC)
        message = (
            f"the released commit {before[:12]}, of {made:%Y-%m-%d %H:%M UTC}, is not in this clone: what it"
            f" changed would be lost{_listed('this push changes', list(_names(changed)))}"
        )
        return (GuardVerdict(HISTORY, None, message, f"{fetch} and merge it"),)
    if is_ancestor(root, before, pushed):
        return ()
    lost = only_in(root, before, pushed)
    message = _message(root, before, pushed, lost, changed)
    return (GuardVerdict(HISTORY, None, message, f"{fetch} and merge it, as `git pull` does"),)


def lost_commits(root: Path, released: Manifest | None, pushed: str | None) -> tuple[Commit, ...]:
    """Return the commits that were released and that `pushed` lacks, the newest first; none where unknown."""
    before = released.commit if released is not None else None
    if before is None or pushed is None or not has_commit(root, before):
        return ()
    return only_in(root, before, pushed)


def taken_back(
    root: Path, released: Manifest | None, pushed: str | None, zones: Iterable[ZoneChangeset]
) -> frozenset[tuple[Name, RecordChange | None]]:
    """Return which of the changes in `zones` undo what the commits changed that `pushed` lacks.

    Each is the apex of a zone and one of its changes, or None: the zone is removed. Empty where that cannot
    be told.
    """
    before = released.commit if released is not None else None
    if before is None or pushed is None or not has_commit(root, before):
        return frozenset()
    found = set()
    again = {each.origin: each for each in zones}
    for origin, undone in _undone(root, before, pushed, tuple(again.values())):
        by_rrset = {(each.owner, each.rdtype): each for each in again[origin].records}
        found.add((origin, by_rrset[undone.owner, undone.rdtype] if undone is not None else None))
    return frozenset(found)


def _message(
    root: Path, before: str, pushed: str, lost: tuple[Commit, ...], changed: tuple[ZoneChangeset, ...]
) -> str:
    told = "; ".join(str(each) for each in lost[:_SHOWN])
    more = f"; and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    commits = "1 commit" if len(lost) == 1 else f"{len(lost)} commits"
    records = _listed("taken back", list(_taken_back(root, before, pushed, changed)))
    return (
        f"the released commit is not an ancestor of {pushed[:12]}, {commits} would be lost ({told}{more})"
        f"{records}"
    )


def _listed(what: str, names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more RRsets" if len(names) > _SHOWN else ""
    return f"; {what}: {', '.join(names[:_SHOWN])}{rest}" if names else ""


def _names(changed: Iterable[ZoneChangeset]) -> Iterator[str]:
    """Yield the names of the RRsets that change, and of the zones that are removed."""
    for zone in changed:
        if zone.fate is Fate.REMOVED:
            yield f"zone {to_text(zone.origin)}"
        for each in zone.records:
            yield f"{to_text(each.owner)} {type_text(each.rdtype)}"


def _taken_back(root: Path, before: str, pushed: str, changed: tuple[ZoneChangeset, ...]) -> Iterator[str]:
    """Yield the names of what `_undone` yields."""
    for origin, change in _undone(root, before, pushed, changed):
        if change is None:
            yield f"zone {to_text(origin)}"
        else:
            yield f"{to_text(change.owner)} {type_text(change.rdtype)}"


def _undone(
    root: Path, before: str, pushed: str, changed: tuple[ZoneChangeset, ...]
) -> Iterator[tuple[Name, RecordChange | None]]:
    """Yield what the lost commits changed and the push changes again: apex and change, or None for a zone
    that it removes. Nothing where that cannot be told, since an older commit does not load any more.
    """
    base = fork(root, before, pushed)
    try:
        lost = _between(root, base, before) if base is not None else None
    except DnsctlError:
        return
    again = {each.origin: each for each in changed}
    for zone in lost.zones if lost is not None else ():
        here = again.get(zone.origin)
        if here is not None and here.fate is Fate.REMOVED:
            yield zone.origin, None
        elif here is not None:
            undone = {(each.owner, each.rdtype) for each in here.records}
            for each in zone.records:
                if (each.owner, each.rdtype) in undone:
                    yield zone.origin, each


def _between(root: Path, one: str, other: str) -> Changeset:
    return compare(_intent(root, one), _intent(root, other))


def _intent(root: Path, commit: str) -> Intent:
    source = Revision(root, commit)
    try:
        return intent_of(source, load_config(source))
    finally:
        source.close()
