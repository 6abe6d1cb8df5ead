"""`dnsctl check`: load and validate the work tree, and print all findings."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.control.aliases.resolving import Targets
from dnsctl.load.zone_files import known_zones
from dnsctl.model.finding import Severity
from dnsctl.model.json_value import Json
from dnsctl.model.processors import usable_processors
from dnsctl.model.repo import shown_directories
from dnsctl.publish.work_tree import Checked
from dnsctl.publish.work_tree import check as check_work_tree


def check(context: Context, zones: list[str], *, as_json: bool) -> None:
    """Load and validate `zones`, or all, and print what was found. Exits with 1 if there is an error."""
    config = context.config(fleet=False)
    only = None
    if zones:
        known = known_zones(context.work_tree(), config)
        only = frozenset(zone_name(each, known) for each in zones)
    workers = usable_processors()
    with output.stages() as progress:
        checked = check_work_tree(
            context.work_tree(),
            config,
            only,
            datetime.now(UTC),
            workers,
            progress,
            context.keys,
            Targets(config, context.state),
        )
    if as_json:
        output.json_result(_to_json(checked))
    else:
        output.findings(checked.findings)
        output.line(_summary(checked))
        if not checked.files:
            place = shown_directories(config.zone_files)
            output.say(f"no zone yet: put NAME.yaml or NAME.zone into {place}")
    if checked.count(Severity.ERROR):
        raise typer.Exit(1)


def _to_json(checked: Checked) -> dict[str, Json]:
    return {
        "findings": [output.finding_json(each) for each in checked.findings],
        "zones": checked.files,
        "errors": checked.count(Severity.ERROR),
        "warnings": checked.count(Severity.WARNING),
        "notes": checked.count(Severity.NOTE),
    }


def _summary(checked: Checked) -> str:
    counts = ", ".join(
        output.plural(checked.count(severity), severity.name.lower())
        for severity in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
        if checked.count(severity) or severity is not Severity.NOTE
    )
    return f"{output.plural(checked.files, 'zone')} checked: {counts}"
