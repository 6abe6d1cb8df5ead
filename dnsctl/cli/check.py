"""`dnsctl check`: load and validate the work tree, and tell everything that was found."""

from __future__ import annotations

from typing import Any

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.cli.judged import Judged, judge
from dnsctl.model.finding import Severity


def check(context: Context, zones: list[str], *, as_json: bool) -> None:
    """Load and validate `zones`, or all, and print what was found. Exits with 1 if there is an error."""
    judged = judge(context, zones)
    if as_json:
        output.json_result(_to_json(judged))
    else:
        output.findings(judged.findings)
        output.line(_summary(judged))
        if not judged.files:
            output.say("no zone yet: put NAME.yaml or NAME.zone into zones/")
    if judged.count(Severity.ERROR):
        raise typer.Exit(1)


def _to_json(judged: Judged) -> dict[str, Any]:
    return {
        "findings": [output.finding_json(each) for each in judged.findings],
        "zones": judged.files,
        "errors": judged.count(Severity.ERROR),
        "warnings": judged.count(Severity.WARNING),
        "notes": judged.count(Severity.NOTE),
    }


def _summary(judged: Judged) -> str:
    counts = ", ".join(
        output.plural(judged.count(severity), severity.name.lower())
        for severity in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
        if judged.count(severity) or severity is not Severity.NOTE
    )
    return f"{output.plural(judged.files, 'zone')} checked: {counts}"
