"""Activations: what is remembered of a zone goes with it at once, and what is remembered of others stays."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import JOURNAL_LENGTH
from dnsctl.image.store import Image
from dnsctl.model.name import from_text, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import type_text
from dnsctl.model.zone import SignedZone
from dnsctl.serve.fast.cache import AnswerCache, wire_of
from dnsctl.serve.respond import Responder
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import APEX, validated
from tests.serve.paths import Paths
from tests.serve.random_zones import questions, seeded, zone_text

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NSEC, NSEC3 = Policy(), Policy(denial="nsec3")
POLICIES = {"plain": None, "nsec": NSEC, "nsec3": NSEC3, "opt-out": Policy(denial="nsec3", opt_out=True)}
TEXT = """\
www A 192.0.2.1
x TXT one
*.w TXT one
sub NS ns1.sub
sub NS ns.elsewhere.example.
deep.er A 192.0.2.3
"""
# By the cases the fast path has: data, no data, name errors here and deeper, a wildcard, a referral
ASKED = ("www A", "www TXT", "q1 A", "q1.er A", "q1.w TXT", "q1.w A", "q1.sub A", "sub A")


class Node:
    """An image whose zones change, and what answers from it as a UDP worker does, cache and all."""

    def __init__(self, path: Path) -> None:
        self._keystore = Keystore(path / "keys", lambda: b"test")
        self._image = Image.open(path / "image", readonly=False)
        self._reader = self._image.reader()
        self._cache = AnswerCache()
        self._paths = Paths(self._reader)
        self._serial = 1

    def signed(self, origin: str, text: str, policy: Policy | None, *, soa: str = "") -> SignedZone:
        self._serial += 1
        zone = validated(origin, (soa or APEX) + text, apex=False)
        if policy is None:
            return unsigned_zone(zone, self._serial)
        keys = self._keystore.signing_keys(zone.origin, policy, NOW)
        return sign_zone(zone, keys, policy, NOW, self._serial)

    def activate(self, zones: Iterable[SignedZone] = (), removed: Iterable[str] = (), times: int = 1) -> None:
        """Write the zones `times` over, each a change of the image of its own, and see what is there then."""
        compiled = [compile_zone(zone) for zone in zones]
        for _ in range(times):
            with self._image.writer() as writer:
                writer.apply(list(difference(writer, compiled, map(from_text, removed))))
        self._cache.renew(self._reader)

    def ask(self, query: dns.message.Message) -> tuple[bytes, bool]:
        """Return the answer, and whether the fast path had it; keep it."""
        wire = query.to_wire()
        fast = self._paths.fast(wire)
        found = self._paths.responder.respond(self._reader, wire, stream=False)
        assert found is not None
        self._cache.store(wire, found, zone=found.zone)
        return fast or found.wire, fast is not None

    def cached(self, query: dns.message.Message) -> bytes | None:
        """Return the answer that was kept, if it still is."""
        wire = query.to_wire()
        entry = self._cache.find(wire[2:].lower()) or self._cache.find_exact(wire)
        return None if entry is None else wire_of(entry, wire)

    def agrees(self, name: str, rdtype: str, *, dnssec: bool = True) -> bool:
        """Ask twice; what is said and was kept must be what somebody says who remembers nothing.

        True where the second answer came by the fast path.
        """
        query = dns.message.make_query(name, rdtype, want_dnssec=dnssec, payload=1232)
        fresh = Responder().respond(self._reader, query.to_wire(), stream=False)
        assert fresh is not None
        assert self.cached(query) in (None, fresh.wire), (name, rdtype)
        found = [self.ask(query) for _ in range(2)]
        assert [wire for wire, _ in found] == [fresh.wire, fresh.wire], (name, rdtype)
        return found[1][1]

    def all_agree(self, origin: str) -> list[bool]:
        return [
            self.agrees(f"{name}.{origin}", rdtype, dnssec=dnssec)
            for name, rdtype in map(str.split, ASKED)
            for dnssec in (False, True)
        ]

    def remembered(self, origin: str) -> object:
        """What the fast path holds of a zone, to be compared by identity."""
        return self._paths.known.asked.get(from_text(origin))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


SOA = APEX.replace("ns1 hostmaster 1 7200 1800 1209600 300", "ns2 master 1 7200 1800 1209600 60")
AFTER = {
    "data": (TEXT.replace("192.0.2.1", "192.0.2.99"), ""),
    "an owner more": (TEXT + "q1 A 192.0.2.7\n", ""),
    "an owner less": (TEXT.replace("www A 192.0.2.1\n", ""), ""),
    "a wildcard at the apex": (TEXT + "* A 192.0.2.8\n", ""),
    "a name server less": (TEXT.replace("sub NS ns1.sub\n", ""), ""),
    "no delegation": (TEXT.replace("sub NS ns1.sub\nsub NS ns.elsewhere.example.\n", ""), ""),
    "an alias": (TEXT.replace("www A 192.0.2.1", "www CNAME x"), ""),
    "another SOA": (TEXT, SOA),
}


@pytest.mark.parametrize("change", AFTER)
@pytest.mark.parametrize("policy", [None, NSEC, NSEC3], ids=["plain", "nsec", "nsec3"])
def test_zone_that_changed_is_answered_anew_and_the_other_as_before(
    node: Node, policy: Policy | None, change: str
):
    node.activate([node.signed(origin, TEXT, policy) for origin in ("a.example.", "b.example.")])
    for origin in ("a.example.", "b.example."):
        assert sum(node.all_agree(origin)) >= 8
    kept, dropped = node.remembered("b.example."), node.remembered("a.example.")
    assert kept is not None
    assert dropped is not None
    text, soa = AFTER[change]
    node.activate([node.signed("a.example.", text, policy, soa=soa)])
    assert node.remembered("b.example.") is kept
    assert node.remembered("a.example.") is None
    for origin in ("a.example.", "b.example."):
        node.all_agree(origin)


@pytest.mark.parametrize("before", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("after", POLICIES.values(), ids=POLICIES)
def test_zone_whose_way_of_denial_changes_denies_in_the_new_one_at_once(
    node: Node, before: Policy | None, after: Policy | None
):
    for policy in (before, after, before):
        node.activate([node.signed("a.example.", TEXT, policy)])
        node.all_agree("a.example.")


@pytest.mark.parametrize(
    "child",
    [
        "sub.a.example.",
        "x.a.example.",
        "new.a.example.",
        "w.a.example.",
        "deep.er.a.example.",
        "x.er.a.example.",
    ],
)
def test_zone_that_comes_below_another_and_goes_again(node: Node, child: str):
    """Of one label more than the one above, and of two; at a cut, an owner, an empty name, and at none."""
    node.activate([node.signed("a.example.", TEXT, NSEC)])
    asked = [
        (f"{label}{child}", rdtype)
        for label in ("", "q1.", "www.", "q1.q2.")
        for rdtype in ("A", "DS", "SOA")
    ]
    for _ in range(2):
        for wanted in ("a.example.", child, "a.example."):
            if wanted == child:
                node.activate([node.signed(child, "www A 192.0.2.77\n", NSEC)])
            else:
                node.activate(removed=[child])
            node.agrees("www.a.example.", "A")  # the zone above is known, where that is
            for name, rdtype in asked:
                node.agrees(name, rdtype)
            node.all_agree("a.example.")
            answer = dns.message.from_wire(node.ask(dns.message.make_query(f"www.{child}", "A"))[0])
            assert bool(answer.answer and answer.answer[0][0].to_text() == "192.0.2.77") is (wanted == child)


def test_zone_that_went_is_refused_and_answered_when_it_comes_back(node: Node):
    zones = [node.signed(origin, TEXT, NSEC) for origin in ("a.example.", "b.example.")]
    node.activate(zones)
    node.all_agree("a.example.")
    node.activate(removed=["a.example."])
    for name, rdtype in map(str.split, ASKED):
        wire, short = node.ask(dns.message.make_query(f"{name}.a.example.", rdtype, want_dnssec=True))
        assert (dns.message.from_wire(wire).rcode(), short) == (dns.rcode.REFUSED, False)
    node.activate(zones[:1])
    node.all_agree("a.example.")


@pytest.mark.parametrize("times", [1, JOURNAL_LENGTH, JOURNAL_LENGTH + 1])
def test_more_changes_than_the_journal_holds_are_all_seen(node: Node, times: int):
    node.activate([node.signed(origin, TEXT, NSEC) for origin in ("a.example.", "b.example.")])
    node.all_agree("a.example.")
    node.activate([node.signed("a.example.", TEXT.replace("192.0.2.1", "192.0.2.99"), NSEC)])
    node.all_agree("a.example.")
    node.activate([node.signed("b.example.", TEXT, NSEC)])
    node.activate([node.signed("a.example.", TEXT, NSEC)], times=times)
    node.all_agree("a.example.")


def versions(node: Node, rng) -> Iterator[SignedZone]:
    for origin in ("a.example.", "b.a.example.", "c.b.a.example.", "d.c.b.a.example."):
        if rng.random() < 0.6:
            yield node.signed(origin, zone_text(rng), rng.choice(list(POLICIES.values())))


def test_any_row_of_activations_is_answered_as_by_who_remembers_nothing(node: Node):
    rng = seeded("activations")
    short, asked = 0, []
    for _ in range(25):
        made = list(versions(node, rng))
        gone = [origin for origin in ("b.a.example.", "c.b.a.example.") if rng.random() < 0.2]
        held = {to_text(zone.origin) for zone in made}
        node.activate(made, [origin for origin in gone if origin not in held])
        for zone in made:
            asked += questions(rng, zone, 15)
            asked += [(to_text(one.owner), type_text(one.rdtype)) for one in list(zone.rrsets())[::7]]
        asked = rng.sample(asked, min(len(asked), 150))
        for name, rdtype in asked:
            short += node.agrees(name, rdtype, dnssec=rng.random() < 0.6)
    assert short > 500
