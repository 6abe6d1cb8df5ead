"""Master files that people have, each with its right result: what RFCs, named and NSD make of them."""

from pathlib import Path

from dnsctl.load.zones import load_directory
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import from_text, to_text
from dnsctl.model.rrset import Type, rdata_text, type_text

ZONES = Path(__file__).parent / "zones"
ORIGIN = from_text("example.com.")
SERVERS = {"ns1.example.com.", "ns2.example.com."}

Rows = list[tuple[str, int, str, str]]


def load(case: str) -> tuple[Rows, list[Finding]]:
    """Return the records of a case without SOA, apex NS and name servers, sorted; and all findings."""
    loaded = load_directory(ZONES / case)
    zone = loaded.zones.get(ORIGIN) or loaded.partial[ORIGIN]
    rows = [
        (to_text(one.owner).removesuffix(".example.com."), one.ttl, type_text(one.rdtype), text)
        for one in zone.rrsets()
        if one.rdtype not in (Type.SOA, Type.NS) and to_text(one.owner) not in SERVERS
        for text in (rdata_text(one.rdtype, rdata) for rdata in one.rdatas)
    ]
    return sorted(rows), list(loaded.findings)


def clean(case: str) -> Rows:
    rows, findings = load(case)
    assert findings == []
    return rows


def warned(case: str, rule: str) -> tuple[Rows, str]:
    """Return the records of a case that has this one warning, and what it says."""
    rows, findings = load(case)
    assert [(each.rule, each.severity) for each in findings] == [(rule, Severity.WARNING)]
    return rows, str(findings[0])


def test_quoted_right_side_of_generate_is_read() -> None:
    assert clean("04-generate-quoted-rdata") == sorted(
        (f"host-{step}", 3600, kind, value)
        for step in (1, 2, 3)
        for kind, value in (("A", f"192.0.2.1{step}"), ("MX", "0 ."))
    )


def test_even_width_of_nibbles_ends_in_a_dot() -> None:
    assert [(owner, value) for owner, _, _, value in clean("07-generate-nibble-even-width")] == [
        ("0.1.r", "host16.example.net."),
        ("1.1.r", "host17.example.net."),
        ("1.q", "host1.example.net."),
        ("2.q", "host2.example.net."),
    ]


def test_class1_is_in() -> None:
    assert clean("08-class1") == [
        ("a", 3600, "A", "192.0.2.2"),
        ("b", 300, "A", "192.0.2.3"),
        ("c", 3600, "A", "192.0.2.4"),
    ]


def test_quotes_around_an_owner_are_not_part_of_it() -> None:
    assert clean("09-quoted-owner") == [("www", 3600, "A", "192.0.2.3")]


def test_latin1_octet_in_a_comment_does_no_harm() -> None:
    assert clean("12-latin1-comment") == [("www", 3600, "A", "192.0.2.3")]


def test_latin1_octet_in_a_text_is_that_octet_with_a_warning() -> None:
    rows, said = warned("13-latin1-txt", "text-not-utf8")
    assert rows == [("a", 3600, "TXT", r'"M\252nchen"')]
    assert "example.com.zone:7:1" in said


def test_ttl_that_is_taken_without_a_directive_is_told() -> None:
    rows, said = warned("30-no-ttl-directive", "ttl-missing")
    assert rows == [("www", 3600, "A", "192.0.2.1")]
    assert "3600 seconds are taken" in said
    assert "BIND takes the SOA minimum, 86400" in said


def test_no_break_space_is_called_by_its_name() -> None:
    rows, findings = load("33-nbsp")
    assert rows == []
    assert [(each.rule, str(each.position)) for each in findings] == [
        ("masterfile-syntax", "example.com.zone:7:4")
    ]
    assert "a no-break space" in findings[0].message
    assert findings[0].advice == "write a plain one"


def test_old_types_are_read_by_name() -> None:
    assert clean("25-obsolete-types") == [
        ("a", 3600, "MB", "mail.example.com."),
        ("b", 3600, "MG", "a.example.com."),
        ("c", 3600, "MR", "b.example.com."),
        ("d", 3600, "MINFO", "a.example.com. b.example.com."),
        ("mail", 3600, "A", "192.0.2.3"),
    ]


def test_groups_without_leading_zeros_are_read() -> None:
    assert clean("26-nid-l64-short") == [
        ("a", 3600, "L64", "10 2001:0db8:1140:0001"),
        ("b", 3600, "NID", "10 0014:4fff:ff20:ee64"),
    ]


def test_alias_with_parameters_loads_without_them_and_with_a_warning() -> None:
    loaded = load_directory(ZONES / "27-https-aliasmode-params")
    zone = loaded.zones[ORIGIN]
    found = zone.get(ORIGIN, Type.HTTPS)
    assert found is not None
    assert found.rdatas == (b"\0\0\3www\7example\3net\0",)
    assert [(each.rule, each.severity) for each in loaded.findings] == [
        ("svcb-alias-parameters", Severity.WARNING)
    ]


def test_altitudes_are_exact() -> None:
    rows = clean("29-loc-altitude")
    assert [value.split()[8] for _, _, _, value in rows] == ["1.13m", "-0.29m"]
