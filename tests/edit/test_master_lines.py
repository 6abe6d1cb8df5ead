"""One RRset in a master file is changed: what is read is what was wanted, all other lines are as before."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.edit.change import Wanted
from dnsctl.edit.master_lines import changed_lines
from dnsctl.errors import RefusalRule
from dnsctl.interchange.incoming import content
from dnsctl.load import masterfile
from dnsctl.load.draft import ZoneDefaults
from dnsctl.model.name import is_subdomain, to_relative_text, to_text
from dnsctl.model.presentation import records
from dnsctl.model.rrset import RRset, rdata_text
from dnsctl.model.zone import Zone
from tests.edit.test_change import difference, want
from tests.interchange.zones import ORIGIN, rrsets, zones
from tests.refusals import refused_by

FILE = "zones/example.com.zone"
TEXT = """\
$TTL 1h
; the whole file has a comment
@   IN SOA ns1.example.net. hostmaster.example.net. (
        1    ; serial
        2h 30m 14d 5m )
    IN NS ns1.example.net.
    IN MX 10 mx1.example.net. ; the first
    IN MX 20 mx2.example.net.

; Web
www 300 IN A 192.0.2.80   ; one
        IN A 192.0.2.81
    TXT ( "a ; b"
          "c" ) ; text
par A ( 192.0.2.4 ; open
    )
