"""RFC 5001 §2: NSID."""

import dns.edns
import dns.message

from dnsctl.serve.respond import Responder
from tests.build import edns_option


def asked(server, responder, *options):
    query = dns.message.make_query("www.plain.test.", "A", use_edns=0, options=list(options))
    response = responder.respond(server.reader, query.to_wire(), stream=False)
    return dns.message.from_wire(response.wire).options


def test_section_2_2_identifier_is_told_where_asked_for(server):
    """A server that understands NSID tells its identifier, to those who ask only."""
    responder = Responder("ns1.dc1")
    (option,) = asked(server, responder, edns_option(3, b""))
    assert option.to_wire() == b"ns1.dc1"
    assert asked(server, responder) == ()


def test_section_2_1_without_identifier_nothing_is_told(server):
    """A server that is configured to be silent is."""
    assert asked(server, Responder(""), edns_option(3, b"")) == ()
