"""Zones to judge, one record a line, and what the rules say of them.

Not by `tests.build`: dnspython's own zone reader refuses some of what the rules are here to find.
"""

from collections.abc import Mapping

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dnsctl.model.finding import Finding, Level, Position, Severity
from dnsctl.model.name import Name, from_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import Zone, nodes_of
from dnsctl.validate.run import Verdict, validate
from tests.build import APEX


def zone(origin: str, text: str, *, apex: bool = True) -> Zone:
    """Return a zone of lines `owner [ttl] type rdata`, with SOA, NS and their addresses unless not `apex`."""
    apex_name = dns.name.from_text(origin)
    ttls: dict[tuple[Name, int], int] = {}
    lines: dict[tuple[Name, int], int] = {}
    rdatas: dict[tuple[Name, int], list[bytes]] = {}
    signatures: dict[tuple[Name, int], list[bytes]] = {}
    for number, line in enumerate(((APEX if apex else "") + text).splitlines(), 1):
        first, *rest = line.split(maxsplit=3 if line.split()[1].isdigit() else 2)
        ttl = int(rest.pop(0)) if rest[0].isdigit() else 3600
        rdtype = dns.rdatatype.from_text(rest[0])
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rdtype, rest[1], apex_name, relativize=False)
        wire = rdata.to_digestable(apex_name)
        owner = from_text(first, from_text(origin))
        if rdtype == Type.RRSIG:
            signatures.setdefault((owner, int.from_bytes(wire[:2], "big")), []).append(wire)
            continue
        ttls.setdefault((owner, rdtype), ttl)
        lines.setdefault((owner, rdtype), number)
        rdatas.setdefault((owner, rdtype), []).append(wire)
    file = f"zones/{origin}zone"
    found: list[RRset] = [
        rrset(*key, ttls[key], wires, Position(file, lines[key], 1), tuple(sorted(signatures.get(key, ()))))
        for key, wires in rdatas.items()
    ]
    return Zone(from_text(origin), nodes_of(found), file)


def verdict(
    *texts: tuple[str, str],
    checks: Mapping[str, Level] | None = None,
    signed: bool = False,
    apex: bool = True,
) -> Verdict:
    """Validate zones given as (origin, records below the usual apex)."""
    zones = [zone(origin, text, apex=apex) for origin, text in texts]
    return validate(
        {each.origin: each for each in zones}, lambda _: checks or {}, lambda _: Policy() if signed else None
    )


def found(text: str, *others: tuple[str, str], signed: bool = False, apex: bool = True) -> list[Finding]:
    """Return the findings of example.com. with `text`, beside zones of ours in `others`."""
    made = verdict(("example.com.", text), *others, signed=signed, apex=apex)
    return [each for each in made.findings if each.zone == from_text("example.com.")]


def rules(text: str, *others: tuple[str, str], signed: bool = False, apex: bool = True) -> set[str]:
    """Return the ids of the rules that found something in example.com."""
    return {each.rule for each in found(text, *others, signed=signed, apex=apex)}


def errors(text: str, *others: tuple[str, str]) -> set[str]:
    return {each.rule for each in found(text, *others) if each.severity is Severity.ERROR}


def only(text: str, rule: str, *others: tuple[str, str]) -> Finding:
    """Return the one finding there must be, of `rule`."""
    every = found(text, *others)
    assert [each.rule for each in every] == [rule], every
    return every[0]
