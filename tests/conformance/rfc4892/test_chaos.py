"""RFC 4892: what a name server tells of itself in class CHAOS, and what it does not."""

import dns.flags
import dns.message
import dns.rdataclass
import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.message.chaos import Chaos
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ask, query, rcode

TOLD = Responder(about=Chaos(b"ns1.dc1", b"9.1"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("id.server.", "ns1.dc1"),
        ("hostname.bind.", "ns1.dc1"),
        ("version.server.", "9.1"),
        ("version.bind.", "9.1"),
        ("VERSION.bind.", "9.1"),
    ],
)
@pytest.mark.parametrize("rdtype", ["TXT", "ANY"])
def test_section_2_text_is_told_with_ttl_0_and_authority(reader: Reader, name: str, text: str, rdtype: str):
    message = ask(TOLD, reader, query(name, rdtype, rdclass="CH"))
    assert rcode(message) == "NOERROR"
    assert message.flags & dns.flags.AA
    (rrset,) = message.answer
    assert (rrset.rdclass, rrset.ttl, rrset.name.to_text()) == (dns.rdataclass.CH, 0, name)
    assert [one.to_text() for one in rrset] == [f'"{text}"']


def test_query_without_edns_is_answered_too(reader: Reader):
    assert ask(TOLD, reader, dns.message.make_query("id.server.", "TXT", "CH")).answer


def test_other_type_is_no_data(reader: Reader):
    message = ask(TOLD, reader, query("id.server.", "A", rdclass="CH"))
    assert (rcode(message), message.answer) == ("NOERROR", [])


@pytest.mark.parametrize("name", ["authors.bind.", "bind.", ".", "www.example.com.", "x.id.server."])
def test_other_name_is_refused(reader: Reader, name: str):
    assert rcode(ask(TOLD, reader, query(name, "TXT", rdclass="CH"))) == "REFUSED"


def test_what_is_not_to_be_told_is_refused(reader: Reader):
    silent = Responder(about=Chaos(b"ns1", b""))
    assert rcode(ask(silent, reader, query("version.bind.", "TXT", rdclass="CH"))) == "REFUSED"
    assert rcode(ask(silent, reader, query("id.server.", "TXT", rdclass="CH"))) == "NOERROR"


def test_class_switched_off_is_refused(reader: Reader):
    for name in ("id.server.", "version.bind."):
        assert rcode(ask(Responder("ns1"), reader, query(name, "TXT", rdclass="CH"))) == "REFUSED"


def test_same_name_in_class_in_is_another_question(reader: Reader):
    assert rcode(ask(TOLD, reader, query("version.bind.", "TXT"))) == "REFUSED"
