"""octoDNS's record syntax: real files load unchanged, and every fault is a finding with its place."""

import time
from datetime import date

import pytest

from dnsctl.load import yaml_nodes
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.zone_yaml import parse
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import from_text
from dnsctl.model.rrset import RRset, Type, rdata_text
from dnsctl.model.zone import Zone

ORIGIN = from_text("example.com.")
DEFAULTS = ZoneDefaults(
    ttl=1800,
    soa=from_text("ns1.example.net.") + from_text("hostmaster.example.net.") + bytes(20),
    ns=(from_text("ns2.example.net."), from_text("ns1.example.net.")),
)
TODAY = date(2026, 11, 21)


def load(text: str) -> tuple[Zone, list[Finding]]:
    zone, findings = parse(text.encode(), "zones/example.com.yaml", ORIGIN, DEFAULTS, today=TODAY)
    assert zone is not None
    return zone, list(findings)


def clean(text: str) -> Zone:
    zone, findings = load(text)
    assert findings == []
    return zone


def one(zone: Zone, owner: str, rdtype: int) -> RRset:
    found = zone.get(from_text(owner, ORIGIN), rdtype)
    assert found is not None
    return found


def texts(zone: Zone, owner: str, rdtype: int) -> list[str]:
    return [rdata_text(rdtype, rdata) for rdata in one(zone, owner, rdtype).rdatas]


def faults(text: str) -> list[tuple[str, Severity, int, int]]:
    _, findings = load(text)
    return [(each.rule, each.severity, each.position.line, each.position.column) for each in findings]


def test_record_and_list_of_records_are_both_read_with_their_places() -> None:
    zone = clean(
        "www:\n  type: A\n  ttl: 300\n  values:\n    - 192.0.2.2\n    - 192.0.2.1\n'':\n"
        "- type: AAAA\n  value: 2001:db8::1\n"
    )
    www = one(zone, "www", Type.A)
    assert (www.ttl, www.rdatas) == (300, (bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))))
    assert str(www.position) == "zones/example.com.yaml:5:7"
    assert one(zone, "@", Type.AAAA).ttl == 1800


def test_numbers_and_booleans_as_keys_are_names() -> None:
    keys = ("67", "44.74", "0", "1.2.3", "n", "08", "1e3", "'on'", "'3.10'", "2026-11-29")
    zone = clean("".join(f"{key}: {{type: A, value: 192.0.2.1}}\n" for key in keys))
    for owner in keys:
        assert texts(zone, owner.strip("'"), Type.A) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("key", "octodns"),
    [
        ("no", "false"),
        ("On", "true"),
        ("0x1A", "26"),
        ("1_0", "10"),
        ("3.10", "3.1"),
        ("010", "8"),
        ("~", "none"),
        ("12:30", "750"),
    ],
)
def test_key_that_is_another_name_to_octodns_is_served_as_written_and_told(key: str, octodns: str) -> None:
    zone, findings = load(f"x: {{type: A, value: 192.0.2.2}}\n{key}: {{type: A, value: 192.0.2.1}}\n")
    [found] = findings
    assert (found.rule, found.severity, found.position.line) == ("owner-not-text", Severity.WARNING, 2)
    assert f" as {octodns}," in found.message
    assert zone is not None
    assert texts(zone, key.lower(), Type.A) == ["192.0.2.1"]


def test_missing_soa_and_apex_ns_come_from_the_defaults() -> None:
    zone = clean("www: {type: A, value: 192.0.2.1}")
    assert one(zone, "@", Type.SOA).rdatas == (DEFAULTS.soa,)
    assert texts(zone, "@", Type.NS) == ["ns1.example.net.", "ns2.example.net."]
    assert str(one(zone, "@", Type.NS).position) == "dnsctl.yaml"


