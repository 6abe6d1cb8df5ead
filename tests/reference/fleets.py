"""Fleets of related zones drawn at random: parents, children, siblings, reverse zones, the root.

Each zone may delegate those below it or not, hold data where they begin, be signed or not, and lead by CNAME
and DNAME into the others. Takes a `random.Random` as `drawing` does.
"""

from dataclasses import dataclass
from zlib import crc32

from dnsctl.model.name import Name, ancestors, from_text, is_subdomain, to_relative_text
from dnsctl.model.policy import Policy
from dnsctl.model.zone import SignedZone, ValidatedZone
from tests.build import validated
from tests.reference import drawing
from tests.serve.random_zones import zone_text
from tests.sign.scenery import keys_for

FORWARD, REVERSE = "example.", "2.0.192.in-addr.arpa."
_LABELS = ["a", "b", "sub", "deep", "x-1"]
_ODD = [each for each in drawing.ODD if len(each) < 63]  # four of the longest do not make a name
_NUMBERS = ["0", "7", "0/26", "64-127"]  # some are RFC 2317's
_ROOT_APEX = """\
@ 3600 SOA ns1 hostmaster 1 7200 1800 1209600 300
@ 3600 NS ns1
ns1 3600 A 192.0.2.53
"""


@dataclass(frozen=True)
class Drawn:
    """Zones as text, so that a change can be drawn: `texts` and signing `labels` by origin."""

    texts: dict[str, str]
    labels: dict[str, str]
    delegated: frozenset[str]  # apexes that the zone of ours above knows

    @property
    def origins(self) -> list[str]:
        return sorted(self.texts, key=lambda one: (one.count("."), one))


def drawn(rng, size=9) -> Drawn:
    """Return two to six zones, most of them above or below another."""
    origins: list[str] = []
    pool = [*rng.sample(_LABELS, 3), rng.choice(_ODD)]
    for _ in range(rng.randint(2, 6)):
        origins.append(_origin(rng, origins, pool))
    origins = list(dict.fromkeys(origins))
    texts = {each: zone_text(rng, rng.randint(0, size), [*pool, "*"]) for each in origins}
    labels = {each: rng.choice([*drawing.POLICIES]) for each in origins}
    texts = {each: _led_astray(rng, text, origins, pool) for each, text in texts.items()}
    delegated = frozenset(each for each in origins if rng.random() < 0.75)
    return Drawn(texts, labels, delegated)


def changed(rng, before: Drawn) -> Drawn:
    """Return a fleet a step on: a zone gone or new, delegated or no longer, or with other records."""
    texts, labels, delegated = dict(before.texts), dict(before.labels), set(before.delegated)
    pool = [*_LABELS[:3], "*"]
    for _ in range(rng.randint(1, 3)):
        step = rng.choice(["gone", "new", "delegation", "records", "records", "signing"])
        origin = rng.choice(list(texts))
        if step == "gone" and len(texts) > 1:
            del texts[origin], labels[origin]
        elif step == "new":
            origin = _origin(rng, list(texts), pool[:3])
            texts.setdefault(origin, _led_astray(rng, zone_text(rng, 5, pool), list(texts), pool))
            labels.setdefault(origin, rng.choice([*drawing.POLICIES]))
        elif step == "delegation":
            delegated ^= {origin}
        elif step == "records":
            texts[origin] = _led_astray(rng, zone_text(rng, rng.randint(0, 8), pool), list(texts), pool)
        elif step == "signing":
            labels[origin] = rng.choice([*drawing.POLICIES])
    return Drawn(texts, labels, frozenset(delegated))


def zones(fleet: Drawn) -> list[ValidatedZone]:
    """Return the zones before they are signed, with what delegates one to another."""
    apexes = {from_text(each): each for each in fleet.origins}
    made = []
    for origin in fleet.origins:
        text = _root_text(fleet.texts[origin]) if origin == "." else fleet.texts[origin]
        children = [each for name, each in apexes.items() if _parent(name, apexes) == from_text(origin)]
        text = _with_delegations(text, origin, [each for each in children if each in fleet.delegated], fleet)
        made.append(validated(origin, text, apex=origin != "."))
    return made


