"""dnsctl: zones in git, signed, released to two datacenters at once, verified from outside.

As a library: the names below, which docs/api.md shows. Each is imported when it is first asked for, so that
`import dnsctl` costs no more than the version does.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False  # type checkers take it for true, and `typing` is not imported for it
if TYPE_CHECKING:
    from dnsctl.errors import DnsctlError
    from dnsctl.library import CheckedZones, ZoneImage, build_image, check_zones, open_image
    from dnsctl.model.finding import Finding, Position, Severity
    from dnsctl.verify.report import Fault, Report

__all__ = [
    "CheckedZones",
    "DnsctlError",
    "Fault",
    "Finding",
    "Position",
    "Report",
    "Severity",
    "ZoneImage",
    "__version__",
    "build_image",
    "check_zones",
    "open_image",
]

_HOMES = {
    "CheckedZones": "dnsctl.library",
    "DnsctlError": "dnsctl.errors",
    "Fault": "dnsctl.verify.report",
    "Finding": "dnsctl.model.finding",
    "Position": "dnsctl.model.finding",
    "Report": "dnsctl.verify.report",
    "Severity": "dnsctl.model.finding",
    "ZoneImage": "dnsctl.library",
    "build_image": "dnsctl.library",
    "check_zones": "dnsctl.library",
    "open_image": "dnsctl.library",
}


if not TYPE_CHECKING:  # else every name would pass for one of ours

    def __getattr__(name: str) -> object:
        """Import a name of the library (PEP 562)."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - as above

        value: object = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
