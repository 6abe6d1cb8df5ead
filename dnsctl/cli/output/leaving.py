"""What a push or a rollback is about to change, printed before anything is sent: what it takes back first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from dnsctl.cli import output
from dnsctl.cli.output.changes import print_change, print_zones, vouched_lines
from dnsctl.cli.output.settings import print_settings
from dnsctl.control.host import ControlHost
from dnsctl.model.guard_names import HISTORY
from dnsctl.model.name import Name, to_text
from dnsctl.publish.changes import RecordChange
from dnsctl.publish.changeset import Fate, ZoneChangeset
from dnsctl.publish.history import lost_commits, taken_back
from dnsctl.publish.pipeline import Release

_SHOWN = 100  # RRsets
_SHOWN_COMMITS = 20
_Undone = frozenset[tuple[Name, RecordChange | None]]


def shown(host: ControlHost) -> Callable[[Release], None]:
    """Return what prints a release of `host` that is about to leave."""

    def show(release: Release) -> None:
        takes_back = any(each.guard == HISTORY for each in release.guards)
        print_settings(release.settings)
        undone: _Undone = _taken_back(host, release) if takes_back else frozenset()
        print_zones(_rest(release.zones, undone), (), _SHOWN)
        for each in vouched_lines(release.approved, release.rules):
            output.line(each)

    return show


def _rest(zones: tuple[ZoneChangeset, ...], undone: _Undone) -> Iterator[ZoneChangeset]:
    """Yield what a release changes beyond `undone`; renewed signatures are told when it has ended."""
    for each in zones:
        records = tuple(one for one in each.records if (each.origin, one) not in undone)
        if each.fate is Fate.RENEWED or (each.origin, None) in undone:
            continue
        if len(records) == len(each.records) or records or each.events:
            yield replace(each, records=records)


def _taken_back(host: ControlHost, release: Release) -> _Undone:
    """Print what was released by commits that this one lacks, and is undone by it; return that."""
    served, pushed = host.served_manifest(), release.manifest.commit
    commits = lost_commits(host.root, served, pushed)
    undone = taken_back(host.root, served, pushed, release.zones)
    count = output.plural(len(commits), "commit")
    output.styled((f"Takes back what {count} released that this one does not have:", "bold red"))
    for commit in commits[:_SHOWN_COMMITS]:
        output.styled(f"  commit {commit}")
    if len(commits) > _SHOWN_COMMITS:
        output.line(f"  and {len(commits) - _SHOWN_COMMITS} more commits")
    zones = sorted(to_text(origin) for origin, change in undone if change is None)
    changes = [each for zone in release.zones for each in zone.records if (zone.origin, each) in undone]
    for zone in zones[:_SHOWN]:
        output.styled("  ", ("-", "red"), f" zone {zone}")
    for change in changes[:_SHOWN]:
        print_change(change)
    more = len(zones[_SHOWN:]) + len(changes[_SHOWN:])
    if more:
        output.line(f"  and {more} more zones and RRsets")
    return undone
