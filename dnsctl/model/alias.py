"""ALIAS: a name whose addresses are those of another name, found before a release and signed in it.

It is not a DNS type. A zone carries its aliases beside its RRsets, and none is ever served: what is served is
A and AAAA, which `publish.aliases` puts in their place.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dnsctl.model.finding import Position, Severity
from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset, Type

PLAIN, OF_ROUTE53 = "ALIAS", "Route53Provider/ALIAS"
ADDRESSES: Final = (int(Type.A), int(Type.AAAA))

LOOP, LEFT_OUT, NO_ADDRESS = "alias-loop", "alias-not-served", "alias-target-resolves"

# Rule id, severity, meaning: what is found once zones are read, where aliases become addresses
RULES: tuple[tuple[str, Severity, str], ...] = (
    (LOOP, Severity.ERROR, "An ALIAS leads back to itself, or over too many aliases."),
    (LEFT_OUT, Severity.WARNING, "An ALIAS leads out of our zones, and is left out."),
    (NO_ADDRESS, Severity.ERROR, "The target of an ALIAS, in a zone of ours, has no address."),
)
SEVERITIES = {name: severity for name, severity, _ in RULES}


class Alias(NamedTuple):
    """As written: `owner` has the addresses of `target`. `ttl`: at most so many seconds.

    `types`: of them, those that are asked for; Route 53 names one or both.
    """

    owner: Name
    target: Name
    ttl: int
    position: Position
    types: tuple[int, ...] = ADDRESSES

    @property
    def kind(self) -> str:
        """What a zone file calls it: Route 53's form where one type of address alone is asked for."""
        return PLAIN if self.types == ADDRESSES else OF_ROUTE53


class Resolved(NamedTuple):
    """What an alias has become. `path`: the names that led there, the target first.

    `rrsets`: the addresses, of the alias's owner; none where they are not known.
    """

    alias: Alias
    path: tuple[Name, ...]
    rrsets: tuple[RRset, ...] = ()
