"""No value of a YAML file changes on the way without a finding, and what is not read is named."""

import pytest

from dnsctl.load import yaml_nodes
from dnsctl.load.zone_yaml import parse
from dnsctl.model.finding import Severity
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type, rdata_text
from tests.load.test_zone_yaml import DEFAULTS, ORIGIN, clean, load, one, texts


def value_of(rdtype: str, value: str) -> str:
    """Return the only value of a record as served, where nothing is found."""
    zone = clean(f"x:\n  type: {rdtype}\n  value: {value}\n")
    (found,) = zone.nodes[from_text("x", ORIGIN)]
    return rdata_text(found.rdtype, found.rdatas[0])


def found_in(text: str) -> list[tuple[str, Severity]]:
    return [(each.rule, each.severity) for each in load(text)[1]]


@pytest.mark.parametrize(
    ("rdtype", "before", "digits", "after"),
    [
        ("OPENPGPKEY", "", ["AQID", "BAUG"], ""),
        ("DHCID", "", ["AQID", "BAUG"], ""),
        ("DNSKEY", "257 3 13 ", ["AQID", "BAUG"], ""),
        ("CDNSKEY", "257 3 13 ", ["AQID", "BAUG"], ""),
        ("KEY", "512 3 13 ", ["AQID", "BAUG"], ""),
        ("CERT", "1 2 3 ", ["AQID", "BAUG"], ""),
        ("DS", "7 13 1 ", ["ab" * 10, "cd" * 10], ""),
        ("CDS", "7 13 1 ", ["ab" * 10, "cd" * 10], ""),
        ("TLSA", "3 1 1 ", ["ab" * 16, "cd" * 16], ""),
        ("SMIMEA", "3 1 1 ", ["ab" * 16, "cd" * 16], ""),
        ("SSHFP", "1 1 ", ["ab" * 10, "cd" * 10], ""),
    ],
)
def test_white_space_and_line_breaks_in_base64_and_hex_mean_nothing(
    rdtype: str, before: str, digits: list[str], after: str
) -> None:
    whole = value_of(rdtype, f"'{before}{''.join(digits)}{after}'")
    assert "".join(digits) in whole or rdtype in ("DNSKEY", "CDNSKEY", "KEY", "CERT")
    assert value_of(rdtype, f"'{before}{' '.join(digits)}{after}'") == whole
    assert value_of(rdtype, f'"{before}{chr(92)}t{(chr(92) + "n").join(digits)}{after}"') == whole
    for style in ("|", ">", "|+", ">-"):
        assert value_of(rdtype, f"{style}\n    {before}{digits[0]}\n    {digits[1]}\n") == whole


@pytest.mark.parametrize(
    ("rdtype", "field", "others", "length"),
    [
        (
            "TLSA",
            "certificate_association_data",
            "certificate_usage: 3, selector: 1, matching_type: 1",
            32,
        ),
        ("DS", "digest", "key_tag: 7, algorithm: 13, digest_type: 2", 32),
        ("SSHFP", "fingerprint", "algorithm: 4, fingerprint_type: 2", 32),
    ],
)
def test_white_space_in_a_field_of_digits_means_nothing_and_colons_are_told(
    rdtype: str, field: str, others: str, length: int
) -> None:
    digits = [f"{octet:02x}" for octet in range(length)]
    whole = value_of(rdtype, f"{{{others}, {field}: '{''.join(digits)}'}}")
    assert value_of(rdtype, f'{{{others}, {field}: "{" ".join(digits)}{chr(92)}n"}}') == whole
    _, findings = load(f"x: {{type: {rdtype}, value: {{{others}, {field}: '{':'.join(digits)}'}}}}")
    assert [each.advice for each in findings] == ["remove the colons"]


@pytest.mark.parametrize("value", ["AQ!D", "AQ==BAUG", "AQI", "AQI=D"])
@pytest.mark.parametrize("before", ["OPENPGPKEY, value: '", "DHCID, value: '", "CERT, value: '1 2 3 "])
def test_base64_that_would_lose_something_is_refused(before: str, value: str) -> None:
    assert found_in(f"x: {{type: {before}{value}'}}") == [("rdata-syntax", Severity.ERROR)]


