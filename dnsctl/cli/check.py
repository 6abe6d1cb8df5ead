"""`dnsctl check`: load and validate the work tree, and tell everything that was found."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dnsctl.cli import output
from dnsctl.cli.context import JsonOption, complete_zone, here
from dnsctl.cli.judged import Judged, judge
from dnsctl.model.finding import Severity
from dnsctl.validate.rules import BESIDE, READING, RULES


def register(app: typer.Typer) -> None:
    app.command(
        "check",
        epilog=output.examples(
            "dnsctl check", "dnsctl check example.com --json", "dnsctl check --rules", "dnsctl -C ops check"
        ),
    )(check)


def check(
    ctx: typer.Context,
    zones: Annotated[
        list[str] | None,
        typer.Argument(metavar="ZONE", help="Check these zones; default: all.", autocompletion=complete_zone),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Load and validate zones. Exit code 1 if there is an error, 0 for warnings and notes."""
    if rules:
        _print_rules(as_json=as_json)
        return
    judged = judge(here(ctx), zones or [])
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


def _print_rules(*, as_json: bool) -> None:
    rules = [(rule.name, rule.severity, rule.fixed, rule.meaning) for rule in RULES]
    rules += [
        (name, severity, severity is Severity.ERROR, meaning)
        for name, severity, meaning in (*READING, *BESIDE)
    ]
    rows = [
        {"rule": name, "severity": severity.name.lower(), "fixed": fixed, "meaning": meaning}
        for name, severity, fixed, meaning in rules
    ]
    if as_json:
        output.json_result({"rules": rows})
        return
    output.table(
        ("rule", "severity", "meaning"),
        (
            (
                str(row["rule"]),
                str(row["severity"]) + (", fixed" if row["fixed"] else ""),
                str(row["meaning"]),
            )
            for row in rows
        ),
    )
