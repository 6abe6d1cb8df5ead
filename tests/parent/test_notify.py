"""NOTIFY(CDS): its target is found as the parent says, and the message is what RFC 9859 asks for."""

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from dnsctl.model.name import from_text
from dnsctl.parent.exchange import ExchangeError
from dnsctl.parent.notify import Targets, notify_cds, targets
from dnsctl.parent.servers import Resolvers
from tests.parent.scripted import Script, answer, serving

ZONE, PARENT = from_text("child.example."), from_text("example.")
ADDRESS = ["scanner.example. 60 A 192.0.2.7"]
SOA = "example. 60 SOA ns. hostmaster. 1 7200 1800 1209600 300"


def resolver(dsync: dict[str, list[str]]) -> Script:
    def script(query: bytes, _tcp: bool) -> list[bytes]:
        question = dns.message.from_wire(query).question[0]
        key = (question.name.to_text(), question.rdtype.name)
        known = {(name, "DSYNC"): found for name, found in dsync.items()} | {
            ("scanner.example.", "A"): ADDRESS
        }
        found = known.get(key, [])
        return [answer(query, aa=False, sections=(found, [] if found else [SOA]))]

    return script


@pytest.mark.parametrize(
    "dsync",
    [
        {"child._dsync.example.": ["child._dsync.example. 60 DSYNC CDS NOTIFY 5300 scanner.example."]},
        {"_dsync.example.": ["_dsync.example. 60 DSYNC CDS NOTIFY 5300 scanner.example."]},
    ],
)
def test_target_is_that_of_the_child_or_else_of_the_parent(dsync: dict[str, list[str]]) -> None:
    with serving(resolver(dsync)) as stub:
        found = targets(ZONE, PARENT, Resolvers((stub.endpoint,)))
    assert ([tuple(each) for each in found.endpoints], found.left_out) == ([("192.0.2.7", 5300)], "")


@pytest.mark.parametrize("rest", ["CSYNC NOTIFY 5300 scanner.example.", "CDS 128 5300 scanner.example."])
def test_target_of_something_else_is_not_taken(rest: str) -> None:
    dsync = {"_dsync.example.": [f"_dsync.example. 60 DSYNC {rest}"]}
    with serving(resolver(dsync)) as stub:
        assert targets(ZONE, PARENT, Resolvers((stub.endpoint,))) == Targets()


def test_parent_that_names_thousands_of_targets_costs_a_few_questions_and_messages() -> None:
    asked: list[str] = []

    def script(query: bytes, tcp: bool) -> list[bytes]:
        question = dns.message.from_wire(query).question[0]
        asked.append(question.name.to_text())
        records = []
        if question.rdtype.name == "DSYNC" and asked[-1] == "_dsync.example.":
            records = [f"_dsync.example. 60 DSYNC CDS NOTIFY {n} t{n}.example." for n in range(1, 501)]
        if question.rdtype.name == "A":
            records = [f"{asked[-1]} 60 A 192.0.2.{n}" for n in range(1, 14)]
        sections = (records, [] if records else [SOA])
        return [answer(query, aa=False, tc=len(records) > 100 and not tcp, sections=sections)]

    with serving(script) as stub:
        found = targets(ZONE, PARENT, Resolvers((stub.endpoint,)))
    assert len(set(found.endpoints)) == 8
    assert found.left_out == "496 more DSYNC records and 44 more addresses"
    assert sum("_dsync" not in each for each in asked) == 8  # A and AAAA of four names


def test_target_that_is_named_many_times_is_one_target() -> None:
    dsync = {"_dsync.example.": ["_dsync.example. 60 DSYNC CDS NOTIFY 5300 scanner.example."] * 3}
    with serving(resolver(dsync)) as stub:
        found = targets(ZONE, PARENT, Resolvers((stub.endpoint,)))
    assert [tuple(each) for each in found.endpoints] == [("192.0.2.7", 5300)]


def test_message_is_a_notify_for_cds() -> None:
    got: list[dns.message.Message] = []

    def script(query: bytes, _tcp: bool) -> list[bytes]:
        got.append(dns.message.from_wire(query))
        return [answer(query)]

    with serving(script) as target:
        notify_cds(ZONE, target.endpoint)
    (message,) = got
    assert message.opcode() == dns.opcode.NOTIFY
    assert message.flags & dns.flags.AA
    assert not message.flags & dns.flags.RD
    assert [(each.name.to_text(), each.rdtype.name) for each in message.question] == [
        ("child.example.", "CDS")
    ]


def test_notify_that_is_refused_is_told() -> None:
    def script(query: bytes, _tcp: bool) -> list[bytes]:
        return [answer(query, rcode=5)]

    with serving(script) as target, pytest.raises(ExchangeError, match="REFUSED"):
        notify_cds(ZONE, target.endpoint)