@pytest.mark.parametrize(
    ("rdtype", "value"),
    [
        ("MX", "10 mail.example.com. ; primary"),
        ("MX", "10 a; b"),
        ("CNAME", "www.example.com.;"),
        ("CAA", "0 issue ca.example.net; policy=ev"),
        ("CAA", "0 issue ca.example.net;policy=ev"),
        ("HINFO", "PC a;b"),
        ("NAPTR", '10 20 "U" "E2U+sip" !^.*$!sip:a;b@example.com! .'),
        ("URI", "10 1 https://example.com/a;b"),
        ("HTTPS", "1 . alpn=h2 ; port=443"),
        ("SPF", '"v=spf1" ; -all'),
        ("AVC", "a; b"),
        ("TYPE65400", "\\# 1 00 ; 11"),
    ],
)
def test_comment_in_a_value_is_an_error_and_not_cut(rdtype: str, value: str) -> None:
    quoted = value.replace("'", "''")
    assert found_in(f"x: {{type: {rdtype}, value: '{quoted}'}}")[-1] == ("rdata-syntax", Severity.ERROR)


def test_semicolons_of_text_stay() -> None:
    assert value_of("TXT", r"v=DKIM1\; p=abc; t=s") == '"v=DKIM1; p=abc; t=s"'
    assert value_of("SPF", "v=spf1; -all") == '"v=spf1; -all"'
    assert (
        value_of("CAA", """'0 issue "ca.example.net; policy=ev"'""") == '0 issue "ca.example.net; policy=ev"'
    )
    assert value_of("CAA", "{tag: issue, value: 'ca.example.net; a=b'}") == '0 issue "ca.example.net; a=b"'
    assert value_of("HINFO", r"PC a\;b") == '"PC" "a;b"'


@pytest.mark.parametrize(
    "record",
    [
        """TXT, value: '"a" b'""",
        """TXT, value: '"a" "b" c'""",
        """TXT, value: '"a"b'""",
        """TXT, value: '"a""b"'""",
        """TXT, value: '"a'""",
        r"""TXT, value: '"a\"'""",
        """TXT, value: 'a" "b'""",
        """SPF, value: '"v=spf1" -all'""",
        """HINFO, value: '"PC"x Linux'""",
        """HINFO, value: '"PC" "Linux" more'""",
        """X25, value: '"311" 06'""",
        """ISDN, value: '"1" "2" 3'""",
        """CAA, value: '0 issue "ca.example.net"x'""",
        """CAA, value: '0 issue "ca.example.net" x'""",
        """CAA, value: {tag: issue, value: '"ca.example.net" x'}""",
        """URI, value: '10 1 "https://example.com/"x'""",
        """URI, value: {priority: 1, weight: 1, target: '"https://example.com/" x'}""",
        """NAPTR, value: '10 20 "U"x "E2U+sip" "" .'""",
        """HTTPS, value: {svcpriority: 1, targetname: ., svcparams: {alpn: '"h2" h3'}}""",
        """CNAME, value: '"www.example.com."'""",
        """MX, value: '10 "mail.example.com."'""",
        """MX, value: {preference: 10, exchange: '"mail.example.com."'}""",
        """MX, value: '10 (mail.example.com.)'""",
    ],
)
def test_quotes_that_do_not_hold_all_are_an_error(record: str) -> None:
    assert found_in(f"x: {{type: {record}}}") == [("rdata-syntax", Severity.ERROR)]


def test_quote_in_an_owner_is_an_error() -> None:
    assert found_in("""'"www"': {type: A, value: 192.0.2.1}""") == [("owner-syntax", Severity.ERROR)]


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        ("CNAME, value: www", "www"),
        ("DNAME, value: www", "www"),
        ("PTR, value: www", "www"),
        ("NS, values: [ns1]", "ns1"),
        ("MX, value: {preference: 10, exchange: mail}", "mail"),
        ("MX, value: 10 mail", "mail"),
        ("SRV, value: {priority: 0, weight: 0, port: 1, target: host}", "host"),
        ("SVCB, value: {svcpriority: 1, targetname: www}", "www"),
        ("HTTPS, value: 1 www", "www"),
        ("NAPTR, value: {order: 1, preference: 1, replacement: sip}", "sip"),
        ("AFSDB, value: 1 afs", "afs"),
        ("RP, value: a. www", "www"),
    ],
)
def test_target_of_one_label_without_a_dot_is_an_error(record: str, shown: str) -> None:
    _, findings = load(f"x: {{type: {record}}}")
    assert [(each.rule, each.severity) for each in findings] == [("target-one-label", Severity.ERROR)]
    assert f"write {shown}.example.com." in findings[0].advice


