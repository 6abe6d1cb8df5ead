"""Keys that sign updates to parents and are not where dnsctl.yaml says: found before a roll needs them.

Only on a host that has the fleet's keys: a clone elsewhere need not have any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dnsctl.errors import ConfigError, KeystoreError
from dnsctl.load.settings.config import Config
from dnsctl.model.finding import Finding, Position
from dnsctl.model.repo import CONFIG, Repo
from dnsctl.sign.sig0_keys import chosen
from dnsctl.validate.rules import SEVERITIES, UPDATE_KEY


def missing_update_keys(root: Path, config: Config) -> Iterator[Finding]:
    """Yield a finding for each parent whose TSIG key, or key for SIG(0), cannot be had."""
    keys = Repo(root).keys
    if not keys.release_private.exists():
        return
    for name, parent in config.parents.items():
        try:
            sig0 = parent.policy(name, root).sig0
            if sig0 is not None:
                chosen(keys.directory, sig0.owner, sig0.tag)
        except (ConfigError, KeystoreError) as error:
            where = f" in {error.where}" if error.where and not error.where.startswith(CONFIG) else ""
            message = f"parent {name} takes updates, and {error.what}{where}"
            yield Finding(UPDATE_KEY, SEVERITIES[UPDATE_KEY], Position(CONFIG), message, error.advice)
