"""Mail: null MX, SPF, DKIM, DMARC, MTA-STS, TLS reporting."""

import pytest

from dnsctl.model.finding import Severity
from dnsctl.validate.dkim import dkim_key
from dnsctl.validate.dmarc import dmarc_faults
from dnsctl.validate.run import validate
from dnsctl.validate.spf_terms import terms_of
from dnsctl.validate.transport import mta_sts_faults, tls_rpt_faults
from tests.validate.examples.mail import MAIL
from tests.validate.scenes import errors, found, only, rules, zone

SPF = '@ TXT "v=spf1 {}"\n'


def test_null_mx_alone_is_fine_and_beside_an_exchange_is_refused():
    assert rules("@ MX 0 .\n") == set()
    assert errors("@ MX 0 .\n@ MX 10 ns1\n") == {"mx-null"}


@pytest.mark.parametrize("rule", MAIL)
def test_zone_at_the_limit_of_a_rule_about_mail_is_sane_to_others(rule: str):
    rest = {"dkim-key-weak": {"dkim-key-short"}, "spf-void-lookups": set[str](), "spf-type": set[str]()}
    assert rules(MAIL[rule].fine, *MAIL[rule].others) == rest.get(rule, set())


@pytest.mark.parametrize("rule", sorted(set(MAIL) - {"mx-null", "dkim-key-weak"}))
def test_mail_that_is_at_risk_stops_no_release(rule: str):
    assert errors(MAIL[rule].breaks, *MAIL[rule].others) == set()


def test_weak_dkim_key_is_an_error():
    assert errors(MAIL["dkim-key-weak"].breaks) == {"dkim-key-weak"}


@pytest.mark.parametrize(
    "term",
    [
        "include:_spf.example.net", "+a", "a/24", "a//64", "a:host.example.net/24//64", "MX", "-mx/8", "?ptr",
        "ptr:example.net", "ip4:192.0.2.0/24", "IP6:2001:DB8::1/128", "exists:%{ir}.%{v}.list.example.net",
        "exists:%{l1r+-}._at.%{o,=}._spf.%{d}", "redirect=_spf.example.net.", "exp=explain.%{d}", "~all",
        "unknown=anything", "a:example.123.net", "include:%{d}", "exists:a%%b%_c%-d.example.net", "ip6:::/1",
    ],
)  # fmt: skip
def test_term_that_rfc_7208_allows_has_no_fault(term: str):
    assert [each.fault for each in terms_of(f"v=spf1  {term} ".encode())] == [""]


@pytest.mark.parametrize(
    "term",
    [
        "include", "include:", "include:example", "include=_spf.example.net", "a:", "a/33", "a//129", "all:x",
        "ip4", "ip4:192.0.2", "ip4:192.0.2.0/33", "ip4:2001:db8::1", "ip6:192.0.2.1", "ip6:2001:db8::/129",
        "exists", "exists:%{x}.example.net", "exists:%.example.net", "redirect=", "-redirect=a.example.net",
        "redirect:_spf.example.net", "192.0.2.1", "-", "inlcude:_spf.example.net", "v=spf1", "a:192.0.2.1",
        "include:_spf.example.net,", "mx;", "include:a.example.netinclude:b.example.net", "a:example.net-all",
        "a:b\xff.example.net",
    ],
)  # fmt: skip
def test_term_that_rfc_7208_does_not_allow_has_a_fault(term: str):
    assert [bool(each.fault) for each in terms_of(b"v=spf1 " + term.encode("latin-1"))] == [True]


def test_two_redirects_are_told_once():
    finding = only(SPF.format("redirect=a.example.net redirect=b.example.net"), "spf-syntax")
    assert "redirect= comes twice" in finding.message


def test_lookups_of_includes_in_zones_of_ours_are_counted():
    others = (
        "example.net.",
        '_spf TXT "v=spf1 a mx:example.org exists:%{i}.example.org -all"\na 300 A 192.0.2.1\n',
    )
    many = " ".join(f"include:_{number}.example.org" for number in range(6))
    finding = only(SPF.format(f"{many} include:_spf.example.net a:ns1 -all"), "spf-syntax")
    assert "a:ns1" in finding.message
    finding = only(
        SPF.format(f"{many} include:_spf.example.net a:ns1.example.com -all"), "spf-lookups", others
    )
    assert "needs 11 lookups, with those of the records of ours" in finding.message


def test_include_that_leads_back_is_more_than_ten_lookups():
    assert rules(SPF.format("include:example.com -all")) == {"spf-lookups"}
    assert rules(SPF.format("redirect=_spf.example.com") + "_spf CNAME example.com.\n") >= {"spf-lookups"}


def test_include_of_a_zone_that_was_read_in_part_is_not_judged():
    part, whole = zone("example.net.", ""), zone("example.com.", SPF.format("include:_spf.example.net -all"))
    made = validate({whole.origin: whole}, lambda _: {}, lambda _: None, partial={part.origin: part})
    assert made.findings == ()
    both = validate({each.origin: each for each in (part, whole)}, lambda _: {}, lambda _: None)
    assert [(each.rule, each.zone) for each in both.findings] == [("spf-include-missing", whole.origin)]


