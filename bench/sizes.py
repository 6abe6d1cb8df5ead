"""How large answers are, ours against Knot's: what an attacker could have sent elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import dns.flags
import dns.message
import dns.query
from servers import Server
from workload import ORIGIN

QUESTIONS = (  # what it is, name, type
    ("data", "h4", "A"),
    ("data", "h4", "AAAA"),
    ("a type that is not there", "h4", "TXT"),
    ("a name that is not there", "nope", "A"),
    ("wildcard", "any.wild", "A"),
    ("wildcard, a type that is not there", "any.wild", "TXT"),
    ("referral, signed", "host.sub", "A"),
    ("5 MX of one foreign domain", "foreign", "MX"),
    ("MX", "@", "MX"),
    ("NS", "@", "NS"),
    ("SOA", "@", "SOA"),
    ("keys", "@", "DNSKEY"),
    ("any", "@", "ANY"),
)


class Sizes(NamedTuple):
    """Octets of one response: the question, ours, Knot's."""

    question: str
    ours: int
    knot: int


def compare(found: Sequence[Server], denial: str) -> list[Sizes]:
    """Ask ours and Knot over UDP with DO; empty where Knot does not run."""
    ports = {server.name: server.port for server in found}
    if "Knot" not in ports:
        return []
    return [
        Sizes(
            f"{what}: {name} {rdtype}, {denial.upper()}",
            *(_octets(ports[who], name, rdtype) for who in ("dnsctl", "Knot")),
        )
        for what, name, rdtype in QUESTIONS
    ]


def _octets(port: int, name: str, rdtype: str) -> int:
    owner = ORIGIN if name == "@" else f"{name}.{ORIGIN}"
    query = dns.message.make_query(owner, rdtype, want_dnssec=True, payload=1232)
    query.flags &= ~dns.flags.RD
    return len(dns.query.udp(query, "127.0.0.1", port=port, timeout=2).wire or b"")


def report(rows: Sequence[Sizes]) -> None:
    """Print the table; of the same sizes with NSEC and NSEC3, one row."""
    if not rows:
        return
    print("\n## Octets of a response\n\n| question | dnsctl | Knot | ratio |\n|---|---|---|---|")
    told: set[Sizes] = set()
    for row in rows:
        plain = row._replace(question=row.question.rpartition(",")[0])
        if plain in told:
            continue
        told.add(plain)
        print(f"| {row.question} | {row.ours} | {row.knot} | {row.ours / row.knot:.2f} |", flush=True)
