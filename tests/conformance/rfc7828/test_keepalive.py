"""RFC 7828: edns-tcp-keepalive tells how long a connection may be idle."""

import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ask, option, query, told

KEEPALIVE = 11


@pytest.mark.parametrize(("idle", "tenths"), [(10.0, 100), (0.25, 2), (7000.0, 65535)])
def test_section_3_3_2_idle_time_is_told_in_tenths_of_a_second(reader: Reader, idle: float, tenths: int):
    message = ask(
        Responder(), reader, query("www.example.com.", "A", option(KEEPALIVE)), stream=True, idle=idle
    )
    assert told(message, KEEPALIVE) == tenths.to_bytes(2, "big")


def test_section_3_3_2_query_without_the_option_gets_none(reader: Reader):
    assert told(ask(Responder(), reader, query(), stream=True, idle=10.0), KEEPALIVE) is None


def test_section_3_2_1_it_is_ignored_over_udp(reader: Reader):
    message = ask(Responder(), reader, query("www.example.com.", "A", option(KEEPALIVE)))
    assert (len(message.answer), told(message, KEEPALIVE)) == (1, None)