def test_soa_and_ns_of_the_file_win() -> None:
    zone = clean(
        "'':\n"
        "- {type: NS, values: [ns.example.com., ns.example.org.]}\n"
        "- type: SOA\n"
        "  value: {mname: ns.example.com., rname: admin.example.com., refresh: 1h, "
        "retry: 600, expire: 2w, minimum: 5m}\n"
        "ns: {type: A, value: 192.0.2.1}\n"
    )
    assert texts(zone, "@", Type.NS) == ["ns.example.com.", "ns.example.org."]
    assert texts(zone, "@", Type.SOA) == ["ns.example.com. admin.example.com. 1 3600 600 1209600 300"]


@pytest.mark.parametrize(
    ("rdtype", "mapping", "expected"),
    [
        ("MX", "{preference: 10, exchange: Mail.example.com.}", "10 mail.example.com."),
        ("MX", "{priority: 10, value: mail.example.com.}", "10 mail.example.com."),
        ("MX", "10 mail.example.com.", "10 mail.example.com."),
        ("MX", "{preference: 0, exchange: .}", "0 ."),
        ("SRV", "{priority: 1, weight: 2, port: 3, target: sip.example.com.}", "1 2 3 sip.example.com."),
        ("CAA", "{flags: 0, tag: issue, value: ca.example.net}", '0 issue "ca.example.net"'),
        ("CAA", "{tag: issuewild, value: ';'}", '0 issuewild ";"'),
        ("CAA", '0 issue "ca.example.net\\; a=b"', '0 issue "ca.example.net; a=b"'),
        (
            "DS",
            "{key_tag: 7, algorithm: 13, digest_type: 1, digest: " + "AB" * 20 + "}",
            "7 13 1 " + "ab" * 20,
        ),
        (
            "DS",
            "{flags: 7, protocol: 13, algorithm: 1, public_key: " + "AB" * 20 + "}",
            "7 13 1 " + "ab" * 20,
        ),
        ("SSHFP", "{algorithm: 4, fingerprint_type: 2, fingerprint: " + "ab" * 32 + "}", "4 2 " + "ab" * 32),
        (
            "TLSA",
            "{certificate_usage: 3, selector: 1, matching_type: 1, certificate_association_data: 'ab "
            + "cd" * 31
            + "'}",
            "3 1 1 ab" + "cd" * 31,
        ),
        (
            "NAPTR",
            "{order: 10, preference: 20, flags: U, service: E2U+sip, regexp: '!^(.*)$!sip:\\1@example.com!', "
            "replacement: .}",
            '10 20 "U" "E2U+sip" "!^(.*)$!sip:\\\\1@example.com!" .',
        ),
        (
            "URI",
            "{priority: 1, weight: 2, target: 'https://www.example.com/a?b=c'}",
            '1 2 "https://www.example.com/a?b=c"',
        ),
        (
            "LOC",
            "{lat_degrees: 31, lat_minutes: 58, lat_seconds: 52.1, lat_direction: S, long_degrees: 115, "
            "long_minutes: 49, long_seconds: 11.7, long_direction: E, altitude: 20, size: 10, "
            "precision_horz: 10, precision_vert: 2}",
            "31 58 52.100 S 115 49 11.700 E 20.00m 10.00m 10.00m 2.00m",
        ),
        (
            "HTTPS",
            "{svcpriority: 1, targetname: ., svcparams: {alpn: [h2, h3], port: 8443, no-default-alpn: , "
            "ipv4hint: 192.0.2.1, key65400: x y}}",
            '1 . alpn="h2,h3" no-default-alpn port="8443" ipv4hint="192.0.2.1" key65400="x y"',
        ),
        ("SVCB", "{svcpriority: 0, targetname: Foo.example.com.}", "0 Foo.example.com."),
        ("SVCB", '1 foo.example.com. alpn="h2,h3" port=53', '1 foo.example.com. alpn="h2,h3" port="53"'),
        ("OPENPGPKEY", "mQEN BFVH", "mQENBFVH"),
        ("SPF", "v=spf1 -all", '"v=spf1 -all"'),
        ("NS", "ns.example.org.", "ns.example.org."),
        ("PTR", "Host.example.org.", "host.example.org."),
        ("DNAME", "example.org.", "example.org."),
        ("HINFO", "PDP-11 UNIX", '"PDP-11" "UNIX"'),
        ("RP", "a.example.com. b.example.com.", "a.example.com. b.example.com."),
        ("TYPE65400", "\\# 4 0a000001", "\\# 4 0a000001"),
        ("A", "\\# 4 c0000201", "192.0.2.1"),
        ("aaaa", "2001:db8:0:0::1", "2001:db8::1"),
    ],
)
def test_type_is_read_by_octodns_field_names_and_as_text(rdtype: str, mapping: str, expected: str) -> None:
    value = mapping if mapping.startswith("{") else "'" + mapping.replace("'", "''") + "'"
    zone = clean(f"x:\n  type: {rdtype}\n  value: {value}\n")
    (found,) = zone.nodes[from_text("x", ORIGIN)]
    assert rdata_text(found.rdtype, found.rdatas[0]) == expected


