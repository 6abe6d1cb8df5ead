"""Release other addresses of ALIAS when targets have others, from what is served (`publish.readdressed`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from dnsctl.control.aliases.keeping import Followed, Kept, followed_of
from dnsctl.control.aliases.resolving import Targets, remember
from dnsctl.control.host import ControlHost
from dnsctl.control.push import Request, Result, build_intent, ended, level
from dnsctl.control.renewal import policies_of
from dnsctl.image.reader import Reader
from dnsctl.load.revision import Revision
from dnsctl.load.settings.config import Config
from dnsctl.load.zones import load_zones
from dnsctl.model.alias import Known, Unresolved, addresses_of
from dnsctl.model.guard_names import GUARDS
from dnsctl.model.name import Name
from dnsctl.model.repo import Repo
from dnsctl.publish.aliases import addressed
from dnsctl.publish.intent import Intent, Progress, ZoneIntent
from dnsctl.publish.readdressed import Addresses, differs, readdressed

Found = Mapping[Name, Known | Unresolved]


def followed_in(root: Path, config: Config, commit: str) -> tuple[Followed, ...]:
    """Return the aliases of the release of `commit`: as they are kept, or read from the commit once more.

    Raises DnsctlError where neither is possible.
    """
    state = Repo(root).state
    kept = Kept.read(state)
    if kept.commit == commit:
        return kept.followed
    source = Revision(root, commit)
    try:
        loaded = load_zones(source, config, today=date.min)  # what has expired since is served
        now = load_zones(source, config)  # without what is removed then
    finally:
        source.close()
    there = {
        (origin, alias.owner)
        for zones in (now.zones, now.partial)
        for origin, zone in zones.items()
        for alias in zone.aliases
    }
    _, found = addressed(loaded, config.checks, Targets(config, state))
    aliases = {
        origin: tuple(one for one in each if (origin, one.alias.owner) in there)
        for origin, each in found.items()
    }
    remember(state, commit, aliases)
    return followed_of(aliases)


def changed(reader: Reader, followed: Iterable[Followed], found: Found) -> dict[Name, list[Addresses]]:
    """Return what is to be served otherwise, zone by zone. No alias loses all of its addresses, and one that
    is served without any was removed since.
    """
    zones: dict[Name, list[Addresses]] = {}
    for each in followed:
        known = found.get(each.outside) if each.outside is not None else None
        if not isinstance(known, Known) or reader.zone(each.zone) is None:
            continue
        if all(reader.get(each.owner, rdtype, each.zone) is None for rdtype in each.types):
            continue
        wanted = Addresses(each.owner, each.types, addresses_of(known, each.owner, each.types, each.ttl))
        if wanted.rrsets and differs(reader, each.zone, wanted):
            zones.setdefault(each.zone, []).append(wanted)
    return zones


def refresh(
    host: ControlHost, followed: Iterable[Followed], found: Found, progress: Progress
) -> tuple[Result, dict[Name, str]]:
    """Release what `found` changes, as a push does; return how that ended, and why zones were left out.

    No guard is asked: nobody wrote it. Raises DnsctlError where nothing has changed.
    """
    recovered = level(host, progress)
    unable: dict[Name, str] = {}
    zones: dict[Name, ZoneIntent] = {}
    with host.image.reader() as reader:
        manifest = host.manifest(reader.generation)
        commit = manifest.commit if manifest is not None else None
        policy_of = policies_of(host, commit)
        for origin, wanted in changed(reader, followed, found).items():
            made, fault = readdressed(reader, host.keystore, origin, wanted, policy_of(origin))
            if made is not None:
                zones[origin] = made
            else:
                unable[origin] = fault
    release = build_intent(host, Intent(zones, commit, partial=True), progress) if zones else None
    request = Request(allow=tuple(GUARDS), reason="targets of ALIAS have other addresses")
    return ended(host, release, "alias", request, recovered, progress), unable
