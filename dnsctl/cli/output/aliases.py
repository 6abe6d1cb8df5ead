"""Where the addresses of ALIAS came from, as people and programs read it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from dnsctl.control.aliases.telling import Told, told_of
from dnsctl.model.alias import Resolved
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import rdata_text
from dnsctl.model.timestamp import stamp


def alias_lines(aliases: Mapping[Name, tuple[Resolved, ...]], owners: Collection[Name]) -> Iterator[str]:
    """Yield a line for each alias whose owner is one of `owners`, or whose target cannot be resolved."""
    for zone, each in aliases.items():
        for one in told_of(zone, each):
            if one.owner in owners or (one.known is not None and one.known.failing):
                yield alias_line(one)


def alias_line(one: Told) -> str:
    """Return one line: owner, the names that led to its addresses, and who said so."""
    way = " → ".join(map(to_text, one.path))
    return f"{to_text(one.owner)} ALIAS {way}: {_source(one)}"


def _source(one: Told) -> str:
    known = one.known
    if known is None:
        return "its addresses are not known" if one.outside else "from our zones"
    validated = "validated" if known.validated else "not validated"
    told = f"from resolvers at {_moment(known.at)}, {validated}"
    return f"{told}; it cannot be resolved since {_moment(known.since)}" if known.failing else told


def aliases_json(aliases: Mapping[Name, tuple[Resolved, ...]]) -> list[Json]:
    """Return all aliases as `plan --json` prints them."""
    return [
        {
            **alias_json(told),
            "addresses": [rdata_text(s.rdtype, rdata) for s in one.rrsets for rdata in s.rdatas],
        }
        for zone, each in aliases.items()
        for one, told in zip(each, told_of(zone, each), strict=True)
    ]


def alias_json(one: Told) -> dict[str, Json]:
    """Return an alias as `--json` prints it, without its addresses."""
    known = one.known
    failing = known is not None and bool(known.failing)
    return {
        "zone": to_text(one.zone),
        "owner": to_text(one.owner),
        "path": [to_text(each) for each in one.path],
        "source": "resolvers" if one.outside else "zones",
        "at": None if known is None else _stamp(known.at),
        "validated": None if known is None else known.validated,
        "failing": known.failing if known is not None and failing else None,
        "since": _stamp(known.since) if known is not None and failing else None,
    }


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%MZ}"


def _stamp(seconds: int) -> str:
    return stamp(datetime.fromtimestamp(seconds, UTC))
