"""Responses to odd, hostile and plain queries, message by message (RFC 1035 §4.1, RFC 6891, RFC 9619)."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model.message_size import MAX_UDP_PAYLOAD
from dnsctl.serve.respond import Responder, is_transfer
from dnsctl.sign.signer import unsigned_zone
from tests.build import edns_option, validated

ZONES = {
    "example.com.": """
www A 192.0.2.1
alias CNAME www
outside CNAME www.example.net.
loop1 CNAME loop2
loop2 CNAME loop1
*.wild TXT "from the wildcard"
a.empty TXT "below an empty non-terminal"
sub NS ns.sub
ns.sub A 192.0.2.2
ns.sub AAAA 2001:db8::2
child NS ns.child
ns.child A 192.0.2.3
d DNAME target
target A 192.0.2.4
x.target A 192.0.2.5
under\\.score\\000 A 192.0.2.6
many TXT """
    + "\nmany TXT ".join(f'"{"x" * 200}{i}"' for i in range(12))
    + "\nlong TXT "
    + f'"{"y" * 255}" "{"z" * 255}" "end"'
    + "\n",
    "child.example.com.": "www A 192.0.2.9\n",
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    with Image.open(tmp_path_factory.mktemp("image"), readonly=False) as image:
        with image.writer() as writer:
            zones = [unsigned_zone(validated(origin, text), 1) for origin, text in ZONES.items()]
            writer.apply(difference(writer, [compile_zone(zone) for zone in zones]))
        with image.reader() as reader:
            yield reader


def ask(reader, name, rdtype="A", stream=False, **options):
    query = dns.message.make_query(name, rdtype, **options)
    response = Responder("ns1.dc1").respond(reader, query.to_wire(), stream=stream)
    message = dns.message.from_wire(response.wire)
    assert query.is_response(message)
    return message


def rcode(message):
    return dns.rcode.to_text(message.rcode())


def texts(section):
    return [line for rrset in section for line in rrset.to_text().split("\n")]


def test_name_in_no_zone_is_refused(reader):
    message = ask(reader, "www.example.org.")
    assert (rcode(message), message.answer, message.authority) == ("REFUSED", [], [])


def test_case_of_the_question_comes_back_as_it_was(reader):
    message = ask(reader, "wWw.ExAmPlE.cOm.")
    assert message.question[0].name.to_text() == "wWw.ExAmPlE.cOm."
    assert message.answer[0].name.to_text() == "wWw.ExAmPlE.cOm."


def test_alias_is_followed_inside_the_zone_and_left_at_its_edge(reader):
    assert texts(ask(reader, "alias.example.com.").answer) == [
        "alias.example.com. 3600 IN CNAME www.example.com.",
        "www.example.com. 3600 IN A 192.0.2.1",
    ]
    assert texts(ask(reader, "outside.example.com.").answer) == [
        "outside.example.com. 3600 IN CNAME www.example.net."
    ]


def test_alias_loop_ends(reader):
    message = ask(reader, "loop1.example.com.")
    assert rcode(message) == "NOERROR"
    assert len(texts(message.answer)) == 2


def test_dname_makes_a_cname_and_is_followed(reader):
    assert texts(ask(reader, "x.d.example.com.").answer) == [
        "d.example.com. 3600 IN DNAME target.example.com.",
        "x.d.example.com. 3600 IN CNAME x.target.example.com.",
        "x.target.example.com. 3600 IN A 192.0.2.5",
    ]


def test_dname_that_makes_too_long_a_name_is_yxdomain(reader):
    long = ".".join(["a" * 60] * 3 + ["b" * 52])
    message = ask(reader, f"{long}.d.example.com.")
    assert rcode(message) == "YXDOMAIN"
    assert [rrset.rdtype for rrset in message.answer] == [dns.rdatatype.DNAME]


def test_dname_owner_itself_is_not_redirected(reader):
    message = ask(reader, "d.example.com.", "A")
    assert (rcode(message), message.answer) == ("NOERROR", [])


def test_empty_non_terminal_is_no_data_and_blocks_no_wildcard_below_it(reader):
    message = ask(reader, "empty.example.com.")
    assert (rcode(message), message.answer) == ("NOERROR", [])
    assert message.authority[0].rdtype == dns.rdatatype.SOA
    assert message.authority[0].ttl == 300


def test_wildcard_answers_at_any_depth(reader):
    for name in ("a.wild.example.com.", "a.b.c.wild.example.com."):
        assert texts(ask(reader, name, "TXT").answer) == [f'{name} 3600 IN TXT "from the wildcard"']


def test_delegation_is_referred_with_glue_and_without_aa(reader):
    message = ask(reader, "deep.in.sub.example.com.")
    assert not message.flags & dns.flags.AA
    assert texts(message.authority) == ["sub.example.com. 3600 IN NS ns.sub.example.com."]
    assert texts(message.additional) == [
        "ns.sub.example.com. 3600 IN A 192.0.2.2",
        "ns.sub.example.com. 3600 IN AAAA 2001:db8::2",
    ]


def test_ds_of_a_child_we_also_serve_is_asked_of_the_parent(reader):
    message = ask(reader, "child.example.com.", "DS")
    assert message.authority[0].name.to_text() == "example.com."
    assert ask(reader, "www.child.example.com.").answer[0][0].address == "192.0.2.9"


def test_odd_octets_in_a_label_are_found(reader):
    assert texts(ask(reader, "under\\.score\\000.example.com.").answer)[0].endswith("192.0.2.6")


def test_any_gets_one_rrset(reader):
    assert len(ask(reader, "example.com.", "ANY").answer) == 1


def test_answer_too_large_for_udp_is_truncated_and_whole_over_tcp(reader):
    short = ask(reader, "many.example.com.", "TXT", payload=4096, use_edns=0)
    assert short.flags & dns.flags.TC
    assert (short.answer, short.edns) == ([], 0)
    whole = ask(reader, "many.example.com.", "TXT", stream=True)
    assert len(whole.answer[0]) == 12


def test_client_without_edns_gets_at_most_512_octets(reader):
    assert ask(reader, "long.example.com.", "TXT").flags & dns.flags.TC
    assert not ask(reader, "long.example.com.", "TXT", use_edns=0, payload=1232).flags & dns.flags.TC
    assert ask(reader, "long.example.com.", "TXT", use_edns=0, payload=100).flags & dns.flags.TC


def test_edns_version_1_is_badvers(reader):
    message = ask(reader, "www.example.com.", use_edns=1)
    assert (rcode(message), message.edns, message.answer) == ("BADVERS", 0, [])
    assert message.payload == MAX_UDP_PAYLOAD


def test_unknown_edns_option_is_ignored_and_nsid_told(reader):
    message = ask(
        reader,
        "www.example.com.",
        use_edns=0,
        options=[edns_option(65001, b"x")],
    )
    assert (rcode(message), message.options) == ("NOERROR", ())
    message = ask(
        reader,
        "www.example.com.",
        use_edns=0,
        options=[edns_option(3, b"")],
    )
    assert message.options[0].to_wire() == b"ns1.dc1"


def test_query_without_edns_gets_none_back(reader):
    assert ask(reader, "www.example.com.").edns == -1


def test_do_comes_back_and_rd_is_copied_and_ra_is_not_set(reader):
    message = ask(reader, "www.example.com.", want_dnssec=True)
    assert message.ednsflags & dns.flags.DO
    assert message.flags & dns.flags.RD
    assert not message.flags & dns.flags.RA


def test_other_opcode_is_not_implemented(reader):
    query = dns.message.make_query("www.example.com.", "A")
    query.set_opcode(dns.opcode.STATUS)
    message = dns.message.from_wire(Responder().respond(reader, query.to_wire(), stream=False).wire)
    assert (rcode(message), message.opcode()) == ("NOTIMP", dns.opcode.STATUS)


def raw(questions=1, flags=0, body=b"\3www\7example\3com\0\0\1\0\1", counts=(0, 0, 0)):
    return struct.pack("!6H", 7, flags, questions, *counts) + body


@pytest.mark.parametrize(
    "message",
    [
        raw(questions=0, body=b""),
        raw(questions=2, body=b"\3www\7example\3com\0\0\1\0\1" * 2),
        raw(body=b"\3www\7example"),
        raw(body=b"\3www\7example\3com\0\0\1"),
        raw(body=b"\xc0\x0c\0\1\0\1"),
        raw(body=b"\x50" + b"a" * 80 + b"\0\0\1\0\1"),
        raw(body=(b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1"),
        raw() + b"trailing",
        raw(counts=(0, 0, 1)),
        raw(counts=(0, 0, 2)) + b"\0\0\x29\4\xd0\0\0\0\0\0\0" * 2,
        raw(counts=(0, 0, 1)) + b"\1a\0\0\x29\4\xd0\0\0\0\0\0\0",
        raw(counts=(0, 0, 1)) + b"\0\0\x29\4\xd0\0\0\0\0\0\4\0\3\0\1",
        raw(counts=(0, 0, 0xFFFF)) + b"\0\0\x29\4\xd0\0\0\0\0\0\0",
        raw(counts=(1, 0, 0)) + b"\0\0\x29\4\xd0\0\0\0\0\0\0",
    ],
    ids=[
        "no question", "two questions", "name cut off", "question cut off", "pointer as name",
        "reserved label", "name too long", "trailing octets", "missing record", "two OPTs",
        "OPT with owner", "option cut off", "absurd count", "OPT as answer",
    ],
)  # fmt: skip
def test_malformed_query_is_formerr(reader, message):
    response = Responder().respond(reader, message, stream=False)
    assert response.wire[:2] == message[:2]
    assert response.wire[2] & 0x80
    assert response.wire[3] & 0xF == dns.rcode.FORMERR
    assert not response.cacheable


@pytest.mark.parametrize(("owner", "rcode"), [(b"\1a" * 127, "NOERROR"), (b"\1a" * 128, "FORMERR")])
def test_owner_of_a_record_in_a_query_is_a_name_or_malformed(reader, owner, rcode):
    record = owner + b"\0\0\1\0\1" + bytes(6)
    response = Responder().respond(reader, raw(counts=(0, 0, 1)) + record, stream=True)
    assert dns.rcode.to_text(dns.rcode.Rcode(response.wire[3] & 0xF)) == rcode


@pytest.mark.parametrize("message", [b"", b"\0" * 11, raw(flags=0x8000)], ids=["empty", "short", "response"])
def test_what_is_no_query_gets_no_response(reader, message):
    assert Responder().respond(reader, message, stream=False) is None


def test_response_is_cacheable_only_where_the_query_is_plain(reader):
    plain = dns.message.make_query("www.example.com.", "A", want_dnssec=True)
    assert Responder().respond(reader, plain.to_wire(), stream=False).cacheable
    cookie = dns.message.make_query(
        "www.example.com.",
        "A",
        use_edns=0,
        options=[edns_option(10, b"12345678")],
    )
    assert not Responder().respond(reader, cookie.to_wire(), stream=False).cacheable


def test_transfer_questions_are_told_from_others():
    assert is_transfer(dns.message.make_query("example.com.", "AXFR").to_wire())
    assert not is_transfer(dns.message.make_query("example.com.", "SOA").to_wire())
    assert not is_transfer(b"\xff" * 40)


def test_transfer_over_udp_is_not_answered_with_data(reader):
    message = ask(reader, "example.com.", "AXFR")
    assert (rcode(message), message.answer) == ("NOTIMP", [])


def test_large_response_over_udp_never_exceeds_what_the_client_takes(reader):
    for payload in (0, 512, 600, 1232, 65535):
        query = dns.message.make_query("many.example.com.", "TXT", use_edns=0, payload=payload)
        wire = Responder().respond(reader, query.to_wire(), stream=False).wire
        assert len(wire) <= min(max(payload, 512), 1232)


@given(st.binary(max_size=80))
@example(b"\0" * 200)
def test_random_octets_never_raise(reader, octets):
    response = Responder().respond(reader, octets, stream=False)
    assert response is None or len(response.wire) >= 12


@given(st.data())
def test_mutated_queries_get_a_parseable_response_or_none(reader, data):
    query = dns.message.make_query("a.wild.example.com.", "TXT", want_dnssec=True)
    wire = bytearray(query.to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    response = Responder().respond(reader, bytes(wire), stream=False)
    if response is not None:
        if wire[2] >> 3 & 0xF != dns.opcode.UPDATE:  # dnspython refuses one whose zone section is not an SOA
            dns.message.from_wire(response.wire, ignore_trailing=False)
        assert response.wire[:2] == wire[:2]
