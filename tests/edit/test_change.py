"""One RRset in a file is changed: what is read is what was wanted, and all other lines are as they were."""

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.edit.change import Wanted, changed
from dnsctl.edit.formatting import formatted
from dnsctl.errors import RefusalRule
from dnsctl.interchange.incoming import content
from dnsctl.interchange.octodns_yaml import octodns_yaml
from dnsctl.load import rdata_fields, yaml_nodes, zone_yaml
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.presentation import NameReader, type_code
from dnsctl.model.name import from_text
from dnsctl.model.rrset import RRset
from dnsctl.model.zone import Zone
from tests.interchange.zones import ORIGIN, rrsets, zones
from tests.interchange.zones import content as said
from tests.refusals import refused_by

FILE = "zones/example.com.yaml"
TEXT = """\
# The whole file has a comment.
---
'':
  - type: MX   # mail
    ttl: 0300
    values:
      # the first
      - {preference: 10, exchange: mx1.example.net.}
      - {preference: 20, exchange: mx2.example.net.}  # the second

# Web
www:
  type: A
  value: 192.0.2.80   # one
67: {type: PTR, value: www.example.com.}   # a number

alias:
  type: CNAME
  value: "www.example.com."
"""


def read(data: bytes) -> Zone:
    zone, _ = zone_yaml.parse(data, FILE, ORIGIN, ZoneDefaults())
    assert zone is not None
    return zone


def want(name: str, kind: str, *values: str, ttl: int | None = None) -> Wanted:
    code = type_code(kind)
    assert code is not None
    names = NameReader(ORIGIN, absolute=True)
    scalars = [yaml_nodes.Scalar(value, 1, 1, False) for value in values]
    rdatas = [rdata_fields.to_wire(code, each, names, []) for each in scalars]
    return Wanted(ORIGIN, from_text(f"{name}.example.com." if name else "example.com."), code, rdatas, ttl)


def difference(before: str, after: str) -> list[str]:
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [each for each in found if not each.startswith(("---", "+++", "@@"))]


