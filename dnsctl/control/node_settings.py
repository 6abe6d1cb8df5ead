"""The settings of nodes in a release: those of the commit, whether they travel, and when they are in force.

They travel once every node of the fleet reads manifests that have some, and from then on in each release.
Until then, nodes run with the dnsctl.yaml on their hosts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from dnsctl.control.host import ControlHost, statuses
from dnsctl.control.released import config_of
from dnsctl.image.reader import Reader
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.released import ReleasedSettings
from dnsctl.publish.intent import Progress
from dnsctl.publish.settings_changes import SettingsIntent, settings_changes
from dnsctl.release.manifest import FORMAT, Manifest
from dnsctl.release.settings import FleetSettings, decode, digest_of, encode
from dnsctl.replicate.answers import NodeStatus

PATIENCE: Final = 90.0  # seconds until a node runs with other settings: the trial of a program has 60
_PAUSE: Final = 0.1  # seconds between two looks


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

    `last`: returns the manifest of what is served, for an image that does not say of which commit it is.
    """
    commit = served.released_commit
    if commit is None and served.generation and (manifest := last()) is not None:
        commit = manifest.commit
    released = config if commit == pushed else config_of(root, commit)
    wanted, before = wanted_by(config), decode(served.settings)
    if before is None and released is not None and served.generation:
        before = wanted_by(released)
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


def able_to_travel(host: ControlHost, intent: SettingsIntent) -> SettingsIntent:
    """Return `intent`, or one without settings where a node cannot read them yet; then it is noted."""
    with host.image.reader() as served:
        if served.settings:
            return intent
    reason = _obstacle(host)
    if not reason:
        return intent
    if intent.changes:
        host.notes.append(
            f"nodes get no settings with this release, but from their own dnsctl.yaml: {reason}"
        )
    return SettingsIntent()


def _obstacle(host: ControlHost) -> str:
    """Return why settings cannot travel to every node; empty where they can."""
    if len(host.nodes) < len(host.config.nodes()):
        return "a site is left out, and not asked what it reads"
    answers = host.fleet.run(statuses(host.fleet.clients))
    for node, answer in zip(host.nodes, answers, strict=True):
        if not isinstance(answer, NodeStatus):
            return f"{node.name} does not say what it reads"
        if answer.manifest_format < FORMAT:
            return f"{node.name} runs an older version of dnsctl; update it"
    return ""


def await_settings(
    host: ControlHost, settings: FleetSettings, names: Collection[str], progress: Progress
) -> Mapping[str, str]:
    """Wait until the nodes called `names` run with `settings`; return which do not, and why.

    A node that cannot take others while it runs, or does not say, is not waited for.
    """
    wanted, faults = digest_of(encode(settings)), dict[str, str]()
    clients = [one for one in host.fleet.clients if one.node.name in names]
    total, deadline = len(clients), time.monotonic() + PATIENCE
    while clients:
        waiting = []
        for client, answer in zip(clients, host.fleet.run(statuses(clients)), strict=True):
            if not isinstance(answer, NodeStatus):
                fault = answer.what if time.monotonic() > deadline else None
            elif answer.settings is None or answer.settings.digest == wanted:
                fault = ""
            else:
                late = time.monotonic() > deadline
                fault = answer.settings.fault or ("it has not reloaded; its log says why" if late else None)
            if fault is None:
                waiting.append(client)
            elif fault:
                faults[client.node.name] = fault
        clients = waiting
        progress("settings in force", total - len(clients), total)
        time.sleep(_PAUSE if clients else 0)
    return faults
