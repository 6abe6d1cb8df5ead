"""What the fleet serves, taken over before a verb goes by it: `plan`, `verify` and dry runs."""

from __future__ import annotations

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.control.host import take_over, trust_of
from dnsctl.control.own_image import damage, require_whole
from dnsctl.errors import ClockError, DnsctlError, ReleaseRefusedError
from dnsctl.replicate.trust import Trust


def take_over_newest(context: Context) -> None:
    """Take over what the fleet serves, as a push does; where it cannot be asked, say so and go on.

    Another clone may have released since this host last did. A damaged image is made anew from the nodes.
    Where clocks differ nothing is taken over: one node does not say for all whose is right. Raises
    ReleaseRefusedError, as a push does, where the fleet's history has diverged from this host's;
    DamagedImageError where the image is damaged and no node has a release.
    """
    reason = damage(context.state, _trust(context))
    unheard: tuple[DnsctlError, ...] = ()
    try:
        config = context.config()
        unheard = take_over(context.root, config, context.passphrase(config), damaged=bool(reason))
    except ClockError as error:
        output.say(f"by what this host knows, nothing was taken over: {error}")
    except ReleaseRefusedError:
        raise
    except DnsctlError as error:
        output.say(f"by what this host knows, no node was asked: {error}")
    for each in unheard:
        output.say(f"not asked what is served: {each}")
    if reason:
        require_whole(context.state)
        output.say(f"{context.image}: was damaged ({reason}), and is made anew from what the nodes serve")


def _trust(context: Context) -> Trust | None:
    """Return whose seals vouch for what the image must be; None where the settings do not read."""
    try:
        return trust_of(context.root, context.config())
    except DnsctlError:
        return None
