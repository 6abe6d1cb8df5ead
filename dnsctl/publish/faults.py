"""What ends a release before anything is made: zones with errors."""

from __future__ import annotations

from collections.abc import Iterable

from dnsctl.errors import ZoneFaultsError
from dnsctl.load.zone_yaml import EXPIRED
from dnsctl.model.finding import Finding, Severity, by_position

_LISTED = "`dnsctl check` lists every finding"
_RENEWS = "`dnsctl push --renew` renews signatures meanwhile; "


class ZonesWithErrorsError(ZoneFaultsError):
    """Zones of the commit have errors: nothing is released. `findings` are all that were found.

    `expired`: their only errors are records past their `expires` date.
    """

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        errors = [each for each in findings if each.severity is Severity.ERROR]
        more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
        self.expired = all(each.rule == EXPIRED for each in errors)
        super().__init__(
            f"[{errors[0].rule}] {errors[0].message}{more}",
            where=str(errors[0].position),
            advice=_RENEWS + _LISTED if self.expired else _LISTED,
        )


def errors_of(found: Iterable[Finding]) -> list[Finding]:
    """Return the errors in `found`, by position."""
    return by_position(each for each in found if each.severity is Severity.ERROR)
