"""Releases that some cache could not validate, by the DS that was seen at the parent, are refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.control.ds_gate import judge_ds_seen
from dnsctl.control.observations import Observed, remember
from dnsctl.model.key import PublicKey
from dnsctl.model.observation import DsMemory, ParentView
from dnsctl.model.policy import Policy
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import Type
from dnsctl.publish.guards import GuardVerdict
from tests.publish.host import NOW, SIMPLE, Host, intent, name

ZONE = "child.example."
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OTHER = PublicKey(name(ZONE), 13, 257, bytes(64)).ds()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.push(intent({ZONE: SIMPLE}))
    return made


def ours(host: Host) -> bytes:
    return PublicKey.of(name(ZONE), host.zone(ZONE).get(name(ZONE), Type.DNSKEY).rdatas[0]).ds()


def seen(state: Path, *rounds: tuple[datetime, tuple[tuple[bytes, ...] | None, ...]]) -> HostFiles:
    """Remember rounds of looks: for each server its DS."""
    memory = DsMemory()
    for at, told in rounds:
        views = [ParentView(f"ns{n}", "", at, ds, 3600) for n, ds in enumerate(told)]
        memory = memory.after(views, at)
    files = HostFiles(state)
    remember(files, name(ZONE), Observed(ds=memory))
    return files


def verdicts(host: Host, files: HostFiles, wanted: Policy | None, now: datetime) -> list[GuardVerdict]:
    release = host.build(intent({ZONE: SIMPLE + "new A 192.0.2.9\n"}, wanted), now)
    with host.image.reader() as reader:
        return list(judge_ds_seen(files, reader, release.zones, now))


def test_zone_may_not_become_unsigned_while_the_parent_has_a_ds(host: Host, tmp_path: Path) -> None:
    files = seen(tmp_path / "state", (NOW, ((ours(host),), (ours(host),))))
    (told,) = verdicts(host, files, None, NOW + DAY)
    assert (told.guard, told.zone) == ("ds-seen", name(ZONE))
    assert "its parent has the DS" in told.message
    assert "have the DS removed first" in told.advice


def test_one_server_with_a_ds_is_enough(host: Host, tmp_path: Path) -> None:
    files = seen(tmp_path / "state", (NOW, ((ours(host),), (ours(host),))), (NOW + HOUR, ((), (ours(host),))))
    assert verdicts(host, files, None, NOW + DAY)


def test_zone_may_become_unsigned_when_the_last_cache_has_dropped_the_ds(host: Host, tmp_path: Path) -> None:
    gone = NOW + DAY
    files = seen(tmp_path / "state", (NOW, ((ours(host),),)), (gone, ((),)))
    (told,) = verdicts(host, files, None, gone + HOUR - timedelta(seconds=1))
    assert "until 2026-11-22 13:00:00 UTC caches may hold the DS" in told.message
    assert told.advice == "push again after that time"
    assert verdicts(host, files, None, gone + HOUR + timedelta(seconds=1)) == []


def test_server_that_is_silent_hides_nothing(host: Host, tmp_path: Path) -> None:
    files = seen(tmp_path / "state", (NOW, ((ours(host),), (ours(host),))), (NOW + HOUR, ((), None)))
    assert verdicts(host, files, None, NOW + 30 * DAY)


def test_other_key_without_a_ds_is_refused_and_the_same_keys_never(host: Host, tmp_path: Path) -> None:
    files = seen(tmp_path / "state", (NOW, ((ours(host),),)))
    assert verdicts(host, files, Policy(), NOW + DAY) == []
    for each in host.keystore.list(name(ZONE)):
        for path in (each.path, each.private_path, each.state_path):
            path.unlink()
    (told,) = verdicts(host, files, Policy(), NOW + DAY)
    assert "leads to none of the keys that would sign" in told.message


def test_chain_that_is_broken_already_stops_no_release_that_may_mend_it(host: Host, tmp_path: Path) -> None:
    files = seen(tmp_path / "state", (NOW, ((OTHER,),)))
    assert verdicts(host, files, Policy(), NOW + DAY) == []
    for each in host.keystore.list(name(ZONE)):
        for path in (each.path, each.private_path, each.state_path):
            path.unlink()
    assert verdicts(host, files, Policy(), NOW + DAY) == []


def test_ds_that_leads_to_no_key_of_ours_stops_the_end_of_signing(host: Host, tmp_path: Path) -> None:
    files = seen(tmp_path / "state", (NOW, ((OTHER,),)))
    (told,) = verdicts(host, files, None, NOW + DAY)
    assert "no key would sign it" in told.message


def test_zone_that_is_unsigned_already_may_change_whatever_ds_it_has(host: Host, tmp_path: Path) -> None:
    host.push(intent({ZONE: SIMPLE}, None), NOW + HOUR)
    files = seen(tmp_path / "state", (NOW, ((OTHER,),)))
    assert verdicts(host, files, None, NOW + DAY) == []


def test_zone_that_comes_from_elsewhere_is_not_signed_with_a_key_that_its_ds_does_not_lead_to(
    tmp_path: Path,
) -> None:
    host = Host(tmp_path / "host")
    files = seen(tmp_path / "state", (NOW, ((OTHER,),)))
    (told,) = verdicts(host, files, Policy(), NOW + DAY)
    assert "or have the DS replaced first" in told.advice


def test_nothing_that_was_never_seen_is_judged(host: Host, tmp_path: Path) -> None:
    assert verdicts(host, HostFiles(tmp_path / "none"), None, NOW + DAY) == []
