"""`dnsctl zone`: list and show zones of the work tree; export one, as a master file or for octoDNS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.control.earlier import files_at
from dnsctl.control.own_image import released
from dnsctl.errors import RELEASE_FIRST, ImageError, RefusalRule
from dnsctl.files import durable
from dnsctl.interchange.octodns_yaml import octodns_yaml, unknown_types
from dnsctl.interchange.signer import unsigned
from dnsctl.load.revision import Source
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.load.zone_files import known_zones
from dnsctl.model.json_value import Json
from dnsctl.model.name import to_relative_text, to_text
from dnsctl.model.presentation import lines, master_file
from dnsctl.model.rrset import RRset, rdata_text, type_text
from dnsctl.model.zone import Zone, is_presigned
from dnsctl.publish.work_tree import NamedZoneFaultsError, load_one, load_work_tree


def list_zones(context: Context, *, as_json: bool) -> None:
    """Print the zones of the work tree."""
    config = context.config(fleet=False)
    with output.stages() as progress:
        loaded = load_work_tree(context.work_tree(), config, progress=progress)
    for origin in sorted(map(to_text, {*loaded.partial, *loaded.unread} - set(loaded.zones))):
        output.say(f"warning: {origin} is not listed: it has errors; see `dnsctl check`")
    rows = [_row(zone, config) for _, zone in sorted(loaded.zones.items(), key=lambda each: to_text(each[0]))]
    if as_json:
        output.json_result({"zones": rows})
        return
    output.table(
        ("zone", "file", "rrsets", "records", "dnssec"),
        ([str(value) for value in row.values()] for row in rows),
    )


def _row(zone: Zone, config: Config) -> dict[str, Json]:
    policy = config.policy(zone.origin)
    dnssec = "pre-signed" if is_presigned(zone) else policy.name if policy is not None else "none"
    return {
        "zone": to_text(zone.origin),
        "file": zone.file,
        "rrsets": sum(len(node) for node in zone.nodes.values()),
        "records": sum(len(each.rdatas) for each in zone.rrsets()),
        "dnssec": dnssec,
    }


def show(context: Context, zone: str, at: int | None, *, as_json: bool) -> None:
    """Print the records of a zone of the work tree, or of generation `at`, and where each is written."""
    found = _loaded(context, zone) if at is None else _released(context, zone, at)
    if as_json:
        output.json_result({"zone": to_text(found.origin), "file": found.file, "rrsets": _rrsets_json(found)})
        return
    output.table(("owner", "ttl", "type", "value", "line"), _rows(found))


def _rows(zone: Zone) -> Iterator[tuple[str, ...]]:
    for one in zone.rrsets():
        owner = to_relative_text(one.owner, zone.origin)
        for rdata in one.rdatas:
            yield owner, str(one.ttl), type_text(one.rdtype), rdata_text(one.rdtype, rdata), _line(one)
    for each in zone.aliases:
        owner = to_relative_text(each.owner, zone.origin)
        yield owner, str(each.ttl), each.kind, to_text(each.target), str(each.position.line)


def _released(context: Context, text: str, generation: int) -> Zone:
    """Return the zone called `text` as it stands in the commit of a release."""
    with files_at(context.root, generation) as (source, today):
        return _one_of(source, load_config(source, fleet=False), text, today)


def _loaded(context: Context, text: str) -> Zone:
    """Return the zone called `text`. Raises ZoneFaultsError after printing why it cannot be loaded."""
    return _one_of(context.work_tree(), context.config(fleet=False), text)


def _one_of(source: Source, config: Config, text: str, today: date | None = None) -> Zone:
    name = zone_name(text, known_zones(source, config))
    with output.stages() as progress:
        zone, errors = load_one(source, config, name, progress, today=today)
    output.findings(errors, sys.stderr)
    if zone is None:
        raise NamedZoneFaultsError(name)
    return zone


def _line(one: RRset) -> str:
    return str(one.position.line) if one.position is not None and one.position.line else ""


def _rrsets_json(zone: Zone) -> list[dict[str, Json]]:
    written: list[dict[str, Json]] = [
        {
            "owner": to_text(one.owner),
            "ttl": one.ttl,
            "type": type_text(one.rdtype),
            "values": [rdata_text(one.rdtype, rdata) for rdata in one.rdatas],
            "file": one.position.file if one.position is not None else zone.file,
            "line": one.position.line if one.position is not None else 0,
        }
        for one in zone.rrsets()
    ]
    return [*written, *_aliases_json(zone)]


def _aliases_json(zone: Zone) -> list[dict[str, Json]]:
    return [
        {
            "owner": to_text(each.owner),
            "ttl": each.ttl,
            "type": each.kind,
            "values": [to_text(each.target)],
            "file": each.position.file,
            "line": each.position.line,
        }
        for each in zone.aliases
    ]


def export(context: Context, zone: str, signed: bool | None, target: Path | None) -> None:
    """Write a zone as a master file; `signed`: as released, or where None, as released if it is."""
    name = zone_name(zone)
    if signed is not False:
        with released(context.state) as reader:
            if reader is not None and reader.zone(name) is not None:
                _write(target, lines(reader.rrsets(name)))
                return
    if signed:
        raise ImageError(
            "is not in a release yet",
            where=to_text(name),
            advice=RELEASE_FIRST,
            rule=RefusalRule.NOTHING_RELEASED,
        )
    found = _loaded(context, zone)
    if found.aliases:
        output.say(f"left out, as a master file has none: {output.plural(len(found.aliases), 'ALIAS')}")
    _write(target, master_file(found))


def export_octodns(context: Context, zone: str, target: Path | None) -> None:
    """Write a zone of the work tree for octoDNS; say what that does not know, and what is left out."""
    found, gone = unsigned(_loaded(context, zone))
    if unknown := unknown_types(found):
        output.say(
            f"octoDNS does not know {', '.join(unknown)}: remove these records before it reads the file"
        )
    if gone:
        output.say(f"left out, as a signer makes them: {', '.join(f'{gone[each]} {each}' for each in gone)}")
    _write(target, octodns_yaml(found))


def _write(target: Path | None, text: Iterator[str]) -> None:
    """Write to standard out, or the file whole or not at all: a reader never sees half a zone."""
    if target is None:
        sys.stdout.writelines(text)
        return
    with durable.writing(target, 0o666 & ~durable.umask()) as file:
        file.writelines(each.encode("ascii") for each in text)
