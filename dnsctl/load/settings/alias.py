"""The settings of `alias`: who is asked for the targets of ALIAS that are not ours."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from dnsctl.load.settings.values import OneOrMore, SecondaryAddress, Settings, Span, Switch


class AliasConfig(Settings):
    """`floor`: the lowest TTL of what resolvers tell, and how often a target is asked for at most.

    `trust_ad`: whether a resolver on loopback is believed that it validated an answer.
    """

    resolvers: Annotated[tuple[SecondaryAddress, ...], OneOrMore] = ()
    floor: Span = timedelta(minutes=1)
    trust_ad: Switch = False
