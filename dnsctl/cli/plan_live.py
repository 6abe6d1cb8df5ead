"""`dnsctl plan --live`: a commit compared with what another name server serves."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.cli.zone_import import server_named
from dnsctl.errors import ZoneFaultsError
from dnsctl.interchange.live import MAX_EXPIRE, Compared, Difference, compared
from dnsctl.load.revision import Revision
from dnsctl.load.settings.file import load_config
from dnsctl.load.zone_files import zone_files
from dnsctl.load.zones import load_zones
from dnsctl.model.json_value import Json
from dnsctl.model.name import to_text
from dnsctl.model.rrset import RRset, rdata_text, type_text
from dnsctl.model.validity import timing
from dnsctl.model.zone import is_presigned
from dnsctl.publish.faults import errors_of


def plan_live(context: Context, rev: str, live: str, zones: list[str], *, as_json: bool) -> None:
    """Compare `zones` of a commit, all where none is named, with what the server `live` serves."""
    server = server_named("--live", live)
    source = Revision(context.root, rev)
    config = load_config(source, fleet=False)
    known = tuple(zone_files(source, config.zone_files).zones)
    only = frozenset(zone_name(each, known) for each in zones) or None
    loaded = load_zones(source, config, only)
    if faults := errors_of(loaded.findings):
        output.findings(faults, sys.stderr)
        raise ZoneFaultsError("zones have errors", where=rev, advice="correct what is named above")
    found = []
    with output.stages() as progress:
        for count, (_, zone) in enumerate(sorted(loaded.zones.items()), 1):
            policy = None if is_presigned(zone) else config.policy(zone.origin)
            longest = timing(policy, zone.facts.largest_ttl).expire if policy else MAX_EXPIRE
            found.append(compared(zone, server, longest))
            progress("ask", count, len(loaded.zones))
            if zone.aliases:
                output.say(
                    f"{to_text(zone.origin)}: {output.plural(len(zone.aliases), 'ALIAS')} not compared"
                )
    if as_json:
        output.json_result({"live": str(server), "zones": [_json(each) for each in found]})
    else:
        _print(found)
    raise typer.Exit(2 if any(each.differences for each in found) else 0)


def _print(found: Iterable[Compared]) -> None:
    for each in found:
        count = f"{len(each.differences)} of {output.plural(each.rrsets, 'RRset')} differ"
        how = "" if each.by == "transfer" else ", asked one by one: what the server alone has is not seen"
        output.line(f"{output.visible(to_text(each.origin))}: {count}{how}")
        for one in each.differences:
            for sign, side in (("-", one.live), ("+", one.here)):
                for text in _lines(one, side):
                    output.line(f"  {sign} {output.visible(text)}")


def _lines(one: Difference, side: RRset | None) -> list[str]:
    head = f"{to_text(one.owner)} {side.ttl if side else ''} {type_text(one.rdtype)}"
    return [f"{head} {rdata_text(one.rdtype, each)}" for each in side.rdatas] if side else []


def _json(each: Compared) -> dict[str, Json]:
    return {
        "zone": to_text(each.origin),
        "by": each.by,
        "rrsets": each.rrsets,
        "differences": [
            {
                "owner": to_text(one.owner),
                "type": type_text(one.rdtype),
                "here": _side(one, one.here),
                "live": _side(one, one.live),
            }
            for one in each.differences
        ],
    }


def _side(one: Difference, side: RRset | None) -> Json:
    if side is None:
        return None
    return {"ttl": side.ttl, "values": [rdata_text(one.rdtype, each) for each in side.rdatas]}
