"""Fetch what the fleet serves before a verb compares with it: `plan`, `verify` and dry runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dnsctl.control.host import take_over
from dnsctl.control.own_image import damage_since, require_whole
from dnsctl.control.release_keys import trust_of
from dnsctl.errors import ClockError, DnsctlError, ReleaseRefusedError
from dnsctl.load.revision import WorkTree
from dnsctl.load.secret import resolve
from dnsctl.load.settings.file import load_config
from dnsctl.model.repo import Repo
from dnsctl.replicate.trust import Trust


def take_over_newest(root: Path, tell: Callable[[str], None]) -> None:
    """Fetch what the fleet serves, as a push does; if it cannot be asked, `tell` so and go on.

    Another clone may have released since this host last did. A damaged image is fetched again from the nodes.
    If clocks differ, nothing is fetched: one node cannot say whose clock is right. Raises
    ReleaseRefusedError, as a push does, where the fleet's history has diverged from this host's;
    DamagedImageError where the image is damaged and no node has a release.
    """
    state = Repo(root).state
    reason = damage_since(state, _trust(root))
    unheard: tuple[DnsctlError, ...] = ()
    try:
        config = load_config(WorkTree(root))
        passphrase = resolve(config.keystore.passphrase, root)
        unheard = take_over(root, config, passphrase, damaged=bool(reason))
    except ClockError as error:
        tell(f"this uses what this host knows, and nothing was fetched: {error}")
    except ReleaseRefusedError:
        raise
    except DnsctlError as error:
        tell(f"this uses what this host knows, and no node was asked: {error}")
    for each in unheard:
        tell(f"not asked what is served: {each}")
    if reason:
        require_whole(state)
        tell(f"{state.image}: was damaged ({reason}), and is made again from what the nodes serve")


def _trust(root: Path) -> Trust | None:
    """Return whose seals vouch for what the image must be; None if the settings cannot be read."""
    try:
        return trust_of(root, load_config(WorkTree(root)))
    except DnsctlError:
        return None