@pytest.mark.parametrize(
    ("value", "strings"),
    [
        (r"v=DKIM1\; k=rsa\;p=abc", [b"v=DKIM1; k=rsa;p=abc"]),
        ("v=DMARC1; p=none", [b"v=DMARC1; p=none"]),
        ('\'"one" "two; three"\'', [b"one", b"two; three"]),
        (r"""'"v=DKIM1\; k=rsa"'""", [b"v=DKIM1; k=rsa"]),
        (r"""'"say \"hi\" \\ \065"'""", [b'say "hi" \\ A']),
        ('a\\b\\"c', [b'a\\b\\"c']),
        ("'say \"hi\"'", [b'say "hi"']),
        ("'00071672'", [b"00071672"]),
        ("1.10", [b"1.10"]),
        ("x" * 600, [b"x" * 255, b"x" * 255, b"x" * 90]),
        ("''", [b""]),
    ],
)
def test_txt_is_served_as_octodns_means_it(value: str, strings: list[bytes]) -> None:
    zone = clean(
        f"x: {{type: TXT, value: {value}}}"
        if "'" in value or len(value) > 99
        else f"x:\n  type: TXT\n  value: {value}\n"
    )
    wire = b"".join(bytes((len(string),)) + string for string in strings)
    assert one(zone, "x", Type.TXT).rdatas == (wire,)


def test_internationalised_owners_and_targets_become_a_labels() -> None:
    zone = clean(
        "müller:\n  type: CNAME\n  value: bücher.example.com.\n'*.straße': {type: A, value: 192.0.2.1}\n"
    )
    assert texts(zone, "xn--mller-kva", Type.CNAME) == ["xn--bcher-kva.example.com."]
    assert texts(zone, "*.xn--strae-oqa", Type.A) == ["192.0.2.1"]


