"""Where not all zones are loaded: those that aliases of the loaded ones lead to, loaded as well."""

from __future__ import annotations

from dataclasses import replace

from dnsctl.load.revision import Source
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import zone_files
from dnsctl.load.zones import Loaded, load_zones
from dnsctl.publish.aliases import zones_beside


def with_zones_beside(loaded: Loaded, source: Source, config: Config) -> Loaded:
    """Return `loaded` with all zones of `source` that its aliases lead to, from one to the next.

    Of one with errors nothing is known. Raises RevisionError where zone files cannot be listed.
    """
    if not any(zone.aliases for each in (loaded.zones, loaded.partial) for zone in each.values()):
        return loaded
    known = zone_files(source, config.zone_files).zones
    while wanted := zones_beside(loaded, known.__contains__):
        more = load_zones(source, config, wanted)
        unread = loaded.unread | more.unread | more.partial.keys()
        loaded = replace(loaded, beside={**loaded.beside, **more.zones}, unread=unread)
    return loaded
