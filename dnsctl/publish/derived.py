"""What in a zone follows the keys of other zones of ours: DS below it, and signalling names.

One way for `plan` and `push`: they must find the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from dnsctl.image.reader import Reader
from dnsctl.model.key import PublicKey
from dnsctl.model.name import Name
from dnsctl.publish.delegations import delegated
from dnsctl.publish.intent import Intent
from dnsctl.publish.keys import ZoneKeys
from dnsctl.publish.signals import signalled


def with_derived(
    intent: Intent,
    keys: Mapping[Name, ZoneKeys],
    drafts: Mapping[Name, tuple[PublicKey, ...]],
    served: Reader | None,
    now: datetime,
) -> Intent:
    """Return `intent` with what follows the keys of its zones; arguments as of `delegations.delegated`."""
    return signalled(delegated(intent, keys, drafts, served, now), keys, drafts)
