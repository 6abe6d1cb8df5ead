"""Compare what the nodes answer with the release that this host knows, or fetches from them; and what the
parents of zones were seen to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dnsctl.control.own_image import damage, generation_of, open_own
from dnsctl.control.parents import faults_of, out_of_sight, parent_states
from dnsctl.control.telling import Tell
from dnsctl.errors import RELEASE_FIRST, InconclusiveError, RefusalRule
from dnsctl.image.reader import Reader
from dnsctl.load.settings.config import Config
from dnsctl.model.fleet import Node
from dnsctl.model.name import Name
from dnsctl.model.processors import usable_processors
from dnsctl.model.repo import HostFiles, Repo
from dnsctl.sign.keyfile import directory_name
from dnsctl.verify.anchor import AnchorFiles
from dnsctl.verify.parts import verify_by_processes
from dnsctl.verify.report import Note, Report

if TYPE_CHECKING:
    from dnsctl.control.sites import Sites


class AtParents(NamedTuple):
    """How parents are looked at: by these settings, and from all sites; None: from the control host alone."""

    config: Config
    sites: Sites | None = None


def verified(
    root: Path,
    nodes: Sequence[Node],
    zones: set[Name] | None,
    now: Callable[[], datetime],
    tell: Tell,
    progress: Callable[[int, int], None],
    *,
    full: bool,
    parents: AtParents | None = None,
) -> Report:
    """Ask the nodes; again, where they differ from a release that another clone has followed up since.

    They are compared with a whole image: a damaged one of this host would show as their drift. `zones` None:
    all. `parents`: how the parents are looked at now; without, what was seen of them last is judged. Raises
    InconclusiveError where this host has no release.
    """
    state = Repo(root).state

    def ask() -> Report:
        if not state.image.is_dir():
            raise InconclusiveError(
                "nothing was released from this host yet",
                advice=RELEASE_FIRST,
                rule=RefusalRule.NOTHING_RELEASED,
            )
        anchors = AnchorFiles(Repo(root).keys.directory, directory_name)
        reopen, processes, moment = partial(_own_reader, state), usable_processors(), now()
        report = verify_by_processes(
            nodes,
            reopen,
            processes,
            now=moment,
            zones=zones,
            full=full,
            anchors=anchors,
            progress=progress,
        )
        with _own_reader(state) as reader:
            return _with_parents(report, state, reader, zones, parents, moment)

    before = 0 if damage(state) else generation_of(state)
    if not before:
        _take_over_newest(root, tell)
        return ask()
    report = ask()
    if report.faults:
        _take_over_newest(root, tell)
        if generation_of(state) > before:
            return ask()
    return report


def _take_over_newest(root: Path, tell: Tell) -> None:
    from dnsctl.control.newest import take_over_newest  # noqa: PLC0415 - HTTP, where DNS shows a difference

    take_over_newest(root, tell)


@contextmanager
def _own_reader(state: HostFiles) -> Iterator[Reader]:
    with open_own(state) as image, image.reader() as reader:
        yield reader


def _with_parents(
    report: Report,
    state: HostFiles,
    reader: Reader,
    zones: set[Name] | None,
    at_parents: AtParents | None,
    now: datetime,
) -> Report:
    """Return `report` with what differs at parents: what makes resolvers fail is a fault, the rest a note."""
    asked = [each.origin for each in reader.zones() if zones is None or each.origin in zones]
    notes: list[Note] = []
    if at_parents is not None:
        from dnsctl.control.observing import Means, look_at_parents  # noqa: PLC0415 - what asks others

        looked = look_at_parents(state, at_parents.config, reader, asked, now, Means(at_parents.sites))
        notes += [Note(zone, f"its parent could not be asked: {why}") for zone, why in looked.faults.items()]
        notes += [Note(zone, "its parent was not asked: no time was left") for zone in looked.left]
    parents = tuple(parent_states(state, reader, asked))
    found = [one for each in parents for one in each.differences]
    notes += [Note(zone, f"{site}: {message}") for zone, site, message in out_of_sight(parents)]
    notes += [Note(each.zone, each.advice if each.weight == "act" else each.message) for each in found]
    faults = faults_of(each for each in found if each.weight == "act")
    return replace(report, faults=(*report.faults, *faults), notes=(*report.notes, *notes))