CASES = {
    "another value": (
        want("www", "A", "192.0.2.81"),
        ["-  value: 192.0.2.80   # one", "+  value: 192.0.2.81   # one"],
    ),
    "more values": (
        want("www", "A", "192.0.2.80", "192.0.2.81", ttl=60),
        [
            "+  ttl: 60",
            "-  value: 192.0.2.80   # one",
            "+  values:             # one",
            "+    - 192.0.2.80",
            "+    - 192.0.2.81",
        ],
    ),
    "one value of several": (
        want("", "MX", "20 mx2.example.net."),
        ["-      - {preference: 10, exchange: mx1.example.net.}"],
    ),
    "a record more, of one that stands alone": (
        want("www", "TXT", "v=x; y"),
        [
            "-  type: A",
            "-  value: 192.0.2.80   # one",
            "+  - type: A",
            "+    value: 192.0.2.80   # one",
            "+  - type: TXT",
            "+    value: v=x\\; y",
        ],
    ),
    "a record more, of one in braces": (
        want("67", "TXT", "yes"),
        [
            "-67: {type: PTR, value: www.example.com.}   # a number",
            "+67:",
            "+  - {type: PTR, value: www.example.com.}   # a number",
            "+  - type: TXT",
            "+    value: 'yes'",
        ],
    ),
    "a record more, in a list": (
        want("", "TXT", "x"),
        ["+  - type: TXT", "+    value: x"],
    ),
    "an owner more": (
        want("1.new", "AAAA", "2001:db8::1", ttl=300),
        ["+1.new:", "+  ttl: 300", "+  type: AAAA", "+  value: 2001:db8::1"],
    ),
    "nothing left of an owner": (
        want("67", "PTR"),
        ["-67: {type: PTR, value: www.example.com.}   # a number"],
    ),
    "nothing that is not there": (want("67", "TXT"), []),
    "nothing of an owner that is not there": (want("gone", "TXT"), []),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_only_these_lines_change(case: str, line_end: str) -> None:
    wanted, expected = CASES[case]
    before = TEXT.replace("\n", line_end)
    after = changed(before.encode(), FILE, wanted).decode()
    assert difference(before, after) == expected
    assert after.count("\r\n") == (after.count("\n") if line_end == "\r\n" else 0)


def test_a_new_owner_stands_in_its_place_where_owners_are_sorted() -> None:
    text = "a:\n  type: A\n  value: 192.0.2.1\n\n# about c\nc:\n  type: A\n  value: 192.0.2.3"
    found = changed(text.encode(), FILE, want("b", "A", "192.0.2.2")).decode()
    assert found.splitlines()[3:6] == ["b:", "  type: A", "  value: 192.0.2.2"]
    found = changed(text.encode(), FILE, want("d", "A", "192.0.2.4")).decode()
    assert found.endswith("  value: 192.0.2.3\nd:\n  type: A\n  value: 192.0.2.4\n")
    found = changed(text.encode(), FILE, want("", "A", "192.0.2.4")).decode()
    assert found.startswith("'':\n  type: A\n")


def test_an_empty_file_gets_its_first_owner() -> None:
    for text in ("", "# nothing yet\n", "---\n"):
        found = changed(text.encode(), FILE, want("www", "A", "192.0.2.1")).decode()
        assert found == f"{text}www:\n  type: A\n  value: 192.0.2.1\n"


@pytest.mark.parametrize(
    "text",
    [
        "{www: {type: A, value: 192.0.2.1}}\n",
        "- www\n",
        "  www: {type: A, value: 192.0.2.1}\n",
        "a: &x {type: A, value: 192.0.2.1}\nwww: *x\n",
        "a: &x {type: A}\nwww:\n  <<: *x\n  value: 192.0.2.1\n",
        "www: !include www.yaml\n",
        "www: [{type: TXT, value: x}]\n",
        "www: [oops\n",
        "www: text\n",
        "www: {type: A, value: 192.0.2.1}\rx: {type: A, value: 192.0.2.1}\n",
    ],
)
def test_what_a_program_does_not_edit_is_refused(text: str) -> None:
    with refused_by(RefusalRule.EDIT, FILE) as told:
        changed(text.encode(), FILE, want("www", "A", "192.0.2.9"))
    assert "by hand" in told.value.advice


@settings(max_examples=40, deadline=None)
@given(zones, rrsets, st.booleans())
def test_what_is_read_is_what_was_wanted_and_all_else_as_before(zone: Zone, one: RRset, gone: bool) -> None:
    before = "".join(octodns_yaml(zone)).encode()
    rdatas = () if gone else one.rdatas
    after = changed(before, FILE, Wanted(ORIGIN, one.owner, one.rdtype, rdatas, one.ttl))
    expected = {key: value for key, value in content(zone).items() if key != (one.owner, one.rdtype)}
    if not gone:
        expected[one.owner, one.rdtype] = one._replace(position=None)
    assert content(read(after)) == expected
    assert said(read(before)) == said(zone)


SECTIONS = """\
# Section one

www:
  type: A
  value: 192.0.2.80

# Section two

# of b
b:
  type: A
  value: 192.0.2.1

d:
  type: A
  value: 192.0.2.1
"""


@pytest.mark.parametrize("label", ["a", "c", "e"])
def test_new_owner_stands_in_the_last_section_where_fmt_leaves_it(label: str):
    assert formatted(SECTIONS.encode(), FILE).decode() == SECTIONS
    owner = from_text(f"{label}.example.com.")
    values = [bytes((192, 0, 2, 7)), bytes((192, 0, 2, 8))]
    made = changed(SECTIONS.encode(), FILE, Wanted(from_text("example.com."), owner, 1, values))
    assert formatted(made, FILE) == made
    lines = made.decode().splitlines()
    assert lines.index(f"{label}:") > lines.index("# Section two")
    assert lines[lines.index("b:") - 1] == "# of b"
