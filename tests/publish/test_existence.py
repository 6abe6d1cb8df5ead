"""Which names of a zone exist, and which wildcard stands for one that does not."""

from dnsctl.publish.existence import Existence
from tests.build import zone
from tests.publish.host import name

COM = "example.com."


def test_empty_non_terminals_exist_and_names_beside_them_do_not() -> None:
    names = Existence(zone(COM, "a.b.c A 192.0.2.1\n"))
    assert all(names.exists(name(each + COM)) for each in ("", "c.", "b.c.", "a.b.c."))
    assert not any(names.exists(name(each + COM)) for each in ("b.", "a.c.", "d.c.", "z.a.b.c."))


def test_wildcard_covers_only_below_its_own_closest_encloser() -> None:
    names = Existence(zone(COM, "* A 192.0.2.1\nc TXT x\n"))
    assert names.covering_wildcard(name("other.example.com.")) == name("*.example.com.")
    assert names.covering_wildcard(name("x.y.example.com.")) == name("*.example.com.")
    assert names.covering_wildcard(name("below.c.example.com.")) is None
