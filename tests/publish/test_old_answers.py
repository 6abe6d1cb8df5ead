"""A TTL that was lowered less than itself ago is told beside the change, from the deltas of real releases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.model.name import to_text
from dnsctl.publish import old_answers
from dnsctl.publish.changeset import changeset_of
from dnsctl.publish.old_answers import with_old_answers
from dnsctl.release.archive import activated
from tests.publish.host import NOW, Host, intent

FIRST = "www 3600 A 192.0.2.1\nmail 3600 A 192.0.2.2\n@ 7200 MX 10 mail\nold 86400 TXT x\n"
LOWERED = FIRST.replace("www 3600", "www 300")
MOVED = LOWERED.replace("192.0.2.1", "192.0.2.9")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host that released the zone a month ago."""
    made = Host(tmp_path)
    made.push(intent({"example.com.": FIRST}, None), NOW - timedelta(days=30))
    yield made
    made.image.close()


def told(host: Host, text: str, minutes: int) -> list[str]:
    """Return what a plan at that many minutes after NOW tells of lowered TTLs."""
    now = NOW + timedelta(minutes=minutes)
    with host.image.reader() as reader:
        changeset = changeset_of(intent({"example.com.": text}, None), host.keystore, reader, now)
        zones = with_old_answers(changeset.zones, host.archive, reader.generation, now)
    lowered = [each for zone in zones for each in zone.effects if each.name == "ttl-lowered"]
    return [f"{to_text(each.owner)}: {each.message}" for each in lowered]


def push(host: Host, text: str, minutes: int = 0) -> None:
    host.push(intent({"example.com.": text}, None), NOW + timedelta(minutes=minutes))


def test_change_ten_minutes_after_the_ttl_was_lowered_says_how_long_old_answers_live(host: Host) -> None:
    push(host, LOWERED)
    assert told(host, MOVED, 10) == [
        "www.example.com.: the TTL of www.example.com. A was lowered from 1h to 5m 10m ago: caches may hold "
        "the earlier answer for 50m more; from then on a change is seen within the new TTL"
    ]


@pytest.mark.parametrize(("minutes", "count"), [(0, 1), (54, 1), (56, 0), (10_000, 0)])
def test_it_is_told_until_the_old_answers_live_no_longer_than_the_new_ones(
    host: Host, minutes: int, count: int
) -> None:
    push(host, LOWERED)
    assert len(told(host, MOVED, minutes)) == count
    assert len(told(host, LOWERED.replace("www 300 A 192.0.2.1\n", ""), minutes)) == count


def test_other_records_and_ttls_that_were_not_lowered_say_nothing(host: Host) -> None:
    push(host, LOWERED.replace("192.0.2.2", "192.0.2.3").replace("@ 7200", "@ 9000"))
    assert told(host, MOVED.replace("www 300 A 192.0.2.9", "www 300 A 192.0.2.1"), 10) == []
    changed = LOWERED.replace("192.0.2.2", "192.0.2.4").replace("MX 10", "MX 20")
    assert told(host, changed, 10) == []


def test_longest_of_several_steps_counts_also_over_releases_of_other_zones(host: Host) -> None:
    push(host, FIRST.replace("www 3600", "www 1800"))
    push(host, LOWERED, 20)
    host.push(
        intent({"example.com.": LOWERED, "example.org.": "@ A 192.0.2.1\n"}, None),
        NOW + timedelta(minutes=21),
    )
    [message] = told(host, MOVED, 25)
    assert "lowered from 1h to 5m 25m ago: caches may hold the earlier answer for 35m more" in message
    push(host, LOWERED.replace("192.0.2.1", "192.0.2.7"), 26)  # the same 5m: it adds nothing of its own
    assert "for 30m more" in told(host, MOVED, 30)[0]


def test_name_that_was_away_in_between_counts_by_what_it_was_before(host: Host) -> None:
    push(host, FIRST.replace("www 3600 A 192.0.2.1\n", ""))
    push(host, LOWERED, 5)
    assert "for 50m more" in told(host, MOVED, 10)[0]


def test_delta_that_is_missing_or_too_large_ends_the_look_and_not_the_plan(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(host, LOWERED)
    with monkeypatch.context() as patched:
        patched.setattr(old_answers, "_MOST", 10)
        assert told(host, MOVED, 10) == []
    assert len(told(host, MOVED, 10)) == 1
    manifest = activated(host.archive, 1)
    assert manifest is not None
    host.archive.locate(manifest.delta.digest).unlink()
    assert told(host, MOVED, 10) == []
