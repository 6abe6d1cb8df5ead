"""Random zones that use every rule of an answer, and questions that look for its edges; a seed is a case."""

import random

from dnsctl.model.name import to_text
from dnsctl.model.rrset import rdata_text, type_text
from dnsctl.model.zone import SignedZone

LABELS = ["a", "b", "c", "*", "x-1", "zz", "A", "\\000x", "d\\.e", "_tcp", "ent"]
TYPES = [
    "A",
    "AAAA",
    "MX",
    "TXT",
    "NS",
    "DS",
    "CNAME",
    "DNAME",
    "SOA",
    "SRV",
    "CAA",
    "TYPE65400",
    "DNSKEY",
    "NSEC",
    "PTR",
]
PROVIDER = [
    f"{host}.elsewhere.example." for host in ("ns1.dns", "ns2.dns", "ns3.dns", "dns", "a.ns1.dns", "mx")
]
ELSEWHERE = """\
@ 3600 SOA ns1.dns.elsewhere.example. hostmaster.dns.elsewhere.example. 1 7200 1800 1209600 300
@ 3600 NS ns1.dns.elsewhere.example.
@ 3600 NS ns2.dns.elsewhere.example.
@ 3600 NS dns.elsewhere.example.
"""


def owner_below(rng, labels=LABELS):
    return ".".join(rng.choice(labels) for _ in range(rng.randint(1, 3)))


def zone_text(rng, size=24, labels=LABELS):
    """Return records (relative owners) of a legal zone: cuts, DNAMEs, wildcards, chains, odd labels."""
    lines: list[str] = []
    taken: dict[str, set[str]] = {}
    alone: set[str] = set()

    def target():
        return rng.choice([*list(taken), owner_below(rng, labels), rng.choice(PROVIDER), "@"])

    def add(owner, rdtype, rdata):
        lowered = owner.lower()
        if lowered in alone or (rdtype == "CNAME" and lowered in taken):
            return
        if rdtype in ("DNAME", "NS") and (owner == "@" or "*" in owner):
            return
        if rdtype == "CNAME":
            alone.add(lowered)
        if rdtype in ("NS", "DNAME") and taken.get(lowered, rdtype) != rdtype:
            return
        if rdtype not in ("NS", "DNAME", "DS") and taken.get(lowered) in ("NS", "DNAME"):
            return
        taken.setdefault(lowered, rdtype)
        lines.append(f"{owner} {rng.choice([60, 3600])} {rdtype} {rdata}")

    for _ in range(size):
        owner = owner_below(rng, labels)
        kind = rng.choice(
            ["A", "A", "AAAA", "MX", "TXT", "CNAME", "CNAME", "DNAME", "NS", "SRV", "CAA", "TYPE65400", "PTR"]
        )
        rdata = {
            "A": f"192.0.2.{rng.randint(1, 254)}",
            "AAAA": f"2001:db8::{rng.randint(1, 9999):x}",
            "MX": f"10 {target()}",
            "TXT": '"some text" "more"',
            "SRV": f"1 2 443 {target()}",
            "CAA": '0 issue "ca.example.net"',
            "TYPE65400": "\\# 4 0a000001",
        }.get(kind) or target()
        add(owner, kind, rdata)
        if kind in ("MX", "NS", "PTR") and rng.random() < 0.4:
            for name in rng.sample([*PROVIDER, target()], rng.randint(2, 5)):
                add(owner, kind, f"20 {name}" if kind == "MX" else name)
        if kind == "NS" and rng.random() < 0.8:
            glue = rng.choice([f"ns.{owner}", f"deep.ns.{owner}", owner_below(rng, labels)])
            add(owner, "NS", glue)
            add(glue, "A", "192.0.2.200")
            if rng.random() < 0.5 and taken.get(owner.lower()) == "NS":
                add(owner, "DS", f"{rng.randint(1, 60000)} 13 2 {'ab' * 32}")
    return "\n".join(_without_dname_below(lines)) + "\n"


def _without_dname_below(lines):
    """Drop data below a DNAME: peers disagree about zones that have it."""
    dnames = [line.split()[0].lower() for line in lines if line.split()[2] == "DNAME"]
    return [
        line for line in lines if not any(line.split()[0].lower().endswith("." + each) for each in dnames)
    ]


def questions(rng, zone, count):
    """Return (name, type) texts: owners, names beside, below and above them, and names out of the blue."""
    origin = to_text(zone.origin)
    owners = [to_text(owner) for owner in zone.nodes]
    asked = []
    for _ in range(count):
        name = rng.choice(
            [rng.choice(owners), f"{owner_below(rng)}.{origin}", f"{rng.choice(LABELS)}.{rng.choice(owners)}"]
        )
        if rng.random() < 0.15 and name != origin:
            name = name.split(".", 1)[1] if "\\." not in name.split(".", 1)[0] else name
        if not name.lower().endswith(origin) or len(name) > 200:
            continue
        asked.append((name, rng.choice(TYPES)))
    return asked


def master_file(zone: SignedZone) -> str:
    """Return the zone as a master file that any name server reads."""
    lines = []
    rrsets = [*zone.rrsets(), *zone.nsec3_nodes.values()]
    rrsets.sort(key=lambda one: one.rdtype != 6)
    for one in rrsets:
        owner = to_text(one.owner)
        kind = type_text(one.rdtype)
        lines += [f"{owner} {one.ttl} IN {kind} {rdata_text(one.rdtype, rdata)}" for rdata in one.rdatas]
        lines += [f"{owner} {one.ttl} IN RRSIG {rdata_text(46, rdata)}" for rdata in one.signatures]
    return "\n".join(lines) + "\n"


def seeded(seed):
    return random.Random(seed)