$ORIGIN sub.example.com.
@ A 192.0.2.3
a A 192.0.2.1
"""


def read(data: bytes) -> Zone:
    zone, _ = masterfile.parse(data, FILE, ORIGIN, ZoneDefaults())
    assert zone is not None
    return zone


CASES = {
    "another value keeps its comment": (
        want("www", "A", "192.0.2.9", "192.0.2.81"),
        ["-www 300 IN A 192.0.2.80   ; one", "+www 300 IN A 192.0.2.9   ; one"],
    ),
    "a value more is written as the last": (
        want("www", "A", "192.0.2.80", "192.0.2.81", "192.0.2.82"),
        ["+        IN A 192.0.2.82"],
    ),
    "the line that names the owner goes": (
        want("www", "A", "192.0.2.81"),
        ["-www 300 IN A 192.0.2.80   ; one", "-        IN A 192.0.2.81", "+www        IN A 192.0.2.81"],
    ),
    "all values go": (
        want("www", "A"),
        [
            "-www 300 IN A 192.0.2.80   ; one",
            "-        IN A 192.0.2.81",
            '-    TXT ( "a ; b"',
            '+www    TXT ( "a ; b"',
        ],
    ),
    "a value on several lines": (
        want("www", "TXT", "x"),
        ['-    TXT ( "a ; b"', '-          "c" ) ; text', '+    TXT "x"'],
    ),
    "a value in parentheses that close on another line": (
        want("par", "A", "192.0.2.9"),
        ["-par A ( 192.0.2.4 ; open", "-    )", "+par A 192.0.2.9"],
    ),
    "another TTL": (
        want("", "MX", "10 mx1.example.net.", "20 mx2.example.net.", ttl=60),
        [
            "-    IN MX 10 mx1.example.net. ; the first",
            "-    IN MX 20 mx2.example.net.",
            "+    60 IN MX 10 mx1.example.net. ; the first",
            "+    60 IN MX 20 mx2.example.net.",
        ],
    ),
    "a TTL that is written": (
        want("www", "A", "192.0.2.80", ttl=60),
        [
            "-www 300 IN A 192.0.2.80   ; one",
            "-        IN A 192.0.2.81",
            "+www 60 IN A 192.0.2.80   ; one",
        ],
    ),
    "another type of an owner": (want("www", "AAAA", "2001:db8::1"), ["+    AAAA 2001:db8::1"]),
    "another type of an owner at an origin": (want("sub", "TXT", "x"), ['+\tTXT "x"']),
    "an owner more, at the end": (
        want("b.sub", "A", "192.0.2.5", "192.0.2.6"),
        ["+b\tA 192.0.2.5", "+b\tA 192.0.2.6"],
    ),
    "an owner more, outside of the origin at the end": (
        want("new", "A", "192.0.2.5", ttl=60),
        ["+new.example.com.\t60 A 192.0.2.5"],
    ),
    "nothing that is not there": (want("www", "CAA"), []),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_only_these_lines_change(case: str, line_end: str) -> None:
    wanted, expected = CASES[case]
    before = "\ufeff" + TEXT.replace("\n", line_end)
    after = changed_lines(before.encode(), FILE, wanted, 3600).decode()
    assert difference(before, after) == expected
    assert after.count("\r\n") == (after.count("\n") if line_end == "\r\n" else 0)
    found = read(after.encode()).get(wanted.owner, wanted.rdtype)
    assert sorted(found.rdatas if found else ()) == sorted(wanted.rdatas)


def test_a_file_without_a_ttl_and_without_a_last_line_end_gets_both() -> None:
    found = changed_lines(b"www 60 A 192.0.2.1", FILE, want("a", "A", "192.0.2.2"), 3600)
    assert found == b"www 60 A 192.0.2.1\na\t3600 A 192.0.2.2\n"
    assert changed_lines(b"", FILE, want("a", "A", "192.0.2.2"), 3600) == b"a\t3600 A 192.0.2.2\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("www A 192.0.2.1\rx A 192.0.2.1\n", "carriage return"),
        ("www (\n A 192.0.2.1 )\n", "type on another line"),
        ('www TXT "x\n', "left open"),
        ("www A 192.0.2.300\n", "not a record"),
        ("www\n", "not a record"),
        ("a..b A 192.0.2.1\n", "zones/example.com.zone:1"),
    ],
)
def test_what_a_program_does_not_edit_is_refused(text: str, said: str) -> None:
    with refused_by(RefusalRule.EDIT, said) as told:
        changed_lines(text.encode(), FILE, want("www", "A", "192.0.2.9"), 3600)
    assert "by hand" in told.value.advice


def written(zone: Zone, order: random.Random) -> str:
    """Write a zone as people do: relative names, owners left out, parentheses, comments, origins."""
    lines, origin, last = ["$TTL 77"], ORIGIN, None
    for one in zone.rrsets():
        if order.random() < 0.2:
            origin = one.owner if order.random() < 0.5 else ORIGIN
            lines += ["", f"$ORIGIN {to_text(origin)} ; from here on"]
            last = None
        names = [to_text(one.owner)]
        if is_subdomain(one.owner, origin):
            names += [to_relative_text(one.owner, origin)] * 2
        kind = next(records(one)).split(" ")[3]
        for rdata in one.rdatas:
            name = "" if last == one.owner and order.random() < 0.7 else order.choice(names)
            text = rdata_text(one.rdtype, rdata)
            if order.random() < 0.2:
                text = f"( {text} ; inside\n )"
            head = f"{name}\t{one.ttl} {order.choice(['IN ', ''])}{kind}"
            lines.append(f"{head} {text} {order.choice(['', '; x'])}")
            last = one.owner
            if order.random() < 0.2:
                lines += ["", "; a line of its own"]
    return "\n".join(lines) + "\n"


@settings(max_examples=60, deadline=None)
@given(zones, rrsets, st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_what_is_read_is_what_was_wanted_and_all_else_as_before(
    zone: Zone, one: RRset, there: bool, gone: bool, order: random.Random
) -> None:
    if there and zone.nodes:
        some = order.choice([*zone.rrsets()])
        one = some._replace(rdatas=some.rdatas[:1] if order.random() < 0.5 else some.rdatas, ttl=one.ttl)
    before = written(zone, order)
    assert content(read(before.encode())) == content(zone)
    wanted = Wanted(ORIGIN, one.owner, one.rdtype, () if gone else one.rdatas, one.ttl)
    after = changed_lines(before.encode(), FILE, wanted, 3600)
    expected = {key: value for key, value in content(zone).items() if key != (one.owner, one.rdtype)}
    if not gone:
        expected[one.owner, one.rdtype] = one._replace(position=None)
    assert content(read(after)) == expected
    assert changed_lines(after, FILE, wanted, 3600) == after
    comments = [line for line in before.splitlines() if line == "; a line of its own"]
    assert comments == [line for line in after.decode().splitlines() if line == "; a line of its own"]
