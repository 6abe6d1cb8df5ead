"""The addresses of targets that are not ours: fresh ones as they are kept, all others by resolvers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dnsctl.control.aliases.keeping import Kept, followed_of
from dnsctl.control.aliases.learning import learned
from dnsctl.load.settings.config import Config
from dnsctl.model.alias import Known, Resolved, Unresolved
from dnsctl.model.name import Name
from dnsctl.model.repo import HostFiles

if TYPE_CHECKING:
    from dnsctl.control.aliases.asking import Reply

Ask = Callable[[Iterable[Name]], Mapping[Name, Mapping[int, "Reply"]]]  # `asking.asked_by`

_FORGOTTEN = 90 * 86400  # seconds after which a target that nobody asks for is not kept any more


@dataclass
class Targets:
    """What is known of targets, and how to know more. `config`: of the commit; `ask`: None asks nobody.

    `kept`: by `state`, with what was learned since; `keep` writes it.
    """

    config: Config
    state: HostFiles = field(repr=False)
    ask: Ask | None = None
    kept: dict[Name, Known] = field(default_factory=dict)
    changed: bool = False
    told: dict[Name, Known | Unresolved] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.kept = self.kept or dict(Kept.read(self.state).known)

    def __call__(self, targets: frozenset[Name]) -> Mapping[Name, Known | Unresolved]:
        """Return what is known of `targets`: a `Resolve`. Those that nobody can be asked for are left out.

        What was told once is told again: all of a release sees the same.
        """
        self.told |= self._resolved(targets - self.told.keys())
        return {each: self.told[each] for each in targets if each in self.told}

    def _resolved(self, targets: frozenset[Name]) -> Mapping[Name, Known | Unresolved]:
        resolvers = self.config.alias_resolvers
        now = int(time.time())
        stale = {
            each for each in targets if (one := self.kept.get(each)) is None or not one.at <= now < one.until
        }
        found: dict[Name, Known | Unresolved] = {
            each: self.kept[each] for each in targets if each in self.kept
        }
        if not resolvers:
            return {name: _unasked(one, now) for name, one in found.items() if isinstance(one, Known)}
        if self.ask is None:
            missing = Unresolved("its addresses are not known here", asked=False)
            return {each: found.get(each, missing) for each in targets}
        floor = int(self.config.alias.floor.total_seconds())
        for name, replies in self.ask(stale).items():
            now_known = learned(self.kept.get(name), replies, now, max(1, floor))
            found[name] = now_known
            if isinstance(now_known, Known):
                self.kept[name], self.changed = now_known, True
        return found

    def keep(self) -> None:
        """Write what was learned. Raises SystemRefusalError."""
        if self.changed:
            after = int(time.time()) - _FORGOTTEN
            known = {name: one for name, one in self.kept.items() if one.until > after}
            replace(Kept.read(self.state), known=known).write(self.state)
            self.changed = False


def remember(state: HostFiles, commit: str | None, aliases: Mapping[Name, tuple[Resolved, ...]]) -> None:
    """Keep where the aliases of the release of `commit` lead. Raises SystemRefusalError."""
    kept = Kept.read(state)
    now = replace(kept, commit=commit, followed=followed_of(aliases))
    if now != kept:
        now.write(state)


def _unasked(one: Known, now: int) -> Known:
    if now < one.until:
        return one
    return one._replace(
        failing="`alias.resolvers` of dnsctl.yaml names nobody to ask", since=one.since or one.until
    )
