"""TTLs and sizes at the edges."""

from tests.validate.scenes import errors, only, rules


def test_zero_ttls_are_one_note():
    finding = only("a 0 A 192.0.2.1\nb 0 A 192.0.2.1\n", "ttl-zero")
    assert "and 1 more RRsets" in finding.message
    assert finding.severity.name == "NOTE"


def test_ttl_above_a_week_is_warned_of():
    assert "up to 8d" in only("a 691200 A 192.0.2.1\n", "ttl-long").message
    assert rules("a 604800 A 192.0.2.1\n") == set()


def test_rrset_above_a_udp_answer_is_a_note():
    assert only("".join(f"a A 192.0.2.{n}\n" for n in range(100)), "rrset-large").severity.name == "NOTE"


def test_rrset_above_any_message_is_refused():
    big = f'"{"x" * 255}" ' * 9
    text = "".join(f'a TXT "{n}" {big}\n' for n in range(30))
    assert errors(text) == {"rrset-too-large"}
