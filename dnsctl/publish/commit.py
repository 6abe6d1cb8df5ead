"""Read a commit: its zones, judged, become an `Intent`; and the release keys that its dnsctl.yaml names.

Nothing partial is ever released: an error in any zone stops all of it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from dnsctl.errors import KeystoreError
from dnsctl.load.revision import Source
from dnsctl.load.settings.config import Config
from dnsctl.load.zones import load_zones
from dnsctl.model.repo import KEYS
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Intent, Progress, no_progress
from dnsctl.publish.judgement import judge
from dnsctl.release.envelope import ReleaseKey, load_release_key


def intent_of(
    source: Source, config: Config, progress: Progress = no_progress, *, today: date | None = None
) -> Intent:
    """Load and judge every zone at `source`. Raises ZonesWithErrorsError with all findings.

    `today` (UTC's by default) is compared with records' `expires`. Signatures of pre-signed zones are judged
    later, for those that the release takes.
    """
    loaded = load_zones(
        source, config, progress=lambda done, total: progress("load", done, total), today=today
    )
    judged = judge(loaded, config.policy, config.checks, progress)
    if judged.has_errors:
        raise ZonesWithErrorsError(judged.findings)
    return Intent(judged.zones, source.commit, judged.findings, config.guards.limits)


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
