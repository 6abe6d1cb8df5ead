"""A pre-signed zone in one step, for tests that need it or the reason why there is none."""

from datetime import datetime

from dnsctl.errors import SigningError
from dnsctl.model import presigned as rules
from dnsctl.model.finding import Severity
from dnsctl.model.name import to_text
from dnsctl.model.zone import SignedZone, ValidatedZone
from dnsctl.sign.presigned import take

_SHOWN = 3  # faults in the message: enough to see the pattern


def presigned_zone(zone: ValidatedZone, now: datetime | None = None) -> SignedZone:
    """Return `zone` as the signed zone it is. With `now`, an expired signature is a fault too.

    Raises SigningError with the first faults where it cannot be served.
    """
    taken = take(zone, now)
    if taken.zone is not None:
        return taken.zone
    faults = [each.message for each in taken.findings if each.severity is Severity.ERROR]
    more = f", and {taken.errors - _SHOWN} more" if taken.errors > _SHOWN else ""
    raise SigningError(
        f"the pre-signed zone is incomplete or expired: {'; '.join(faults[:_SHOWN])}{more}",
        where=zone.file or to_text(zone.origin),
        advice=rules.AGAIN,
    )
