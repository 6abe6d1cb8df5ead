"""A zone that breaks each rule, and one that just does not. Tests run both; docs/rules.md shows the first.

Lines are as in `tests.validate.scenes`: records below the usual apex.
"""

from collections.abc import Mapping

from tests.validate.examples import mail, services, zones
from tests.validate.examples.example import Example

EXAMPLES: Mapping[str, Example] = {
    **zones.APEX,
    **zones.NAMES,
    **zones.ALIASES,
    **zones.CUTS,
    **zones.TARGETS,
    **zones.VALUES,
    **mail.MAIL,
    **services.SERVICES,
    **services.NAMES,
    **zones.DNSSEC,
}
