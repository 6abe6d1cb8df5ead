"""`dnsctl check --rules`: every rule with its severity and meaning."""

from __future__ import annotations

from dnsctl.cli import output
from dnsctl.model import reading
from dnsctl.model.finding import Severity, level_text
from dnsctl.validate.rules import BESIDE, RULES


def print_rules(*, as_json: bool) -> None:
    """Print all rules, as a table or as JSON."""
    judged = {rule.name for rule in RULES}
    rules: list[tuple[str, Severity | None, bool, str]] = [
        (rule.name, rule.severity, rule.fixed, rule.meaning) for rule in RULES
    ]
    rules += [
        (name, severity, severity is Severity.ERROR, meaning)
        for name, severity, meaning in (*reading.RULES, *BESIDE)
        if name not in judged
    ]
    rows: list[dict[str, str | bool]] = [
        {"rule": name, "severity": level_text(severity), "fixed": fixed, "meaning": meaning}
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
