"""The settings of nodes that a release is to have: of a commit, or of an earlier release. Asks no node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dnsctl.control.released import config_of
from dnsctl.image.reader import Reader
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.released import ReleasedSettings
from dnsctl.publish.settings_changes import SettingsIntent, settings_changes
from dnsctl.release.manifest import Manifest
from dnsctl.release.settings import FleetSettings, decode


def wanted_by(config: Config) -> FleetSettings:
    """Return the settings of nodes in a dnsctl.yaml."""
    return ReleasedSettings.of(config).written()


def compared(before: Config, after: Config) -> SettingsIntent:
    """Return what a change from one dnsctl.yaml to another does to the settings of nodes."""
    wanted = wanted_by(after)
    return SettingsIntent(wanted, settings_changes(wanted_by(before), wanted))


def settings_intent(
    served: Reader, root: Path, pushed: str | None, config: Config, last: Callable[[], Manifest | None]
) -> SettingsIntent:
    """Return what a release of the commit `pushed`, whose dnsctl.yaml is `config`, does to settings.

    They are compared with those that are served, or until settings travel, with the dnsctl.yaml of the served
    commit. `last`: returns the manifest of what is served, for an image that does not name its commit.
    """
    wanted, before = wanted_by(config), decode(served.settings)
    if before is None and served.generation:
        manifest = last() if served.released_commit is None else None
        commit = manifest.commit if manifest is not None else served.released_commit
        released = config if commit == pushed else config_of(root, commit)
        before = wanted_by(released) if released is not None else None
    return SettingsIntent(wanted, settings_changes(before, wanted))


def again(served: Reader, earlier: Manifest, *, whole: bool) -> SettingsIntent:
    """Return the settings of an earlier release again, but sites and nodes as they are; `whole`: these, too.

    So a rollback neither takes out a node that came since, nor brings one back.
    """
    now, then = decode(served.settings), earlier.settings
    if now is None or then is None:
        return SettingsIntent()
    wanted = then if whole else {**then, "sites": now["sites"]}
    return SettingsIntent(wanted, settings_changes(now, wanted))
