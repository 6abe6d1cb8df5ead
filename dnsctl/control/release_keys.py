"""The release keys that dnsctl.yaml names: public halves that the fleet pins, private ones of this host."""

from __future__ import annotations

from pathlib import Path

from dnsctl.errors import KeystoreError
from dnsctl.load.settings.config import Config
from dnsctl.model.repo import KEYS
from dnsctl.release.envelope import ReleaseKey, load_release_key
from dnsctl.replicate.trust import Trust


def trust_of(root: Path, config: Config) -> Trust:
    """Return the release keys that dnsctl.yaml pins. Raises ConfigError."""
    return Trust(config.release.public_keys(root), config.release.threshold)


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