def test_what_providers_do_is_told_and_the_rest_served() -> None:
    zone, findings = load(
        "'': {type: CloudProvider/ALIAS, value: host.example.net.}\n"
        "a:\n  octodns: {cloudflare: {proxied: true}}\n  type: A\n  value: 192.0.2.1\n"
        "b:\n  octodns: {lenient: true}\n  type: A\n  value: 192.0.2.1\n  geo: {EU: [192.0.2.9]}\n"
        "c: {type: URLFWD, values: [{path: /, target: 'https://example.com', code: 302}]}\n"
        "d: {type: CloudProvider/REDIRECT, value: x}\n"
        "e: {type: A, value: 192.0.2.1, dynamic: {pools: {}}}\n"
    )
    assert {(each.rule, each.severity, each.position.line) for each in findings} == {
        ("provider-type-not-served", Severity.WARNING, 1),
        ("octodns-block", Severity.NOTE, 3),
        ("provider-feature", Severity.WARNING, 3),
        ("provider-feature", Severity.WARNING, 10),
        ("urlfwd-not-served", Severity.WARNING, 11),
        ("provider-type-not-served", Severity.WARNING, 12),
        ("provider-feature", Severity.WARNING, 13),
    }
    said = {each.position.line: each.message for each in findings if each.rule != "octodns-block"}
    assert "1 record has" in next(each.message for each in findings if each.rule == "octodns-block")
    assert "'a' A: 192.0.2.1 becomes public, which cloudflare hid" in said[3]
    assert "'d' CloudProvider/REDIRECT is a type of octoDNS's CloudProvider" in said[12]
    assert "'e' A: `dynamic` means nothing here: its default value is served to all" in said[13]
    assert [texts(zone, owner, Type.A) for owner in "abe"] == [["192.0.2.1"]] * 3


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2036-12-31", []),
        ("2026-12-05", [("expires-soon", Severity.WARNING)]),
        ("2026-11-21", [("expires-soon", Severity.WARNING)]),
        ("2026-11-20", [("expires-passed", Severity.ERROR)]),
        ("soon", [("expires-syntax", Severity.ERROR)]),
        ("{at: 2026-11-21, then: remove}", []),
        ("{at: 2026-11-20, then: remove}", [("expires-removed", Severity.NOTE)]),
        ("{at: 2026-11-20, then: warn}", [("expires-syntax", Severity.ERROR)]),
        ("{at: 2026-11-20}", [("expires-syntax", Severity.ERROR)]),
        ("{at: soon, then: remove}", [("expires-syntax", Severity.ERROR)]),
        ("{at: 2026-11-20, then: remove, or: not}", [("expires-syntax", Severity.ERROR)]),
        ("[2026-11-20]", [("expires-syntax", Severity.ERROR)]),
    ],
)
def test_expiry_of_a_record_is_compared_with_the_given_day(
    day: str, expected: list[tuple[str, Severity]]
) -> None:
    found = faults(f"x: {{type: A, value: 192.0.2.1, owner: web team, reason: trial, expires: {day}}}")
    assert [each[:2] for each in found] == expected


def test_record_that_is_removed_at_its_end_is_not_in_the_zone_after_it() -> None:
    text = "x:\n- {type: A, value: 192.0.2.1, expires: {at: %s, then: remove}}\n- {type: TXT, value: stays}\n"
    assert texts(clean(text % TODAY), "x", Type.A) == ["192.0.2.1"]
    zone, findings = load(text % "2026-11-20")
    assert zone.get(from_text("x", ORIGIN), Type.A) is None
    assert texts(zone, "x", Type.TXT) == ['"stays"']
    assert [(each.rule, each.position.line) for each in findings] == [("expires-removed", 2)]


