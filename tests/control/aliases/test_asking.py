"""Resolvers that answer, fail, lie short or are silent: what is taken from each."""

import contextlib

import dns.flags
import dns.message
import pytest

from dnsctl.control.aliases.asking import AT_ONCE, GIVEN_UP, Asked, Reply
from dnsctl.model.name import from_text, to_text
from dnsctl.model.rrset import Type
from dnsctl.validate.size import MAX_RECORDS
from tests.parent.scripted import Script, answer, rdtype_of, serving

NAME = from_text("web.example.net.")
A, AAAA = int(Type.A), int(Type.AAAA)
ONE = b"\xc0\x00\x02\x01"
SOA = "example.net. 900 SOA ns1.example.net. hostmaster.example.net. 1 1 1 1 60"
REFUSED, SERVFAIL, NXDOMAIN = 5, 2, 3


def ask(*scripts: Script, trust_ad: bool = False, patience: float = 20) -> dict[int, Reply]:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serving(each)).endpoint for each in scripts]
        return dict(Asked(servers, trust_ad, patience)([NAME])[NAME])


def by_type(a: list[str], aaaa: list[str] | None = None) -> Script:
    """Answer with records for A and AAAA; None: deny it."""

    def script(query: bytes, tcp: bool) -> list[bytes]:
        lines = a if rdtype_of(query) == "A" else aaaa
        return [answer(query, sections=([], [SOA]) if lines is None else (lines,))]

    return script


def refuse(query: bytes, tcp: bool) -> list[bytes]:
    return [answer(query, rcode=REFUSED)]


def test_both_types_are_asked_for_and_a_denial_is_told_from_a_failure() -> None:
    replies = ask(by_type(["web.example.net. 300 A 192.0.2.1"]))
    assert (replies[A].kind, replies[A].ttl, replies[A].rdatas) == ("found", 300, (ONE,))
    assert (replies[AAAA].kind, replies[AAAA].fault) == ("denied", "web.example.net. has no such record")


def test_queries_ask_for_dnssec_and_recursion() -> None:
    seen = []

    def script(query: bytes, tcp: bool) -> list[bytes]:
        seen.append(dns.message.from_wire(query))
        return [answer(query, sections=([], [SOA]))]

    ask(script)
    assert len(seen) == 2
    assert all(each.flags & dns.flags.RD and each.flags & dns.flags.AD for each in seen)
    assert all(each.ednsflags & dns.flags.DO for each in seen)


def test_least_ttl_of_a_chain_counts_and_its_names_are_kept() -> None:
    chain = ["web.example.net. 120 CNAME edge.example.org.", "edge.example.org. 300 A 192.0.2.1"]
    reply = ask(by_type(chain))[A]
    assert (reply.ttl, [to_text(each) for each in reply.path]) == (
        120,
        ["web.example.net.", "edge.example.org."],
    )


def test_chain_that_ends_early_is_followed_by_another_question() -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        if b"edge" in query:
            return [answer(query, sections=(["edge.example.org. 60 A 192.0.2.1"],))]
        return [answer(query, sections=(["web.example.net. 120 CNAME edge.example.org."],))]

    reply = ask(script)[A]
    assert (reply.kind, reply.ttl, len(reply.path), reply.rdatas) == ("found", 60, 2, (ONE,))


def test_loop_of_aliases_ends() -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        owner, target = ("edge", "web") if b"edge" in query else ("web", "edge")
        return [answer(query, sections=([f"{owner}.example.net. 120 CNAME {target}.example.net."],))]

    assert (ask(script)[A].kind, ask(script)[A].fault) == ("failed", "a loop, or too many aliases")


@pytest.mark.parametrize(
    "script",
    [
        refuse,
        lambda query, tcp: [answer(query, rcode=SERVFAIL)],
        lambda query, tcp: [answer(query)],  # neither answer nor denial
        lambda query, tcp: [answer(query, sections=([], ["example.net. 300 NS ns1.example.net."]))],
        lambda query, tcp: [answer(query, rcode=NXDOMAIN)],  # without an SOA it denies nothing
    ],
)
def test_resolver_that_does_not_know_leaves_the_question_to_the_next(script: Script) -> None:
    assert ask(script)[A].kind == "failed"
    assert ask(script, by_type(["web.example.net. 300 A 192.0.2.1"]))[A].rdatas == (ONE,)


def test_name_that_does_not_exist_is_a_denial() -> None:
    replies = ask(lambda query, tcp: [answer(query, rcode=NXDOMAIN, sections=([], [SOA]))])
    assert {each.kind for each in replies.values()} == {"denied"}
    assert replies[A].fault == "web.example.net. does not exist"


def test_truncated_answer_is_asked_for_again_over_tcp() -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        whole = (["web.example.net. 300 A 192.0.2.1"],)
        return [answer(query, sections=whole)] if tcp else [answer(query, tc=True)]

    assert ask(script)[A].rdatas == (ONE,)


def test_answer_to_another_question_is_passed_over() -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        right = answer(query, sections=(["web.example.net. 300 A 192.0.2.1"],))
        wrong = bytes((right[0] ^ 1, *right[1:-1], 9))
        return [wrong, b"\0", right]

    assert ask(script)[A].rdatas == (ONE,)


def test_silence_ends_in_bounded_time_and_is_a_failure() -> None:
    replies = ask(lambda query, tcp: [], patience=0.2)
    assert {each.kind for each in replies.values()} == {"failed"}
    assert "in time" in replies[A].fault


def test_ad_of_a_resolver_on_loopback_counts_only_if_that_is_said() -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        octets = bytearray(answer(query, sections=(["web.example.net. 300 A 192.0.2.1"],)))
        octets[3] |= 0x20
        return [bytes(octets)]

    assert ask(script, trust_ad=True)[A].validated
    assert not ask(script)[A].validated
    assert not ask(by_type(["web.example.net. 300 A 192.0.2.1"]), trust_ad=True)[A].validated


def test_resolver_that_never_answers_is_given_up_and_one_that_did_is_not() -> None:
    asked: list[int] = []

    def silent(query: bytes, tcp: bool) -> list[bytes]:
        asked.append(1)
        return []

    names = [from_text(f"n{number}.example.net.") for number in range(40)]
    with serving(silent) as dead, serving(by_type(["web.example.net. 300 A 192.0.2.1"])) as alive:
        replies = Asked([dead.endpoint, alive.endpoint])([*names, NAME])
    assert len(asked) <= AT_ONCE + GIVEN_UP
    assert replies[NAME][A].rdatas == (ONE,)


def test_more_addresses_than_a_secondary_takes_leave_the_question_to_the_next() -> None:
    def many(count: int) -> Script:
        return by_type([f"web.example.net. 300 A 192.0.2.{each}" for each in range(count)])

    assert len(ask(many(MAX_RECORDS))[A].rdatas) == MAX_RECORDS
    assert "101 addresses" in ask(many(MAX_RECORDS + 1))[A].fault
    assert ask(many(MAX_RECORDS + 1), by_type(["web.example.net. 300 A 192.0.2.1"]))[A].rdatas == (ONE,)
