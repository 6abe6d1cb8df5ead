"""What ends a release before anything is made: zones with errors."""

from __future__ import annotations

from collections.abc import Iterable

from dnsctl.errors import ZoneFaultsError
from dnsctl.load.zone_yaml import EXPIRED
from dnsctl.model.finding import Finding, Severity, by_position

_RENEWS = "`dnsctl push --renew` renews signatures meanwhile; "


class ZonesWithErrorsError(ZoneFaultsError):
    """Zones of the commit have errors: nothing is released. `findings` are all that were found.

    `expired`: their only errors are records past their `expires` date. `listed`: the errors stand above the
    message, which does not say them again.
    """

    def __init__(self, findings: tuple[Finding, ...], *, listed: bool = False) -> None:
        self.findings = findings
        errors = errors_of(findings)
        self.expired = all(each.rule == EXPIRED for each in errors)
        count = len(errors)
        if listed:
            what, where = f"{count} error{'s' if count > 1 else ''}, named above", ""
            advice = "correct what is named, and commit it"
        else:
            more = f" (and {count - 1} more errors)" if count > 1 else ""
            what, where = f"[{errors[0].rule}] {errors[0].message}{more}", str(errors[0].position)
            advice = "`dnsctl check` lists every finding"
        super().__init__(what, where=where, advice=(_RENEWS if self.expired else "") + advice)

    def below_its_findings(self) -> ZonesWithErrorsError:
        """Return the same, worded to stand below its findings."""
        return ZonesWithErrorsError(self.findings, listed=True)


def errors_of(found: Iterable[Finding]) -> list[Finding]:
    """Return the errors in `found`, by position."""
    return by_position(each for each in found if each.severity is Severity.ERROR)
