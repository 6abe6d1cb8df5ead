"""The zones of the work tree, or of a commit: what `check`, `zone` and `explain` begin with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dnsctl.errors import ZoneFaultsError
from dnsctl.load.revision import Source, WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import known_zones
from dnsctl.load.zones import Loaded, load_zones
from dnsctl.model.alias import Resolve, ask_nobody
from dnsctl.model.finding import Finding, Severity, by_position
from dnsctl.model.name import ROOT, Name, ancestors, to_text
from dnsctl.model.zone import Zone
from dnsctl.publish.companions import with_zones_beside
from dnsctl.publish.faults import errors_of
from dnsctl.publish.intent import Progress, ZoneIntent, no_progress
from dnsctl.publish.judgement import judge, judge_signatures
from dnsctl.publish.other_signers import shared_with_ours

if TYPE_CHECKING:
    from dnsctl.sign.keystore import StoredKey


@dataclass(frozen=True)
class Checked:
    """All that was found in `files` zone files, by position."""

    findings: tuple[Finding, ...]
    files: int

    def count(self, severity: Severity) -> int:
        return sum(each.severity is severity for each in self.findings)


class NamedZoneFaultsError(ZoneFaultsError):
    """A zone that was asked for has errors, which are printed beside it."""

    def __init__(self, name: Name) -> None:
        super().__init__(
            "the zone has errors",
            where=to_text(name),
            advice="correct what is named above, or see `dnsctl check`",
        )


def load_work_tree(
    tree: Source,
    config: Config,
    only: frozenset[Name] | None = None,
    progress: Progress = no_progress,
    *,
    today: date | None = None,
    processes: int = 1,
) -> Loaded:
    """Load all zones, or those of `only` with what their aliases lead to.

    `today` (UTC's by default): what `expires` is compared with; `processes`: how many may be forked for it.
    """
    loaded = load_zones(
        tree,
        config,
        only,
        progress=lambda done, total: progress("load", done, total),
        today=today,
        processes=processes,
    )
    return loaded if only is None else with_zones_beside(loaded, tree, config)


def check(
    tree: Source,
    config: Config,
    only: frozenset[Name] | None,
    now: datetime,
    workers: int = 1,
    progress: Progress = no_progress,
    keys: Path | None = None,
    resolve: Resolve = ask_nobody,
) -> Checked:
    """Load and judge all zones, or those of `only`, with the signatures of pre-signed ones.

    `workers`: how many processes may be forked for it. `keys`: the directory of our own, where it is on this
    host; `resolve`: as of `judgement.judge`.
    """
    readers = workers if isinstance(tree, WorkTree) else 1  # each would need a git of its own
    loaded = load_work_tree(tree, config, only, progress, processes=readers)
    judged = judge(loaded, config.policy, config.checks, no_progress, resolve, config.certificates, workers)
    judged = judge_signatures(judged, now, workers, progress)
    of_keys = shared_with_ours(judged.zones, partial(_keys_in, keys)) if keys is not None else ()
    of_updates = _of_updates(tree.root, config) if keys is not None and only is None else ()
    found = by_position((*judged.findings, *of_keys, *of_updates))
    return Checked(tuple(found), _files(loaded, only))


def _keys_in(directory: Path, origin: Name) -> Sequence[StoredKey]:
    """Return the public side of the keys of a zone."""
    from dnsctl.sign.keystore import public_side  # noqa: PLC0415 - for zones with another signer's keys alone

    return public_side(directory).list(origin)


def _of_updates(root: Path, config: Config) -> Iterable[Finding]:
    """Return what is found of keys that sign updates to parents."""
    if not any(each.key or each.sig0 for each in config.parents.values()):
        return ()
    from dnsctl.publish.update_keys import missing_update_keys  # noqa: PLC0415 - opens keys; most need none

    return missing_update_keys(root, config)


def _files(loaded: Loaded, only: frozenset[Name] | None) -> int:
    """Return how many zones were looked for, without what turned out to be none."""
    read = len(loaded.zones) + len(loaded.partial) + len(loaded.unread)
    no_zones = ("octodns-config",) if only is None else ("octodns-config", "zone-file-included")
    return (read if only is None else len(only)) - sum(each.rule in no_zones for each in loaded.findings)


def load_one(
    tree: Source, config: Config, name: Name, progress: Progress = no_progress, *, today: date | None = None
) -> tuple[Zone | None, list[Finding]]:
    """Return the zone called `name`, None where it cannot be loaded; and the errors that were found."""
    loaded = load_work_tree(tree, config, frozenset((name,)), progress, today=today)
    return loaded.zones.get(name), errors_of(loaded.findings)


def zones_above(
    tree: Source,
    config: Config,
    qname: Name,
    progress: Progress = no_progress,
    *,
    today: date | None = None,
    resolve: Resolve = ask_nobody,
) -> tuple[list[ZoneIntent], list[Finding], tuple[Name, ...]]:
    """Return our zones at or above `qname`, the errors that were found, and the zones that have some.

    `resolve`: as of `judgement.judge`.
    """
    known = known_zones(tree, config)
    wanted = frozenset(each for each in (qname, *ancestors(qname, ROOT)) if each in known)
    if not wanted:
        return [], [], ()
    loaded = load_work_tree(tree, config, wanted, progress, today=today)
    judged = judge(loaded, config.policy, config.checks, no_progress, resolve, config.certificates)
    faulty = tuple(each for each in wanted if each not in judged.zones)
    return [*judged.zones.values()], errors_of(judged.findings), faulty