@pytest.mark.parametrize("target", ["www.", ".", "'@'"])
def test_target_that_ends_in_a_dot_may_be_of_one_label(target: str) -> None:
    clean(f"x: {{type: CNAME, value: {target}}}")


def test_target_of_several_labels_without_a_dot_is_a_warning() -> None:
    zone, findings = load("x: {type: SVCB, value: 1 www.example.net alpn=h2}\n")
    assert [(each.rule, each.severity) for each in findings] == [("target-not-absolute", Severity.WARNING)]
    assert "'www.example.net' does not end" in findings[0].message
    assert texts(zone, "x", 64) == ['1 www.example.net. alpn="h2"']


@pytest.mark.parametrize(
    ("text", "octal"),
    [
        ("x: {type: MX, value: {preference: 010, exchange: a.}}", "8"),
        ("x: {type: SRV, value: {priority: 1, weight: 1, port: 0443, target: a.}}", "291"),
        ("x: {type: A, ttl: 0600, value: 192.0.2.1}", "384"),
    ],
)
def test_number_that_yaml_reads_as_octal_is_an_error(text: str, octal: str) -> None:
    _, findings = load(text)
    assert [each.severity for each in findings] == [Severity.ERROR]
    assert octal in findings[0].message


@pytest.mark.parametrize(
    ("block", "rule", "severity", "served"),
    [
        ("ignored: true", "octodns-ignored", Severity.NOTE, False),
        ("ignored: yes", "octodns-ignored", Severity.NOTE, False),
        ("included: [route53]", "octodns-included", Severity.WARNING, False),
        ("excluded: [route53]", "octodns-excluded", Severity.WARNING, True),
        ("included: [route53, dnsctl]", None, None, True),
        ("included: dnsctl", None, None, True),
        ("excluded: [dnsctl]", "octodns-ignored", Severity.NOTE, False),
        ("included: [dnsctl], excluded: [dnsctl]", "octodns-ignored", Severity.NOTE, False),
        ("cloudflare: {proxied: true}", "provider-feature", Severity.WARNING, True),
        ("ignored: false", None, None, True),
        ("included: []", None, None, True),
        ("excluded: []", None, None, True),
    ],
)
def test_octodns_block_that_says_who_publishes_is_heeded_also_in_a_list(
    block: str, rule: str | None, severity: Severity | None, served: bool
) -> None:
    zone, findings = load(
        f"x:\n- {{type: AAAA, value: '2001:db8::1'}}\n- type: A\n  octodns: {{{block}}}\n  value: 192.0.2.1\n"
    )
    told = [(each.rule, each.severity) for each in findings if each.rule != "octodns-block"]
    assert told == ([(rule, severity)] if rule else [])
    assert (zone.get(from_text("x", ORIGIN), Type.A) is not None) is served
    assert texts(zone, "x", Type.AAAA) == ["2001:db8::1"]


def test_octodns_configuration_is_told_and_is_not_a_zone() -> None:
    text = "manager: {max_workers: 2}\nproviders:\n  config: {class: x}\nzones:\n  example.com.: {}\n"
    with pytest.raises(AssertionError):  # no zone at all
        load(text)
    zone = clean("providers: {type: A, value: 192.0.2.1}\nzones: {type: A, value: 192.0.2.2}\n")
    assert texts(zone, "providers", Type.A) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("|\n    one\n    two\n", "txt-control-character"),
        ("|\n    v=spf1 -all\n", "txt-control-character"),
        (r"'v=DKIM1\\; p=abc'", "txt-escape-twice"),
        ("größe", "txt-not-ascii"),
    ],
)
def test_text_that_is_hardly_meant_is_served_with_a_warning(value: str, rule: str) -> None:
    zone, findings = load(f"x:\n  type: TXT\n  value: {value}\n")
    assert [(each.rule, each.severity) for each in findings] == [(rule, Severity.WARNING)]
    assert one(zone, "x", Type.TXT)


