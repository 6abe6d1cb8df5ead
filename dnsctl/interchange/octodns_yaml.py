"""Write a zone in octoDNS's YAML record syntax: sorted as octoDNS demands, names relative to the apex.

Every record has its TTL, so that neither octoDNS's default nor ours changes it. SOA and NS that come from
`defaults` of dnsctl.yaml are left out. What signers make has no form there: give a zone without
(`signer.unsigned`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from dnsctl.interchange.octodns_values import Value, octodns_value
from dnsctl.model.alias import PLAIN, Alias
from dnsctl.model.name import Name, to_relative_text, to_text
from dnsctl.model.rrset import RRset, type_text
from dnsctl.model.zone import Zone

# octoDNS 1.22, `Record.registered_types`, but those that are not DNS types
KNOWN = frozenset(
    type_text(code)
    for code in (1, 2, 5, 12, 15, 16, 28, 29, 33, 35, 39, 43, 44, 52, 61, 64, 65, 99, 256, 257)
)
_DIGITS = re.compile(r"(\d+)")
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WIDE = 2**30  # octets of a line: a value is never broken into several


def natural_key(text: str) -> tuple[str | int, ...]:
    """Return what sorts owners and keys as octoDNS does: digits as numbers, all else by character."""
    parts = _DIGITS.split(text)
    return tuple(int(part) if odd % 2 else part for odd, part in enumerate(parts))


def owner_text(owner: Name, origin: Name) -> str:
    """Return the key of an owner: relative to the apex, which is the empty text."""
    text = to_relative_text(owner, origin)
    return "" if text == "@" else text


def octodns_yaml(zone: Zone) -> Iterator[str]:
    """Yield the file in pieces: a comment of YAML where the zone is empty, else one owner each."""
    yield "---\n"
    owners: dict[str, list[dict[str, Value]]] = {}
    for owner, node in zone.nodes.items():
        owners[owner_text(owner, zone.origin)] = [record(one) for one in node if not from_defaults(one)]
    for each in zone.aliases:
        owners.setdefault(owner_text(each.owner, zone.origin), []).append(alias_record(each))
    for text in sorted(owners, key=natural_key):
        records = owners[text]
        if records:
            yield owner_block(text, sorted(records, key=lambda each: str(each["type"])))


def owner_block(owner: str, records: list[dict[str, Value]]) -> str:
    """Return the lines of one owner."""
    return dumped({owner: records[0] if len(records) == 1 else records})


def dumped(tree: object) -> str:
    """Return `tree` in YAML's block style, text quoted where YAML 1.1 would read anything else."""
    text: str = yaml.dump(
        _sorted(tree), Dumper=_DUMPER, default_flow_style=False, sort_keys=False, width=_WIDE, indent=2
    )
    return text


def record(one: RRset) -> dict[str, Value]:
    """Return an RRset as one record."""
    values = [octodns_value(one.rdtype, rdata) for rdata in one.rdatas]
    found: dict[str, Value] = {"ttl": one.ttl, "type": type_text(one.rdtype)}
    return found | ({"value": values[0]} if len(values) == 1 else {"values": values})


def alias_record(alias: Alias) -> dict[str, Value]:
    """Return an ALIAS as a record."""
    found: dict[str, Value] = {"ttl": alias.ttl, "type": alias.kind}
    target = to_text(alias.target)
    if alias.kind == PLAIN:
        return found | {"value": target}
    return found | {"values": [{"name": target, "type": type_text(each)} for each in alias.types]}


def from_defaults(one: RRset) -> bool:
    """True for a record that stands in no zone file, but in `defaults` of dnsctl.yaml."""
    return one.position is not None and not one.position.line


def unknown_types(zone: Zone) -> list[str]:
    """Return the types of the zone's records that octoDNS does not know, sorted."""
    found = {type_text(one.rdtype) for one in zone.rrsets() if not from_defaults(one)}
    return sorted(found - KNOWN)


def _sorted(value: object) -> object:
    """Sort the keys of each mapping; octoDNS refuses a file where one is not sorted."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=natural_key)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value
