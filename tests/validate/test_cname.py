"""Aliases: CNAME and other data, DNAME, loops, chains, targets."""

from tests.validate.scenes import errors, found, only, rules


def test_cname_beside_other_data_is_refused():
    finding = only("www CNAME ns1\nwww A 192.0.2.1\n", "cname-other-data")
    assert "A beside it" in finding.message


def test_cname_at_the_apex_is_told_what_to_do():
    [finding] = [each for each in found("@ CNAME ns1\n") if each.rule == "cname-other-data"]
    assert "apex" in finding.advice


def test_signatures_and_nsec_beside_a_cname_are_fine():
    text = (
        "www CNAME ns1\nwww NSEC ns1 CNAME RRSIG NSEC\n"
        "www RRSIG CNAME 13 3 3600 20300101000000 20200101000000 1 example.com. AAAA\n"
    )
    assert rules(text) == set()


def test_several_cnames_are_refused():
    only("www CNAME ns1\nwww CNAME ns2\n", "cname-several")


def test_name_below_a_dname_is_refused():
    finding = only("old DNAME example.net.\nx.old A 192.0.2.1\n", "dname-below")
    assert "x.old.example.com." in finding.message


def test_several_dnames_are_refused():
    assert errors("old DNAME example.net.\nold DNAME example.org.\n") == {"dname-several"}


def test_loop_is_refused_once():
    finding = only("a CNAME b\nb CNAME c\nc CNAME a\n", "cname-loop")
    assert "a.example.com. → b.example.com. → c.example.com. → a.example.com." in finding.message


def test_alias_of_itself_is_a_loop():
    only("a CNAME a\n", "cname-loop")


def test_wildcard_that_answers_for_its_own_target_is_a_loop():
    finding = only("* CNAME www\n", "cname-loop")
    assert "give www.example.com. its own records" in finding.advice


def test_wildcard_alias_of_a_name_with_records_is_fine():
    assert rules("* CNAME www\nwww A 192.0.2.1\n") == set()


def test_loop_across_two_of_our_zones_is_refused_in_both():
    other = ("example.net.", "b CNAME a.example.com.\n")
    assert errors("a CNAME b.example.net.\n", other) == {"cname-loop"}


def test_loop_through_a_dname_is_refused():
    assert errors("a CNAME a.old\nold DNAME @\n") == {"cname-loop"}


def test_alias_that_leads_into_a_loop_is_not_the_loop():
    told = found("a CNAME b\nb CNAME b\n")
    assert [each.rule for each in told] == ["cname-loop"]
    assert "b.example.com. → b.example.com." in told[0].message


def test_long_chain_is_warned_of_and_eight_aliases_are_not():
    chain = "".join(f"c{n} CNAME c{n + 1}\n" for n in range(8))
    assert rules(chain + "c8 A 192.0.2.1\n") == set()
    told = found(chain + "c8 CNAME c9\nc9 A 192.0.2.1\n")
    assert [each.rule for each in told] == ["cname-chain"]
    assert "chain of 9 aliases" in told[0].message
    assert "point it at c9.example.com. directly" in told[0].advice


def test_alias_of_a_missing_name_is_warned_of():
    finding = only("www CNAME wwww\n", "cname-target-resolves")
    assert finding.severity.name == "WARNING"


def test_alias_of_a_name_below_a_wildcard_is_fine():
    assert rules("www CNAME any.host\n*.host A 192.0.2.1\n") == set()


def test_wildcard_does_not_reach_below_an_existing_name():
    # b.host exists, as an empty non-terminal: *.host does not apply below it (RFC 4592 §2.2.2)
    assert rules("www CNAME x.b.host\n*.host A 192.0.2.1\ny.b.host A 192.0.2.2\n") == {
        "cname-target-resolves"
    }


def test_alias_of_a_missing_name_in_another_of_our_zones_is_warned_of():
    assert rules("www CNAME gone.example.net.\n", ("example.net.", "")) == {"cname-target-resolves"}


def test_alias_to_somewhere_else_is_not_judged():
    assert rules("www CNAME gone.example.org.\n", ("example.net.", "")) == set()


def test_final_dot_is_advised_only_where_it_can_be_missing():
    finding = only("www CNAME cdn.example.net\n", "cname-target-resolves")
    assert finding.advice.endswith("for cdn.example.net., with the dot at its end")
    finding = only("www CNAME web.example.com.\n", "cname-target-resolves")
    assert finding.advice == "add web.example.com., or write the name that is meant"
