"""The keys of a zone, and what each does at one moment (RFC 7583 §3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from dnsctl.model.key import KeyRole, KeyUse, PublicKey
from dnsctl.model.name import Name
from dnsctl.model.observation import ServedKeys


@dataclass(frozen=True, slots=True)
class RolledKey:
    """A key of a zone. `since`: when it took up its work (made, where it has not yet).

    `leaves`: a person, or its age, said that it goes; also of one that is gone. `standby`: it is published
    and does nothing until another of its role leaves.
    """

    public: PublicKey
    role: KeyRole
    use: KeyUse = field(default_factory=KeyUse)
    since: datetime | None = None
    leaves: bool = False
    standby: bool = False

    def __str__(self) -> str:
        return f"{self.role} {self.public.tag}"


@dataclass(frozen=True)
class KeySet:
    """All keys of a zone, those that are not in use any more included."""

    zone: Name
    keys: tuple[RolledKey, ...] = ()

    @property
    def used(self) -> tuple[RolledKey, ...]:
        return tuple(each for each in self.keys if each.use)

    @property
    def wanted_ds(self) -> tuple[PublicKey, ...]:
        """The keys that the parent should have a DS for."""
        return tuple(each.public for each in self.keys if each.use.ds)

    @property
    def served(self) -> ServedKeys:
        """What a release with these keys serves."""
        return ServedKeys(
            self._rdatas(lambda use: use.published),
            self._rdatas(lambda use: use.signs_keys),
            self._rdatas(lambda use: use.signs_data),
        )

    def with_uses(self, uses: Iterable[tuple[RolledKey, KeyUse]]) -> KeySet:
        """Return the key set in which some keys are used otherwise."""
        changed = {key.public: use for key, use in uses}
        return replace(
            self,
            keys=tuple(
                replace(each, use=changed[each.public]) if each.public in changed else each
                for each in self.keys
            ),
        )

    def _rdatas(self, is_used: Callable[[KeyUse], bool]) -> tuple[bytes, ...]:
        return tuple(sorted(each.public.rdata for each in self.keys if is_used(each.use)))
