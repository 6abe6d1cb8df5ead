r"""Corners of master files, read as named reads them: $GENERATE, classes, quotes, escapes, TTLs, $INCLUDE."""

from pathlib import Path

import pytest

from dnsctl.errors import RevisionError
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.masterfile import parse
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import from_text, to_text
from dnsctl.model.rrset import type_text
from tests.load.compiled import HEAD, Records, alike, by_named

pytestmark = pytest.mark.peer
ORIGIN = from_text("example.com.")
FILE = "zones/example.com.zone"


def ours(text: bytes, directory: Path | None = None) -> tuple[Records | None, list[Finding]]:
    """Return the records, or None where there is an error, and all findings."""

    def read(path: str) -> bytes:
        assert directory is not None
        found = directory / Path(path).name
        if not found.exists():
            raise RevisionError("is not there", where=path, advice="add it")
        return found.read_bytes()

    zone, findings = parse(text, FILE, ORIGIN, ZoneDefaults(), read)
    assert zone is not None
    if any(each.severity is Severity.ERROR for each in findings):
        return None, list(findings)
    return {
        (to_text(one.owner), one.ttl, type_text(one.rdtype), rdata)
        for one in zone.rrsets()
        for rdata in one.rdatas
    }, list(findings)


GENERATE = [
    "1-3 a$ A 192.0.2.$",
    '1-2 a$ MX "10 m$"',
    '1-2 a$ SRV "0 5 ${5000} h${0}.example.net."',
    "1-10/5 a$ 300 A 192.0.2.$",
    "1-2 a$ 300 IN A 192.0.2.$",
    "1-2 a$ IN 300 A 192.0.2.$",
    "1-2 a$ class1 A 192.0.2.$",
    "1-2 @ A 192.0.2.$",
    "1-2 a$$ A 192.0.2.$",
    r"1-2 a\$ A 192.0.2.$",
    r"1-2 a\\$ A 192.0.2.$",
    "1-2 a{$} A 192.0.2.$",
    "1-2 a${1}{2} A 192.0.2.$",
    "1-2 a${-1} A 192.0.2.$",
    "1-2 a${-5} A 192.0.2.$",
    "1-2 a${+5} A 192.0.2.$",
    "1-2 a${0,3,d}x CNAME $.0",
    "1-2 a${-3,3}x A 192.0.2.$",
    "30-31 a${0,2,X}x A 192.0.2.$",
    "30-31 a${0,0,o}x A 192.0.2.$",
    *(f"30-31 ${{0,{width},{base}}}x A 192.0.2.$" for width in range(9) for base in "nN"),
    "255-257 ${0,6,n}x PTR h${0,4,x}.example.net.",
    r'1-2 a$ TYPE1 "\# 4 0a00000$"',
    r'1-2 a$ HINFO "\"cpu $\" os"',
    r'1-2 a$ TXT "\"one $\""',
    '1-2 a$ TXT "two $"',
    '1-2 a$ TXT "cut ; $"',
    r'1-2 a$ TXT "$$ \$ \\$"',
    "1-2 a$ A 192.0.2.$ ; $",
]


@pytest.mark.parametrize("directive", GENERATE)
def test_generate_makes_what_named_makes(directive: str, tmp_path: Path) -> None:
    text = f"{HEAD}$GENERATE {directive}\n".encode()
    theirs, said = by_named(text, tmp_path)
    assert theirs is not None, said
    assert alike(ours(text)[0]) == alike(theirs)


@pytest.mark.parametrize(
    "directive",
    [
        "2-1 a$ A 192.0.2.1",
        "1-2/0 a$ A 192.0.2.1",
        "0x1-0x2 a$ A 192.0.2.1",
        "1-2 a${} A 192.0.2.1",
        "1-2 a${0,3 A 192.0.2.1",
        "1-2 a${0,3,q} A 192.0.2.1",
        "1-2 a${0,3,d,x} A 192.0.2.1",
        "1-2 a${0,300,d} A 192.0.2.1",
        "1-2 a$ A",
        '1-2 a$ A "192.0.2.$ ("',
        "1-2 a${-9,4,n} A 192.0.2.1",
        "1-1000000000 a$ A 192.0.2.1",
    ],
)
def test_generate_that_cannot_be_is_one_error_with_advice(directive: str) -> None:
    records, findings = ours(f"{HEAD}$GENERATE {directive}\nlast A 192.0.2.9\n".encode())
    assert records is None
    assert [(each.severity, each.position.line) for each in findings] == [(Severity.ERROR, 4)]
    assert findings[0].advice


def test_generate_goes_on_behind_a_warning_and_tells_it_once() -> None:
    text = (
        f'{HEAD}@ 300 A 192.0.2.200\n$GENERATE 1-50 @ 600 A 192.0.2.$\n$GENERATE 1-50 $ HTTPS "0 . port=1"\n'
    )
    records, findings = ours(text.encode())
    assert records is not None
    assert len([each for each in records if each[2] == "A"]) == 51
    assert len([each for each in records if each[2] == "HTTPS"]) == 50
    assert [each.rule for each in findings] == ["rrset-ttl-mix", "svcb-alias-parameters"]


