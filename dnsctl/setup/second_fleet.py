"""A clone is not made a second fleet unnoticed: its keys are on another host, or in a backup.

What tells: dnsctl.yaml is committed, and the private half of the release key is not here. New keys would make
releases that no node of the fleet accepts, and sign zones with keys that no parent knows.
"""

from __future__ import annotations

from pathlib import Path

from dnsctl.errors import DnsctlError, RefusalRule, RevisionError
from dnsctl.load.revision import git
from dnsctl.load.settings.config import Config
from dnsctl.model.repo import CONFIG, KEYS, RELEASE_PRIVATE, Repo


class FleetElsewhereError(DnsctlError):
    """The keys of an operations repo are not on this host."""

    rule = RefusalRule.FLEET_ELSEWHERE


def refuse_second_fleet(root: Path, config: Config) -> None:
    """Raise FleetElsewhereError where dnsctl.yaml is committed and the release key is not here."""
    if Repo(root).keys.release_private.exists() or not _is_committed(root):
        return
    kind, _, path = config.keystore.passphrase.partition(":")
    files = (RELEASE_PRIVATE, *((path,) if kind == "file" else ()), f"{KEYS}/pki/ca.pem")
    missing = [each for each in files if not (root / each).exists()]
    raise FleetElsewhereError(
        f"dnsctl.yaml is committed, so that this is a clone of a fleet's repo, and of its keys "
        f"{', '.join(missing)} and those of zones are missing",
        where=str(root),
        advice="bring keys/ back with `dnsctl restore BACKUP`, or copy it from the control host;"
        " to make another fleet with keys of its own: dnsctl init --new-fleet",
    )


def _is_committed(root: Path) -> bool:
    try:
        return bool(git(root, "ls-tree", "--name-only", "HEAD", "--", CONFIG, check=False).strip())
    except RevisionError:  # no repository
        return False
