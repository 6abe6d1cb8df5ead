"""ALIAS: a name whose addresses are those of another name, found before a release and signed in it.

It is not a DNS type. A zone carries its aliases beside its RRsets, and none is ever served: what is served is
A and AAAA, which `publish.aliases` puts in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from dnsctl.model.finding import Position, Severity
from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset, Type

PLAIN, OF_ROUTE53 = "ALIAS", "Route53Provider/ALIAS"
ALIASES: Final = (PLAIN, "ANAME")  # what people call it
ADDRESSES: Final = (int(Type.A), int(Type.AAAA))

LOOP, LEFT_OUT, NO_ADDRESS = "alias-loop", "alias-not-served", "alias-target-resolves"
UNKNOWN, UNRESOLVED, KEPT = "alias-unknown", "alias-unresolved", "alias-kept"

# Rule id, severity, meaning: what is found once zones are read, where aliases become addresses
RULES: tuple[tuple[str, Severity, str], ...] = (
    (LOOP, Severity.ERROR, "An ALIAS leads back to itself, or over too many aliases."),
    (LEFT_OUT, Severity.WARNING, "An ALIAS leads out of our zones, where nobody is asked, and is left out."),
    (UNKNOWN, Severity.NOTE, "The addresses of an ALIAS are not known before resolvers are asked."),
    (UNRESOLVED, Severity.ERROR, "The target of an ALIAS cannot be resolved, and never could."),
    (KEPT, Severity.WARNING, "The target of an ALIAS cannot be resolved: its last addresses are kept."),
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


class Known(NamedTuple):
    """What resolvers said of a target that is not ours. Times in unix seconds.

    `addresses`: rdatas by type; `ttl`: of all of them, and of what led there, in seconds; `path`: the names
    that led there, the target first. `at`: when they were found so the last time; `until`: when to ask again.
    `validated`: a resolver that is trusted said so. `failing`: why they cannot be found now, since `since`.
    `high_at`: when a TTL near `ttl` was seen last; `lower`: the largest that was seen since.
    """

    addresses: Mapping[int, tuple[bytes, ...]]
    ttl: int
    path: tuple[Name, ...]
    at: int
    until: int
    validated: bool = False
    failing: str = ""
    since: int = 0
    high_at: int = 0
    lower: int = 0


class Unresolved(NamedTuple):
    """Why nothing is known of a target; `asked`: resolvers could not tell."""

    reason: str
    asked: bool = True


Resolve = Callable[[frozenset[Name]], Mapping[Name, Known | Unresolved]]  # names of nobody asked are left out


def ask_nobody(_targets: frozenset[Name]) -> Mapping[Name, Known | Unresolved]:
    """Know nothing of targets that are not ours."""
    return {}


class Resolved(NamedTuple):
    """What an alias has become. `path`: the names that led there, the target first.

    `rrsets`: the addresses, of the alias's owner; none where they are not known. `ttl`: the least on the way
    through zones of ours; `outside`: the first name that is not ours, and `known`: what is known of it;
    `unasked`: nothing, before resolvers are asked.
    """

    alias: Alias
    path: tuple[Name, ...]
    rrsets: tuple[RRset, ...] = ()
    ttl: int = 0
    outside: Name | None = None
    known: Known | None = None
    unasked: bool = False


def addresses_of(known: Known, owner: Name, types: Collection[int], ttl: int) -> tuple[RRset, ...]:
    """Return what an alias at `owner` gets of a target elsewhere; `ttl`: the least on the way there."""
    least = min(ttl, known.ttl)
    return tuple(
        RRset(owner, rdtype, least, rdatas)
        for rdtype, rdatas in sorted(known.addresses.items())
        if rdtype in types
    )
