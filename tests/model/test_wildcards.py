"""Which wildcard stands for a name: the example of RFC 4592 §2.2.1, and its edges."""

import pytest

from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.wildcards import closest_encloser, covering_wildcard

ORIGIN = from_text("example.")
EXISTING = {  # RFC 4592 §2.2.1, with its empty non-terminals
    from_text(each)
    for each in (
        "example.", "*.example.", "sub.*.example.", "host1.example.", "_ssh._tcp.host1.example.",
        "_tcp.host1.example.", "_ssh._tcp.host2.example.", "_tcp.host2.example.", "host2.example.",
        "subdel.example.",
    )
}  # fmt: skip


def exists(name: Name) -> bool:
    return name in EXISTING


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("host3.example.", "*.example."),
        ("foo.bar.example.", "*.example."),
        ("_telnet._tcp.host1.example.", None),
        ("ghost.*.example.", None),
        ("host.subdel.example.", None),
    ],
)
def test_sources_of_synthesis_are_those_of_rfc_4592(name: str, source: str | None):
    found = covering_wildcard(from_text(name), ORIGIN, exists)
    assert (None if found is None else to_text(found)) == source


@pytest.mark.parametrize(
    ("name", "encloser"),
    [
        ("_telnet._tcp.host1.example.", "_tcp.host1.example."),
        ("a.b.c.example.", "example."),
        ("x.sub.*.example.", "sub.*.example."),
    ],
)
def test_the_closest_encloser_is_the_longest_ancestor_that_exists(name: str, encloser: str):
    assert to_text(closest_encloser(from_text(name), ORIGIN, exists)) == encloser


def test_in_an_empty_zone_the_apex_encloses():
    assert closest_encloser(from_text("a.b.example."), ORIGIN, lambda _: False) == ORIGIN


def test_no_wildcard_fits_below_a_name_that_is_too_long():
    long = Name((b"\x3f" + b"a" * 63) * 3 + b"\x32" + b"b" * 50 + ORIGIN)
    name = Name(b"\x01x" + long) if len(long) + 2 <= 255 else long
    assert len(long) > 250
    assert covering_wildcard(name, ORIGIN, lambda each: each == long) is None
