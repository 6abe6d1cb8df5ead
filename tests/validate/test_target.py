"""Targets of NS, MX, SRV, SVCB, HTTPS and PTR: in the zone, in another of ours, or elsewhere."""

import pytest

from tests.validate.scenes import errors, only, rules

MX, SRV = "@ MX 10 {}\n", "_imaps._tcp SRV 0 1 993 {}\n"


@pytest.mark.parametrize(("text", "rule"), [(MX, "mx-target-resolves"), (SRV, "srv-target-resolves")])
class TestTarget:
    def test_missing_target_is_refused(self, text: str, rule: str):
        only(text.format("mail"), rule)

    def test_target_without_address_is_refused(self, text: str, rule: str):
        assert "has no address" in only(text.format("mail") + "mail TXT hello\n", rule).message

    def test_empty_non_terminal_is_refused(self, text: str, rule: str):
        assert "has no address" in only(text.format("mail") + "x.mail A 192.0.2.1\n", rule).message

    def test_target_with_ipv6_address_only_is_fine(self, text: str, rule: str):
        assert rules(text.format("mail") + "mail AAAA 2001:db8::25\n") == set()

    def test_target_below_a_wildcard_is_fine(self, text: str, rule: str):
        assert rules(text.format("mail") + "* A 192.0.2.1\n") == set()

    def test_target_elsewhere_is_not_judged(self, text: str, rule: str):
        assert rules(text.format("mail.example.org.")) == set()

    def test_missing_target_in_another_of_our_zones_is_refused(self, text: str, rule: str):
        assert errors(text.format("mail.example.net."), ("example.net.", "")) == {rule}

    def test_target_in_another_of_our_zones_is_found(self, text: str, rule: str):
        assert rules(text.format("mail.example.net."), ("example.net.", "mail A 192.0.2.1\n")) == set()

    def test_target_in_a_zone_we_delegate_away_is_not_judged(self, text: str, rule: str):
        assert rules(text.format("mail.sub") + "sub NS ns.elsewhere.example.\n") == set()

    def test_root_as_target_means_none(self, text: str, rule: str):
        assert rules(text.format(".")) == set()

    def test_alias_as_target_is_warned_of(self, text: str, rule: str):
        finding = only(text.format("mail") + "mail CNAME ns1\n", rule.replace("resolves", "is-alias"))
        assert finding.severity.name == "WARNING"
        assert "write ns1.example.com. instead" in finding.advice

    def test_alias_by_wildcard_as_target_is_warned_of(self, text: str, rule: str):
        assert rules(text.format("mail") + "* CNAME ns1\n") == {rule.replace("resolves", "is-alias")}


def test_name_server_that_does_not_exist_is_refused():
    only("@ NS ns3\n", "ns-target-resolves")


def test_name_server_that_is_an_alias_is_refused():
    only("@ NS ns3\nns3 CNAME ns1\n", "ns-target-is-alias")


def test_https_target_without_address_is_warned_of():
    assert rules("@ HTTPS 1 web alpn=h2\n") == {"svcb-target-resolves"}
    assert rules("@ HTTPS 0 web\nweb CNAME gone\n") == {"svcb-target-resolves", "cname-target-resolves"}
    assert rules("@ HTTPS 0 web\nweb CNAME ns1\nsvc SVCB 1 . alpn=h2\n") == set()


def test_ptr_to_a_name_that_does_not_exist_in_our_zone_is_warned_of():
    assert rules("1 PTR host.example.net.\n", ("example.net.", "")) == {"ptr-target-resolves"}


def test_address_as_mail_exchange_is_warned_of_absolute_or_relative():
    assert rules("@ MX 10 192.0.2.25.\n") == {"target-is-address"}
    assert rules("@ MX 10 192.0.2.25\n") == {"target-is-address", "mx-target-resolves"}
