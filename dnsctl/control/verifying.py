"""Compare what the nodes answer with the release that this host knows, or fetches from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from dnsctl.control.newest import take_over_newest
from dnsctl.control.own_image import damage, generation_of, open_own
from dnsctl.errors import InconclusiveError, RefusalRule
from dnsctl.model.fleet import Node
from dnsctl.model.name import Name
from dnsctl.model.repo import Repo
from dnsctl.verify.anchor import anchors_in
from dnsctl.verify.consistency import verify_fleet
from dnsctl.verify.report import Report


def verified(
    root: Path,
    nodes: Sequence[Node],
    zones: set[Name] | None,
    now: Callable[[], datetime],
    tell: Callable[[str], None],
    progress: Callable[[int, int], None],
    *,
    full: bool,
) -> Report:
    """Ask the nodes; again, where they differ from a release that another clone has followed up since.

    They are compared with a whole image: a damaged one of this host would show as their drift. `zones` None:
    all. Raises InconclusiveError where this host has no release.
    """
    state = Repo(root).state

    def ask() -> Report:
        if not state.image.is_dir():
            raise InconclusiveError(
                "nothing was released from this host yet",
                advice="run `dnsctl push` first",
                rule=RefusalRule.NOTHING_RELEASED,
            )
        with open_own(state) as image, image.reader() as reader:
            return verify_fleet(
                nodes,
                reader,
                now=now(),
                zones=zones,
                full=full,
                anchors=anchors_in(Repo(root).keys.directory),
                progress=progress,
            )

    before = 0 if damage(state) else generation_of(state)
    if not before:
        take_over_newest(root, tell)
        return ask()
    report = ask()
    if report.faults:
        take_over_newest(root, tell)
        if generation_of(state) > before:
            return ask()
    return report
