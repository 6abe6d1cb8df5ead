"""NOTIFY(CDS): its target is found as the parent says, and the message is what RFC 9859 asks for."""

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from dnsctl.model.name import from_text
from dnsctl.parent.exchange import ExchangeError
from dnsctl.parent.notify import notify_cds, targets
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
    assert [tuple(each) for each in found] == [("192.0.2.7", 5300)]


@pytest.mark.parametrize("rest", ["CSYNC NOTIFY 5300 scanner.example.", "CDS 128 5300 scanner.example."])
def test_target_of_something_else_is_not_taken(rest: str) -> None:
    dsync = {"_dsync.example.": [f"_dsync.example. 60 DSYNC {rest}"]}
    with serving(resolver(dsync)) as stub:
        assert targets(ZONE, PARENT, Resolvers((stub.endpoint,))) == ()


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