@pytest.mark.parametrize(
    ("text", "rule", "severity", "line", "column"),
    [
        ("www: {type: A, value: 192.0.2.300}", "rdata-syntax", Severity.ERROR, 1, 23),
        (
            "www:\n  type: AAAA\n  values: ['2001:db8::1', 'fe80::1%eth0']",
            "rdata-syntax",
            Severity.ERROR,
            3,
            27,
        ),
        ("www: {type: AAA, value: x}", "unknown-type", Severity.ERROR, 1, 13),
        ("www: {type: TYPE0, value: x}", "unknown-type", Severity.ERROR, 1, 13),
        ("www: {type: ANY, value: x}", "unknown-type", Severity.ERROR, 1, 13),
        ("www: {type: RRSIG, value: x}", "type-made-here", Severity.ERROR, 1, 13),
        ("www: {value: 192.0.2.1}", "type-missing", Severity.ERROR, 1, 6),
        ("www: {type: A}", "value-missing", Severity.ERROR, 1, 6),
        ("www: {type: A, values: []}", "value-missing", Severity.ERROR, 1, 6),
        ("www: {type: A, value: }", "value-missing", Severity.ERROR, 1, 6),
        ("www: {type: A, values: [192.0.2.1, null]}", "rdata-syntax", Severity.ERROR, 1, 36),
        ("www: {type: A, value: 192.0.2.1, ttl: soon}", "ttl-syntax", Severity.ERROR, 1, 39),
        ("www: {type: A, value: 192.0.2.1, ttl: 4294967296}", "ttl-syntax", Severity.ERROR, 1, 39),
        ("www: {type: A, value: 192.0.2.1, tll: 60}", "unknown-key", Severity.WARNING, 1, 34),
        (
            "www: {type: A, value: 192.0.2.1, values: [192.0.2.2]}",
            "value-and-values",
            Severity.WARNING,
            1,
            16,
        ),
        ("www: {type: A, type: AAAA, value: 192.0.2.1}", "key-repeated", Severity.ERROR, 1, 16),
        (
            "a: {type: A, value: 192.0.2.1}\na: {type: A, value: 192.0.2.2}",
            "owner-repeated",
            Severity.ERROR,
            2,
            1,
        ),
        ("www: {type: MX, value: {preference: x, exchange: a.}}", "rdata-syntax", Severity.ERROR, 1, 24),
        ("www: {type: MX, value: {preference: 10}}", "rdata-syntax", Severity.ERROR, 1, 24),
        ("www: {type: MX, value: {preference: 10, exchnge: a.}}", "rdata-syntax", Severity.ERROR, 1, 24),
        ("www: {type: MX, value: {preference: 65536, exchange: a.}}", "rdata-syntax", Severity.ERROR, 1, 24),
        ("www: {type: A, value: {a: b}}", "rdata-syntax", Severity.ERROR, 1, 23),
        ("www: {type: A, value: [[192.0.2.1]]}", "rdata-syntax", Severity.ERROR, 1, 24),
        ("www: {type: CNAME, value: mail.example.com}", "target-not-absolute", Severity.WARNING, 1, 27),
        ("www: {type: CNAME, value: 'a b.example.com.'}", "rdata-syntax", Severity.ERROR, 1, 27),
        ("www: {type: CNAME, value: a..b.}", "rdata-syntax", Severity.ERROR, 1, 27),
        ("www: {type: CNAME, value: " + "a" * 64 + ".example.com.}", "rdata-syntax", Severity.ERROR, 1, 27),
        ("www: {type: TXT, value: größe}", "txt-not-ascii", Severity.WARNING, 1, 25),
        ("www: {type: DS, value: 1 13 2 abcd}", "rdata-syntax", Severity.ERROR, 1, 24),
        ("www: {type: HTTPS, value: 1 . alpn=}", "rdata-syntax", Severity.ERROR, 1, 27),
        ("a..b: {type: A, value: 192.0.2.1}", "owner-syntax", Severity.ERROR, 1, 1),
        ("host.example.org.: {type: A, value: 192.0.2.1}", "owner-outside-zone", Severity.ERROR, 1, 37),
        ("www: text", "record-shape", Severity.ERROR, 1, 1),
        ("www: [text]", "record-shape", Severity.ERROR, 1, 7),
        ("www: !!python/object:os.system {type: A}", "yaml-tag", Severity.ERROR, 1, 6),
        ("www: *nothing", "yaml-alias", Severity.ERROR, 1, 6),
        ("www: {type: A, value: '\0'}", "yaml-syntax", Severity.ERROR, 1, 24),
        ("- www", "zone-shape", Severity.ERROR, 1, 1),
        ("{[a]: b}", "yaml-key", Severity.ERROR, 1, 2),
        ("a: 1\n---\nb: 2", "yaml-syntax", Severity.ERROR, 2, 1),
        ("[" * 100, "yaml-depth", Severity.ERROR, 1, 33),
    ],
)
def test_fault_is_a_finding_with_its_place(
    text: str, rule: str, severity: Severity, line: int, column: int
) -> None:
    _, findings = parse(text.encode(), "zones/example.com.yaml", ORIGIN, DEFAULTS, today=TODAY)
    assert [(each.rule, each.severity, each.position.line, each.position.column) for each in findings] == [
        (rule, severity, line, column)
    ]
    assert findings[0].message
    assert findings[0].advice
    assert findings[0].zone == ORIGIN


