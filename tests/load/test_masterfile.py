"""Master files: everything RFC 1035 §5.1 allows, checked against dnspython, and every fault a finding."""

import dns.rdatatype
import dns.zone
import pytest

from dnsctl.errors import RevisionError
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.masterfile import parse
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import Name, from_text, from_wire
from dnsctl.model.rrset import RRset, Type, rdata_text, type_text
from dnsctl.model.zone import Zone

ORIGIN = from_text("example.com.")
DEFAULTS = ZoneDefaults(ttl=1800)
FILE = "zones/example.com.zone"

FULL = r"""
$TTL 1h ; comment
@ IN SOA ns1 hostmaster ( 2026112101 ; serial
        2h 30m ) 14d ( 5m )
        NS      ns1
  IN NS ns2.example.net.
ns1     A       192.0.2.1
        300 IN AAAA 2001:db8::1
        IN 300 TXT  "a b;c" d\;e "f\"g" "\195\164" unquoted
mail    1d2h A  192.0.2.3
WWW     CNAME   Example.NET.
x.y\.z  MX      10 Mail
_sip._tcp SRV   1 2 5060 sip
@       CAA     0 issue "ca.example.net; a=b"
t       TLSA    3 1 1 ( 0000000000000000000000000000000000
                        000000000000000000000000000000 )
key     DNSKEY  257 3 13 ( GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb
                           krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA== )
loc     LOC     52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
svc     HTTPS   1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.1
svc2    SVCB    0 Target.Example.
naptr   NAPTR   100 10 "U" "E2U+sip" "!^.*$!sip:info@example.com!" .
$ORIGIN Sub.example.com.
@       A       192.0.2.9
w       DS      60485 5 1 ( 2BB183AF5F22588179A53B0A98631FAD1A292118 )
u       TYPE65400 \# 4 0a 00 00 01
r       RP      admin txt
$TTL 60
z       A       192.0.2.10
h       HINFO   "PDP 11" UNIX
n       NSEC    W.example.com. A MX TYPE1234
"""


def load(text: str, include: dict[str, str] | None = None) -> tuple[Zone, list[Finding]]:
    def read(path: str) -> bytes:
        try:
            return (include or {})[path].encode()
        except KeyError:
            raise RevisionError("is not there", where=path, advice="add it") from None

    zone, findings = parse(text.encode(), FILE, ORIGIN, DEFAULTS, read)
    assert zone is not None
    return zone, list(findings)


def clean(text: str, include: dict[str, str] | None = None) -> Zone:
    zone, findings = load(text, include)
    assert findings == []
    return zone


def one(zone: Zone, owner: str, rdtype: int) -> RRset:
    found = zone.get(from_text(owner, ORIGIN), rdtype)
    assert found is not None
    return found


def by_dnspython(text: str) -> dict[tuple[Name, int], tuple[int, list[bytes]]]:
    parsed = dns.zone.from_text(text, "example.com.", relativize=False, check_origin=False)
    origin = parsed.origin
    assert origin is not None
    return {
        (from_wire(name.to_wire()), int(found.rdtype)): (
            found.ttl,
            sorted(each.to_digestable(origin) for each in found),
        )
        for name, found in parsed.iterate_rdatasets()
    }


def test_every_form_of_entry_is_read_as_dnspython_reads_it() -> None:
    ours = {(each.owner, each.rdtype): (each.ttl, list(each.rdatas)) for each in clean(FULL).rrsets()}
    assert ours == by_dnspython(FULL)


def test_position_is_where_the_entry_begins() -> None:
    zone = clean(FULL)
    assert str(one(zone, "ns1", Type.A).position) == f"{FILE}:7:1"
    assert str(one(zone, "ns1", Type.AAAA).position) == f"{FILE}:8:9"
    assert str(one(zone, "@", Type.NS).position) == f"{FILE}:5:9"
    assert str(one(zone, "t", 52).position) == f"{FILE}:15:1"


def test_ttl_is_the_records_then_the_directives_then_the_last_then_the_default() -> None:
    zone = clean("a A 192.0.2.1\nb 300 A 192.0.2.1\nc A 192.0.2.1\n$TTL 60\nd A 192.0.2.1\n")
    assert [one(zone, owner, Type.A).ttl for owner in "abcd"] == [1800, 300, 300, 60]


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    data = b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode()
    zone, findings = parse(data, FILE, ORIGIN, DEFAULTS)
    assert findings == ()
    assert zone is not None
    assert list(zone.rrsets()) == list(clean(FULL).rrsets())


