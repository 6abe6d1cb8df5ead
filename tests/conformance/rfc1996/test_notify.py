"""RFC 1996: NOTIFY is declined by a server that takes its zones from elsewhere, and says so."""

import dns.flags
import dns.message
import dns.opcode
import dns.rdatatype
import dns.rrset
import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ask, query, rcode
from tests.conformance.conftest import SERIAL


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("example.com.", "REFUSED"),
        ("ExAmPlE.CoM.", "REFUSED"),
        ("www.example.com.", "NOTAUTH"),
        ("org.", "NOTAUTH"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_section_3_7_declined_with_opcode_and_question(
    reader: Reader, name: str, expected: str, stream: bool
):
    asked = dns.message.make_query(name, "SOA")
    asked.flags = 0
    asked.set_opcode(dns.opcode.NOTIFY)
    asked.answer.append(dns.rrset.from_text(name, 0, "IN", "SOA", ". . 7 0 0 0 0"))  # a hint, §3.7
    message = ask(Responder(), reader, asked, stream=stream)
    assert (rcode(message), message.opcode(), message.id) == (expected, dns.opcode.NOTIFY, asked.id)
    assert message.question[0].name.to_text() == name
    assert not message.answer
    assert message.flags & dns.flags.QR


@pytest.mark.parametrize("rdtype", ["SOA", "A", "NS", "ANY", "TYPE65280", "AXFR", "IXFR"])
@pytest.mark.parametrize("stream", [False, True])
def test_section_3_9_qtype_makes_no_difference(reader: Reader, rdtype: str, stream: bool):
    """A change of SOA is what NOTIFY is defined for; of other types it is declined alike"""
    asked = dns.message.make_query("example.com.", rdtype, use_edns=0)
    asked.set_opcode(dns.opcode.NOTIFY)
    message = ask(Responder(), reader, asked, stream=stream)
    assert (rcode(message), message.opcode(), message.edns) == ("REFUSED", dns.opcode.NOTIFY, 0)
    assert message.question[0].rdtype == dns.rdatatype.from_text(rdtype)


def test_section_3_8_hint_changes_nothing(reader: Reader):
    """The answer section of a NOTIFY is never used to update data"""
    responder = Responder()
    asked = dns.message.make_query("example.com.", "SOA")
    asked.set_opcode(dns.opcode.NOTIFY)
    asked.answer.append(dns.rrset.from_text("example.com.", 0, "IN", "SOA", f". . {SERIAL + 1} 0 0 0 0"))
    assert rcode(ask(responder, reader, asked)) == "REFUSED"
    assert ask(responder, reader, query("example.com.", "SOA")).answer[0][0].serial == SERIAL


@pytest.mark.parametrize("questions", [0, 2])
def test_section_3_7_without_one_question_is_formerr(reader: Reader, questions: int):
    asked = dns.message.make_query("example.com.", "SOA")
    asked.set_opcode(dns.opcode.NOTIFY)
    asked.question *= questions
    message = ask(Responder(), reader, asked)
    assert (rcode(message), message.opcode()) == ("FORMERR", dns.opcode.NOTIFY)
