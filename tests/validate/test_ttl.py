"""TTLs at the edges."""

from datetime import timedelta

from dnsctl.model.policy import Policy, SignaturePolicy
from dnsctl.validate.run import validate
from tests.validate.scenes import only, rules, zone


def test_zero_ttls_are_one_note():
    finding = only("a 0 A 192.0.2.1\nb 0 A 192.0.2.1\n", "ttl-zero")
    assert "and 1 more RRsets" in finding.message
    assert finding.severity.name == "NOTE"


def test_ttl_above_a_week_is_warned_of():
    assert "up to 8d" in only("a 691200 A 192.0.2.1\n", "ttl-long").message
    assert rules("a 604800 A 192.0.2.1\n") == set()


def faults_under(lifetime: int, refresh: int, text: str) -> list[str]:
    """Return what is found of TTLs in a zone whose signatures have these times, in days."""
    times = SignaturePolicy(lifetime=timedelta(days=lifetime), refresh=timedelta(days=refresh))
    one = zone("example.com.", text)
    told = validate({one.origin: one}, lambda _: {}, lambda _: Policy(signatures=times))
    return [each.message for each in told.findings if each.rule == "ttl-signatures"]


def test_ttl_that_outlives_signatures_is_warned_of_beside_the_record():
    (message,) = faults_under(4, 2, "a 432000 A 192.0.2.1\n")
    assert message.startswith("a TTL of 5d, and signatures that may have ")
    assert faults_under(14, 7, "a 432000 A 192.0.2.1\n") == []


def test_expire_that_has_to_be_lowered_below_refresh_and_retry_is_warned_of():
    soa = "@ 3600 SOA ns1 hostmaster 1 86400 7200 1209600 300\n@ 3600 NS ns1\nns1 3600 A 192.0.2.53\n"
    one = zone("example.com.", soa, apex=False)
    times = SignaturePolicy(lifetime=timedelta(days=3), refresh=timedelta(days=2))
    told = validate({one.origin: one}, lambda _: {}, lambda _: Policy(signatures=times))
    (message,) = [each.message for each in told.findings if each.rule == "ttl-signatures"]
    assert "SOA expire 14d is served as " in message
    assert "not above refresh 1d + retry 2h" in message
    longer = validate({one.origin: one}, lambda _: {}, lambda _: Policy())
    assert not [each for each in longer.findings if each.rule == "ttl-signatures"]
