"""A zone's digest of itself over releases (RFC 8976): it follows every one, and is nobody's record."""

from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.model.name import to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type, type_text
from dnsctl.publish.pipeline import Release
from dnsctl.sign.zonemd import zonemd
from tests.publish.host import NOW, SIMPLE, Host, intent, name

COM = "example.com."
DAY = timedelta(days=1)


def records(release: Release) -> list[str]:
    return [
        f"{each.kind} {to_text(each.owner)} {type_text(each.rdtype)}"
        for zone in release.zones
        for each in zone.records
    ]


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_digest_is_that_of_the_zone_in_each_release_and_is_no_change_of_a_record(
    denial: str, tmp_path: Path
) -> None:
    host = Host(tmp_path)
    digested = Policy(denial="nsec3" if denial == "nsec3" else "nsec", zonemd="publish")
    plain = Policy(denial=digested.denial)
    more = SIMPLE + "new A 192.0.2.77\n"
    releases = (
        (plain, SIMPLE, 0),
        (digested, SIMPLE, 1),  # asked for
        (digested, more, 2),  # a record more
        (digested, more, 10),  # renewed
        (plain, more, 11),  # not asked for any more
    )
    told = []
    for policy, text, day in releases:
        told.append(records(host.push(intent({COM: text}, policy), NOW + day * DAY)))
        zone = host.zone(COM)
        found = zone.get(name(COM), Type.ZONEMD)
        assert (found is not None) == (policy is digested)
        if found is not None:
            assert found.rdatas == zonemd(zone, found.ttl).rdatas
            assert len(found.signatures) == 1
    assert told[1:] == [[], ["add new.example.com. A"], [], []]
