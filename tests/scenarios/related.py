"""A fleet of 60 related zones as an operator keeps it, and steps by which it changes, none a mistake."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from zlib import crc32

from dnsctl.model.name import Name, from_text, to_relative_text

FLEET = 60
POLICIES = ("standard", "hashed", "opted-out", "none")
NAME_SERVERS = ("ns1.example.net.", "ns2.example.net.")
CONFIG = """\
version: 1
sites:
{sites}
defaults:
  soa: {{mname: ns1.example.net., rname: hostmaster.example.net.}}
  ns: [ns1.example.net., ns2.example.net.]
policies:
  hashed: {{denial: nsec3}}
  opted-out: {{denial: nsec3, opt-out: true}}
zones:
{zones}
"""

Records = dict[str, dict[str, str]]  # owner -> type -> value in YAML


@dataclass
class Fleet:
    """Zones by origin; `delegated` by the zone of ours above them, `trusted` with their DS."""

    zones: dict[str, Records] = field(default_factory=dict)
    delegated: set[str] = field(default_factory=set)
    trusted: set[str] = field(default_factory=set)
    digests: Mapping[Name, tuple[bytes, ...]] = field(default_factory=dict)
    signed: set[str] | None = None  # by the standard policy, all others not at all; None: by their names
    made: int = 0

    def policy(self, origin: str) -> str:
        if self.signed is not None:
            return "standard" if origin in self.signed else "none"
        return POLICIES[crc32(origin.encode()) % 7 % 4]

    def above(self, origin: str) -> str | None:
        """Return the nearest zone above, as written."""
        name = origin
        while name:
            name = name.partition(".")[2]
            if name in self.zones:
                return name
        return None

    def config(self, sites: str) -> str:
        zones = (f"  {each!r}: {{dnssec: {self.policy(each)}}}" for each in self.zones)
        return CONFIG.format(sites=sites, zones="\n".join(zones))

    def text(self, origin: str) -> str:
        """Return the zone file: its records, and the delegations of zones right below it."""
        records = {owner: dict(types) for owner, types in self.zones[origin].items()}
        for child in self.delegated:
            if self.above(child) == origin:
                owner = to_relative_text(from_text(child), from_text(origin))
                records[owner] = {"NS": f"values: [{', '.join(NAME_SERVERS)}]"}
                digest = self.digests.get(from_text(child), ())
                if child in self.trusted and digest:
                    records[owner]["DS"] = f"value: {_ds_text(digest[0])}"
        lines = []
        for owner, types in sorted(records.items()):
            lines.append(f"{owner!r}:")
            lines += [f"  - {{type: {rdtype}, {value}}}" for rdtype, value in sorted(types.items())]
        return "\n".join(lines) + "\n" if lines else "{}\n"

    def number(self) -> int:
        self.made += 1
        return self.made


def _ds_text(digest: bytes) -> str:
    tag = int.from_bytes(digest[:2], "big")
    return f"{tag} {digest[2]} {digest[3]} {digest[4:].hex()}"


def address(rng: random.Random) -> str:
    return f"value: 192.0.2.{rng.randint(1, 254)}"


def first() -> Fleet:
    """Return 60 zones: apexes, children, grandchildren, two reverse zones with RFC 2317 children."""
    rng = random.Random("related zones")
    fleet = Fleet()
    names = [f"example.{each}." for each in ("net", "com", "org")]
    names += [f"d{number}.{apex}" for apex in names for number in range(8)]
    names += [f"g{number}.d{child}.{apex}" for apex in names[:3] for child in (0, 1) for number in range(3)]
    names += [f"far.off.x{number}.d2.example.com." for number in range(3)]
    for reverse in ("2.0.192.in-addr.arpa.", "100.51.198.in-addr.arpa."):
        names += [reverse, *(f"{start}-{start + 63}.{reverse}" for start in (0, 64, 128))]
    names += [f"leaf{number}.g0.d0.example.org." for number in range(FLEET - len(names))]
    for origin in names:
        fleet.zones[origin] = _records(rng, origin, names)
    fleet.zones["example.net."] |= {"ns1": {"A": "value: 192.0.2.53"}, "ns2": {"A": "value: 198.51.100.53"}}
    fleet.delegated = {each for each in names if fleet.above(each) and rng.random() < 0.85}
    return fleet


def _records(rng: random.Random, origin: str, names: list[str]) -> Records:
    if origin.endswith("in-addr.arpa."):
        records = {str(number): {"PTR": f"value: h0.{names[number % 3]}"} for number in range(1, 4)}
        if origin.count(".") == 5:
            records |= {
                str(number): {
                    "CNAME": f"value: {number}.{number // 64 * 64}-{number // 64 * 64 + 63}.{origin}"
                }
                for number in (5, 70, 130)
            }
        return records
    return {
        "": {"MX": "value: {preference: 10, exchange: ns1.example.net.}"},
        "h0": {"A": address(rng), "AAAA": "value: '2001:db8::1'"},
        "h1.d0": {"A": address(rng)},  # where d0 is a zone of ours, the parent's copy of it is never answered
        "*.w": {"TXT": "value: wild"},
        "to": {"CNAME": f"value: h0.{rng.choice(names[:27])}"},
        "old": {"DNAME": f"value: {rng.choice(names[:27])}"},
    }


def step(fleet: Fleet, rng: random.Random) -> set[str]:
    """Change one thing; return the origins whose files change, removed ones included."""
    origin = rng.choice(list(fleet.zones))
    kind = rng.choice(["record", "record", "gone", "alias", "wild", "new", "removed", "delegation", "trust"])
    records = fleet.zones[origin]
    number = fleet.number()
    if kind == "record":
        child = rng.choice([each for each in fleet.zones if fleet.above(each) == origin] or [""])
        below = "." + to_relative_text(from_text(child), from_text(origin)) if child else ""
        below = "" if below.endswith(".old") else below  # nothing may stand below a DNAME
        records[f"h{number % 9}{rng.choice(['', below])}"] = {"A": address(rng)}
    elif kind == "gone":
        spare = [owner for owner in records if owner and not owner.startswith("ns")]
        if spare:
            del records[rng.choice(spare)]
    elif kind == "alias":
        other = rng.choice(list(fleet.zones))
        owner, rdtype = rng.choice([("to", "CNAME"), (f"to{number % 5}", "CNAME"), ("old", "DNAME")])
        records[owner] = {rdtype: f"value: {rng.choice(['h0.', 'a.w.', 'to.', 'h1.d0.', ''])}{other}"}
    elif kind == "wild":
        records[rng.choice(["*.w", "*.d0", "*"])] = {"TXT": f"value: wild {number}"}
    elif kind == "new":
        return _added(fleet, rng, f"n{number}.{rng.choice(['', 'mid.', 'old.', 'a.w.'])}{origin}")
    elif kind == "removed" and origin != "example.net.":
        return _removed(fleet, origin)
    elif kind == "delegation" and fleet.above(origin) and ".old." not in origin:
        fleet.delegated ^= {origin}
        fleet.trusted &= fleet.delegated
        return {str(fleet.above(origin))}
    elif kind == "trust" and origin in fleet.delegated and from_text(origin) in fleet.digests:
        fleet.trusted ^= {origin}
        return {fleet.above(origin) or origin}
    return {origin}


def _added(fleet: Fleet, rng: random.Random, origin: str) -> set[str]:
    touched = {origin}
    before = fleet.above(origin)
    fleet.zones[origin] = _records(rng, origin, list(fleet.zones))
    under_dname = ".old." in origin
    if rng.random() < 0.7 and not under_dname:
        fleet.delegated.add(origin)
        touched.add(str(before))
    return touched


def _removed(fleet: Fleet, origin: str) -> set[str]:
    """Take a zone away, with what delegates to it; zones below it are the next one's above now."""
    above = fleet.above(origin)
    orphans = {each for each in fleet.zones if fleet.above(each) == origin}
    del fleet.zones[origin]
    fleet.delegated -= {origin, *orphans}
    fleet.trusted &= fleet.delegated
    return {origin, *([above] if above else [])}