def test_words_that_generate_parts_are_told() -> None:
    _, findings = ours(f'{HEAD}$GENERATE 1-2 a$ TXT "two words"\n'.encode())
    assert [each.rule for each in findings] == ["generate-template"]


def test_offset_that_bind_keeps_is_told() -> None:
    records, findings = ours(f'{HEAD}$GENERATE 1-1 a${{2}}-$ SRV "0 5 ${{0}} h$"\n'.encode())
    assert records is not None
    assert ("a3-1.example.com.", 3600, "SRV", b"\0\0\0\5\0\1\2h1\7example\3com\0") in records
    assert [each.rule for each in findings] == ["generate-template"]


SAME = [
    '"www" A 192.0.2.1',
    "a CLASS01 A 192.0.2.1\nb class1 60 A 192.0.2.1\nc 60 IN A 192.0.2.1",
    r'a TXT foo"bar" "foo"bar "a""b" b(c)d',
    'a TXT \\(x\\) "(" ")" \\; ";" x;y',
    'a TXT ( "b"\n  ; a comment ) with a "quote\n "c" )',
    "a MX 10 @\nb CNAME @",
    "a 1H30M A 192.0.2.1\n\t\tTXT x\ty\n",
    r"a\032b A 192.0.2.1" + "\n" + r"\097\.b A 192.0.2.1",
    "a CAA 0 issue ca.example.net",
    'a TXT "x\x07y\x0cz"',
    "a A 192.0.2.1 ; M\xfcnchen",
    'a TXT "M\xfcnchen" M\xfcn\nb HINFO M\xfcn "\xdf"\nc CAA 0 issue "\xfc"\nd NAPTR 1 1 "\xfc" "" "" .\n'
    'e URI 1 1 "\xfc"',
    "$ORIGIN sub\na A 192.0.2.1\n$ORIGIN deeper\n@ A 192.0.2.2\n$ORIGIN example.com.\nb A 192.0.2.3",
    "a A 192.0.2.1\n$ORIGIN sub\n  TXT inherited",
    "b 300 A 192.0.2.1\nc A 192.0.2.1\n$TTL 60\nd A 192.0.2.1\ne 500 A 192.0.2.1\nf A 192.0.2.1",
    "a A 192.0.2.1",
]


@pytest.mark.parametrize("text", SAME)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_other_corners_are_read_as_named_reads_them(text: str, line_end: str, tmp_path: Path) -> None:
    data = (HEAD + text).replace("\n", line_end).encode("latin-1")  # without a last line break
    theirs, said = by_named(data, tmp_path)
    assert theirs is not None, said
    assert alike(ours(data)[0]) == alike(theirs)


def test_ttl_of_the_last_record_is_taken_as_named_does_with_a_note(tmp_path: Path) -> None:
    text = HEAD.replace("$TTL 3600\n", "").replace("@ IN SOA", "@ 7200 IN SOA")
    text += "a A 192.0.2.1\nb 300 A 192.0.2.1\nc A 192.0.2.1\nd 0 A 192.0.2.1\ne A 192.0.2.1\n"
    theirs, _ = by_named(text.encode(), tmp_path)
    records, findings = ours(text.encode())
    assert alike(records) == alike(theirs)
    assert [(each.rule, each.severity, each.position.line) for each in findings] == [
        ("ttl-of-last", Severity.NOTE, 2)
    ]
    assert "7200 seconds" in findings[0].message


