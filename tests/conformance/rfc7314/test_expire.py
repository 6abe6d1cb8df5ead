"""RFC 7314: EXPIRE tells a secondary how long the zone is good for."""

import dns.message
import dns.rrset
import pytest

from dnsctl.image.reader import Reader
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport import transfer
from tests.conformance.asking import ask, option, query, told

EXPIRE = 9
SOA_EXPIRE = (1209600).to_bytes(4, "big")


def test_section_4_primary_tells_the_expire_of_its_soa(reader: Reader):
    message = ask(Responder(), reader, query("example.com.", "SOA", option(EXPIRE)))
    assert told(message, EXPIRE) == SOA_EXPIRE


@pytest.mark.parametrize(
    ("name", "rdtype"), [("example.com.", "NS"), ("www.example.com.", "SOA"), ("example.org.", "SOA")]
)
def test_section_4_other_answers_have_none(reader: Reader, name: str, rdtype: str):
    assert told(ask(Responder(), reader, query(name, rdtype, option(EXPIRE))), EXPIRE) is None


def test_section_4_query_without_the_option_gets_none(reader: Reader):
    assert told(ask(Responder(), reader, query("example.com.", "SOA")), EXPIRE) is None


@pytest.mark.parametrize("rdtype", ["AXFR", "IXFR"])
def test_section_4_transfer_has_it_in_its_first_message(reader: Reader, rdtype: str):
    asked = query("example.com.", rdtype, option(EXPIRE))
    if rdtype == "IXFR":
        asked.authority.append(dns.rrset.from_text("example.com.", 0, "IN", "SOA", ". . 1 0 0 0 0"))
    first = dns.message.from_wire(next(transfer.messages(reader, asked.to_wire())), one_rr_per_rrset=True)
    assert told(first, EXPIRE) == SOA_EXPIRE
