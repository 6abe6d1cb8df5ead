"""Zones and questions drawn at random: every rule of an answer, and the edges between them.

Each function takes a `random.Random`, which hypothesis can drive as well as a seed can.
"""

from datetime import UTC, datetime

from dnsctl.model.name import parent, to_text
from dnsctl.model.policy import Policy
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.serve.random_zones import LABELS, TYPES, zone_text
from tests.sign.scenery import keys_for

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


def signed(zone, policy, now):
    if policy is None:
        return unsigned_zone(zone, 1)
    return sign_zone(zone, keys_for(zone.origin, policy), policy, now, 1)


def zones(rng, policy, now=None, origin="z.example.", size=24, shapes=("one", "apex", "root", "pair")):
    """Return the zones of one server: one, or a parent and its child."""
    now = now or datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    shape = rng.choice(["one", *shapes])
    pool = labels(rng)
    text = "" if shape == "apex" else zone_text(rng, rng.randint(1, size), pool)
    if shape == "pair":
        text += f"{CHILD} NS ns.{CHILD}\n{CHILD} NS ns.elsewhere.example.\nns.{CHILD} A 192.0.2.77\n"
        if rng.random() < 0.5:
            text += f"{CHILD} DS 4711 13 2 {'cd' * 32}\n"
        below = validated(f"{CHILD}.{origin}", zone_text(rng, rng.randint(0, size), pool))
        return [signed(validated(origin, text), policy, now), signed(below, policy, now)], pool
    return [signed(validated("." if shape == "root" else origin, text), policy, now)], pool


def below(relative, name):
    return f"{relative}." if name == "." else f"{relative}.{name}"


def questions(rng, served, pool, count):
    """Return (name, type): owners, names above, beside and below them, apexes, and names out of the blue."""
    owners = [to_text(owner) for zone in served for owner in zone.nodes]
    owners += [to_text(one.owner) for zone in served for one in zone.nsec3_nodes.values()][:3]
    above = [to_text(parent(owner)) for zone in served for owner in zone.nodes if owner != zone.origin]
    asked = []
    while len(asked) < count:
        ways = [
            rng.choice(owners),
            rng.choice(above or owners),
            below(rng.choice(pool), rng.choice(owners)),
            below(rng.choice(pool), below(rng.choice(pool), rng.choice(above or owners))),
            below(rng.choice(LABELS), to_text(served[0].origin)),
        ]
        name = rng.choice(ways)
        if len(name) < 240:
            asked.append((name, rng.choice(ASKED)))
    return asked