def test_all_faults_of_a_file_are_told_and_the_rest_is_read() -> None:
    zone, findings = load(
        "a: {type: A, values: [192.0.2.1, nonsense]}\nb: {type: AA, value: x}\nc: 5\n"
        "d: {type: A, value: 192.0.2.4}\n"
    )
    assert [each.rule for each in findings] == ["rdata-syntax", "unknown-type", "record-shape"]
    assert texts(zone, "a", Type.A) == ["192.0.2.1"]
    assert texts(zone, "d", Type.A) == ["192.0.2.4"]


def test_second_record_of_a_type_is_merged_with_the_lower_ttl() -> None:
    zone, findings = load(
        "a:\n- {type: A, value: 192.0.2.1, ttl: 600}\n"
        "- {type: A, value: 192.0.2.2, ttl: 60}\n- {type: A, value: 192.0.2.3, ttl: 60}\n"
    )
    assert [each.rule for each in findings] == ["rrset-repeated", "rrset-ttl-mix", "rrset-repeated"]
    assert (one(zone, "a", Type.A).ttl, len(one(zone, "a", Type.A).rdatas)) == (60, 3)


def test_nearest_type_key_and_field_are_named() -> None:
    _, findings = load(
        "a: {type: CNAM, value: x}\nb: {type: A, value: 192.0.2.1, raeson: x}\n"
        "c: {type: MX, value: {prefernce: 1, exchange: .}}\n"
    )
    advice = " ".join(each.advice for each in findings)
    for word in ("CNAME?", "reason?", "preference?"):
        assert f"did you mean {word}" in advice


def test_anchors_aliases_and_merge_keys_work() -> None:
    zone = clean(
        "a: &base {type: A, ttl: 60, values: &addresses [192.0.2.1, 192.0.2.2]}\n"
        "b: *base\n"
        "c: {<<: *base, ttl: 90}\n"
        "d: {type: A, values: *addresses}\n"
    )
    assert [one(zone, owner, Type.A).ttl for owner in "abcd"] == [60, 60, 90, 1800]
    assert len({one(zone, owner, Type.A).rdatas for owner in "abcd"}) == 1


def test_merge_key_counts_where_it_stands_as_in_octodns() -> None:
    zone, findings = load(
        "a: &a {type: TXT, ttl: 5, value: a}\n"
        "first: {<<: *a, ttl: 6}\n"
        "last: {ttl: 6, <<: *a}\n"
        "same: {ttl: 5, <<: *a}\n"
        "list: {<<: [{value: b}, *a]}\n"
        "twice:\n  <<: *a\n  <<: {ttl: 7}\n"
    )
    assert zone is not None
    assert [one(zone, name, Type.TXT).ttl for name in ("first", "last", "same", "list", "twice")] == [
        6,
        5,
        5,
        5,
        7,
    ]
    assert texts(zone, "list", Type.TXT) == ['"b"']
    [found] = findings
    assert (found.rule, found.severity, str(found.position)) == (
        "merge-replaces",
        Severity.WARNING,
        "zones/example.com.yaml:3:8",
    )


@pytest.mark.parametrize("again", ["{}: 2\n", "  {}: 2\n"], ids=["repeated", "in place of merged ones"])
def test_time_for_keys_that_come_again_grows_with_them_and_not_with_their_square(again: str) -> None:
    seconds = []
    for count in (3000, 24000):
        keys = [f"k{number}" for number in range(count)]
        first, rest = ("", "") if again[0] != " " else ("x: &x\n", "y:\n  <<: *x\n")
        text = first + "".join(map(again.format, keys)) + rest + "".join(map(again.format, keys))
        start = time.process_time()
        yaml_nodes.compose(text.encode())
        seconds.append(time.process_time() - start)
    assert seconds[1] < 8 * 4 * seconds[0]


def test_records_merged_from_aliases_are_not_repeated_keys_but_own_ones_are() -> None:
    _, findings = load("x: {<<: {ttl: 5}, ttl: 6, ttl: 7, type: A, value: 192.0.2.1}\n")
    assert [each.rule for each in findings] == ["key-repeated"]


