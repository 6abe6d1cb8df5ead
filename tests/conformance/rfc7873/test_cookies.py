"""RFC 7873: what a server does with a query's COOKIE option, by section."""

from pathlib import Path

import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.image.reader import Reader
from dnsctl.serve.message.cookies import Cookies, fresh_secret
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ADDRESS, ask, octets, option, query, rcode, told

COOKIE = 10
CLIENT = bytes.fromhex("2464c4abcf10c957")
OTHER_ADDRESS = bytes((203, 0, 113, 203))


@pytest.fixture(scope="module")
def responder(tmp_path_factory: pytest.TempPathFactory) -> Responder:
    path: Path = tmp_path_factory.mktemp("secret") / "cookie.secret"
    path.write_bytes(fresh_secret())
    return Responder("ns1", cookies=Cookies([path]))


@pytest.fixture
def learned(responder: Responder, reader: Reader) -> bytes:
    """A cookie that the server made for ADDRESS."""
    found = told(ask(responder, reader, query("www.example.com.", "A", option(COOKIE, CLIENT))), COOKIE)
    assert found is not None
    return found


def test_section_5_2_1_query_without_cookie_gets_none(responder: Responder, reader: Reader):
    assert told(ask(responder, reader, query()), COOKIE) is None
    assert told(ask(responder, reader, dns.message.make_query("www.example.com.", "A")), COOKIE) is None


@pytest.mark.parametrize("length", [0, 1, 7, 9, 15, 41, 100])
@pytest.mark.parametrize("stream", [False, True])
def test_section_5_2_2_malformed_length_is_formerr(
    responder: Responder, reader: Reader, length: int, stream: bool
):
    message = ask(
        responder, reader, query("www.example.com.", "A", option(COOKIE, b"x" * length)), stream=stream
    )
    assert (rcode(message), told(message, COOKIE), message.edns) == ("FORMERR", None, 0)


@pytest.mark.parametrize("length", [16, 17, 23, 25, 40])
def test_section_5_2_2_other_servers_lengths_are_not_malformed(
    responder: Responder, reader: Reader, length: int
):
    message = ask(
        responder, reader, query("www.example.com.", "A", option(COOKIE, CLIENT.ljust(length, b"x")))
    )
    assert rcode(message) == "BADCOOKIE"


def test_section_5_2_3_client_cookie_alone_is_answered_with_ours(responder: Responder, reader: Reader):
    message = ask(responder, reader, query("www.example.com.", "A", option(COOKIE, CLIENT)))
    assert (rcode(message), len(message.answer)) == ("NOERROR", 1)
    found = told(message, COOKIE)
    assert found is not None
    assert (found[:8], len(found)) == (CLIENT, 24)


@pytest.mark.parametrize("spoil", ["hash", "address"])
def test_section_5_2_4_wrong_server_cookie_over_udp_is_badcookie_with_a_right_one(
    responder: Responder, reader: Reader, learned: bytes, spoil: str
):
    sent = learned[:-1] + bytes((learned[-1] ^ 1,)) if spoil == "hash" else learned
    address = OTHER_ADDRESS if spoil == "address" else ADDRESS
    message = ask(responder, reader, query("www.example.com.", "A", option(COOKIE, sent)), address=address)
    assert (rcode(message), message.answer) == ("BADCOOKIE", [])
    assert message.question[0].name.to_text() == "www.example.com."
    right = told(message, COOKIE)
    assert right is not None
    assert right != sent
    again = ask(responder, reader, query("www.example.com.", "A", option(COOKIE, right)), address=address)
    assert (rcode(again), len(again.answer)) == ("NOERROR", 1)


def test_section_5_2_4_wrong_server_cookie_over_tcp_is_answered(
    responder: Responder, reader: Reader, learned: bytes
):
    sent = learned[:-1] + bytes((learned[-1] ^ 1,))
    message = ask(responder, reader, query("www.example.com.", "A", option(COOKIE, sent)), stream=True)
    assert (rcode(message), len(message.answer)) == ("NOERROR", 1)
    assert told(message, COOKIE) not in (None, sent)


@pytest.mark.parametrize("name", ["www", "absent", "alias", "x.sub", "fits"])
@pytest.mark.parametrize("stream", [False, True])
def test_section_5_2_5_right_server_cookie_is_answered_as_without(
    responder: Responder, reader: Reader, learned: bytes, name: str, stream: bool
):
    rdtype = "TXT" if name == "fits" else "A"
    asked = query(f"{name}.example.com.", rdtype, option(COOKIE, learned))
    with_cookie = ask(responder, reader, asked, stream=stream)
    plain = query(f"{name}.example.com.", rdtype)
    plain.id = asked.id
    without = ask(responder, reader, plain, stream=stream)
    assert told(with_cookie, COOKIE) == learned
    with_cookie.use_edns(0, payload=1232)
    assert with_cookie.to_wire() == without.to_wire()


