"""The directory that `dnsctl serve --zones` serves: its zone files and its dnsctl.yaml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.load.zone_files import zone_files
from dnsctl.model.fleet import Node, ServeSettings
from dnsctl.model.repo import CONFIG
from dnsctl.startup import EMBEDDED


def find_config(directory: Path) -> tuple[Config, Path] | None:
    """Return the dnsctl.yaml in `directory` or beside it, and its root; None without. Raises ConfigError."""
    for root in (directory, directory.resolve().parent):
        if (root / CONFIG).is_file():
            return load_config(WorkTree(root), fleet=False), root
    return None


def check_directory(directory: Path) -> None:
    """Raise DnsctlError where `directory` does not exist or holds no zone files."""
    advice = "name a directory with files like example.com.yaml or example.com.zone"
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "no such directory"
        raise DnsctlError(what, where=str(directory), advice=advice, rule=RefusalRule.NO_ZONES)
    found = zone_files(WorkTree(directory), ("",))
    if not found.zones and not found.findings:
        raise DnsctlError("no zone files", where=str(directory), advice=advice, rule=RefusalRule.NO_ZONES)


def served_with(directory: Path, given: ServeSettings) -> ServeSettings:
    """Return `serve:` and `transfers:` of the dnsctl.yaml of `directory`; what is `given` has precedence.

    Raises DnsctlError where there is nothing to serve.
    """
    check_directory(directory)
    if (found := find_config(directory)) is None:
        return given
    config, root = found
    settings = config.serve_settings(Node(EMBEDDED, "", given.listen, ""), given.workers, root)
    shared = settings.cookie_secret is not None and settings.cookie_secret.exists()
    return replace(
        settings,
        transfer=given.transfer or settings.transfer,
        rate_limit=given.rate_limit or settings.rate_limit,
        cookie_secret=settings.cookie_secret if shared else None,
    )
