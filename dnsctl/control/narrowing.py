"""What a release is built of: the zones of a commit that may change, without those that stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from dnsctl.control.own_image import require_right
from dnsctl.control.since import released_since
from dnsctl.control.unsigning import kept_signed
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.model.repo import HostFiles
from dnsctl.publish.intent import Intent
from dnsctl.publish.resting import at_work
from dnsctl.release.archive import Archive
from dnsctl.sign.keystore import Keystore


def narrowed(
    intent: Intent,
    served: Reader,
    keystore: Keystore,
    state: HostFiles,
    now: datetime,
    at_once: Callable[[Name], bool] = lambda _: False,
) -> Intent:
    """Return `intent` as a plan compares it and a push builds it. `served`: what it is compared with.

    Zones at rest are `carried`; what is left was compared with its digests; zones that may not be unsigned
    yet stay signed (`at_once`: as of `unsigning.kept_signed`). Raises DamagedImageError.
    """
    since = released_since(Archive(state.archive), served)
    intent = at_work(intent, keystore.stamps(now, fresh=False), served, now, since)
    if intent.carried:
        require_right(state, served, intent.zones)
    return kept_signed(intent, served, keystore, state, now, at_once)
