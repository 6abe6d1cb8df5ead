"""What dnsctl.yaml says of one zone, as a digest: with an equal one, all that is found of the zone holds.

Left out is what no finding and no release of a zone depends on, such as sites, guards and resolvers. (Zones
with an ALIAS, which depend on resolvers, are judged each time.) What is not left out by name counts for all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from dnsctl.load.settings.config import Config
from dnsctl.load.settings.policy import ZoneConfig, matching
from dnsctl.model.finding import Level
from dnsctl.model.name import Name

_ZONE_BY_ZONE = frozenset(("policies", "parents", "zones"))  # taken as they are for a zone
_LEFT_OUT = frozenset(
    (
        "version",
        "sites",
        "branch",
        "commits",
        "release",
        "resolvers",
        "alias",
        "zone_files",  # which files are read is told by their names
        "guards",
        "keystore",
        "control",
        "transfers",
        "serve",
    )
)


class ZoneSettings:
    """What `config` says of zones. What is the same for many of them is computed once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._entries: tuple[ZoneConfig, ...] = tuple(config.zones.values())
        self._digests: dict[tuple[int, ...], str] = {}
        of_all = sorted(type(config).model_fields.keys() - _ZONE_BY_ZONE - _LEFT_OUT)
        self._of_all = [(each, getattr(config, each)) for each in of_all]

    def digest(self, origin: Name) -> str:
        """Return the digest of all that decides on `origin`."""
        entries = self._matching(origin)
        key = tuple(map(id, entries))
        found = self._digests.get(key)
        if found is None:
            config = self._config
            told = (self._of_all, entries, config.policy(origin), config.parent_policy(origin).ours)
            found = hashlib.blake2b(repr(told).encode(), digest_size=12).hexdigest()
            self._digests[key] = found
        return found

    def all_checks(self, origins: Iterable[Name]) -> Iterator[Mapping[str, Level]]:
        """Yield the levels that `checks` sets for `origins`, each once."""
        if not any(each.checks for each in self._entries):
            return
        seen = set[tuple[int, ...]]()
        for origin in origins:
            key = tuple(map(id, self._matching(origin)))
            if key not in seen:
                seen.add(key)
                yield self._config.checks(origin)

    def _matching(self, origin: Name) -> tuple[ZoneConfig, ...]:
        """Return which entries under `zones` match, the most specific first."""
        if not self._entries:
            return ()
        return tuple(matching(self._config.zones, origin))
