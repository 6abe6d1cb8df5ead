"""The releases that this host knows of: what each changed, who made it and why, and how it ended.

Manifests of the archive say what was released, the audit log says who did it here. A release that another
host made has no entry there. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from dnsctl.control.audit_log import AuditEntry, audit_entries, released_commits
from dnsctl.errors import ReleaseError
from dnsctl.model.json_value import Json
from dnsctl.model.repo import Repo
from dnsctl.publish.changeset import Fate, ZoneChangeset
from dnsctl.release.archive import Archive, activated
from dnsctl.release.manifest import Manifest

ENDED: Final = "ended"  # last word of the entry that says how a push ended
TAKEN_BACK: Final = (
    "taken back"  # action of the entry that a release failed verification and another replaced it
)
Ending = Literal["served", "partly", "unverified", "not verified", "rolled back", "unknown"]


@dataclass(frozen=True)
class Generation:
    """One release. `actor` and `action` are empty where another host made it.

    `allowed`: guards that were let pass, each with its zone and what it said. `without`: the site that was
    left out. `missed`: nodes that were not reached, with why. `counts`: RRsets and zones, where it is known.
    `approved`: who approved the commit, besides its signer; `rules`: what it changed about who may release;
    `settings`: those of nodes that it changed, by their paths in dnsctl.yaml.
    """

    manifest: Manifest = field(repr=False)
    actor: str = ""
    action: str = ""
    reason: str = ""
    allowed: tuple[str, ...] = ()
    without: str = ""
    activated: tuple[str, ...] = ()
    missed: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] | None = None
    approved: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    ending: Ending = "unknown"

    @property
    def number(self) -> int:
        return self.manifest.generation


def generations(root: Path) -> Iterator[Generation]:
    """Yield every release that this host has in its archive, the newest first.

    Raises StateError, ReleaseError where the log or a manifest cannot be read.
    """
    state = Repo(root).state
    archive = Archive(state.archive)
    told = _by_generation(audit_entries(state.records))
    for number in reversed(archive.generations()):
        manifest = activated(archive, number)
        if manifest is not None:
            yield _generation(manifest, told.get(number, ()))


def commits_before(root: Path, generation: int) -> Iterator[str]:
    """Yield the commits of the releases before `generation`, the oldest first, as far as they can be read."""
    state = Repo(root).state
    archive, known = Archive(state.archive), released_commits(state.records)
    for number in sorted({*archive.generations(), *known}):
        if number >= generation:
            return
        commit = known[number] if number in known else _commit_of(archive, number)
        if commit is not None:
            yield commit


def _commit_of(archive: Archive, number: int) -> str | None:
    try:
        manifest = activated(archive, number)
    except ReleaseError:
        return None
    return manifest.commit if manifest is not None else None


def counts_of(zones: Iterable[ZoneChangeset]) -> dict[str, Json]:
    """Return how many RRsets a release adds, deletes and updates, and how many zones it makes what."""
    found = list(zones)
    kinds = [change.kind for zone in found for change in zone.records]
    fates = [zone.fate for zone in found]
    return {
        "added": kinds.count("add"),
        "deleted": kinds.count("delete"),
        "updated": kinds.count("update"),
        **{fate.name.lower(): fates.count(fate) for fate in Fate if fate is not Fate.CARRIED},
    }


def _by_generation(entries: Iterable[AuditEntry]) -> dict[int, list[AuditEntry]]:
    found: dict[int, list[AuditEntry]] = {}
    for each in entries:
        if isinstance(number := each.details.get("generation"), int):
            found.setdefault(number, []).append(each)
    return found


def _generation(manifest: Manifest, entries: Iterable[AuditEntry]) -> Generation:
    """Return what the log says of a release; an attempt at the same generation that failed is not it."""
    begun: AuditEntry | None = None
    later: dict[str, AuditEntry] = {}
    for each in entries:
        if each.details.get("manifest") == manifest.digest:
            begun, later = each, {}
        elif "manifest" not in each.details:
            later[TAKEN_BACK if each.action == TAKEN_BACK else each.action.rpartition(" ")[2]] = each
    if begun is None:
        return Generation(manifest)
    details: Mapping[str, Any] = begun.details
    reached: Mapping[str, Any] = later["activated"].details if "activated" in later else {}
    return Generation(
        manifest,
        begun.actor,
        begun.action,
        begun.reason,
        tuple(details.get("allowed") or ()),
        details.get("without") or "",
        tuple(reached.get("activated") or ()),
        reached.get("missed") or {},
        details.get("counts"),
        tuple(details.get("approved") or ()),
        tuple(details.get("rules") or ()),
        tuple(details.get("settings") or ()),
        _ending(later),
    )


def _ending(later: Mapping[str, AuditEntry]) -> Ending:
    if TAKEN_BACK in later:
        return "rolled back"
    if ENDED in later:
        return cast("Ending", later[ENDED].details.get("ending", "unknown"))
    return "unknown"
