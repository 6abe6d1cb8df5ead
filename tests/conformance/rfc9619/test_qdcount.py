"""RFC 9619: a query has one question; more, or none, is FORMERR (but see RFC 7873 §5.4)."""

import dns.flags
import dns.message
import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from tests.conformance.asking import octets

QUESTION = b"\3www\7example\3com\0\0\1\0\1"
OPT = b"\0\0\x29\4\xd0\0\0\0\0\0\0"


@pytest.mark.parametrize("questions", [0, 2, 3, 65535])
@pytest.mark.parametrize("edns", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_section_4_question_count_other_than_1_is_formerr(
    reader: Reader, questions: int, edns: bool, stream: bool
):
    counts = questions.to_bytes(2, "big") + bytes(5) + bytes((edns,))
    wire = b"id\0\0" + counts + QUESTION * min(questions, 3) + (OPT if edns else b"")
    response = octets(Responder(), reader, wire, stream=stream)
    message = dns.message.from_wire(response)
    assert message.rcode() == 1
    assert message.flags & dns.flags.QR
    assert not message.question
    assert not message.answer
    if questions < 4:  # more are not there
        assert (message.edns >= 0) is edns  # RFC 6891 §7: what came with EDNS is answered with it
