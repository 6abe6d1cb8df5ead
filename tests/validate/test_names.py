"""Spelling: the origin twice, characters no host name has, asterisks in the middle."""

from dnsctl.model.name import from_text
from tests.validate.scenes import errors, only, rules, verdict


def test_owner_that_repeats_the_origin_is_refused():
    finding = only("www.example.com A 192.0.2.1\n", "origin-repeated")
    assert "write www.example.com. with its final dot, or the relative www" in finding.advice


def test_apex_that_repeats_the_origin_is_refused():
    finding = only("example.com TXT hello\n", "origin-repeated")
    assert "the apex" in finding.advice


def test_target_that_repeats_the_origin_is_refused():
    finding = only("www CNAME web.example.com\n*.com A 192.0.2.1\n", "origin-repeated")
    assert "leads to web.example.com.example.com." in finding.message


def test_every_kind_of_target_that_repeats_the_origin_is_refused():
    for text in ("@ NS ns1.example.com\n", "@ MX 1 ns1.example.com\n", "x PTR ns1.example.com\n"):
        assert "origin-repeated" in errors(text)
    assert "origin-repeated" in errors('x NAPTR 1 1 "S" "SIP+D2U" "" _sip._udp.example.com\n')
    assert "origin-repeated" in errors("x SVCB 1 ns1.example.com\n")


def test_name_that_merely_holds_the_words_of_the_origin_is_fine():
    assert rules("example A 192.0.2.1\nexample.com.net A 192.0.2.1\nxexample.com A 192.0.2.1\n") == set()


def test_top_level_zone_that_lost_its_final_dots_is_refused():
    made = verdict(("example.", "shop NS ns1.host.example\nhost NS ns1.host\nns1.host A 192.0.2.1\n"))
    assert "origin-repeated" in {each.rule for each in made.findings}
    assert not made.zones


def test_top_level_zone_that_delegates_its_own_name_is_fine():
    made = verdict(("example.", "example NS ns1.example\nns1.example A 192.0.2.1\n"))
    assert from_text("example.") in made.zones


def test_root_zone_is_judged():
    made = verdict((".", "example NS ns1.example.\nns1.example A 192.0.2.1\n"))
    assert made.findings == ()


def test_address_at_a_name_with_underscore_is_warned_of_once():
    only("my_host A 192.0.2.1\nmy_host AAAA 2001:db8::1\n", "hostname-syntax")


def test_services_and_wildcards_are_no_host_names_and_fine():
    assert rules("_dmarc TXT hello\n*.web A 192.0.2.1\n_25._tcp CNAME ns1\n") == set()


def test_mail_exchange_with_underscore_is_warned_of():
    assert rules("@ MX 1 my_mail.example.net.\n") == {"hostname-syntax"}


def test_asterisk_in_the_middle_is_warned_of():
    assert rules("a.*.web TXT hello\n") == {"wildcard-inner"}