def test_included_file_leaves_origin_and_owner_as_named_does(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("i1 A 192.0.2.11\n$TTL 77\n$ORIGIN deep\ni2 300 A 192.0.2.12\n")
    (tmp_path / "two").write_text("  300 MX 1 m\n")
    text = (
        f"{HEAD}a A 192.0.2.1\n$INCLUDE one sub\n TXT after\n$INCLUDE two sub\nb A 192.0.2.2\n$INCLUDE one\n"
    )
    theirs, said = by_named(text.encode(), tmp_path)
    assert theirs is not None, said
    records, findings = ours(text.encode(), tmp_path)
    assert alike(records) == alike(theirs)
    assert [(each.rule, str(each.position)) for each in findings] == [("owner-inherited", "zones/two:1:3")]
    assert "immediately after" in said  # named says so as well


@pytest.mark.parametrize(
    ("line", "owner", "value"),
    [
        ('m MX 10 "Mail"', "m", b"\0\x0a\x04mail\x07example\x03com\0"),
        ('$ORIGIN "sub"\nm MX 10 m', "m.sub", b"\0\x0a\x01m\x03sub\x07example\x03com\0"),
        (r'"a\"b" MX 10 m', r"a\"b", b"\0\x0a\x01m\x07example\x03com\0"),
        (r'n NSEC "A\.b.Example." MX', "n", b"\x03A.b\x07Example\0\0\x02\0\x01"),
    ],
)
def test_quotes_around_any_name_are_taken_off(line: str, owner: str, value: bytes) -> None:
    records, findings = ours(f"{HEAD}{line}\n".encode())
    assert findings == []
    assert records is not None
    assert (to_text(from_text(owner, ORIGIN)), 3600, value) in {
        (found, ttl, rdata) for found, ttl, _, rdata in records
    }


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('w"w"w A 192.0.2.1', "a quote inside a name"),
        ('n CNAME x"y"', "a quote inside a name"),
        ('"" A 192.0.2.1', "a quote inside a name"),
        ("M\xfcn A 192.0.2.1", "octet 0xfc in a name is not UTF-8"),
        ("a CNAME M\xfcn", r"or \252 for the octet itself"),
        ("a KX 1 M\xfcn", "octet 0xfc in a name is not UTF-8"),
        ("a IN IN A 192.0.2.1", "a second class"),
        ("a 300 400 A 192.0.2.1", "a second TTL"),
        ("a CLASS3 A 192.0.2.1", "class CLASS3 is not served"),
        ("a CH A 192.0.2.1", "class CH is not served"),
        (" $TTL 5", "begin a directive in the first column"),
        ("a -1 A 192.0.2.1", "TTL '-1'"),
        ("a TXT x\x00y", "control character U+0000"),
        ('a TXT "x\x00y"', "a quote is left open"),
        ("a TXT x\ry", "a carriage return inside the line"),
        ("a TXT ends\\", "a backslash at the end of the line"),
        ('a CAA 0 issue "a" "b"', "fields where 3 are needed"),
        ('a CAA 0 issue "a""b"', "write it as one"),
        ("$INCLUDE M\xfcn", "is not UTF-8"),
    ],
)
def test_fault_says_what_it_is_and_the_rest_is_read(line: str, says: str) -> None:
    text = f"{HEAD}{line}\nlast A 192.0.2.9\n".encode("latin-1")
    zone, findings = parse(
        text, FILE, ORIGIN, ZoneDefaults(), (lambda _: text) if "INCLUDE" in line else None
    )
    assert [each.severity for each in findings] == [Severity.ERROR]
    assert says in str(findings[0])
    assert str(findings[0].position).startswith(f"{FILE}:4:")
    assert zone is not None
    assert from_text("last", ORIGIN) in zone.nodes


def test_utf16_file_is_called_so() -> None:
    zone, findings = parse(HEAD.encode("utf-16"), FILE, ORIGIN, ZoneDefaults())
    assert zone is None
    assert [(each.rule, each.advice) for each in findings] == [("file-encoding", "save it as UTF-8")]


@pytest.mark.parametrize("space", ["\u2003", "\u3000", "\u2028", "\x85"])
def test_other_blanks_are_called_by_name(space: str) -> None:
    _, findings = ours(f"{HEAD}a{space}A 192.0.2.1\n".encode())
    assert [each.advice for each in findings] == ["write a plain one"]
    assert f"U+{ord(space):04X}" in findings[0].message


# ── line breaks inside quotes (RFC 1035 §5.1) ─────────────────────────────────────────────────────────


def test_line_break_inside_quotes_is_text_with_a_warning() -> None:
    text = f'{HEAD}a TXT ( "one\ntwo" three\n  "4;\n(5" )\n  A 192.0.2.1\nb A 192.0.2.2\n'
    zone, findings = parse(text.encode(), FILE, ORIGIN, ZoneDefaults())
    assert [(each.rule, str(each.position)) for each in findings] == [("text-over-lines", f"{FILE}:4:9")]
    assert zone is not None
    rows = {(to_text(one.owner), one.rdtype): one.rdatas for one in zone.rrsets()}
    assert rows["a.example.com.", 16] == (b"\x07one\ntwo\x05three\x054;\n(5",)
    assert set(rows) >= {("a.example.com.", 1), ("b.example.com.", 1)}
    positions = {to_text(one.owner): one.position for one in zone.rrsets()}
    assert str(positions["b.example.com."]) == f"{FILE}:9:1"


@pytest.mark.parametrize("rest", ["", 'c TXT "fine"\n', 'c TXT "fine" "fine"\nd TXT "(" ; "\n', "( x\n"])
def test_quote_that_is_never_closed_is_told_where_it_begins(rest: str) -> None:
    text = f'{HEAD}a TXT (\n  "left open\nb A 192.0.2.1\n{rest}'
    _, findings = ours(text.encode())
    first = findings[0]
    assert (first.message, str(first.position)) == ("a quote is left open", f"{FILE}:5:3")
    zone, _ = parse(text.encode(), FILE, ORIGIN, ZoneDefaults())
    assert zone is not None
    assert from_text("b", ORIGIN) in zone.nodes


def test_many_open_quotes_do_not_take_quadratic_time() -> None:
    _, findings = parse(b'a TXT "\n' * 100_001, FILE, ORIGIN, ZoneDefaults())
    assert len(findings) <= 60_000
    _, findings = parse(b'a TXT x"\\\n' + b"b A 192.0.2.1\n" * 100_000, FILE, ORIGIN, ZoneDefaults())
    assert [each.message for each in findings] == ["a quote is left open"]
