"""SOA rdata: where its numbers stand, and the TTL of negative answers."""

import struct

import dns.rdata
import pytest

from dnsctl.model.name import from_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.soa import (
    Intervals,
    intervals_of,
    negative_ttl,
    serial_of,
    soa_rdata,
    with_expire_at_most,
    with_serial,
)

ORIGIN = from_text("example.")
TEXT = "ns1.example. hostmaster.example. 2026112801 7200 1800 1209600 300"
RDATA = dns.rdata.from_text("IN", "SOA", TEXT).to_wire()
assert RDATA is not None


def text_of(rdata: bytes) -> str:
    return dns.rdata.from_wire("IN", "SOA", rdata, 0, len(rdata)).to_text()


def test_numbers_are_read_as_dnspython_wrote_them():
    assert serial_of(RDATA) == 2026112801
    assert intervals_of(RDATA) == (7200, 1800, 1209600, 300)
    assert intervals_of(RDATA) == Intervals(refresh=7200, retry=1800, expire=1209600, minimum=300)


def test_rdata_is_made_as_dnspython_reads_it():
    made = soa_rdata(
        from_text("ns1.example."),
        from_text("hostmaster.example."),
        2026112801,
        Intervals(7200, 1800, 1209600, 300),
    )
    assert made == RDATA
    assert text_of(made) == TEXT


@pytest.mark.parametrize("serial", [0, 1, 2**31, 2**32 - 1])
def test_another_serial_leaves_the_rest(serial):
    assert text_of(with_serial(RDATA, serial)) == TEXT.replace("2026112801", str(serial))


def test_a_serial_beyond_32_bits_is_refused():
    with pytest.raises(OverflowError):
        with_serial(RDATA, 2**32)


@pytest.mark.parametrize(("longest", "expire"), [(3600, 3600), (1209600, 1209600), (2**31, 1209600)])
def test_expire_is_lowered_and_never_raised(longest, expire):
    assert text_of(with_expire_at_most(RDATA, longest)) == TEXT.replace("1209600", str(expire))


@pytest.mark.parametrize(
    ("ttl", "minimum", "expected"),
    [(3600, 300, 300), (300, 3600, 300), (0, 300, 0), (3600, 0, 0), (2**31 - 1, 2**32 - 1, 2**31 - 1)],
)
def test_negative_answers_live_as_long_as_the_lesser_of_ttl_and_minimum(ttl, minimum, expected):
    rdata = RDATA[:-4] + struct.pack("!I", minimum)
    assert negative_ttl(RRset(ORIGIN, Type.SOA, ttl, (rdata,))) == expected  # RFC 2308 §5


def test_names_as_long_as_they_may_be_do_not_move_the_numbers():
    longest = from_text(".".join(["a" * 63] * 3 + ["b" * 61]) + ".")
    assert len(longest) == 255
    rdata = soa_rdata(longest, longest, 7, Intervals(1, 2, 3, 4))
    assert (serial_of(rdata), *intervals_of(rdata)) == (7, 1, 2, 3, 4)