def test_section_5_2_5_only_a_right_cookie_proves_an_address(
    responder: Responder, reader: Reader, learned: bytes
):
    for name in ("www.example.com.", "alias.example.com."):  # by the fast path, and by the full one
        for cookie, proved in ((learned, True), (CLIENT, False), (learned[:-1] + b"\0", False)):
            wire = query(name, "A", option(COOKIE, cookie)).to_wire()
            response = responder.respond(reader, wire, stream=False, address=ADDRESS)
            assert response is not None
            assert (response.proved, response.cacheable) == (proved, False)


def test_section_5_2_5_a_cookie_for_one_address_proves_no_other_however_it_is_cut(
    responder: Responder, reader: Reader
):
    mine = bytes.fromhex("20010db8000000000000000000000000")[:12] + ADDRESS
    wire = query("www.example.com.", "A", option(COOKIE, CLIENT)).to_wire()
    cookie = told(dns.message.from_wire(octets(responder, reader, wire, address=mine)), COOKIE)
    assert cookie is not None
    for data, address, proved in ((cookie, mine, True), (cookie + mine[:12], ADDRESS, False)):
        wire = query("www.example.com.", "A", option(COOKIE, data)).to_wire()
        response = responder.respond(reader, wire, stream=False, address=address)
        assert response is not None
        assert response.proved is proved


def test_section_5_2_first_of_several_cookie_options_counts(
    responder: Responder, reader: Reader, learned: bytes
):
    asked = query("www.example.com.", "A", option(COOKIE, learned), option(COOKIE, b"x" * 3))
    assert rcode(ask(responder, reader, asked)) == "NOERROR"


def test_section_5_4_query_without_question_learns_a_cookie(
    responder: Responder, reader: Reader, learned: bytes
):
    for cookie, expected in (
        (CLIENT, "NOERROR"),
        (learned, "NOERROR"),
        (learned[:-1] + b"\0", "BADCOOKIE"),
        (b"short", "FORMERR"),
    ):
        asked = query("www.example.com.", "A", option(COOKIE, cookie))
        asked.question = []
        message = ask(responder, reader, asked)
        assert (rcode(message), message.question, message.answer) == (expected, [], [])
        assert (told(message, COOKIE) is None) == (expected == "FORMERR")


def test_section_5_4_query_without_question_and_cookie_is_formerr(responder: Responder, reader: Reader):
    asked = query()
    asked.question = []
    assert rcode(ask(responder, reader, asked)) == "FORMERR"


def test_section_5_4_other_opcodes_without_question_learn_none(responder: Responder, reader: Reader):
    asked = query("www.example.com.", "A", option(COOKIE, CLIENT))
    asked.question = []
    for opcode, expected in ((2, "NOTIMP"), (4, "FORMERR"), (6, "NOTIMP")):
        asked.set_opcode(dns.opcode.Opcode(opcode))
        assert rcode(ask(responder, reader, asked)) == expected


def test_section_5_4_version_of_edns_goes_before_the_cookie(responder: Responder, reader: Reader):
    asked = query()
    asked.use_edns(1, options=[option(COOKIE, CLIENT)])
    asked.question = []
    message = ask(responder, reader, asked)
    assert (rcode(message), told(message, COOKIE)) == ("BADVERS", None)


def test_cookie_never_makes_an_answer_larger_than_the_client_takes(responder: Responder, reader: Reader):
    size = len(ask(responder, reader, query("fits.example.com.", "TXT")).to_wire())
    for payload in (size, size + 27, size + 28, size + 29, 512):
        asked = query("fits.example.com.", "TXT", option(COOKIE, CLIENT), payload=payload)
        wire = octets(responder, reader, asked.to_wire())
        assert len(wire) <= max(payload, 512)
        message = dns.message.from_wire(wire)
        assert told(message, COOKIE) is not None
        fits = size + 28 <= max(payload, 512)
        assert bool(message.flags & dns.flags.TC) is not fits


def test_server_without_cookies_takes_no_notice(reader: Reader):
    message = ask(Responder(), reader, query("www.example.com.", "A", option(COOKIE, b"odd")))
    assert (rcode(message), told(message, COOKIE)) == ("NOERROR", None)


@given(data=st.binary(max_size=44), rest=st.binary(max_size=6), stream=st.booleans())
def test_any_cookie_gets_a_well_formed_response(
    responder: Responder, reader: Reader, data: bytes, rest: bytes, stream: bool
):
    wire = query("www.example.com.", "A", option(COOKIE, data)).to_wire() + rest
    message = dns.message.from_wire(octets(responder, reader, wire, stream=stream))
    assert rcode(message) in ("NOERROR", "FORMERR", "BADCOOKIE")