def signed(fleet: Drawn, now=drawing.NOW, serial=1) -> list[SignedZone]:
    """Return the zones as they are served, the DS of ours at ours."""
    return [
        drawing.signer(fleet.labels[origin], now, serial)(zone)
        for origin, zone in zip(fleet.origins, zones(fleet), strict=True)
    ]


def anchors(fleet: Drawn) -> dict[Name, tuple[bytes, ...]]:
    """Return the DS of every signed zone, as its operator has it."""
    return {from_text(each): (_ds(each, fleet),) for each in fleet.origins if fleet.labels[each] != "plain"}


def _origin(rng, origins, pool):
    """Return the apex of one more zone."""
    if not origins or rng.random() < 0.15:
        return rng.choice([FORWARD, FORWARD, FORWARD, REVERSE, "."])
    above = rng.choice(origins)
    if above.endswith("arpa."):
        return f"{rng.choice(_NUMBERS)}.{above}"
    names = [rng.choice(pool) for _ in range(rng.choice([1, 1, 2]))]
    if above == ".":
        return FORWARD
    return f"{'.'.join(names)}.{above}" if len(above) < 60 else above


def _parent(name, apexes):
    return next((each for each in ancestors(name, Name(b"\0")) if each in apexes), None)


def _root_text(text):
    return _ROOT_APEX + text


def _led_astray(rng, text, origins, pool):
    """Let some aliases lead into other zones: to their apex, a name in them, below a wildcard of theirs."""
    lines = []
    for line in filter(None, text.splitlines()):
        owner, ttl, rdtype, rdata = line.split(" ", 3)
        if rdtype in ("CNAME", "DNAME") and rng.random() < 0.5:
            other = rng.choice(origins)
            rdata = drawing.below(rng.choice(pool).replace("*", "w"), other) if rng.random() < 0.8 else other
        lines.append(f"{owner} {ttl} {rdtype} {rdata}")
    return "\n".join(lines) + "\n"


def _with_delegations(text, origin, children, fleet):
    """Add NS, glue and DS for `children`; what cannot stand beside an NS goes."""
    apex = from_text(origin)
    lines = [line for line in text.splitlines() if line]
    owners = {line: from_text(line.split()[0], apex) if line[0] != "@" else apex for line in lines}
    ours = {from_text(each) for each in fleet.origins}
    lines = [
        line for line in lines if line.split()[2] != "DS" or owners[line] not in ours
    ]  # of no key of ours
    for child in children:
        name = from_text(child)
        dnames = [owners[line] for line in lines if line.split()[2] == "DNAME"]
        if any(is_subdomain(name, each) and name != each for each in dnames):
            continue
        lines = [line for line in lines if owners[line] != name]
        relative = to_relative_text(name, apex)
        added = [
            f"{relative} 3600 NS {'ns1.' + child if child != '.' else 'ns1.'}",
            f"{relative} 3600 NS ns2.{child}",
            f"ns1.{relative} 3600 A 192.0.2.53",
        ]
        if fleet.labels[child] != "plain" and crc32(child.encode()) % 3:
            digest = _ds(child, fleet)
            added.append(f"{relative} 3600 DS \\# {len(digest)} {digest.hex()}")
        for line in added:
            owners[line] = from_text(line.split()[0], apex)
        taken = {owners[line] for line in lines if line.split()[2] == "CNAME"}
        lines += [line for line in added if owners[line] not in taken and line not in lines]
    return "\n".join(lines) + "\n"


def _ds(origin, fleet):
    policy = drawing.POLICIES[fleet.labels[origin]] or Policy()
    keys = keys_for(from_text(origin), policy)
    return next(key.public.ds() for key in keys if key.public.flags & 1)
