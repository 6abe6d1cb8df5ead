"""Zones that came signed, judged as a release would judge them: for `check` and for `serve --zones`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from dnsctl.cli import output
from dnsctl.load.settings.config import Config
from dnsctl.load.zones import levelled
from dnsctl.model.name import Name, to_text
from dnsctl.model.zone import ValidatedZone
from dnsctl.sign.presigned import Taken, is_presigned, take


def taken_as_signed(zones: Mapping[Name, ValidatedZone], config: Config | None) -> dict[Name, Taken]:
    """Return what came of each of `zones` that came signed: every signature of it is verified, on all cores.

    The levels of its findings are those that `config` sets.
    """
    taken: dict[Name, Taken] = {}
    for origin, zone in zones.items():
        if is_presigned(zone):
            found = _taken(zone)
            levels = config.checks(origin) if config is not None else {}
            taken[origin] = found._replace(findings=tuple(levelled(found.findings, levels)))
    return taken


def _taken(zone: ValidatedZone) -> Taken:
    with output.progress() as bar:
        task = bar.add_task(f"verify {to_text(zone.origin)}", total=None)
        return take(
            zone,
            datetime.now(UTC),
            workers=len(os.sched_getaffinity(0)),
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
