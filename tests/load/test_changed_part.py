"""What differs between two texts of a zone file is whole owners; where it cannot be told, nothing is."""

import pytest

from dnsctl.load.changed_part import ChangedPart, changed_part, has_lookalike, is_named, keys_at_line_starts
from dnsctl.load.draft import ZoneDefaults
from dnsctl.model.name import Name, from_text, to_text

ORIGIN = from_text("example.com.")
YAML = (
    b"---\na: {type: A, value: 192.0.2.1}\nb:\n- type: A\n  value: 192.0.2.2\n# c\n"
    b"c: {type: A, value: 192.0.2.3}\n"
)
MASTER = b"$TTL 1h\n@ NS ns.example.net.\na A 192.0.2.1\n  TXT a\nb A 192.0.2.2\n\nc A 192.0.2.3\n"


def part(old: bytes, new: bytes, ending: str = "yaml") -> ChangedPart | None:
    return changed_part(old, new, f"zones/example.com.{ending}", ORIGIN, ZoneDefaults())


def names(owners: object) -> list[str]:
    assert isinstance(owners, dict)
    return [to_text(Name(each)).removesuffix(".example.com.") for each in owners]


@pytest.mark.parametrize(
    ("old", "new", "before", "after", "lines"),
    [
        (b"192.0.2.2", b"192.0.2.9", ["b"], ["b"], (3, 7, 0)),
        (b"- type: A\n  value: 192.0.2.2\n", b"- {type: A, value: 192.0.2.2}\n", ["b"], ["b"], (3, 7, -1)),
        (b"c: {type", b"bb: {type: TXT, value: x}\nc: {type", [], ["bb"], (7, 7, 1)),
        (b"a: {type: A, value: 192.0.2.1}\n", b"", ["a"], [], (2, 3, -1)),
        (b"192.0.2.3}\n", b"192.0.2.3}\nd: {type: A, value: 192.0.2.4}", [], ["d"], (8, 8, 0)),
        (b"# c\n", b"# d\n", ["b"], ["b"], (3, 7, 0)),
    ],
)
def test_part_of_a_yaml_file_is_the_owners_that_the_change_is_in(
    old: bytes, new: bytes, before: list[str], after: list[str], lines: tuple[int, int, int]
) -> None:
    found = part(YAML, YAML.replace(old, new))
    assert found is not None
    assert (names(found.before), names(found.after)) == (before, after)
    assert (found.first, found.end, found.shift) == lines


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        (b"TXT a", b"TXT b", ["a"], ["a"]),
        (b"b A 192.0.2.2\n", b"", ["a", "b"], ["a"]),
        (b"  TXT a\n", b"  TXT a\nab MX 10 a\n", [], ["ab"]),
        (b"  TXT a\n", b"  TXT a\n  MX 10 a\n", ["a"], ["a"]),
    ],
)
def test_part_of_a_master_file_begins_with_an_owner(
    old: bytes, new: bytes, before: list[str], after: list[str]
) -> None:
    found = part(MASTER, MASTER.replace(old, new), "zone")
    assert found is not None
    assert (names(found.before), names(found.after)) == (before, after)


def test_positions_are_those_in_the_file() -> None:
    for text, ending, place in ((YAML, "yaml", (7, 21)), (MASTER, "zone", (7, 1))):
        found = part(text, text.replace(b"192.0.2.3", b"192.0.2.4"), ending)
        assert found is not None
        [*_, node] = found.after.values()
        assert node[0].position is not None
        assert node[0].position[1:] == place


@pytest.mark.parametrize(
    ("ending", "old", "new"),
    [
        ("yaml", b"192.0.2.1}", b"192.0.2.1}\nx: &x {type: A, value: 192.0.2.1}"),
        ("yaml", b"192.0.2.1}", b"192.0.2.1}\nx: *x"),
        ("yaml", b"192.0.2.1}", b'192.0.2.1, expires: 2030-01-01}\nx: {type: TXT, value: "x'),
        ("yaml", b"192.0.2.1}", b"192.0.2.1}\n...\n"),
        ("yaml", b"192.0.2.1}", b"192.0.2.1}\r"),
        ("yaml", b"192.0.2.1}", b"192.0.2.300}"),
        ("yaml", b"192.0.2.1}", b'192.0.2.1}\nd: {type: TXT, value: "x\ny: z"}'),
        ("zone", b"192.0.2.1", b"192.0.2.1\n$ORIGIN sub"),
        ("zone", b"192.0.2.1", b"( 192.0.2.1 )"),
        ("zone", b"c A", b"c TXT ( a )\nc A"),
        ("zone", b"192.0.2.1", b"192.0.2.300"),
        ("zone", b"192.0.2.1", b'192.0.2.1\nd TXT "a\nb"'),
    ],
)
def test_there_is_no_part_where_more_than_its_lines_decides(ending: str, old: bytes, new: bytes) -> None:
    text = YAML if ending == "yaml" else MASTER
    assert part(text, text.replace(old, new), ending) is None


def test_part_of_a_master_file_needs_what_stands_before_it() -> None:
    assert part(MASTER[8:], MASTER[8:].replace(b"192.0.2.3", b"192.0.2.4"), "zone") is None  # no $TTL
    sub = b"$TTL 5\n$ORIGIN sub.example.com.\n" + MASTER[8:].replace(b"@ NS ns.example.net.\n", b"")
    found = part(sub, sub.replace(b"192.0.2.3", b"192.0.2.4"), "zone")
    assert found is not None
    [(owner, node)] = found.after.items()
    assert (to_text(owner), node[0].ttl) == ("c.sub.example.com.", 5)


def test_names_that_stand_elsewhere_are_found_and_those_that_look_like_them() -> None:
    text = YAML + b"h-1: {type: MX, value: '10 B.example.com.'}\n"
    found = part(text, text.replace(b"192.0.2.1", b"192.0.2.9"))
    assert found is not None
    assert is_named(text, b"b", found)
    assert is_named(text, b"h-1", found)
    assert not is_named(text, b"h1", found)
    assert has_lookalike(text, b"h1", found)
    for other in (b"-h1", b"h1_", b"H-1"):
        assert has_lookalike(text.replace(b"h-1", other), b"h1", found)
    assert not has_lookalike(text.replace(b"h-1", b"x-h1-y"), b"h1", found)
    assert not has_lookalike(text, b"h-1", found)


def test_lines_that_begin_owners_are_counted() -> None:
    assert keys_at_line_starts(YAML) == 3
    assert keys_at_line_starts(b"") == 0
    assert keys_at_line_starts(b'a: {type: TXT, value: "x\ny"}') == 2
