"""RFC 1995: IXFR of a server that keeps no differences; by section. By TCP: tests/serve/test_transfer.py."""

import ipaddress
from dataclasses import replace

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import dns.tsig
import pytest

from dnsctl.image.reader import Reader
from dnsctl.model.fleet import TransferKey
from dnsctl.serve import respond
from dnsctl.serve.message.tsig import Keyring
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ADDRESS, ask, octets, option, query, rcode, told
from tests.conformance.conftest import SERIAL
from tests.conformance.rfc8945.test_tsig import read

ALLOWED = (ipaddress.ip_network("198.51.100.0/24"),)
KEY = TransferKey("k.example", "hmac-sha256", b"x" * 32)
USED = dns.tsig.Key("k.example.", KEY.secret, KEY.algorithm)
RESPONDER = Responder("ns1", networks=ALLOWED)
ELSEWHERE = bytes((192, 0, 2, 1))


def incremental(
    serial: int | None = SERIAL - 1, name: str = "example.com.", **more: object
) -> dns.message.Message:
    asked = query(name, "IXFR", **more)  # type: ignore[arg-type]
    if serial is not None:
        asked.authority.append(dns.rrset.from_text(name, 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
    return asked


@pytest.mark.parametrize("serial", [SERIAL - 1, SERIAL, SERIAL + 1])
@pytest.mark.parametrize("dnssec", [False, True])
def test_section_2_ixfr_over_udp_gets_the_current_soa_alone(reader: Reader, serial: int, dnssec: bool):
    """over UDP, the current SOA alone says that TCP has more"""
    found = ask(RESPONDER, reader, incremental(serial, dnssec=dnssec))
    assert rcode(found) == "NOERROR"
    assert found.flags & dns.flags.AA
    assert not found.flags & dns.flags.TC
    (soa,) = found.answer
    assert (soa.rdtype, soa[0].serial, len(soa)) == (dns.rdatatype.SOA, SERIAL, 1)
    assert soa == ask(RESPONDER, reader, query("example.com.", "SOA")).answer[0]
    assert not found.authority


def test_section_3_ixfr_without_the_soa_that_is_held_is_formerr(reader: Reader):
    odd = query("example.com.", "IXFR")
    odd.authority.append(dns.rrset.from_text("example.com.", 0, "IN", "A", "192.0.2.1"))
    for asked in (incremental(None), odd):
        found = ask(RESPONDER, reader, asked)
        assert (rcode(found), found.edns) == ("FORMERR", 0)  # RFC 6891 §6.1.1


def test_message_of_who_may_not_transfer_is_not_read(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    """to read it takes ten times as long as to refuse it"""
    monkeypatch.setattr(respond, "tells_serial", lambda _message: pytest.fail("it was read"))
    for asked in (incremental(), incremental(None)):
        assert rcode(ask(RESPONDER, reader, asked, address=ELSEWHERE)) == "REFUSED"


@pytest.mark.parametrize("name", ["www.example.com.", "example.net.", "com."])
def test_ixfr_over_udp_of_what_is_no_zone_here_is_notauth(reader: Reader, name: str):
    found = ask(RESPONDER, reader, incremental(name=name))
    assert rcode(found) == "NOTAUTH"
    assert not found.answer


def test_ixfr_over_udp_is_for_those_who_may_transfer(reader: Reader):
    for responder, address in ((RESPONDER, ELSEWHERE), (Responder(), ADDRESS), (RESPONDER, b"")):
        for name in ("example.com.", "example.net."):
            found = ask(responder, reader, incremental(name=name), address=address)
            assert rcode(found) == "REFUSED"
            assert not found.answer
            assert told(found, 15) == b"\0\x12"  # prohibited


@pytest.mark.parametrize(
    ("networks", "address", "code"),
    [
        ((), ELSEWHERE, "NOERROR"),
        (ALLOWED, ADDRESS, "NOERROR"),
        (ALLOWED, ELSEWHERE, "REFUSED"),
        (ALLOWED, b"", "REFUSED"),
    ],
)
def test_ixfr_over_udp_by_key_is_for_where_the_key_is_good(
    reader: Reader, networks: tuple[ipaddress.IPv4Network, ...], address: bytes, code: str
):
    responder = Responder(keys=Keyring([replace(KEY, networks=networks)]))
    asked = incremental()
    asked.use_tsig(USED)
    wire = asked.to_wire()
    found = read(octets(responder, reader, wire, address=address), asked, USED)
    assert found.had_tsig
    assert rcode(found) == code
    assert bool(found.answer) == (code == "NOERROR")


def test_answer_to_ixfr_over_udp_is_never_kept_for_others(reader: Reader):
    for asked in (incremental(), incremental(None)):
        for address in (ADDRESS, ELSEWHERE):
            response = RESPONDER.respond(reader, asked.to_wire(), stream=False, address=address)
            assert response is not None
            assert not response.cacheable


def test_ixfr_over_udp_has_its_options_answered(reader: Reader):
    asked = query("example.com.", "IXFR", option(3), option(9))
    asked.authority = incremental().authority
    found = ask(RESPONDER, reader, asked)
    assert told(found, 3) == b"ns1"
    assert int.from_bytes(told(found, 9) or b"", "big") == found.answer[0][0].expire  # RFC 7314 §4
