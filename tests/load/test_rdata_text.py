"""Our own parsers of rdata against dnspython's: both take the same text, and make the same wire of it."""

import string

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.errors import NameSyntaxError
from dnsctl.load.presentation import NameReader, RdataFault, domain_name, tokenize, ttl, type_code
from dnsctl.load.rdata_text import to_wire
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type, rdata_text

ORIGIN = from_text("example.com.")
DNSPYTHON_ORIGIN = dns.name.from_text("example.com.")

LABELS = st.text("abcXYZ019-_*", min_size=1, max_size=8)
NAMES = st.one_of(
    st.just("@"),
    st.just("."),
    st.builds(
        lambda labels, dot: ".".join(labels) + dot,
        st.lists(LABELS, min_size=1, max_size=4),
        st.sampled_from(["", "."]),
    ),
)
NUMBERS = st.integers(0, 70000).map(str)
SMALL = st.integers(0, 300).map(str)
HEXES = st.binary(min_size=0, max_size=34).map(bytes.hex)
QUOTED = st.text(string.ascii_letters + string.digits + " ;()$@.'", max_size=20).map(lambda text: f'"{text}"')
ESCAPED = st.sampled_from([r"a\"b", r"\065\066", r"a\;b", r"\\", r"x\ y"])
STRINGS = st.one_of(QUOTED, ESCAPED, st.text(string.ascii_letters + "=-:", min_size=1, max_size=9))
TYPES = st.sampled_from(["A", "MX", "TXT", "RRSIG", "TYPE1234", "HTTPS"])
MOMENTS = st.sampled_from(["20261121000000", "1795200000", "20261305000000", "0"])
KEYS = st.binary(min_size=1, max_size=40).map(lambda data: __import__("base64").b64encode(data).decode())
HASHES = st.one_of(
    st.text("0123456789abcdefghijklmnopqrstuvABCV", min_size=32, max_size=32),
    st.text("0123456789abcdefghijklmnopqrstuvwz_", min_size=30, max_size=33),
)


def line(*fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*fields).map(" ".join)


LINES = {
    "A": st.one_of(st.ip_addresses(v=4).map(str), st.text("0123456789.", max_size=12)),
    "AAAA": st.one_of(st.ip_addresses(v=6).map(str), st.text("0123456789abcdef:.", max_size=20)),
    "NS": NAMES,
    "CNAME": NAMES,
    "PTR": NAMES,
    "DNAME": NAMES,
    "MX": line(NUMBERS, NAMES),
    "SRV": line(NUMBERS, NUMBERS, NUMBERS, NAMES),
    "SOA": line(NAMES, NAMES, NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["1h", "2d3h", "60"]), NUMBERS),
    "TXT": st.lists(STRINGS, min_size=1, max_size=4).map(" ".join),
    "NSEC3": line(SMALL, SMALL, NUMBERS, st.one_of(st.just("-"), HEXES), HASHES, TYPES, TYPES),
    "SPF": st.lists(STRINGS, min_size=1, max_size=4).map(" ".join),
    "CAA": line(SMALL, st.sampled_from(["issue", "IODEF", "a1", "a-b"]), STRINGS),
    "TLSA": line(SMALL, SMALL, st.sampled_from("0123"), HEXES),
    "SMIMEA": line(SMALL, SMALL, st.sampled_from("0123"), HEXES),
    "SSHFP": line(SMALL, st.sampled_from("0123"), HEXES),
    "DS": line(NUMBERS, st.sampled_from(["13", "8", "RSASHA256"]), st.sampled_from("01234"), HEXES),
    "CDS": line(NUMBERS, SMALL, st.sampled_from("01234"), HEXES),
    "DNSKEY": line(NUMBERS, SMALL, SMALL, KEYS),
    "CDNSKEY": line(NUMBERS, SMALL, SMALL, KEYS),
    "NSEC": line(NAMES, TYPES, TYPES),
    "RRSIG": line(TYPES, SMALL, SMALL, NUMBERS, MOMENTS, MOMENTS, NUMBERS, NAMES, KEYS),
}


@settings(max_examples=60, deadline=None, derandomize=True)
@pytest.mark.parametrize("mnemonic", sorted(LINES))
@given(data=st.data())
def test_own_parser_agrees_with_dnspython(mnemonic: str, data: st.DataObject) -> None:
    text = data.draw(LINES[mnemonic])
    rdtype = dns.rdatatype.from_text(mnemonic)
    try:
        theirs = dns.rdata.from_text(
            dns.rdataclass.IN, rdtype, text, origin=DNSPYTHON_ORIGIN, relativize=False
        ).to_digestable(DNSPYTHON_ORIGIN)
    except (dns.exception.DNSException, ValueError):
        theirs = None
    try:
        ours = to_wire(int(rdtype), tokenize(text), NameReader(ORIGIN))
    except (RdataFault, NameSyntaxError):
        ours = None
    if ours is not None:
        rdata_text(int(rdtype), ours)  # decodes
    assert ours == theirs


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=st.text(max_size=60), rdtype=st.integers(1, 300))
def test_any_text_for_any_type_is_rdata_or_a_fault(text: str, rdtype: int) -> None:
    if type_code(f"TYPE{rdtype}") is None:
        return
    for absolute in (False, True):
        try:
            wire = to_wire(rdtype, tokenize(text), NameReader(ORIGIN, absolute=absolute))
        except (RdataFault, NameSyntaxError) as fault:
            assert str(fault)
        else:
            rdata_text(rdtype, wire)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.one_of(NAMES, st.text(max_size=70), st.text("a.\\0ü", max_size=12)))
def test_quick_names_are_the_models_names(text: str) -> None:
    try:
        expected = from_text(text, ORIGIN)
    except NameSyntaxError:
        expected = None
    try:
        found = domain_name(text, ORIGIN)
    except NameSyntaxError:
        found = None
    assert found == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("3600", 3600), ("1h30m", 5400), ("2W", 1209600), ("2147483647", 2147483647)],
)
def test_ttl_is_seconds_or_units(text: str, seconds: int) -> None:
    assert ttl(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "h", "1h30", "2147483648", "9" * 5000, "99999w", "１", "1 h"]
)
def test_what_is_no_ttl_is_none(text: str) -> None:
    assert ttl(text) is None


@pytest.mark.parametrize("text", ["A", "a", "TYPE65400", "type1", "HTTPS", "NSAP-PTR"])
def test_type_is_read_as_mnemonic_or_number(text: str) -> None:
    assert type_code(text)


@pytest.mark.parametrize(
    "text", ["", "AX", "TYPE0", "TYPE65535", "TYPE99999", "TYPE251", "ANY", "OPT", "TYPE", "NONE"]
)
def test_what_no_record_can_have_is_no_type(text: str) -> None:
    assert type_code(text) is None


def test_rdata_too_large_is_a_fault() -> None:
    with pytest.raises(RdataFault, match="at most 65535"):
        to_wire(Type.TXT, ["x" * 70000], NameReader(ORIGIN))
