"""Which released zones are due for new signatures, and under which policies.

Policies are those of the commit that was released. If that commit is not in the clone any more (a shallow
clone, a rewritten and pruned history), or its dnsctl.yaml cannot be read, those of the work tree are used,
and for zones without one the defaults: a renewal must not fail because a duration is missing. A serial is
then raised by one, which every serial policy allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from dnsctl.control.host import ControlHost
from dnsctl.control.released import config_of, is_signed_elsewhere, signing_policy
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.publish.intent import Progress
from dnsctl.publish.renewal import Renewal, renewal_of


def renewal_due(host: ControlHost, progress: Progress) -> Renewal:
    """Return what is due of what this host's image holds. Raises DnsctlError where that cannot be read."""
    with host.image.reader() as reader:
        manifest = host.manifest(reader.generation)
        commit = manifest.commit if manifest is not None else None
        return renewal_of(
            reader,
            host.keystore,
            commit,
            policies_of(host, commit),
            lambda origin: is_signed_elsewhere(host.root, commit, origin) is True,
            datetime.now(UTC),
            progress,
        )


def policies_of(host: ControlHost, commit: str | None) -> Callable[[Name], Policy | None]:
    """Return what gives the policy of a zone that was released from `commit`."""
    config = config_of(host.root, commit)
    if config is not None:
        return lambda origin: signing_policy(config, host.keystore, origin)

    def stands_in(origin: Name) -> Policy:
        return replace(host.config.policy(origin) or Policy(), serial="increment")

    return stands_in
