"""Looks at servers of a parent: what they say is taken, what they do wrong is named, and time is bounded."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dns.message
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import Name, from_text
from dnsctl.parent import looking
from dnsctl.parent.looking import AHEAD, look, look_at_all
from dnsctl.parent.patience import Patience
from dnsctl.parent.servers import OutOfTimeError, ParentUnknownError, Resolvers, Server
from tests.parent.scripted import answer, rdtype_of, serving
from tests.serve.peer_servers import bind, knot, nsd

NOW = datetime(2026, 11, 29, tzinfo=UTC)
Sections = tuple[list[str], ...]
ZONE, OTHER = from_text("child.example."), from_text("other.example.")
DS = f"child.example. 3600 DS 12345 13 2 {'ab' * 32}"
WIRE = bytes.fromhex("30390d02" + "ab" * 32)
NS = ["child.example. 7200 NS ns1.child.example.", "child.example. 7200 NS ns.example.net."]
GLUE = ["ns1.child.example. 1800 A 192.0.2.1", "ns1.child.example. 1800 AAAA 2001:db8::1"]
SOA = "example. 900 SOA ns. hostmaster. 1 7200 1800 1209600 300"
REFERRAL: Sections = ([], NS, GLUE)


def honest(query: bytes, _tcp: bool = False) -> list[bytes]:
    if rdtype_of(query) == "DS":
        return [answer(query, sections=([DS],))]
    return [answer(query, aa=False, sections=REFERRAL)]


def test_ds_ns_and_glue_are_told_with_their_ttls() -> None:
    with serving(honest) as server:
        seen = look(server, ZONE, NOW)
    assert (seen.ds.ds, seen.ds.ttl, seen.ds.fault, seen.ds.at) == ((WIRE,), 3600, "", NOW)
    assert seen.delegation.ns == ("ns.example.net.", "ns1.child.example.")
    assert seen.delegation.glue == {"ns1.child.example.": ("192.0.2.1", "2001:db8::1")}
    assert (seen.delegation.ns_ttl, seen.delegation.glue_ttl) == (7200, 1800)


def test_no_ds_is_told_with_the_negative_ttl() -> None:
    def script(query: bytes, _tcp: bool) -> list[bytes]:
        return [answer(query, sections=([], [SOA]))]

    with serving(script) as server:
        seen = look(server, ZONE, NOW)
    assert (seen.ds.ds, seen.ds.ttl) == ((), 300)


def test_answer_that_is_truncated_is_asked_for_over_tcp() -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        return honest(query) if tcp else [answer(query, tc=True)]

    with serving(script) as server:
        assert look(server, ZONE, NOW).ds.ds == (WIRE,)


def test_forged_answers_before_the_true_one_are_ignored() -> None:
    forged = DS.replace("ab", "cd")

    def script(query: bytes, _tcp: bool) -> list[bytes]:
        other_id = bytes([query[0] ^ 1]) + query[1:]
        return [
            b"garbage",
            b"",
            answer(other_id, sections=([forged],)),
            answer(query.replace(b"child", b"chile"), sections=([forged],)),
            *honest(query),
        ]

    with serving(script) as server:
        assert look(server, ZONE, NOW).ds.ds == (WIRE,)


def says(**told: Any) -> Callable[[bytes, bool], list[bytes]]:
    return lambda query, _tcp: [answer(query, **told)]


UP: Sections = ([], ["example. 3600 NS a.example.net."], [])
OWN: Sections = ([], ["child.example. 900 SOA ns. hostmaster. 1 7200 1800 1209600 300"], [])
ALIAS: Sections = (["child.example. 300 CNAME other.example."], [], [])
MANY: Sections = ([f"child.example. 60 DS {each} 13 2 {'ab' * 32}" for each in range(100)], [], [])


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (says(rcode=5), "answers REFUSED"),
        (says(rcode=2), "answers SERVFAIL"),
        (
            says(aa=False, sections=UP),
            "answers without authority and refers to example.: it does not serve the parent",
        ),
        (says(aa=False, sections=([DS],)), "answers without authority: it does not serve the parent"),
        (says(sections=OWN), "denies the DS as child.example., which is not the parent"),
        (says(sections=([], [])), "denies the DS without a SOA record"),
        (says(sections=ALIAS), "answers with something else than a DS"),
        (says(sections=([DS],), rcode=3), "answers NXDOMAIN, with a DS"),
        (lambda query, tcp: [answer(query, tc=True)], "truncates its answer over TCP"),
        (lambda query, tcp: [b"\0" * 11] if tcp else [], "malformed answer: ShortHeader"),
        (lambda query, tcp: [], "closes the connection without an answer"),
    ],
)
def test_answer_that_says_nothing_of_the_parent_is_named(
    script: Callable[[bytes, bool], list[bytes]], fault: str
) -> None:
    with serving(script) as server:
        began = time.monotonic()
        seen = look(server, ZONE, NOW)
    assert (seen.ds.ds, seen.ds.fault) == (None, fault)
    assert seen.delegation.ns is None
    assert time.monotonic() - began < 12


def test_rrset_of_absurd_size_is_not_taken() -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        return [answer(query, sections=MANY)] if tcp else [answer(query, tc=True)]

    with serving(script) as server:
        seen = look(server, ZONE, NOW)
    assert seen.ds.ds is None or len(seen.ds.ds) <= 64


@pytest.mark.parametrize(
    ("ds", "fault"),
    [
        (f"child.example. 60 DS 1 13 200 {'ab' * 600}", "answers with DS of 604 octets"),
        ("child.example. 60 CLASS1 TYPE43 \\# 4 00010dc8", "answers with DS of 4 octets"),
    ],
)
def test_ds_of_absurd_size_is_not_taken(ds: str, fault: str) -> None:
    with serving(says(sections=([ds], [], []))) as server:
        seen = look(server, ZONE, NOW)
    assert (seen.ds.ds, seen.ds.fault) == (None, fault)


def test_ds_of_absurd_size_together_are_not_taken() -> None:
    many = [f"child.example. 60 DS {each} 13 200 {'ab' * 200}" for each in range(21)]

    def script(query: bytes, tcp: bool) -> list[bytes]:
        return [answer(query, sections=(many, [], []))] if tcp else [answer(query, tc=True)]

    with serving(script) as server:
        seen = look(server, ZONE, NOW)
    assert (seen.ds.ds, seen.ds.fault) == (None, "answers with DS of 4284 octets")


@pytest.mark.parametrize(
    "glue",
    [
        "ns1.child.example. 60 CH TYPE28 \\# 16 20010db8000000000000000000000001",
        "ns1.child.example. 60 CLASS5 TYPE1 \\# 4 c6336401",
        "ns1.child.example. 60 CH A . 1",
    ],
)
def test_glue_of_another_class_ends_no_round_and_is_no_glue(glue: str) -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        if rdtype_of(query) == "DS":
            return honest(query)
        own = [glue, "ns1.child.example. 60 A 198.51.100.1"]
        return [answer(query, aa=False, sections=([], NS, own))]

    with serving(script) as hostile, serving(honest) as server:
        found = dict(look_at_all([(ZONE, [hostile]), (OTHER, [server])], NOW))
    assert found[ZONE][0].delegation.glue == {"ns1.child.example.": ("198.51.100.1",)}
    assert OTHER in found


def test_look_that_fails_as_nobody_thought_of_is_a_fault_of_that_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looking, "_ds_of", lambda answer, name: answer.no_such_attribute)
    with serving(honest) as server:
        seen = look(server, ZONE, NOW)
    assert seen.ds.ds is None
    assert seen.ds.fault.startswith("cannot be understood: AttributeError")


def test_delegation_of_absurd_size_is_not_taken() -> None:
    many = [f"child.example. 60 NS ns{each}.child.example." for each in range(65)]
    long = [f"child.example. 60 NS {'.'.join([str(each) + 'a' * 58] * 3)}." for each in range(50)]
    glue = [f"ns1.child.example. 60 A 198.51.100.{each}" for each in range(129)]
    absurd: list[tuple[Sections, str]] = [
        (([], many, []), "delegates the zone to 65 name servers"),
        (([], long, []), "delegates the zone to name servers with absurdly long names"),
        (([], NS, glue), "gives more than 128 addresses of the zone's name servers"),
    ]
    for sections, fault in absurd:

        def script(query: bytes, tcp: bool, sections: Sections = sections) -> list[bytes]:
            if rdtype_of(query) == "DS":
                return honest(query)
            return [answer(query, aa=False, sections=sections)] if tcp else [answer(query, aa=False, tc=True)]

        with serving(script) as server:
            seen = look(server, ZONE, NOW)
        assert (seen.ds.ds, seen.delegation.ns, seen.delegation.fault) == ((WIRE,), None, fault)


def test_server_that_is_away_delays_no_other_and_is_told() -> None:
    dead = Server("dead.", Endpoint("127.0.0.1", free_port()))
    with serving(honest) as server:
        ((zone, looks),) = look_at_all([(ZONE, [dead, server])], NOW)
    assert zone == ZONE
    assert [each.ds.ds for each in looks] == [None, (WIRE,)]
    assert "does not answer" in looks[0].ds.fault


def test_address_that_this_host_has_no_way_to_is_left_out_where_the_server_answers_otherwise() -> None:
    with serving(honest) as server:
        unroutable = Server(server.name, Endpoint("2001:db8::53", 53))
        alone = Server("v6only.", Endpoint("2001:db8::53", 53))
        ((_, looks),) = look_at_all([(ZONE, [unroutable, server, alone])], NOW)
    if not any(each.no_route for each in looks):
        pytest.skip("this host has a route for documentation addresses of IPv6")
    assert [each.server.name for each in looks] == [server.name, "v6only."]


@pytest.mark.peer
@pytest.mark.parametrize("peer", [bind, knot, nsd])
def test_parent_on_another_server_is_understood(peer: Any, tmp_path: Path) -> None:
    file = tmp_path / "example.zone"
    lines = ["$TTL 900", SOA, "example. NS ns.example.", "ns.example. A 192.0.2.9", DS, *NS, *GLUE]
    lines += ["bare.example. 600 NS ns.example.net."]
    file.write_text("\n".join(lines) + "\n")
    with peer(tmp_path, {"example.": file}) as port:
        server = Server("ns.example.", Endpoint("127.0.0.1", port))
        ((_, (child,)), (_, (bare,)), (_, (absent,))) = look_at_all(
            [(ZONE, [server]), (from_text("bare.example."), [server]), (from_text("no.example."), [server])],
            NOW,
        )
    assert (child.ds.ds, child.ds.ttl) == ((WIRE,), 3600)
    assert child.delegation.glue == {"ns1.child.example.": ("192.0.2.1", "2001:db8::1")}
    assert (bare.ds.ds, bare.ds.ttl, bare.delegation.ns) == ((), 300, ("ns.example.net.",))
    assert "does not exist" in absent.delegation.fault


def resolver(query: bytes, _tcp: bool) -> list[bytes]:
    """Be a resolver that knows `example.`, delegated to two servers with three addresses."""
    question = dns.message.from_wire(query).question[0]
    known = {
        ("example.", "SOA"): [SOA],
        ("example.", "NS"): ["example. 60 NS ns1.example.", "example. 60 NS ns2.example.net."],
        ("ns1.example.", "A"): ["ns1.example. 60 A 192.0.2.1"],
        ("ns1.example.", "AAAA"): ["ns1.example. 60 AAAA 2001:db8::1"],
        ("ns2.example.net.", "A"): ["ns2.example.net. 60 A 198.51.100.1"],
    }
    found = known.get((question.name.to_text(), question.rdtype.name), [])
    return [answer(query, aa=False, sections=(found, [] if found else [SOA]))]


def test_every_address_of_every_server_of_the_parent_is_found() -> None:
    with serving(resolver) as stub:
        parent = Resolvers((stub.endpoint,)).parent_of(from_text("www.child.example."))
    assert parent.zone == from_text("example.")
    assert [str(each) for each in parent.servers] == [
        "ns1.example. (192.0.2.1)",
        "ns1.example. (2001:db8::1)",
        "ns2.example.net. (198.51.100.1)",
    ]


def test_resolver_that_is_away_is_waited_for_once() -> None:
    found = Resolvers((Endpoint("127.0.0.1", free_port()),))
    began = time.monotonic()
    for zone in ("a.example.", "b.example.", "c.example."):
        with pytest.raises(ParentUnknownError):
            found.parent_of(from_text(zone))
    assert time.monotonic() - began < 12


def test_zone_whose_servers_are_silent_does_not_blind_the_looks_at_others() -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        question = dns.message.from_wire(query).question[0]
        return [] if question.name.to_text() == "hostile." else resolver(query, tcp)

    with serving(script) as stub:
        found = Resolvers((stub.endpoint,))
        began = time.monotonic()
        for zone in ("a.hostile.", "b.hostile.", "c.hostile."):
            with pytest.raises(ParentUnknownError, match=r"no answer to hostile\. SOA in 5 s"):
                found.parent_of(from_text(zone))
        assert time.monotonic() - began < 12  # that is waited for once
        assert found.parent_of(from_text("www.child.example.")).zone == from_text("example.")


def test_parent_with_more_name_servers_than_anybody_has_is_not_followed() -> None:
    asked: list[str] = []

    def script(query: bytes, tcp: bool) -> list[bytes]:
        question = dns.message.from_wire(query).question[0]
        asked.append(question.name.to_text())
        if question.rdtype.name != "NS":
            return resolver(query, tcp)
        if not tcp:
            return [answer(query, aa=False, tc=True)]
        return [answer(query, aa=False, sections=([f"example. 60 NS ns{n}.example." for n in range(65)],))]

    with serving(script) as stub:
        found = Resolvers((stub.endpoint,))
        for _ in range(2):
            with pytest.raises(ParentUnknownError, match="more than 64 name servers"):
                found.parent_of(from_text("child.example."))
    assert set(asked) <= {"example."}


def test_no_question_is_asked_once_the_patience_is_over() -> None:
    with pytest.raises(OutOfTimeError):
        Resolvers((Endpoint("127.0.0.1", free_port()),), Patience(0)).parent_of(from_text("a.example."))
    assert list(look_at_all([(ZONE, [Server("ns.", Endpoint("192.0.2.1", 53))])], NOW, Patience(0))) == []


def test_server_that_draws_out_its_answers_holds_up_no_other_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "SLOW", 0.02)
    monkeypatch.setattr(looking, "TOO_SLOW", 0.1)

    def slow(query: bytes, _tcp: bool) -> list[bytes]:
        time.sleep(0.03)
        return [answer(query, sections=([], [SOA]))]

    zones = [from_text(f"child{n}.example.") for n in range(40)]
    with serving(slow) as server:
        looks = [told[0].ds for _, told in look_at_all(((zone, [server]) for zone in zones), NOW)]
    assert looks[0].ds == ()
    assert looks[-1].fault == "was not asked again: it answers too slowly"


def test_server_that_is_away_holds_up_no_other_zone() -> None:
    def silent(_query: bytes, tcp: bool) -> list[bytes]:
        return []

    zones = [from_text(f"child{n}.example.") for n in range(40)]
    with serving(silent) as server:
        began = time.monotonic()
        faults = [looks[0].ds.fault for _, looks in look_at_all(((zone, [server]) for zone in zones), NOW)]
    assert time.monotonic() - began < 30  # else 40 times that of one
    assert "was not asked again" in faults[-1]


def test_looks_at_many_zones_are_queued_a_few_at_a_time() -> None:
    taken: list[Name] = []
    closed = Server("ns.", Endpoint("127.0.0.1", free_port()))

    def asked() -> Iterator[tuple[Name, list[Server]]]:
        for number in range(3 * AHEAD):
            taken.append(from_text(f"zone{number}.example."))
            yield taken[-1], [closed]

    looks = look_at_all(asked(), NOW)
    assert next(looks)[0] == taken[0]
    assert len(taken) == AHEAD + 1
    assert [zone for zone, _ in looks] == taken[1:]
    assert len(taken) == 3 * AHEAD
