"""Zones that came signed, judged as a release would judge them: for `check` and for `serve --zones`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from dnsctl.cli import output
from dnsctl.control.concerns import of_signatures
from dnsctl.image.reader import Reader
from dnsctl.load.config import Config
from dnsctl.load.zones import levelled
from dnsctl.model.name import Name, to_text
from dnsctl.model.validity import PRESIGNED_WARNING
from dnsctl.model.zone import ValidatedZone
from dnsctl.sign.keystore import Keystore
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


def warn_of_ends(reader: Reader, keystore: Keystore) -> None:
    """Tell of released zones that came signed, and whose signatures run out within a week, or have."""
    now = time.time()
    for entry in reader.zones():
        left = PRESIGNED_WARNING if entry.expiry is None else entry.expiry - now
        if left < PRESIGNED_WARNING and not keystore.list(entry.origin):
            output.say(
                f"warning: {to_text(entry.origin)}: {of_signatures(entry.period, None, now)};"
                " have it signed again where it is signed, then push"
            )


def _taken(zone: ValidatedZone) -> Taken:
    with output.progress() as bar:
        task = bar.add_task(f"verify {to_text(zone.origin)}", total=None)
        return take(
            zone,
            datetime.now(UTC),
            workers=len(os.sched_getaffinity(0)),
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
