"""Spelling: the origin twice, characters no host name has, asterisks in the middle."""

import pytest

from dnsctl.model.name import from_text
from tests.validate.scenes import only, rules, verdict


def test_owner_that_repeats_the_origin_is_warned_of():
    finding = only("www.example.com A 192.0.2.1\n", "origin-repeated")
    assert "write www.example.com. with its final dot, or the relative www" in finding.advice


def test_apex_that_repeats_the_origin_is_warned_of():
    finding = only("example.com TXT hello\n", "origin-repeated")
    assert "the apex" in finding.advice


def test_target_that_repeats_the_origin_is_warned_of():
    finding = only("www CNAME web.example.com\n*.com A 192.0.2.1\n", "origin-repeated")
    assert "leads to web.example.com.example.com." in finding.message


def test_every_kind_of_target_that_repeats_the_origin_is_warned_of():
    for text in ("@ NS ns1.example.com\n", "@ MX 1 ns1.example.com\n", "x PTR ns1.example.com\n"):
        assert "origin-repeated" in rules(text)
    assert "origin-repeated" in rules('x NAPTR 1 1 "S" "SIP+D2U" "" _sip._udp.example.com\n')
    assert "origin-repeated" in rules("x SVCB 1 ns1.example.com\n")


def test_name_that_merely_holds_the_words_of_the_origin_is_fine():
    assert rules("example A 192.0.2.1\nexample.com.net A 192.0.2.1\nxexample.com A 192.0.2.1\n") == set()


def test_top_level_zone_that_lost_its_final_dots_is_warned_of():
    made = verdict(("example.", "shop NS ns1.host.example\nhost NS ns1.host\nns1.host A 192.0.2.1\n"))
    assert "origin-repeated" in {each.rule for each in made.findings}


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


def test_white_space_at_the_edge_of_an_owner_is_warned_of():
    for owner in (r"www\032", r"\032_dmarc", r"mail\009", r"a\032b", r"x\010y", r"\032", r"a\127"):
        finding = only(f"{owner} TXT hello\n", "owner-whitespace")
        assert "white space or a control character" in finding.message
    assert "write www.example.com." in only(r"www\032 CNAME ns1" + "\n", "owner-whitespace").advice


def test_words_in_the_name_of_a_service_instance_are_fine():
    assert rules(r"Upper\032floor._ipp._tcp SRV 0 0 631 ns1" + "\n") == set()
    assert rules(r"Upper\032._ipp._tcp SRV 0 0 631 ns1" + "\n") == {"owner-whitespace"}


def test_url_mail_address_and_list_as_targets_are_warned_of():
    for target, told in (
        (r"https\058//www.example.net/path.", "a URL"),
        ("www.example.net/.", "a path"),
        ("user@example.net.", "a mail address"),
        (r"a.example.net.\,b.example.net.", "a comma"),
        (r"www\032.example.net.", "which has '\\\\032' in it"),
        ("www!.example.net.", "which has '!' in it"),
    ):
        for rdtype in ("CNAME", "DNAME", "PTR", "SVCB 1", "HTTPS 1"):
            assert told in only(f"a {rdtype} {target}\n", "target-syntax").message


@pytest.mark.parametrize(
    "record",
    ["AFSDB 1 {}", "RT 1 {}", "KX 1 {}", "LP 1 {}", 'NAPTR 1 1 S x "" {}', "RP {} ."],
)
def test_url_is_no_target_of_other_types_either(record: str):
    url = r"https\058//www.example.net."
    assert "a URL" in only(f"a {record.format(url)}\n", "target-syntax").message
    assert rules(f"a {record.format('www.example.net.')}\n") == set()


def test_mail_address_in_mailbox_records_is_told_with_the_name_to_write():
    mailbox = from_text("user@example.net.")
    for record in (
        "RP user@example.net. .",
        rf"MINFO \# {len(mailbox) + 1} 00 {mailbox.hex()}",
        rf"MG \# {len(mailbox)} {mailbox.hex()}",
    ):
        finding = only(f"a {record}\n", "target-syntax")
        assert "a mail address" in finding.message
        assert finding.advice == "write user.example.net. (RFC 1035 §8)"


def test_targets_with_underscores_slashes_of_reverse_zones_and_instances_are_fine():
    text = "a CNAME _x.y_z.example.net.\n1 CNAME 1.0/25.2.0.192.in-addr.arpa.\n* CNAME *.example.net.\n"
    assert rules(text) == set()
    assert rules(r"_ipp._tcp PTR Upper\032floor._ipp._tcp.example.net." + "\n") == set()


def test_zone_whose_apex_is_an_asterisk_passes_with_a_warning():
    made = verdict(("*.example.", "www A 192.0.2.1\n"))
    assert [(each.rule, each.severity.name) for each in made.findings] == [("apex-wildcard", "WARNING")]
    assert from_text("*.example.") in made.zones