@pytest.mark.parametrize(
    ("line", "rule", "column"),
    [
        ("a A 192.0.2.256", "rdata-syntax", 1),
        ("a A", "rdata-syntax", 1),
        ("a A 192.0.2.1 192.0.2.2", "rdata-syntax", 1),
        ("a AAA 192.0.2.1", "unknown-type", 1),
        ("a", "masterfile-syntax", 1),
        ("a 300 IN", "masterfile-syntax", 1),
        ("a CH A 192.0.2.1", "class-not-in", 1),
        ("a 99999999999 A 192.0.2.1", "ttl-syntax", 1),
        ("a..b A 192.0.2.1", "owner-syntax", 1),
        ('a TXT "left open', "masterfile-syntax", 7),
        ("a TXT ends\\", "masterfile-syntax", 11),
        ("a ) A 192.0.2.1", "masterfile-syntax", 3),
        ("a TXT \x07", "masterfile-syntax", 7),
        ("a TXT \xa0", "masterfile-syntax", 7),
        ("a TXT \\256", "rdata-syntax", 1),
        ("a MX mail 10", "rdata-syntax", 1),
        ("a MX 10 m..x", "rdata-syntax", 1),
        ("a ANY x", "class-not-in", 1),
        ("a OPT x", "unknown-type", 1),
        ("a TYPE1234 \\# 3 0a", "rdata-syntax", 1),
        ("a TYPE1234 text", "rdata-syntax", 1),
        ("a.example.org. A 192.0.2.1", "owner-outside-zone", 1),
        ("$TTL soon", "masterfile-syntax", 1),
        ("$ORIGIN", "masterfile-syntax", 1),
        ("$ORIGIN a..b", "masterfile-syntax", 1),
        ("$NOTHING 1", "masterfile-syntax", 1),
        ("$INCLUDE", "masterfile-syntax", 1),
        ("$INCLUDE none.zone", "masterfile-syntax", 1),
        ("$GENERATE 1-9 a", "masterfile-syntax", 1),
        ("$GENERATE 9-1 a$ A 192.0.2.$", "masterfile-syntax", 1),
        ("$GENERATE 0-99999999 a$ A 192.0.2.$", "masterfile-syntax", 1),
        ("$GENERATE 1-9/0 a$ A 192.0.2.$", "masterfile-syntax", 1),
        ("$GENERATE 1-9 a${x} A 192.0.2.$", "masterfile-syntax", 1),
        ("$GENERATE 300-400 a$ A 192.0.2.$", "rdata-syntax", 1),
    ],
)
def test_fault_is_one_finding_and_the_next_entry_is_read(line: str, rule: str, column: int) -> None:
    zone, findings = load(f"before A 192.0.2.1\n{line}\nafter A 192.0.2.2\n")
    assert [(each.rule, each.severity) for each in findings] == [(rule, Severity.ERROR)]
    assert (findings[0].position.line, findings[0].position.column) == (2, column)
    assert findings[0].advice
    assert one(zone, "after", Type.A).rdatas == (bytes((192, 0, 2, 2)),)


def test_parenthesis_that_is_never_closed_is_told_where_it_opens() -> None:
    zone, findings = load("a SOA ns1 host (\n  1 2 3\n  4 5\nb A 192.0.2.1\n")
    assert [(each.rule, each.position.line) for each in findings] == [("masterfile-syntax", 1)]
    assert one(zone, "b", Type.A).rdatas


def test_many_open_parentheses_do_not_take_quadratic_time() -> None:
    _, findings = load("a (\n" * 50_000)
    assert len(findings) <= 20


def test_records_of_a_malformed_owner_are_not_given_to_the_one_before() -> None:
    zone, findings = load("a A 192.0.2.1\nb..c A 192.0.2.2\n  TXT text\nd A 192.0.2.3\n")
    assert [each.rule for each in findings] == ["owner-syntax"]
    assert [each.rdtype for each in zone.nodes[from_text("a", ORIGIN)]] == [Type.A]


def test_blank_owner_at_the_beginning_is_told() -> None:
    _, findings = load("  A 192.0.2.1\n")
    assert [(each.rule, str(each.position)) for each in findings] == [("masterfile-syntax", f"{FILE}:1:3")]


def test_different_ttls_in_an_rrset_are_told_once_and_the_lowest_holds() -> None:
    zone, findings = load("a 300 A 192.0.2.1\na 60 A 192.0.2.2\na 900 A 192.0.2.3\n")
    assert [(each.rule, each.position.line) for each in findings] == [("rrset-ttl-mix", 2)]
    assert one(zone, "a", Type.A).ttl == 60


def test_text_over_255_octets_is_split_with_a_warning() -> None:
    zone, findings = load(f'a TXT "{"x" * 300}"\nb TXT "{"y" * 200}" "{"y" * 200}"\n')
    assert [(each.rule, each.severity, each.position.line) for each in findings] == [
        ("txt-string-split", Severity.WARNING, 1)
    ]
    assert one(zone, "a", Type.TXT).rdatas == (b"\xff" + b"x" * 255 + b"\x2d" + b"x" * 45,)