def test_lenient_record_with_a_target_of_one_label_is_a_warning() -> None:
    zone, findings = load("a: {type: CNAME, value: localhost, octodns: {lenient: true}}\n")
    assert [(each.rule, each.severity) for each in findings] == [("target-not-absolute", Severity.WARNING)]
    assert zone is not None
    assert texts(zone, "a", Type.CNAME) == ["localhost."]


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("AzureProvider/ALIAS", "write `type: ALIAS`"),
        ("CloudflareProvider/URLFWD", "web server that redirects"),
        ("Ns1Provider/NEW", "write plain records"),
    ],
)
def test_type_of_a_provider_is_named_with_what_to_do(kind: str, advice: str) -> None:
    zone, findings = load(f"www: {{type: {kind}, value: x.example.net.}}\n")
    [found] = [each for each in findings if each.severity > Severity.NOTE]
    assert (found.rule, found.severity) == ("provider-type-not-served", Severity.WARNING)
    assert f"'www' {kind} is a type of octoDNS's {kind.partition('/')[0]}" in found.message
    assert advice in found.advice
    assert zone is not None
    assert zone.get(from_text("www.example.com."), Type.A) is None


@pytest.mark.parametrize(
    ("text", "config"),
    [
        (
            "manager: {max_workers: 2}\nproviders: {config: {class: x}}\nzones: {'*': {sources: [config]}}\n",
            True,
        ),
        ("providers: {config: {class: octodns.provider.yaml.YamlProvider, directory: ./config}}\n", True),
        ("zones:\n  example.com.: {sources: [config], targets: [route53]}\n", True),
        ("zones: {type: A, value: 192.0.2.1}\nproviders: {type: A, value: 192.0.2.1}\n", False),
        ("zones: {type: A, value: 192.0.2.1}\n", False),
        ("providers:\n- {type: A, value: 192.0.2.1}\n", False),
    ],
)
def test_configuration_of_octodns_is_known_by_its_sections(text: str, config: bool) -> None:
    zone, findings = parse(text.encode(), "zones/production.yaml", ORIGIN, DEFAULTS)
    assert [each.rule for each in findings] == (["octodns-config"] if config else [])
    assert (zone is None) is config


def test_file_that_is_included_many_times_is_read_once() -> None:
    asked: list[str] = []

    def include(name: str, within: str) -> tuple[str, bytes]:
        asked.append(name)
        return f"zones/{name}", b"{type: A, value: 192.0.2.1}\n"

    text = "".join(f"x{number}: !include part\n" for number in range(500))
    zone, findings = parse(text.encode(), "zones/example.com.yaml", ORIGIN, DEFAULTS, include=include)
    assert (findings, asked) == ((), ["part"])
    assert zone is not None
    assert len(zone.nodes) == 501


def test_billion_laughs_end_early() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]" for n in range(9)]
    _, findings = parse("\n".join(lines).encode(), "f", ORIGIN, DEFAULTS)
    assert [each.rule for each in findings] == ["yaml-alias"]


@pytest.mark.parametrize("text", [b"", b"---\n", b"# nothing\n", b"{}", b"null", b"\xef\xbb\xbf---\n{}\n"])
def test_empty_file_is_a_zone_of_defaults(text: bytes) -> None:
    zone, findings = parse(text, "zones/example.com.yaml", ORIGIN, DEFAULTS)
    assert findings == ()
    assert zone is not None
    assert [each.rdtype for each in zone.rrsets()] == [Type.NS, Type.SOA]


def test_bad_encoding_is_told_with_line_and_column() -> None:
    zone, findings = parse(b"a: {type: A}\nb\xe9: x\n", "f", ORIGIN, DEFAULTS)
    assert zone is None
    assert str(findings[0]) == "f:2:2: error [file-encoding] octet 0xe9 is not UTF-8; save the file as UTF-8"
