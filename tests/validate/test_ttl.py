"""TTLs at the edges."""

from tests.validate.scenes import only, rules


def test_zero_ttls_are_one_note():
    finding = only("a 0 A 192.0.2.1\nb 0 A 192.0.2.1\n", "ttl-zero")
    assert "and 1 more RRsets" in finding.message
    assert finding.severity.name == "NOTE"


def test_ttl_above_a_week_is_warned_of():
    assert "up to 8d" in only("a 691200 A 192.0.2.1\n", "ttl-long").message
    assert rules("a 604800 A 192.0.2.1\n") == set()
