"""What a commit asks for: its validated zones, each with the way to sign it. Made by `commit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from dnsctl.model.alias import Resolved
from dnsctl.model.finding import Finding, Level
from dnsctl.model.guard_limits import STANDARD_LIMITS, GuardLimits
from dnsctl.model.key import KeyUse, PublicKey
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.serial import SerialPolicy
from dnsctl.model.zone import ValidatedZone
from dnsctl.publish.known import Remembered, Seen
from dnsctl.publish.settings_changes import SettingsIntent

if TYPE_CHECKING:
    from dnsctl.sign.keystore import NewKey

Progress = Callable[[str, int, int], None]  # stage, done, total


def no_progress(stage: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """A zone cut between two zones of ours, and its DS rdatas. Made by `publish.delegations`.

    `before`: as they were released last; `ds`: as they will be, with `ttl` in seconds. `written`: the
    operator's, not ours to change; `broken`: none of them leads to a key of the child. `unknown`: the child
    gets a key that is made at the push. `awaited`: until then caches may hold unsigned answers, and the DS is
    held back; with `by_roll` until a step of a roll asks for it.
    """

    parent: Name
    child: Name
    ttl: int
    before: tuple[bytes, ...] = ()
    ds: tuple[bytes, ...] = ()
    written: bool = False
    broken: bool = False
    unknown: bool = False
    awaited: datetime | None = None
    by_roll: bool = False


@dataclass(frozen=True, slots=True)
class ZoneIntent:
    """One zone. `policy` is None where it is not signed here: unsigned, or `presigned` by someone else.

    `source`: digest of what the zone was made from, where it is taken from a release as it is. `levels`:
    severities by rule, as `checks` of dnsctl.yaml sets them for this zone. `ds_follows`: whether its DS in a
    zone of ours follows its keys. `below` and `above`: its delegations to and from other zones of ours.
    `uses`: what each key does, where a roll takes a step, which `roll` tells; `drafts`: keys made for it.
    `unsigning`: where it is to be unsigned, how far that is; it stays signed as long as `policy` says how.
    `signals`: signalling names in it that follow other zones; `signals_unknown`: one of them is of a key that
    is made at the push. `aliases`: what became of its ALIAS records.
    """

    zone: ValidatedZone
    policy: Policy | None = None
    presigned: bool = False
    source: str = ""
    levels: Mapping[str, Level] = field(default_factory=dict)
    ds_follows: bool = True
    below: tuple[Delegation, ...] = field(default=(), repr=False)
    above: Delegation | None = None
    uses: Mapping[PublicKey, KeyUse] | None = None
    drafts: tuple[NewKey, ...] = field(default=(), repr=False)
    roll: str = ""
    unsigning: str = ""
    signals: tuple[Name, ...] = field(default=(), repr=False)
    signals_unknown: bool = False
    aliases: tuple[Resolved, ...] = field(default=(), repr=False)

    @property
    def signed(self) -> bool:
        """True where it will be served with signatures."""
        return self.presigned or self.policy is not None

    @property
    def serial_policy(self) -> SerialPolicy:
        return self.policy.serial if self.policy is not None else "unixtime"


@dataclass(frozen=True)
class Intent:
    """All zones of one commit; with `partial` some, and what is not named stays as it is served.

    `commit` is None for a work tree outside git. `last_policy`: what a zone is signed by that is to be
    unsigned and may not be yet. `known`: what is remembered of the zones, and `same`: those of which it
    holds, which are read when their data is asked for. `carried`: zones that are at rest, and not in
    `zones`; `seen`: what they were found so by. `even_if_equal`: it is released though no zone changes;
    `settings`: of nodes.
    """

    zones: Mapping[Name, ZoneIntent] = field(repr=False)
    commit: str | None = None
    findings: Sequence[Finding] = ()
    limits: GuardLimits = STANDARD_LIMITS
    partial: bool = False
    last_policy: Policy = field(default_factory=Policy)
    known: Remembered | None = field(default=None, repr=False)
    same: frozenset[Name] = field(default=frozenset(), repr=False)
    carried: frozenset[Name] = field(default=frozenset(), repr=False)
    seen: Seen | None = field(default=None, repr=False)
    even_if_equal: bool = False
    settings: SettingsIntent = field(default_factory=SettingsIntent)

    @property
    def aliases(self) -> dict[Name, tuple[Resolved, ...]]:
        """What became of ALIAS, by zone. Zones of `same` have none, and are not read for it."""
        read = (self.zones[origin] for origin in self.zones if origin not in self.same)
        return {each.zone.origin: each.aliases for each in read if each.aliases}
