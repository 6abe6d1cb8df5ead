"""Whether settings of nodes can travel in a release, and when the nodes run with them.

They travel once every node of the fleet reads manifests that have some, and from then on in each release.
Until then, nodes run with the dnsctl.yaml on their hosts.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Final

from dnsctl.control.host import ControlHost, statuses
from dnsctl.publish.intent import Progress
from dnsctl.publish.settings_changes import SettingsIntent
from dnsctl.release.manifest import FORMAT
from dnsctl.release.settings import FleetSettings, digest_of, encode
from dnsctl.replicate.answers import NodeStatus
from dnsctl.replicate.fitting import PATIENCE

_PAUSE: Final = 0.1  # seconds between two looks


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
            f"this release brings nodes no settings, and their own dnsctl.yaml counts: {reason}"
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
