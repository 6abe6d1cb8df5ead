"""Two decoders on one message: what both read alike is taken, everything else is refused, nothing escapes."""

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.errors import WireFormatError
from dnsctl.model.name import Name, from_text
from dnsctl.model.rrset import Type
from dnsctl.verify.decoders import Record, decode

RECORDS = {
    "A": "192.0.2.1",
    "NS": "ns.example.com.",
    "CNAME": "target.example.com.",
    "SOA": "ns.example.com. hostmaster.example.com. 1 2 3 4 5",
    "PTR": "host.example.com.",
    "MX": "10 mail.example.com.",
    "TXT": '"a" "" "caf\\195\\169"',
    "AAAA": "2001:db8::1",
    "LOC": "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
    "SRV": "0 5 5060 sip.example.com.",
    "NAPTR": '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .',
    "DNAME": "elsewhere.example.net.",
    "DS": "12345 13 2 " + "AB" * 32,
    "SSHFP": "1 1 " + "CD" * 20,
    "NSEC": "next.example.com. A RRSIG NSEC TYPE65400",
    "NSEC3": "1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A RRSIG",
    "NSEC3PARAM": "1 0 0 -",
    "TLSA": "3 1 1 " + "EF" * 32,
    "CAA": '0 issue "ca.example.net"',
    "SVCB": "1 svc.example.com. alpn=h2,h3 port=8443",
    "HTTPS": "1 . ipv4hint=192.0.2.1",
    "URI": '10 1 "https://www.example.com/"',
    "HINFO": '"cpu" "os"',
    "RP": "person.example.com. text.example.com.",
    "CERT": "PGP 0 0 AAAA",
    "TYPE65400": "\\# 3 ABCDEF",
    "TYPE65401": "\\# 0",
}


def response(*rrsets: dns.rrset.RRset, edns: bool = True) -> bytes:
    query = dns.message.make_query("www.example.com.", "A", want_dnssec=edns)
    answer = dns.message.make_response(query)
    if edns:
        answer.use_edns(0, 0x8000, 1232)
    answer.answer = list(rrsets)
    return answer.to_wire()


@pytest.mark.parametrize(("kind", "text"), RECORDS.items(), ids=RECORDS.keys())
def test_both_decoders_read_every_type_alike(kind, text):
    rrset = dns.rrset.from_text("www.example.com.", 300, "IN", kind, text)
    answer = decode(response(rrset))
    expected = Record(from_text("www.example.com."), int(rrset.rdtype), 1, 300, rrset[0].to_wire())
    assert (answer.answer, answer.decoders, answer.edns, answer.do) == ((expected,), 2, True, True)


def test_sections_rcode_and_flags_are_told_apart():
    message = dns.message.from_wire(response())
    message.flags |= 0x0400
    message.set_rcode(dns.rcode.BADVERS)  # the upper bits are in OPT
    message.authority.append(dns.rrset.from_text("Example.COM.", 60, "IN", "NS", "NS1.example.com."))
    answer = decode(message.to_wire())
    assert (answer.rcode, answer.authoritative, answer.truncated) == (16, True, False)
    assert answer.authority[0].owner == from_text("example.com.")
    assert answer.authority[0].rdata == b"\3NS1\7example\3com\0", "rdata keeps its case"


def test_label_that_dnslib_cannot_read_is_read_by_one():
    name = Name(b"\2\xc8\xff\7example\3com\0")
    wire = response()
    record = name + b"\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    end = 12 + len(b"\3www\7example\3com\0") + 4
    answer = decode(wire[:6] + b"\0\1" + wire[8:end] + record + wire[end:])
    assert (answer.answer[0].owner, answer.decoders) == (name, 1)


def test_nearest_signature_expiry_is_taken_from_all_sections():
    later, sooner = (f"A 13 3 300 2026120{day}000000 20261101000000 1 example.com. AAAA" for day in (9, 5))
    message = dns.message.from_wire(
        response(dns.rrset.from_text("www.example.com.", 300, "IN", "RRSIG", later))
    )
    message.authority.append(dns.rrset.from_text("example.com.", 300, "IN", "RRSIG", sooner))
    assert decode(message.to_wire()).expiry() == 1796428800


@pytest.mark.parametrize(
    "damage",
    [
        lambda wire: wire[:11],
        lambda wire: wire[:-1],
        lambda wire: wire + b"\0",
        lambda wire: wire[:2] + b"\0\0" + wire[4:],
        lambda wire: wire[:6] + b"\0\2" + wire[8:],
        lambda wire: wire.replace(b"\xc0\x0c", b"\xc0\xff", 1),
        lambda wire: wire[:10] + b"\0\2" + wire[12:] + b"\0\0\x29\x04\xd0\0\0\x80\0\0\0",
    ],
    ids=["header cut", "last octet lost", "octet too many", "a query", "count", "pointer", "two OPT"],
)
def test_malformed_response_is_refused(damage):
    wire = response(dns.rrset.from_text("www.example.com.", 300, "IN", "A", "192.0.2.1"))
    with pytest.raises(WireFormatError):
        decode(damage(wire))


def test_compressed_name_where_compression_is_forbidden_is_refused():
    """RFC 3597 §4: an SRV target must not be compressed; one decoder alone might be lenient."""
    wire = response(dns.rrset.from_text("www.example.com.", 300, "IN", "TYPE65400", "\\# 8 00000005138CC00C"))
    wire = wire.replace((65400).to_bytes(2, "big"), (33).to_bytes(2, "big"))
    with pytest.raises(WireFormatError):
        decode(wire)


@given(data=st.data())
def test_any_octets_are_decoded_or_refused(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(RECORDS)), max_size=3, unique=True))
    wire = bytearray(
        response(*(dns.rrset.from_text("www.example.com.", 300, "IN", kind, RECORDS[kind]) for kind in kinds))
    )
    for _ in range(data.draw(st.integers(0, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        answer = decode(bytes(wire))
    except WireFormatError:
        return
    assert all(one.rdtype != Type.OPT for one in answer.additional)
