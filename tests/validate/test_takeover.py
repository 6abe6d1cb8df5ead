"""Aliases to names that anybody may claim."""

import pytest

from dnsctl.validate.takeover import CLAIMABLE
from tests.validate.scenes import only, rules


@pytest.mark.parametrize("end", CLAIMABLE)
def test_alias_below_an_end_of_the_table_is_noted_with_its_provider(end: str):
    finding = only(f"www CNAME some.name.{end}\n", "alias-claimable")
    assert finding.severity.name == "NOTE"
    assert CLAIMABLE[end] in finding.message


def test_many_aliases_at_one_provider_are_noted_once():
    end = next(iter(CLAIMABLE))
    finding = only("".join(f"h{number} CNAME h{number}.{end}\n" for number in range(5)), "alias-claimable")
    assert finding.message.startswith("h0.example.com. and 4 more is an alias of h0.")


def test_alias_elsewhere_is_not_noted():
    end = next(iter(CLAIMABLE))
    assert rules(f"www CNAME not{end}\na CNAME {end}example.net.\nb CNAME host.example.net.\n") == set()


def test_bucket_with_a_region_in_its_name_is_noted():
    region = "s3-website-region-1." + "s3.amazonaws.com.".partition(".")[2]
    only(f"www CNAME bucket.{region}\n", "alias-claimable")
    assert rules(f"www CNAME host.region-1.{region.partition('.')[2]}\n") == set()
