"""Domain names: presentation form both ways, limits, canonical order."""

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.errors import NameSyntaxError
from dnsctl.model import name

labels = st.binary(min_size=1, max_size=12)
names = st.lists(labels, max_size=8).map(name.from_labels)


@given(names)
def test_text_form_reads_back_as_the_same_name(one):
    assert name.from_text(name.to_text(one)) == one


@given(names)
def test_text_form_is_understood_by_another_implementation(one):
    assert dns.name.from_text(name.to_text(one)).to_wire().lower() == one


@given(st.lists(names, max_size=20))
def test_key_order_is_canonical_order(many):
    expected = sorted(many, key=lambda one: dns.name.from_wire(one, 0)[0])
    assert sorted(many, key=name.canonical_key) == expected


@given(names)
def test_key_reads_back_and_is_prefix_of_keys_below(one):
    key = name.canonical_key(one)
    assert name.from_canonical_key(key) == one
    assert name.canonical_key(name.from_labels([b"x", *name.labels(one)])).startswith(key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a..example.", "empty label"),
        ("a" * 64 + ".example.", "label of 64 octets"),
        (".".join(["a" * 60] * 5) + ".", "name of"),
        ("www.example", "not absolute"),
        ("a\\", "unfinished escape"),
        ("a\\25.", "unfinished escape"),
        ("a\\256.", "not an octet"),
    ],
)
def test_text_that_is_no_name_is_refused_with_its_reason(text, message):
    with pytest.raises(NameSyntaxError, match=message):
        name.from_text(text)


def test_dot_and_zero_octet_inside_a_label_survive():
    odd = name.from_labels([b"a.b\0c", b"example"])
    assert name.to_text(odd) == "a\\.b\\000c.example."
    assert name.labels(odd) == (b"a.b\0c", b"example")


def test_internationalised_label_becomes_an_a_label():
    assert name.to_text(name.from_text("bücher.Example.")) == "xn--bcher-kva.example."
    assert name.to_unicode(name.from_text("xn--bcher-kva.example.")) == "bücher.example."


def test_subdomain_needs_a_label_boundary():
    example = name.from_text("example.com.")
    assert name.is_subdomain(name.from_text("www.example.com."), example)
    assert not name.is_subdomain(name.from_text("badexample.com."), example)
    assert not name.is_subdomain(name.from_labels([b"x\x07example", b"com"]), example)


def test_relative_text_of_apex_below_and_elsewhere():
    origin = name.from_text("example.com.")
    assert name.to_relative_text(origin, origin) == "@"
    assert name.to_relative_text(name.from_text("a.b.example.com."), origin) == "a.b"
    assert name.to_relative_text(name.from_text("example.net."), origin) == "example.net."


@pytest.mark.parametrize("stop", [".", "\u3002", "\uff0e", "\uff61"])
def test_full_stops_of_other_scripts_are_dots(stop: str) -> None:
    origin = name.from_text("example.com.")
    assert name.from_text(f"www{stop}a", origin) == name.from_text("www.a.example.com.")
    assert name.from_text(f"www{stop}例え{stop}") == name.from_text("www.xn--r8jz45g.")
    assert name.from_text(stop) == name.ROOT


@pytest.mark.parametrize(
    ("label", "advice"),
    [
        ("☃", "xn--n3h"),
        ("ü_", "xn--_-dha"),
        ("ü" * 70, "shorten it"),
        ("a\u200bü", "remove it"),
        (r"ü\046x", "A-label"),
        (r"\252ü", "A-label"),
        ("a\u2025b", "A-label"),
    ],
)
def test_label_that_idna_does_not_take_is_told_with_what_to_write(label: str, advice: str) -> None:
    with pytest.raises(NameSyntaxError) as caught:
        name.from_text(label, name.ROOT)
    assert advice in caught.value.advice
