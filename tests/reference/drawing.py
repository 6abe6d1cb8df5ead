"""Zones and questions drawn at random: every rule of an answer, and the edges between them.

Each function takes a `random.Random`, which hypothesis can drive as well as a seed can.
"""

import subprocess
from datetime import UTC, datetime

from dnsctl.model import presentation
from dnsctl.model.name import parent, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import type_text
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.peers import need
from tests.presigned import presigned_zone
from tests.serve.random_zones import ELSEWHERE, LABELS, TYPES, zone_text
from tests.sign.scenery import keys_for

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICIES = {
    "nsec": Policy(denial="nsec"),
    "nsec3": Policy(denial="nsec3"),
    "optout": Policy(denial="nsec3", opt_out=True),
    "plain": None,
}
ODD = ["\\000", "\\000\\000", "\\001", "\\255", "a\\001", "*a", "\\032", "\\.", "\\@", "0", "x" * 63]
ASKED = [*TYPES, "A", "A", "AAAA", "TXT", "NSEC3", "NSEC3PARAM", "ANY", "RRSIG", "DS", "TYPE65401", "CNAME"]
CHILD = "child"


def labels(rng):
    """Return a few labels: the fewer, the denser the zone's tree."""
    pool = LABELS + ODD
    return [rng.choice(pool) for _ in range(rng.randint(2, 9))] + ["*"]


def signer(label, now=NOW, serial=1):
    """Return what signs a zone by the policy `label`."""
    policy = POLICIES[label]
    if policy is None:
        return lambda zone: unsigned_zone(zone, serial)
    return lambda zone: sign_zone(zone, keys_for(zone.origin, policy), policy, now, serial)


def signed_elsewhere(rng, directory):
    """Return what has BIND sign a zone with NSEC3, iterations and salt, which ours never has (RFC 9276)."""

    def sign(zone):
        origin = to_text(zone.origin)
        keys = directory / f"keys-{origin}"
        if not keys.is_dir():
            keys.mkdir()
            run(need("dnssec-keygen"), "-q", "-a", "ECDSAP256SHA256", "-K", str(keys), origin)
        (directory / "in").write_text("".join(presentation.master_file(zone)))
        salt = rng.choice(["-", "ab", "0123456789abcdef"])
        iterations = str(rng.choice([0, 1, 5, 12]))
        opt_out = ["-A"] if rng.random() < 0.3 else []
        run(
            need("dnssec-signzone"), "-S", "-z", "-P", "-K", str(keys), "-d", str(directory),
            "-3", salt, "-H", iterations, *opt_out,
            "-o", origin, "-f", str(directory / "out"), str(directory / "in"),
        )  # fmt: skip
        return presigned_zone(validated(origin, (directory / "out").read_text(), apex=False))

    return sign


def run(*command):
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def zones(rng, sign, origin="z.example.", size=24, shapes=("one", "apex", "root", "pair")):
    """Return (zones, labels in use): one zone, or a parent and its child, each signed by `sign`."""
    shape = rng.choice(["one", *shapes])
    pool = labels(rng)
    text = "" if shape == "apex" else zone_text(rng, rng.randint(1, size), pool)
    apex = rng.random() < 0.7 or shape == "root"  # BIND wants addresses of name servers in the zone
    if not apex:  # run by a provider
        text = ELSEWHERE + text
    if shape == "pair":
        text += f"{CHILD} NS ns.{CHILD}\n{CHILD} NS ns.elsewhere.example.\nns.{CHILD} A 192.0.2.77\n"
        if rng.random() < 0.5:
            text += f"{CHILD} DS 4711 13 2 {'cd' * 32}\n"
        child = validated(f"{CHILD}.{origin}", zone_text(rng, rng.randint(0, size), pool))
        return [sign(validated(origin, text, apex=apex)), sign(child)], pool
    return [sign(validated("." if shape == "root" else origin, text, apex=apex))], pool


def below(relative, name):
    return f"{relative}." if name == "." else f"{relative}.{name}"


def questions(rng, served, pool, count):
    """Return (name, type): owners, names above, beside and below them, apexes, and names out of the blue."""
    owners = [to_text(owner) for zone in served for owner in zone.nodes]
    owners += [to_text(one.owner) for zone in served for one in zone.nsec3_nodes.values()][:3]
    above = [to_text(parent(owner)) for zone in served for owner in zone.nodes if owner != zone.origin]
    held = [(to_text(one.owner), type_text(one.rdtype)) for zone in served for one in zone.rrsets()]
    asked: list[tuple[str, str]] = []
    while len(asked) < count:
        if rng.random() < 0.3:
            name, rdtype = rng.choice(held)
            if name.startswith("*."):
                name = below(rng.choice(pool), name.removeprefix("*.") or ".")
        else:
            ways = [
                rng.choice(owners),
                rng.choice(above or owners),
                below(rng.choice(pool), rng.choice(owners)),
                below(rng.choice(pool), below(rng.choice(pool), rng.choice(above or owners))),
                below(rng.choice(LABELS), to_text(served[0].origin)),
            ]
            name, rdtype = rng.choice(ways), rng.choice(ASKED)
        if len(name) < 240:
            asked.append((name, rdtype))
    return asked
