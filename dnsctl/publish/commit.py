"""Read a commit: load and validate join to an `Intent`; and the release keys that its dnsctl.yaml names.

Nothing partial is ever released: an error in any zone stops all of it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from dnsctl.errors import KeystoreError, ZoneFaultsError
from dnsctl.load.revision import Source
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_yaml import EXPIRED
from dnsctl.load.zones import load_zones
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.repo import KEYS
from dnsctl.model.zone import Zone
from dnsctl.publish.intent import GuardLimits, Intent, Progress, ZoneIntent, no_progress
from dnsctl.release.envelope import ReleaseKey, load_release_key
from dnsctl.sign.presigned import is_presigned
from dnsctl.validate.run import validate

_LISTED = "`dnsctl check` lists every finding"
_RENEWS = "`dnsctl push --renew` renews signatures meanwhile; "


class ZonesWithErrorsError(ZoneFaultsError):
    """Zones of the commit have errors: nothing is released. `findings` are all that were found.

    `expired`: nothing is wrong with them but that records have passed the date they were to be kept until.
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


def intent_of(
    source: Source, config: Config, progress: Progress = no_progress, *, today: date | None = None
) -> Intent:
    """Load and validate every zone at `source`. Raises ZonesWithErrorsError with all findings.

    `today` (UTC's by default) is what a record's `expires` is compared with.
    """
    loaded = load_zones(
        source, config, progress=lambda done, total: progress("load", done, total), today=today
    )
    presigned = {origin for origin, zone in loaded.zones.items() if is_presigned(zone)}
    policies = {origin: _policy(config, zone, presigned) for origin, zone in loaded.zones.items()}
    progress("validate", 0, len(loaded.zones))
    verdict = validate(loaded.zones, config.checks, policies.__getitem__)
    progress("validate", len(loaded.zones), len(loaded.zones))
    findings = (*loaded.findings, *verdict.findings)
    if any(each.severity is Severity.ERROR for each in findings):
        raise ZonesWithErrorsError(findings)
    return Intent(
        {
            origin: ZoneIntent(zone, policies[origin], origin in presigned)
            for origin, zone in verdict.zones.items()
        },
        source.commit,
        findings,
        GuardLimits(config.guards.deletes, config.guards.updates, config.guards.minimum),
    )


def _policy(config: Config, zone: Zone, presigned: set[Name]) -> Policy | None:
    return None if zone.origin in presigned else config.policy(zone.origin)


def load_release_keys(root: Path, config: Config, passphrase: bytes) -> tuple[ReleaseKey, ...]:
    """Return the release keys of dnsctl.yaml whose private halves are on this host, `.pem` beside `.pub`.

    Raises KeystoreError where they are fewer than the threshold.
    """
    paths = [(root / public).with_suffix(".pem") for public in config.release.keys]
    keys = tuple(load_release_key(path, passphrase) for path in paths if path.exists())
    if len({key.public for key in keys}) < config.release.threshold:
        raise KeystoreError(
            f"{len(keys)} private release keys are on this host, releases need {config.release.threshold}",
            where=str(root / KEYS),
            advice="`dnsctl init` makes one; or push from the host that has them",
        )
    return keys