def test_signatures_go_to_what_they_cover_and_denial_records_stay() -> None:
    signature = "A 13 3 3600 20261205000000 20261121000000 31589 Example.com. ( AAAA AAAA )"
    zone, findings = load(
        f"a 3600 A 192.0.2.1\n  RRSIG {signature}\n  RRSIG {signature.replace('A 13', 'MX 13')}\n"
        "  NSEC B.example.com. A RRSIG NSEC\n@ NSEC3PARAM 1 0 0 -\n"
    )
    assert [each.rule for each in findings] == ["signature-covers-nothing"]
    found = one(zone, "a", Type.A)
    text = rdata_text(Type.RRSIG, found.signatures[0])
    assert text == "A 13 3 3600 20261205000000 20261121000000 31589 example.com. AAAAAAAA"
    assert one(zone, "a", Type.NSEC).rdatas[0].startswith(b"\x01B\x07example\x03com\x00")  # RFC 6840 §5.1
    assert one(zone, "@", Type.NSEC3PARAM).rdatas == (bytes((1, 0, 0, 0, 0)),)


def test_included_file_has_its_own_origin_and_the_outer_one_holds_again() -> None:
    zone = clean(
        "$TTL 60\nfirst A 192.0.2.1\n$INCLUDE sub/part.zone Sub\n  TXT after\n"
        "$INCLUDE more.zone\nlast A 192.0.2.3\n",
        {
            "zones/sub/part.zone": "@ A 192.0.2.2\n$ORIGIN deeper\nx A 192.0.2.4\n$INCLUDE ../more.zone\n",
            "zones/more.zone": "more A 192.0.2.5\n",
        },
    )
    for owner in ("sub", "x.deeper.sub", "more.deeper.sub", "more", "last"):
        assert one(zone, owner, Type.A)
    assert one(zone, "first", Type.TXT)
    assert str(one(zone, "sub", Type.A).position) == "zones/sub/part.zone:1:1"


@pytest.mark.parametrize(
    "path",
    [
        "../dnsctl.yaml",
        "/etc/hostname",
        "sub/../../keys/release.pem",
        '"../with space"',
        "none.zone",
        "a\\000b",
    ],
)
def test_include_reads_nothing_outside_its_directory(path: str) -> None:
    asked = []

    def read(wanted: str) -> bytes:
        asked.append(wanted)
        raise RevisionError("is not there", where=wanted, advice="add it")

    _, findings = parse(f"$INCLUDE {path}\n".encode(), FILE, ORIGIN, DEFAULTS, read)
    assert [each.rule for each in findings] == ["masterfile-syntax"]
    assert all(wanted.startswith("zones/") and "\0" not in wanted for wanted in asked)


def test_circles_and_chains_of_includes_end() -> None:
    _, findings = load(
        "$INCLUDE example.com.zone\n$INCLUDE a\n", {"zones/a": "$INCLUDE b\n", "zones/b": "$INCLUDE a\n"}
    )
    assert [str(each.position) for each in findings] == [f"{FILE}:1:1", "zones/b:1:1"]
    chain = {f"zones/{n}": f"$INCLUDE {n + 1}\n" for n in range(50)}
    _, findings = load("$INCLUDE 0\n", chain)
    assert ["deep" in each.message for each in findings] == [True]
    _, findings = load("$INCLUDE a\n" * 1500, {"zones/a": "x A 192.0.2.1\n"})
    assert ["1000 files" in each.message for each in findings] == [True]


def test_file_that_includes_others_twice_each_ends_early_and_is_one_fault() -> None:
    files = {f"zones/{n}": f"$INCLUDE {n + 1}\n" * 8 for n in range(30)}
    _, findings = load("$INCLUDE 0\n", files)
    assert len(findings) == 1
    _, findings = load("$GENERATE 1-600000 $ A 9.9\n" * 3)  # a fault of the first record ends each of them
    assert [each.rule for each in findings] == ["rdata-syntax", "masterfile-syntax"]
    assert findings[1].message == "$GENERATE: over 1000000 records of $GENERATE"


def test_generate_is_expanded_as_bind_does() -> None:
    zone = clean(
        "$GENERATE 1-3/2 host-$ A 192.0.2.${10}\n"
        "$GENERATE 9-10 ${0,3,d}-${-9,2,x}-$$ 300 IN CNAME $.target\n"
        "$GENERATE 31-31 ${0,3,n} PTR x${0,0,X}\n"
    )
    assert one(zone, "host-3", Type.A).rdatas == (bytes((192, 0, 2, 13)),)
    assert zone.get(from_text("host-2", ORIGIN), Type.A) is None
    assert rdata_text(5, one(zone, r"010-01-\$", Type.CNAME).rdatas[0]) == "10.target.example.com."
    assert one(zone, r"009-00-\$", Type.CNAME).ttl == 300
    assert one(zone, "f.1", Type.PTR).rdatas == (from_text("x1f", ORIGIN),)


def test_other_types_known_to_dnspython_are_read_through_it() -> None:
    seen = [
        type_text(each.rdtype)
        for each in clean("a KX 10 B\nb AFSDB 1 c\nc EUI48 00-00-5e-00-53-2a\n").rrsets()
    ]
    assert seen == ["KX", "AFSDB", "EUI48"]
