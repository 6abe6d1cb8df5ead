"""Values beyond what the RFC of their type allows or assigns."""

import pytest

from dnsctl.model.finding import Severity
from dnsctl.model.name import from_text
from dnsctl.model.rrset import rrset
from dnsctl.model.zone import Zone, nodes_of
from dnsctl.validate.run import validate
from tests.validate.scenes import errors, only, rules, zone

HASH = "AB" * 32
INVALID = [
    "a LOC 90 0 1 N 4 0 0 E 0m",
    "a LOC 4 0 0 N 180 0 0.001 W 0m",
    'a X25 "12a4"',
    'a X25 "123"',
    'a NAPTR 1 1 U "E2U+sip" "!^.*$" .',
    'a NAPTR 1 1 U "E2U+sip" "!^.*$!sip:x!g" .',
    'a NAPTR 1 1 U "E2U+sip" "1^.*$1sip:x1" .',
    "a CAA 0 abcdefghijklmnop x",
    "a SVCB 1 x.example.net. dohpath",
    "a HTTPS 1 . alpn=h2 dohpath=/dns-query",
    "a HTTPS 1 . key7=dns-query{?dns}",
    r"a HTTPS 1 . key7=/\255{?dns}",
]
UNUSUAL = [
    f"a SSHFP 9 1 {'AB' * 20}",
    "a SSHFP 1 9 AABB",
    f"_25._tcp TLSA 9 1 1 {HASH}",
    f"_25._tcp TLSA 3 9 1 {HASH}",
    f"_25._tcp TLSA 3 1 9 {HASH}",
    "a SMIMEA 9 1 0 AB",
    "a CAA 1 issue ca.example.net",
    "a CAA 0 issues ca.example.net",
    'a CAA 0 issue "https://ca.example.net"',
    'a CAA 0 issuewild "ca.example.net other.example.net"',
    'a NAPTR 1 1 "*" "" "" .',
    'a NAPTR 1 1 U "E2U+sip" "!^.*$!sip:x!" x.example.net.',
    'a ISDN "12x"',
    "a CERT 0 0 0 AAAA",
    "a CERT 256 0 0 AAAA",
    "a CSYNC 1 4 A",
    "a AFSDB 9 x.example.net.",
    "a IPSECKEY 1 1 9 192.0.2.1 AAAA",
    "a DHCID AAAA",
    'a URI 1 1 "www.example.net/"',
    "_x._tcp SRV 1 1 0 x.example.net.",
    "_x._tcp SRV 0 0 0 .\n_x._tcp SRV 0 0 1 x.example.net.",
    "a SVCB 1 . key65535=a",
    "a HTTPS 0 x.example.net.\na HTTPS 1 .",
    "a LP 10 a.example.com.",
    "a HTTPS 1 . alpn=http2",
    'a CAA 0 iodef "security@example.com"',
    'a CAA 0 issue "ca.example.net; account"',
    'a CAA 0 issue "ca.example.net; accounturl=https://ca.example.net/1"',
]
FINE = [
    "a LOC 90 0 0 N 180 0 0 W 0m",
    'a X25 "1234"',
    'a NAPTR 1 1 U "E2U+sip" "!^.*$!sip:x@example.net!i" .',
    r'a NAPTR 1 1 U "E2U+sip" "!^a\\\\!b$!sip:x!" .',
    'a NAPTR 1 1 S "SIP+D2U" "" _sip._udp.example.net.',
    f"a SSHFP 6 2 {HASH}\na SSHFP 4 1 {'AB' * 20}\na SSHFP 4 2 {HASH}",
    f"_25._tcp TLSA 3 1 1 {HASH}\n_25._tcp TLSA 255 255 255 AB",
    "a CAA 128 issue ca.example.net",
    'a CAA 0 issue "ca.example.net; accounturi=https://ca.example.net/1; validationmethods=dns-01"',
    "a HTTPS 1 . alpn=h2,h3,http/1.1",
    'a CAA 0 ISSUE ";"\na CAA 0 issuewild ""\na CAA 0 issuemail " ca.example.net ; account=1"',
    'a CAA 0 iodef "mailto:security@example.com"\na CAA 0 contactemail security@example.com',
    "a SVCB 1 x.example.net. dohpath=/dns-query{?dns}",
    "a SVCB 1 x.example.net. dohpath=/{?name,dns}",
    'a ISDN "150862028003217" "004"',
    "a CERT 1 0 0 AAAA\na CERT 253 0 0 AAAA",
    "a CSYNC 1 3 A NS",
    "a AFSDB 1 x.example.net.",
    "a IPSECKEY 1 1 2 192.0.2.1 AAAA",
    "a DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
    'a URI 1 1 "https://www.example.net/"',
    "_x._tcp SRV 0 0 0 .",
    "a HTTPS 0 x.example.net.",
    "a LP 10 l64.example.com.",
    "a APL 1:192.0.2.0/24 !2:2001:db8::/32",
]


@pytest.mark.parametrize("text", INVALID)
def test_value_without_a_meaning_is_an_error(text: str):
    assert errors(text) == {"value-invalid"}


@pytest.mark.parametrize("text", UNUSUAL)
def test_value_that_nobody_assigned_is_warned_of(text: str):
    assert rules(text) == {"value-unusual"}
    assert errors(text) == set()


@pytest.mark.parametrize("text", FINE)
def test_value_at_the_limit_is_fine(text: str):
    assert rules(text) == set()


@pytest.mark.parametrize(
    ("rdata", "told"),
    [
        ("00030802" + "aabb", "neither IPv4"),
        ("00012104" + "c0000200", "too long"),
        ("00010803" + "c00000", "zero octets"),
    ],
)
def test_address_prefix_lists_in_octets_are_judged(rdata: str, told: str):
    assert told in _of_wire(42, bytes.fromhex(rdata))


@pytest.mark.parametrize(
    ("rdata", "told"),
    [
        (bytes([1, 1, 4, 13]) + bytes(64), "protocol 4 is not 3"),
        (bytes([1, 1, 3, 13]) + bytes(63), "has 64 octets, this one 63"),
        (bytes([1, 1, 3, 15]) + bytes(33), "has 32 octets, this one 33"),
    ],
)
def test_keys_that_no_validator_takes_are_refused(rdata: bytes, told: str):
    assert told in _of_wire(48, rdata)


def test_location_in_octets_with_three_digits_of_size_is_refused():
    assert "two decimal digits" in _of_wire(29, bytes.fromhex("00a31616800000008000000000989680"))


def _of_wire(rdtype: int, rdata: bytes) -> str:
    made = zone("example.com.", "")
    found = rrset(from_text("a.example.com."), rdtype, 300, [rdata])
    odd = Zone(made.origin, nodes_of([*made.rrsets(), found]), made.file)
    [finding] = validate({odd.origin: odd}, lambda _: {}, lambda _: None).findings
    assert (finding.rule, finding.severity) == ("value-invalid", Severity.ERROR)
    return finding.message


def test_finding_names_owner_type_fault_and_source():
    finding = only("a CAA 1 issue ca.example.net\n", "value-unusual")
    assert finding.message == "a.example.com. CAA: flags 1: only 0 and 128 (critical) have a meaning"
    assert "RFC 8659 §4.1" in finding.advice


def test_tag_of_caa_that_is_misspelt_is_told_with_the_nearest_one():
    assert "did you mean issuewild?" in only("a CAA 0 isuewild ca.example.net\n", "value-unusual").advice
    assert "did you mean" not in only("a CAA 0 x ca.example.net\n", "value-unusual").advice
