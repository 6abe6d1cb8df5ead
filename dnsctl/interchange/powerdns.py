"""Zones as `pdnsutil list-zone` prints them: master files with whole names, whose SOA says which zone it is.

A master file has no ALIAS, and LUA is PowerDNS's own: both are left out and named.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePath

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.interchange.elsewhere import Left, Place, Taken, zone_named
from dnsctl.interchange.incoming import parsed_master_file
from dnsctl.load import masterfile
from dnsctl.model.name import to_text

_SOA = re.compile(rb"^(?P<owner>[^\s;$]+)\s+(?:\d+\s+)?(?:IN\s+)?SOA\s", re.MULTILINE | re.IGNORECASE)
_WHY = {
    "ALIAS": "a master file has none; write `type: ALIAS` into the zone's YAML file",
    "LUA": "only PowerDNS knows the type",
}
_OWN = re.compile(
    rb"^[^\s;$]+\s+(?:\d+\s+)?(?:IN\s+)?(?P<type>ALIAS|LUA)\s.*\n?", re.MULTILINE | re.IGNORECASE
)


def powerdns_zone(place: Place, path: str) -> Taken:
    """Return the zone in one file. Raises DnsctlError where it is none."""
    text = place.read(path, masterfile.MAX_BYTES)
    found = _SOA.search(text)
    origin = zone_named(found["owner"].decode("ascii", "replace")) if found else None
    if origin is None:
        raise DnsctlError(
            "has no SOA, so that its zone is not known",
            where=path,
            advice="`pdnsutil list-zone ZONE > FILE` writes one",
            rule=RefusalRule.IMPORT,
        )
    if not place.wants(origin):
        return Taken((), ())
    own = Counter(each["type"].decode().upper() for each in _OWN.finditer(text))
    left = [
        Left(to_text(origin), f"{count} {kind} left out: {_WHY[kind]}") for kind, count in sorted(own.items())
    ]
    kept = _OWN.sub(lambda line: b"\n" if line[0].endswith(b"\n") else b"", text)
    return Taken([parsed_master_file(place.tree, kept, str(PurePath(path)), origin, place.ttl)], left)
