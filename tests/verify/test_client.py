"""Asking over real sockets: what is lost is asked again, what is cut comes over TCP, what lies is ignored."""

import socket
import threading
import time
from collections import Counter

import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type
from dnsctl.verify.client import WINDOW, Channel, Question
from tests.verify.served import Server, image_of, unsigned

BIG = "\n".join(f'big TXT "{number:03d}{"x" * 200}"' for number in range(20))
ZONE = unsigned(f"www A 192.0.2.80\n{BIG}\n" + "\n".join(f"n{each} A 192.0.2.1" for each in range(200)))
WWW = Question(from_text("www.example.com."), Type.A)


@pytest.fixture
def image(tmp_path):
    with image_of(tmp_path / "image", ZONE) as opened:
        yield opened


def ask(server, *questions, **options):
    with Channel(Endpoint("127.0.0.1", server.port), **options) as channel:
        return channel.ask(questions)


def test_more_questions_than_a_window_are_all_answered_in_order(image):
    questions = [Question(from_text(f"n{each}.example.com."), Type.A) for each in range(200)]
    assert len(questions) > WINDOW
    with Server(image) as server:
        replies = ask(server, *questions)
    assert all(each.qname in reply.wire for each, reply in zip(questions, replies, strict=True))


def test_answer_cut_over_udp_is_taken_from_tcp(image):
    with Server(image) as server:
        [reply] = ask(server, Question(from_text("big.example.com."), Type.TXT))
    assert len(reply.wire) > 4000 and 0 < reply.datagram <= 1232


def test_stream_question_never_goes_over_udp(image):
    with Server(image) as server:
        [reply] = ask(server, WWW._replace(stream=True))
    assert reply.wire and reply.datagram == 0


def test_query_without_edns_has_no_opt(image):
    with Server(image) as server:
        [reply] = ask(server, WWW._replace(payload=0))
    assert reply.wire[10:12] == b"\0\0"


def test_dead_port_is_told_at_once():
    started = time.monotonic()
    with Channel(Endpoint("127.0.0.1", free_port()), timeout=60) as channel:
        replies = channel.ask([WWW] * (WINDOW * 3))
    assert [each.wire for each in replies] == [None] * (WINDOW * 3)
    assert channel.silent == "Connection refused" and time.monotonic() - started < 30


def test_port_that_swallows_everything_costs_one_batch():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))
        started = time.monotonic()
        with Channel(Endpoint(*hole.getsockname()), timeout=0.5, attempts=2) as channel:
            replies = channel.ask([WWW] * (WINDOW * 16))
    assert channel.silent and all(each.reason == channel.silent for each in replies)
    assert time.monotonic() - started < 8


def test_what_is_lost_again_and_again_is_asked_until_it_is_answered():
    """A link loses a question seven times, and each second one of all others: this address does answer."""
    unlucky = Question(from_text("unlucky.example.com."), Type.A)
    others = [Question(from_text(f"n{each}.example.com."), Type.A) for each in range(100)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lossy:
        lossy.bind(("127.0.0.1", 0))

        def answer():
            seen: Counter[bytes] = Counter()
            while (received := lossy.recvfrom(65535))[0] != b"end":
                query, peer = received
                asked = query[12 : query.index(b"\0", 12)]
                seen[asked] += 1
                if seen[asked] > (7 if asked == unlucky.qname[:-1] else seen.total() % 2):
                    lossy.sendto(query[:2] + b"\x84" + query[3:], peer)

        thread = threading.Thread(target=answer)
        thread.start()
        with Channel(Endpoint(*lossy.getsockname()), timeout=0.1) as channel:
            replies = channel.ask([*others[:50], unlucky, *others[50:]])
        lossy.sendto(b"end", lossy.getsockname())
        thread.join()
    assert all(each.wire for each in replies)


def test_answers_to_other_questions_and_ids_are_ignored():
    """A forger sends a wrong ID, a wrong name and a query before the right answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.bind(("127.0.0.1", 0))

        def forge():
            query, peer = forger.recvfrom(65535)
            right = query[:2] + b"\x84\0" + query[4:6] + bytes(6) + WWW.section
            other = query[:2] + b"\x84\0" + query[4:6] + bytes(6) + b"\1x" + WWW.section
            for wire in (bytes([query[0] ^ 1]) + right[1:], other, query, b"", b"\0" * 11, right):
                forger.sendto(wire, peer)

        thread = threading.Thread(target=forge)
        thread.start()
        with Channel(Endpoint(*forger.getsockname())) as channel:
            [reply] = channel.ask([WWW])
        thread.join()
    assert reply.wire is not None and reply.wire[12:].startswith(WWW.section)


def test_question_whose_type_is_a_letter_is_matched(image):
    with Server(image) as server:
        [reply] = ask(server, Question(from_text("www.example.com."), Type.HTTPS))
    assert reply.wire is not None


def test_name_server_that_closes_tcp_early_is_reported_not_waited_for(image):
    with Server(image) as server:
        server.closes_streams = True
        [reply] = ask(server, WWW._replace(stream=True))
    assert reply.wire is None and reply.reason.startswith("TCP: ")


def test_ipv6_address_is_asked():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with Channel(Endpoint("::1", free_port())) as channel:
        [reply] = channel.ask([WWW])
    assert reply.wire is None and channel.silent
