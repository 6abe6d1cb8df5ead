"""What a node is sent to look at, and what it brings back: each side takes nothing from the other that it did
not agree to.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dns.rdata
import pytest

from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import Name, from_text
from dnsctl.parent.errand import (
    MAX_LOOKS,
    Asked,
    Brought,
    Errand,
    TooManyLooksError,
    carried_out,
    may_ask,
)
from dnsctl.parent.patience import Patience
from dnsctl.parent.servers import Server, address_of
from tests.parent.scripted import answer, rdtype_of, serving

NOW = datetime(2026, 11, 29, tzinfo=UTC)
ZONE, OTHER = from_text("child.example."), from_text("other.example.")
ONE = Server("ns1.example.", Endpoint("192.0.2.1", 53))
SIX = Server("ns1.example.", Endpoint("2001:db8::1", 53))
TWO = Server("", Endpoint("198.51.100.2", 5300))
ERRAND = Errand(60.0, (Asked((ONE, SIX, TWO), (ZONE,)), Asked((ONE,), (OTHER,))))
DS = "30390d02" + "ab" * 32
THERE = [["ns1.child.example.", "ns.example.net."], 7200, {"ns1.child.example.": ["192.0.2.9"]}, 1800, ""]
SILENT = [None, 0, {}, 0, "does not answer"]
LOOKS: dict[str, Any] = {
    "child.example.": [
        ["192.0.2.1", 53, [DS], 3600, "", THERE],
        ["2001:db8::1", 53, [], 300, "", [None, 0, {}, 0, ""]],
        ["198.51.100.2", 5300, None, 0, "does not answer", SILENT],
    ]
}
BROUGHT: dict[str, Any] = {"looks": LOOKS, "refused": [], "unknown": ["other.example."]}


def test_errand_is_read_as_it_was_written() -> None:
    assert Errand.from_bytes(ERRAND.to_bytes()) == ERRAND


@pytest.mark.parametrize("text", ["2001:db8::1", "::ffff:192.0.2.1", "::192.0.2.1", "64:ff9b::192.0.2.1"])
def test_address_of_a_server_is_written_alike_here_and_at_a_node(text: str) -> None:
    server = Server("ns1.example.", Endpoint(address_of(dns.rdata.from_text("IN", "AAAA", text)), 53))
    errand = Errand(60.0, (Asked((server,), (ZONE,)),))
    assert Errand.from_bytes(errand.to_bytes()) == errand


def test_what_a_node_brings_is_read_as_seen_from_its_site() -> None:
    brought = Brought.from_json(BROUGHT, ERRAND, "dc2", NOW)
    views = [each.ds for each in brought.looks[ZONE]]
    assert [(each.server, each.site, each.at, each.ds, each.ttl, each.fault) for each in views] == [
        ("ns1.example. (192.0.2.1)", "dc2", NOW, (bytes.fromhex(DS),), 3600, ""),
        ("ns1.example. (2001:db8::1)", "dc2", NOW, (), 300, ""),
        ("198.51.100.2 port 5300", "dc2", NOW, None, 0, "does not answer"),
    ]
    there = brought.looks[ZONE][0].delegation
    assert (there.ns, there.ns_ttl, there.glue_ttl, there.site) == (
        tuple(LOOKS["child.example."][0][5][0]),
        7200,
        1800,
        "dc2",
    )
    assert there.glue == {"ns1.child.example.": ("192.0.2.9",)}
    assert brought.unknown == {OTHER}
    assert Brought.from_json(json.loads(brought.to_bytes()), ERRAND, "dc2", NOW) == brought


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"seconds": 1}',
        b'{"seconds": 1, "parents": {}}',
        b'{"seconds": 1, "parents": [7]}',
        b'{"seconds": 1, "parents": [{"servers": [], "zones": ["a"]}]}',
        b'{"seconds": 1, "parents": [{"servers": [], "zones": ["A.example."]}]}',
        b'{"seconds": 1, "parents": [{"servers": [], "zones": ["a.example.", "a.example."]}]}',
        b'{"seconds": 1, "parents": [{"servers": [], "zones": [["a.example."]]}]}',
        *(
            b'{"seconds": 1, "parents": [{"servers": [%b], "zones": ["a.example."]}]}' % each
            for each in (
                b"7",
                b"[]",
                b'["ns", "192.0.2.1"]',
                b'["ns", "192.0.2.1", 0]',
                b'["ns", "192.0.2.1", 65536]',
                b'["ns", "192.0.2.1", true]',
                b'["ns", "192.0.2.1", 53.0]',
                b'["ns", "192.0.2.1", "53"]',
                b'["ns", "192.0.2.1 ", 53]',
                b'["ns", "ns1.example.net", 53]',
                b'["ns", 3221225985, 53]',
                b'["ns", "fe80::1%eth0", 53]',
                b'[7, "192.0.2.1", 53]',
                b'["\\u001b[2J", "192.0.2.1", 53]',
                b'["ns", "192.0.2.1", 53], ["ns", "192.0.2.1", 53]',
            )
        ),
        *(
            b'{"seconds": %b, "parents": []}' % each
            for each in (b"0", b"-1", b"181", b"NaN", b"Infinity", b"true", b'"1"', b"null", b"9" * 5000)
        ),
    ],
)
def test_request_that_is_no_errand_is_refused(told: bytes) -> None:
    with pytest.raises(ValueError):
        Errand.from_bytes(told)


def test_errand_of_too_many_looks_is_refused() -> None:
    zones = tuple(from_text(f"z{number}.example.") for number in range(MAX_LOOKS // 2))
    assert len(Errand.from_bytes(Errand(1, (Asked((ONE, TWO), zones),)).to_bytes()).parents[0].zones) == len(
        zones
    )
    with pytest.raises(TooManyLooksError):
        Errand.from_bytes(Errand(1, (Asked((ONE, TWO, SIX), zones),)).to_bytes())


def test_random_damage_to_either_is_refused_or_read_and_raises_nothing_else() -> None:
    drawn = random.Random(84)

    def damaged(whole: bytes) -> bytes:
        octets = bytearray(whole)
        for _ in range(drawn.randrange(1, 4)):
            at = drawn.randrange(len(octets))
            pieces = (
                b"",
                b"[",
                b"]",
                b"{}",
                b"null",
                b"-1",
                b'"',
                b"\0",
                b"1e999",
                b"\\ud800",
                b",",
                b"true",
            )
            octets[at : at + drawn.randrange(3)] = drawn.choice(pieces)
        return bytes(octets)

    read = 0
    for _ in range(3000):
        try:
            Errand.from_bytes(damaged(ERRAND.to_bytes()))
            read += 1
        except ValueError:
            pass
        try:
            whole = json.loads(damaged(json.dumps(BROUGHT).encode()))
        except (ValueError, RecursionError):
            continue
        if isinstance(whole, dict):
            try:
                Brought.from_json(whole, ERRAND, "dc2", NOW)
                read += 1
            except ValueError:
                pass
    assert 0 < read < 3000


def changed(change: Callable[[list[Any]], Any]) -> dict[str, Any]:
    told = json.loads(json.dumps(BROUGHT))
    change(told["looks"]["child.example."])
    return dict(told)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {**BROUGHT, "looks": []},
        {**BROUGHT, "looks": {"third.example.": []}},
        {**BROUGHT, "looks": {"child.example": LOOKS["child.example."]}},
        {**BROUGHT, "refused": [["192.0.2.99", 53]]},
        {**BROUGHT, "refused": [["192.0.2.1"]]},
        {**BROUGHT, "unknown": ["third.example."]},
        changed(lambda looks: looks.clear()),
        changed(lambda looks: looks.pop()),
        changed(lambda looks: looks.append(looks[0])),
        changed(lambda looks: looks[0].__setitem__(0, "192.0.2.99")),
        changed(lambda looks: looks[0].__setitem__(1, 54)),
        changed(lambda looks: looks[0].__setitem__(1, "53")),
        changed(lambda looks: looks[0].__setitem__(2, "none")),
        changed(lambda looks: looks[0].__setitem__(2, ["30"])),
        changed(lambda looks: looks[0].__setitem__(2, [7])),
        changed(lambda looks: looks[0].__setitem__(2, [DS] * 65)),
        changed(lambda looks: looks[0].__setitem__(2, [DS * 20])),
        changed(lambda looks: looks[0].__setitem__(3, -1)),
        changed(lambda looks: looks[0].__setitem__(3, 2**31)),
        changed(lambda looks: looks[0].__setitem__(3, True)),
        changed(lambda looks: looks[0].__setitem__(4, None)),
        changed(lambda looks: looks[0].pop()),
        changed(lambda looks: looks[0][5].__setitem__(0, ["\x1b[2J"])),
        changed(lambda looks: looks[0][5].__setitem__(0, ["ns."] * 65)),
        changed(lambda looks: looks[0][5].__setitem__(2, {"ns.": ["ns."]})),
        changed(lambda looks: looks[0][5].__setitem__(2, [])),
    ],
)
def test_what_was_not_asked_for_or_cannot_be_seen_is_not_taken(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Brought.from_json(told, ERRAND, "dc2", NOW)


def test_address_that_a_site_has_no_way_to_may_be_passed_over_where_its_server_answers() -> None:
    told = changed(lambda looks: looks.pop(1))
    assert len(Brought.from_json(told, ERRAND, "dc2", NOW).looks[ZONE]) == 2


def test_reason_of_a_node_is_printable_and_short() -> None:
    told = changed(lambda looks: looks[2].__setitem__(4, "\x1b[2J\n\ud800" + "x" * 5000))
    fault = Brought.from_json(told, ERRAND, "dc2", NOW).looks[ZONE][2].ds.fault
    assert fault.startswith("?[2J??xxx")
    assert len(fault) < 1200


@pytest.mark.parametrize(
    ("address", "port", "may"),
    [
        ("192.0.2.1", 53, True),
        ("2001:db8::1", 53, True),
        ("10.1.2.3", 53, True),  # a company's own parent
        ("fd00::53", 53, True),
        ("192.0.2.1", 22, False),
        ("192.0.2.1", 5353, False),
        ("127.0.0.1", 53, False),
        ("127.1.2.3", 53, False),
        ("::1", 53, False),
        ("::ffff:127.0.0.1", 53, False),
        ("169.254.169.253", 53, False),
        ("fe80::1", 53, False),
        ("0.0.0.0", 53, False),  # noqa: S104 - not bound
        ("0.1.2.3", 53, False),
        ("::", 53, False),
        ("224.0.0.251", 53, False),
        ("ff02::fb", 53, False),
        ("255.255.255.255", 53, False),
        ("198.51.100.9", 5300, True),  # named
        ("198.51.100.9", 5301, False),
        ("127.0.0.9", 5300, True),  # named
        ("2001:db8:0:0::9", 5300, True),  # named, written otherwise
    ],
)
def test_node_asks_port_53_of_other_hosts_and_what_its_settings_name(
    address: str, port: int, may: bool
) -> None:
    named = [Endpoint(each, 5300) for each in ("198.51.100.9", "127.0.0.9", "2001:db8::9")]
    assert may_ask(Endpoint(address, port), named) is may


def honest(query: bytes, _tcp: bool = False) -> list[bytes]:
    if rdtype_of(query) == "DS":
        return [answer(query, sections=([f"child.example. 3600 DS 12345 13 2 {'ab' * 32}"],))]
    return [answer(query, aa=False, sections=([], ["child.example. 60 NS ns1.child.example."], []))]


def test_errand_is_carried_out_where_it_may_be_and_for_zones_that_are_served() -> None:
    asked: list[bytes] = []

    def script(query: bytes, tcp: bool) -> list[bytes]:
        asked.append(query)
        return honest(query, tcp)

    with serving(script) as named, serving(script) as unnamed:
        errand = Errand(60, (Asked((named, unnamed), (ZONE, OTHER)),))
        brought = carried_out(errand, [named.endpoint], {ZONE}.__contains__, Patience(60))
    assert (brought.refused, brought.unknown) == ({unnamed.endpoint}, {OTHER})
    told = Brought.from_json(json.loads(brought.to_bytes()), errand, "dc2", NOW)
    (look,) = told.looks[ZONE]
    assert (look.ds.ds, look.ds.ttl) == ((bytes.fromhex(DS),), 3600)
    assert look.delegation.ns == ("ns1.child.example.",)
    assert sorted(map(rdtype_of, asked)) == ["DS", "NS"]
    assert not any(query[2] & 1 for query in asked), "no recursion is asked for"


def test_nothing_is_brought_of_zones_that_there_was_no_time_for() -> None:
    zones: tuple[Name, ...] = (ZONE, OTHER)
    errand = replace(ERRAND, parents=(Asked((ONE,), zones),))
    brought = carried_out(errand, (), set(zones).__contains__, Patience(0))
    assert (brought.looks, brought.refused, brought.unknown) == ({}, frozenset(), frozenset())
