"""The apex: SOA, NS, and owners that are not part of the zone."""

from dnsctl.model.finding import Position, Severity
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type, rrset
from dnsctl.model.zone import Zone, nodes_of
from dnsctl.validate.run import validate
from tests.validate.scenes import found, only, rules, zone

SOA = "@ SOA ns1.example.net. hostmaster 1 7200 1800 1209600 300\n"
NS = "@ NS ns1.example.net.\n@ NS ns2.example.net.\n"


def test_zone_without_soa_or_ns_is_refused():
    assert rules("www A 192.0.2.1\n", apex=False) == {"soa-missing", "apex-ns-missing"}


def test_several_soa_are_refused():
    second = SOA.replace("hostmaster 1", "hostmaster 2")
    assert rules(SOA + second + NS, apex=False) == {"soa-several"}


def test_soa_below_the_apex_is_refused():
    only("sub SOA ns1 hostmaster 1 7200 1800 1209600 300\n", "soa-below-apex")


def test_soa_that_expires_before_the_second_refresh_is_warned_of():
    text = "@ SOA ns1.example.net. hostmaster 1 7200 7200 3600 172800\n" + NS
    told = [each.message for each in found(text, apex=False)]
    assert len(told) == 3
    assert "expire 1h is not above" in told[0]
    assert "retry 2h is not below" in told[1]
    assert "minimum 2d" in told[2]


def test_mailbox_with_an_at_sign_is_told_how_to_be_written():
    [told] = found(
        f"@ SOA ns1.example.net. hostmaster@example.net. 1 7200 1800 1209600 300\n{NS}", apex=False
    )
    assert told.rule == "soa-rname"
    assert "write hostmaster.example.net." in told.advice


def test_single_name_server_is_warned_of():
    assert rules(SOA + "@ NS ns1.example.net.\n", apex=False) == {"ns-single"}


def test_owner_of_another_zone_is_refused():
    made = zone("example.com.", "")
    stranger = rrset(from_text("www.example.org."), Type.A, 60, [b"\xc0\0\2\1"])
    # "notexample.com." ends in the same octets but on no label boundary
    near = rrset(from_text("notexample.com."), Type.A, 60, [b"\xc0\0\2\1"])
    broken = Zone(made.origin, nodes_of([*made.rrsets(), stranger, near]), made.file)
    told = validate({made.origin: broken}, lambda _: {}, lambda _: None).findings
    assert [each.rule for each in told] == ["owner-outside-zone"] * 2


def test_file_without_any_record_is_warned_of_since_it_may_have_been_cut_short():
    served = zone("example.com.", SOA + NS, apex=False)
    defaults = Position(served.file)
    empty = Zone(
        served.origin, nodes_of(one._replace(position=defaults) for one in served.rrsets()), served.file
    )
    verdict = validate({empty.origin: empty}, lambda _: {}, lambda _: None)
    assert [(each.rule, each.severity) for each in verdict.findings] == [("zone-empty", Severity.WARNING)]
