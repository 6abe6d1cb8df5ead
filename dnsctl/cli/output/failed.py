"""What ended a command, as `--json` prints it: by its rule, with what was found where that has a form."""

from __future__ import annotations

from dnsctl.cli import output
from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.model.json_value import Json


def print_failure(error: DnsctlError) -> None:
    """Print `error` as the one result of a command that has no other."""
    output.json_result({"error": failure_json(error)})


def failure_json(error: DnsctlError) -> dict[str, Json]:
    """Return `error` with stable keys (docs/json.md); `guards` and `findings` where these are the reason."""
    told: dict[str, Json] = {
        "rule": error.rule,
        "message": error.what,
        "where": error.where,
        "advice": error.advice,
    }
    return told | _details(error)


def _details(error: DnsctlError) -> dict[str, Json]:
    # What raises these has been imported where it was raised: no other failure should pay for it
    if error.rule is RefusalRule.GUARD:
        from dnsctl.cli.output.changes import guard_json  # noqa: PLC0415 - as above
        from dnsctl.publish.guards import GuardRefusedError  # noqa: PLC0415 - as above

        if isinstance(error, GuardRefusedError):
            return {"guards": [guard_json(each) for each in error.verdicts]}
    if error.rule is RefusalRule.ZONE_ERRORS:
        from dnsctl.publish.faults import ZonesWithErrorsError, errors_of  # noqa: PLC0415 - as above

        if isinstance(error, ZonesWithErrorsError):
            return {"findings": [output.finding_json(each) for each in errors_of(error.findings)]}
    return {}
