"""Zone cuts: glue, occluded data, DS, and agreement of our parent and child zones."""

from tests.validate.scenes import errors, found, only, rules

CUT = "sub NS ns.elsewhere.example.\n"


def test_delegation_with_glue_is_fine():
    text = (
        "sub NS ns1.sub\nsub NS ns2.other\nns1.sub A 192.0.2.1\n"
        "other NS ns2.other\nns2.other AAAA 2001:db8::1\n"
    )
    assert rules(text) == set()


def test_glue_at_the_cut_itself_is_fine():
    assert rules("sub NS sub\nsub A 192.0.2.1\n") == set()


def test_missing_glue_is_refused():
    finding = only("sub NS ns1.sub\nsub NS ns.elsewhere.example.\n", "glue-missing")
    assert "add the glue: ns1.sub.example.com. A or AAAA" in finding.advice


def test_missing_sibling_glue_is_warned_of():
    text = "sub NS ns1.other\nother NS ns.elsewhere.example.\n"
    assert rules(text) == {"sibling-glue-missing"}


def test_apex_name_server_below_a_cut_without_address_is_warned_of():
    assert rules(CUT + "@ NS ns3.sub\n") == {"sibling-glue-missing"}


def test_missing_glue_of_our_own_child_zone_is_refused_in_the_parent():
    child = ("sub.example.com.", "")
    assert "glue-missing" in errors("sub NS ns1.sub\nsub NS ns2.sub\n", child)


def test_name_server_of_a_delegation_that_does_not_exist_in_the_zone_is_refused():
    only("sub NS nowhere\n", "ns-target-resolves")


def test_data_below_a_cut_is_warned_of():
    finding = only(CUT + "www.sub TXT hello\n", "occluded-data")
    assert finding.severity.name == "WARNING"  # real zones have it, and answers are right without
    assert "www.sub.example.com. TXT is below" in finding.message


def test_data_beside_the_ns_of_a_cut_is_warned_of():
    finding = only(CUT + "sub MX 10 mail.elsewhere.example.\n", "occluded-data")
    assert "sub.example.com. MX is at" in finding.message


def test_cut_below_a_cut_is_warned_of():
    assert rules(CUT + "deep.sub NS ns.elsewhere.example.\n") == {"occluded-data"}


def test_address_below_a_cut_that_nobody_needs_is_warned_of():
    assert rules(CUT + "www.sub A 192.0.2.9\n") == {"orphan-glue"}


def test_ds_at_a_delegation_is_fine():
    assert rules(CUT + "sub DS 1 13 2 " + "AB" * 32 + "\n") == set()


def test_ds_without_ns_is_refused():
    only("sub DS 1 13 2 " + "AB" * 32 + "\n", "ds-without-ns")


def test_ds_at_the_apex_is_refused():
    only("@ DS 1 13 2 " + "AB" * 32 + "\n", "ds-at-apex")


def test_ds_with_sha1_alone_is_warned_of_and_beside_sha256_is_not():
    sha1 = "sub DS 1 13 1 " + "AB" * 20 + "\n"
    assert rules(CUT + sha1) == {"ds-digest"}
    assert rules(CUT + sha1 + "sub DS 1 13 2 " + "AB" * 32 + "\n") == set()


def test_delegation_at_a_wildcard_is_refused():
    assert errors("*.sub NS ns.elsewhere.example.\n") == {"wildcard-delegation"}


def test_child_zone_that_our_parent_does_not_delegate_is_warned_of():
    told = found("", ("com.", ""))
    assert [each.rule for each in told] == ["delegation-missing"]
    assert "add to zones/com.zone: example.com. NS ns1.example.com. ns2.example.com." in told[0].advice


def test_parent_and_child_of_ours_with_other_name_servers_are_warned_of():
    child = ("sub.example.com.", "")
    glue = "ns1.sub A 192.0.2.53\nns2.sub A 198.51.100.53\n"
    assert rules("sub NS ns1.sub\nsub NS ns2.sub\n" + glue, child) == set()
    assert rules("sub NS ns1.sub\nsub NS ns.elsewhere.example.\n" + glue, child) == {
        "delegation-differs",
        "orphan-glue",
    }
