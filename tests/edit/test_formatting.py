"""Zone files brought into one form: sorted, comments with their owners, and never read otherwise."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.edit.formatting import formatted
from dnsctl.errors import RefusalRule
from dnsctl.interchange.octodns_yaml import octodns_yaml
from dnsctl.model.zone import Zone
from tests.cli.shell import dnsctl, repo
from tests.interchange.zones import zones
from tests.refusals import refused_by

FILE = "zones/example.com.yaml"
BEFORE = """\
# of the file

---
b10:
    # inside
    type: "A"
    value:   192.0.2.10   # ten

# about b9,
# in two lines
'b9': {type: A, value: '192.0.2.9'}
"":
- type: MX
  values:
  - {exchange: mx.example.net., preference: 10}
- type: TXT
  values: ['67', "yes", "a, b", 'plain', "\\u00e9", null-like, 'null']
# of the end
"""
AFTER = """\
# of the file

---
'':
  - type: MX
    values:
      - {exchange: mx.example.net., preference: 10}
  - type: TXT
    values: ['67', 'yes', "a, b", plain, é, null-like, 'null']

# about b9,
# in two lines
b9: {type: A, value: 192.0.2.9}
b10:
    # inside
  type: A
  value: 192.0.2.10       # ten
# of the end
"""


def test_owners_are_sorted_and_comments_stay_with_them() -> None:
    made = formatted(BEFORE.encode(), FILE).decode()
    assert made == AFTER
    assert formatted(made.encode(), FILE).decode() == made


SECTIONS = """\
# of the file
z: {type: A, value: 192.0.2.1}

# section one

c: {type: A, value: 192.0.2.1}
# about b
b:
  type: A
  value: 192.0.2.1
  # in b

  # at its end

# about a
a: {type: A, value: 192.0.2.1}

# section two
# in two lines

e: {type: A, value: 192.0.2.1}

d: {type: A, value: 192.0.2.1}
# of the end
"""
SORTED = """\
# of the file
z: {type: A, value: 192.0.2.1}

# section one

# about a
a: {type: A, value: 192.0.2.1}
# about b
b:
  type: A
  value: 192.0.2.1
  # in b

  # at its end
c: {type: A, value: 192.0.2.1}

# section two
# in two lines

d: {type: A, value: 192.0.2.1}
e: {type: A, value: 192.0.2.1}
# of the end
"""


def test_owners_are_sorted_within_sections_and_keep_comments_that_are_indented() -> None:
    assert formatted(SECTIONS.encode(), FILE).decode() == SORTED
    assert formatted(SORTED.encode(), FILE).decode() == SORTED


_gaps = st.lists(st.sampled_from(["", "# a", "# b"]), max_size=4)
_blocks = st.lists(st.tuples(_gaps, st.sampled_from("abcdefgh"), _gaps), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(_blocks, _gaps)
def test_what_is_in_form_stays_as_it_is_and_no_comment_is_lost(
    blocks: list[tuple[list[str], str, list[str]]], end: list[str]
) -> None:
    owners: set[str] = set()
    lines: list[str] = []
    for above, owner, inside in blocks:
        if owner not in owners:
            lines += [*above, f"{owner}:", "  type: A", "  value: 192.0.2.1"]
            lines += [f"  {each}" if each else "" for each in inside]
            owners.add(owner)
    text = "\n".join((*lines, *end, ""))
    made = formatted(text.encode(), FILE)
    assert formatted(made, FILE) == made
    comments = [
        sorted(line.strip() for line in each.splitlines() if "#" in line) for each in (text, made.decode())
    ]
    assert comments[0] == comments[1]


def test_line_ends_of_windows_stay() -> None:
    made = formatted(BEFORE.replace("\n", "\r\n").encode(), FILE).decode()
    assert made == AFTER.replace("\n", "\r\n")


@settings(max_examples=15, deadline=None)
@given(zones, st.randoms(use_true_random=False))
def test_a_file_in_any_order_becomes_the_same(zone: Zone, order: random.Random) -> None:
    head, *blocks = list(octodns_yaml(zone))
    order.shuffle(blocks)
    text = head + "".join(blocks)
    made = formatted(text.encode(), FILE)
    assert made == formatted((head + "".join(list(octodns_yaml(zone))[1:])).encode(), FILE)
    assert formatted(made, FILE) == made


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "zones").glob("*.yaml")), ids=lambda path: path.name
)
def test_the_example_is_in_form(path: Path) -> None:
    assert formatted(path.read_bytes(), path.name) == path.read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("b: &x {type: A, value: 192.0.2.1}\na: *x\n", "anchor"),
        ("{a: {type: A, value: 192.0.2.1}}\n", "do not begin a line"),
        ("a: [\n", "zones/example.com.yaml:"),
        ("a: {type: A}\na: {type: A}\n", "come twice"),
    ],
)
def test_what_cannot_be_brought_into_form_is_refused(text: str, said: str) -> None:
    with refused_by(RefusalRule.EDIT, said):
        formatted(text.encode(), FILE)


def test_an_include_stays(tmp_path: Path) -> None:
    text = "b: !include x.yaml\na:\n    type: A\n    value: 192.0.2.1\n"
    assert (
        formatted(text.encode(), FILE).decode() == "a:\n  type: A\n  value: 192.0.2.1\nb: !include x.yaml\n"
    )


def test_fmt_writes_files_and_check_only_tells(tmp_path: Path) -> None:
    root = repo(tmp_path, example_com_yaml=BEFORE, example_net_yaml="www: {type: A, value: 192.0.2.1}\n")
    (root / "zones" / "example.org.zone").write_text("$TTL 300\nwww A 192.0.2.1\n")
    told = dnsctl("zone", "fmt", "--check", "--json", root=root)
    assert told.code == 1
    assert told.json == {
        "files": [
            {"file": "zones/example.com.yaml", "result": "would-change", "reason": ""},
            {"file": "zones/example.net.yaml", "result": "unchanged", "reason": ""},
        ]
    }
    assert (root / "zones" / "example.com.yaml").read_text() == BEFORE
    told = dnsctl("zone", "fmt", "example.com", root=root)
    assert (told.code, told.out) == (0, "zones/example.com.yaml: changed\n")
    assert (root / "zones" / "example.com.yaml").read_text() == AFTER
    assert dnsctl("zone", "fmt", "--check", root=root).code == 0
    assert dnsctl("zone", "fmt", "example.edu", root=root).code == 1
    told = dnsctl("zone", "fmt", "example.org", root=root)
    assert (told.code, told.out) == (0, "")
    assert told.line.startswith("zones/example.org.zone: a master file, which stays as it is")


def test_fmt_names_a_file_that_it_leaves_and_does_the_others(tmp_path: Path) -> None:
    broken = "b: &x {type: A, value: 192.0.2.1}\na: *x\n"
    root = repo(tmp_path, example_com_yaml=broken, example_net_yaml=BEFORE)
    told = dnsctl("zone", "fmt", root=root)
    assert told.code == 1
    assert "zones/example.com.yaml: uses an anchor" in told.err
    assert (root / "zones" / "example.com.yaml").read_text() == broken
    assert (root / "zones" / "example.net.yaml").read_text() == AFTER
