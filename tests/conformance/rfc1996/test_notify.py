"""RFC 1996: NOTIFY is declined by a server that takes its zones from elsewhere, and says so."""

import dns.flags
import dns.message
import dns.opcode
import dns.rrset
import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from tests.conformance.asking import ask, rcode


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
