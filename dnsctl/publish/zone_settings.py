"""What dnsctl.yaml says of one zone, as a digest: with an equal one, all that is found of the zone holds.

Left out is what no finding and no release of a zone depends on, such as sites, guards and resolvers. (Zones
with an ALIAS, which depend on resolvers, are judged each time.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from dnsctl.load.settings.config import Config
from dnsctl.load.settings.policy import ZoneConfig, matching
from dnsctl.model.finding import Level
from dnsctl.model.name import Name


class ZoneSettings:
    """What `config` says of zones. What is the same for many of them is made out once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._entries: tuple[ZoneConfig, ...] = tuple(config.zones.values())
        self._digests: dict[tuple[int, ...], str] = {}

    def digest(self, origin: Name) -> str:
        """Return the digest of all that decides on `origin`."""
        entries = self._matching(origin)
        found = self._digests.get(entries)
        if found is None:
            config = self._config
            checks = sorted(config.checks(origin).items())
            told = (config.defaults, checks, config.policy(origin), config.parent_policy(origin).ours)
            found = hashlib.blake2b(repr(told).encode(), digest_size=12).hexdigest()
            self._digests[entries] = found
        return found

    def all_checks(self, origins: Iterable[Name]) -> Iterator[Mapping[str, Level]]:
        """Yield the levels that `checks` sets for `origins`, each once."""
        if not any(each.checks for each in self._entries):
            return
        seen = set[tuple[int, ...]]()
        for origin in origins:
            entries = self._matching(origin)
            if entries not in seen:
                seen.add(entries)
                yield self._config.checks(origin)

    def _matching(self, origin: Name) -> tuple[int, ...]:
        """Return which entries under `zones` match, the most specific first."""
        if not self._entries:
            return ()
        return tuple(id(each) for each in matching(self._config.zones, origin))