def test_fault_in_an_included_record_is_told_where_it_stands_only():
    others = ("example.net.", '_spf TXT "v=spf1 ip4:192.0.2 -all"\n')
    assert rules(SPF.format("include:_spf.example.net -all"), others) == set()


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ("v=DKIM1; k=rsa", "has no p="),
        ("k=ed25519; v=DKIM1; p=", "does not begin with v=DKIM1"),
        ("v=DKIM2; p=", "does not begin with v=DKIM1"),
        ("v=DKIM1; h=sha1; p=", "sha256"),
        ("v=DKIM1; s=other; p=", "email"),
        ("v=DKIM1; p=; p=", "comes twice"),
        ("v=DKIM1; nonsense; p=", "not of the form"),
        ("v=DKIM1;; p=", "comes twice"),
    ],
)
def test_dkim_record_of_a_wrong_form_is_told(record: str, told: str):
    assert told in "; ".join(dkim_key(record.encode()).faults)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ("v=DKIM1; k=ed25519; p=AAAA", "has 32 octets, this one 3"),
        ("v=DKIM1; p=AAAA", "not an RSA public key"),
        ("v=DKIM1; p=A*AA", "not whole base64"),
        ("v=DKIM1; p=MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "not an RSA public key"),
    ],
)
def test_dkim_key_that_no_verifier_can_read_is_told(record: str, told: str):
    assert told in dkim_key(record.encode()).broken


@pytest.mark.parametrize(
    "fault",
    [
        "v=DMARC1", "v=DMARC1; sp=none; p=none", "v=DMARC2; p=none", "v=dmarc1; p=none", "v=DMARC1; p=rejekt",
        "v=DMARC1; p=none; pct=101", "v=DMARC1; p=none; pct=half", "v=DMARC1; p=none; adkim=x",
        "v=DMARC1; p=none; fo=2", "v=DMARC1; p=none; ri=1d", "v=DMARC1; p=none; rau=mailto:a@example.com",
        "v=DMARC1; p=none; rua=mailto:a@example.com mailto:b@example.com", "v=DMARC1; p=none; ruf=mailto:",
        "v=DMARC1, p=none", "v=DMARC1; p=none; rua=mailto:a@example.com;ruf=a@example.com",
    ],
)  # fmt: skip
def test_dmarc_record_with_a_fault_is_told(fault: str):
    assert dmarc_faults(fault.encode())


@pytest.mark.parametrize(
    "record",
    [
        "v=DMARC1;p=none", "v=DMARC1; p=Reject;", "v = DMARC1 ; p = none ; rf=afrf; ri=86400",
        "v=DMARC1; p=none; np=reject; psd=n; t=y; adkim=s; aspf=r; unheard=of",
    ],
)  # fmt: skip
def test_dmarc_record_that_receivers_read_is_fine(record: str):
    assert dmarc_faults(record.encode()) == ()


def test_records_of_transport_security_are_judged():
    assert mta_sts_faults(b"v=STSv1; id=1") == ()
    assert mta_sts_faults(b"v=STSv1; id=" + b"1" * 33)
    assert mta_sts_faults(b"v=STSv1;")
    assert mta_sts_faults(b"v=STSV1; id=1")
    assert tls_rpt_faults(b"v=TLSRPTv1; rua=mailto:a@example.com") == ()
    assert tls_rpt_faults(b"v=TLSRPTv1")
    assert tls_rpt_faults(b"v=TLSRPTv1; rua=http://example.com/")


def test_zone_that_begins_where_a_policy_is_looked_for_has_it_at_its_apex():
    for origin, record in (("_dmarc.example.com.", "v=DMARC1; p=none"), ("_domainkey.example.com.", "o=~")):
        made = zone(origin, f'@ TXT "{record}"\n')
        found_there = validate({made.origin: made}, lambda _: {}, lambda _: None).findings
        assert {each.rule for each in found_there} <= {"hostname-syntax"}


def test_finding_about_a_policy_names_owner_and_fault():
    [finding] = found('_dmarc TXT "v=DMARC1; p=rejct"\n')
    assert finding.severity is Severity.WARNING
    assert finding.message == (
        "DMARC record _dmarc.example.com.: p='rejct' is none of none, quarantine, reject"
    )


def test_reports_are_judged_by_what_is_known_of_where_they_go():
    text = '_dmarc TXT "v=DMARC1; p=none; rua=mailto:a@mail.example.org"\n'
    other = "dmarc-report-refused"
    assert only(text, other, ("example.org.", "")).severity is Severity.WARNING
    assert only(text, other, ("example.org.", 'example.com._report._dmarc.mail TXT "other"\n')).rule == other
    assert rules(text, ("example.org.", 'example.com._report._dmarc.mail TXT "v=dmarc1"\n')) == set()
    assert only(text, "dmarc-report-elsewhere", ("example.org.", "mail NS ns1\n")).severity is Severity.NOTE
    alias = "example.com._report._dmarc.mail CNAME example.com._report._dmarc\n"
    assert rules(text, ("example.org.", alias + 'example.com._report._dmarc TXT "v=DMARC1"\n')) == set()


def test_names_below_one_zone_of_ours_are_of_one_organization():
    text = '_dmarc.a TXT "v=DMARC1; p=none; rua=mailto:a@b.example.com, mailto:a@example.com!5m"\n'
    assert rules(text) == set()
    assert rules(text, ("b.example.com.", "")) == set()


def test_report_to_a_zone_that_could_not_be_read_whole_is_not_judged():
    whole = zone("example.com.", '_dmarc TXT "v=DMARC1; p=none; rua=mailto:a@example.org"\n')
    part = zone("example.org.", "")
    made = validate({whole.origin: whole}, lambda _: {}, lambda _: None, partial={part.origin: part})
    assert [each.rule for each in made.findings] == []