def test_field_under_two_names_is_told() -> None:
    zone, findings = load("x: {type: MX, value: {preference: 10, priority: 20, exchange: a.}}")
    assert [(each.rule, each.severity) for each in findings] == [("unknown-key", Severity.WARNING)]
    assert texts(zone, "x", Type.MX) == ["10 a."]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "x: {type: SVCB, value: {svcpriority: 1, targetname: ., svcparams: {port: 1, port: 2}}}",
            "rdata-syntax",
        ),
        ("x: {<<: [{type: A}, text], value: 192.0.2.1}", "yaml-key"),
        ("x: {<<: text, type: A, value: 192.0.2.1}", "yaml-key"),
        ("x: {type: TXT, value: 'a\u0085b'}", "yaml-syntax"),
        ("x: {type: TXT, value: a} # \u2028y: {type: TXT, value: b}", "yaml-syntax"),
        ("x: {type: IPSECKEY, value: '10 3 2 @ AQID'}", "rdata-syntax"),
    ],
)
def test_what_would_be_dropped_is_an_error(text: str, rule: str) -> None:
    _, findings = parse(text.encode(), "f", ORIGIN, DEFAULTS)
    assert [(each.rule, each.severity) for each in findings] == [(rule, Severity.ERROR)]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a:\n  type: TXT\n  value: 'begins\nb: {type: TXT, value: 'x'}\n", 3, 10),
        ('a:\n  type: TXT\n  value: "begins\nb:\n  type: TXT\n  value: "x"\n', 3, 10),
        ('a:\n  type: TXT\n  value: "begins\nb: 1\n', 3, 10),
    ],
)
def test_open_quote_is_told_where_it_begins(text: str, line: int, column: int) -> None:
    with pytest.raises(yaml_nodes.YamlFault) as caught:
        yaml_nodes.compose(text.encode())
    assert (caught.value.line, caught.value.column) == (line, column)


def test_open_bracket_is_told_with_where_it_begins() -> None:
    with pytest.raises(yaml_nodes.YamlFault, match="begins at line 1, column 4"):
        yaml_nodes.compose(b"a: {type: A, value: 192.0.2.1\nb: {type: A}\n")


def test_owner_with_an_empty_list_is_told() -> None:
    zone, findings = load("gone: []\nwww: {type: A, value: 192.0.2.1}\n")
    assert zone is not None
    assert from_text("www", ORIGIN) in zone.nodes
    assert [(each.rule, each.severity, each.position.line) for each in findings] == [
        ("owner-empty", Severity.WARNING, 1)
    ]


@pytest.mark.parametrize(
    ("rdtype", "value"),
    [
        ("CAA", "{tag: issue, value: LINE}"),
        ("URI", "{priority: 1, weight: 1, target: LINE}"),
        ("NAPTR", "{order: 1, preference: 1, regexp: LINE, replacement: .}"),
        ("CAA", """'0 issue "ca.example.net\n\n"'"""),
        ("HINFO", """'"one\n\n" two'"""),
    ],
)
def test_line_break_in_any_text_is_told(rdtype: str, value: str) -> None:
    value = value.replace("LINE", '"ca.example.net\\n"')
    assert found_in(f"x: {{type: {rdtype}, value: {value}}}\n") == [
        ("txt-control-character", Severity.WARNING)
    ]


def test_line_break_of_a_block_in_a_field_is_told_where_it_stands() -> None:
    text = "x:\n  type: CAA\n  value:\n    tag: issue\n    value: |\n      ca.example.net\n"
    (finding,) = load(text)[1]
    assert (finding.rule, finding.position.line) == ("txt-control-character", 5)
    assert "with >- in place of |" in finding.advice


@pytest.mark.parametrize("rdtype", ["TXT", "SPF", "CAA"])
def test_generic_form_of_texts_is_read(rdtype: str) -> None:
    octets = {"CAA": "000569737375653b"}.get(rdtype, "0268690179")
    served = {"CAA": '0 issue ";"'}.get(rdtype, '"hi" "y"')
    assert value_of(rdtype, rf"'\# {len(octets) // 2} {octets}'") == served
