"""A parent that is hostile, or only slow, holds up no other zone and no other job for more than minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dns.message
import pytest

from dnsctl.control.in_step import keep_in_step
from dnsctl.control.observations import Observed, begin_next_at, next_zone, recall, remember
from dnsctl.control.observing import Means, Round, look_at_parents, turned
from dnsctl.load.settings.config import Config
from dnsctl.model.name import Name
from dnsctl.model.observation import DsMemory, ParentView
from dnsctl.model.repo import HostFiles, Repo
from dnsctl.parent import exchange
from dnsctl.parent.patience import Patience
from dnsctl.parent.view import DelegationView
from tests.parent.scripted import Script, answer, serving
from tests.publish.host import NOW, SIMPLE, Host, intent, name

ZONES = tuple(name(f"z{number}.example.") for number in range(6))
SOA = "example. 60 SOA ns. hostmaster. 1 7200 1800 1209600 300"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    host = Host(tmp_path / "state")
    host.push(intent({f"z{number}.example.": SIMPLE for number in range(6)}))
    return tmp_path


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server that is silent be waited for a tenth of a second."""
    monkeypatch.setattr(exchange, "UDP_PATIENCE", 0.03)
    monkeypatch.setattr(exchange, "TCP_PATIENCE", 0.04)


def config(**parent: object) -> Config:
    return Config.model_validate(
        {"version": 1, "parents": {"above": parent}, "defaults": {"parent": "above"}}
    )


def seen_without_a_ds() -> Round:
    """Return a round in which each parent was seen, and has no DS."""
    memory = DsMemory().after([ParentView("ns", "", NOW, (), 300)], NOW)
    return Round({zone: Observed(ds=memory) for zone in ZONES}, {})


class Clock:
    """Seconds that pass as a test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counting(asked: list[Name], then: Callable[[], None]) -> Script:
    def script(query: bytes, _tcp: bool) -> list[bytes]:
        asked.append(name(dns.message.from_wire(query).question[0].name.to_text()))
        then()
        return [answer(query, rcode=5)]

    return script


def test_parents_that_a_round_of_asking_does_not_get_to_are_the_first_of_the_next(root: Path) -> None:
    asked: list[Name] = []
    clock = Clock()

    def two_minutes() -> None:
        clock.now += 120

    with serving(counting(asked, two_minutes)) as target:
        settings = config(servers="192.0.2.1", notify=str(target.endpoint))
        told = []
        found = seen_without_a_ds()
        for number in range(2):
            now = NOW + timedelta(hours=number)
            told.append(keep_in_step(root, settings, found, now, lambda _: None, Patience(300, clock)))
            state = Repo(root).state
            found = Round({zone: _asked(state, zone, found) for zone in ZONES}, {})
    assert [set(each.left) | {zone for zone, _ in each.asked} for each in told] == [set(ZONES)] * 2
    assert asked == [*ZONES]
    assert told[0].left == ZONES[3:]


def _asked(state: HostFiles, zone: Name, before: Round) -> Observed:
    return Observed(ds=before.seen[zone].ds, asked=recall(state, zone).asked)


def test_target_that_is_silent_is_not_told_for_each_zone(root: Path, brief: None) -> None:
    asked: list[Name] = []

    def silent(query: bytes, tcp: bool) -> list[bytes]:
        if tcp:
            asked.append(name(dns.message.from_wire(query).question[0].name.to_text()))
        return []

    with serving(silent) as target:
        settings = config(servers="192.0.2.1", notify=str(target.endpoint))
        told = keep_in_step(root, settings, seen_without_a_ds(), NOW, lambda _: None)
    assert len(asked) == 3
    assert "was not told: it answered none of 3 messages" in told.asked[-1][1].message
    assert {one.outcome for _, one in told.asked} == {"later"}


def test_zones_that_a_round_of_looks_does_not_get_to_keep_what_is_known_and_are_named(root: Path) -> None:
    def slow(query: bytes, _tcp: bool) -> list[bytes]:
        time.sleep(0.3)
        return [answer(query, sections=([], [SOA]))]

    state = Repo(root).state
    with serving(slow) as server, Host(root / "state").image.reader() as reader:
        settings = config(servers=str(server.endpoint))
        found = look_at_parents(state, settings, reader, ZONES, NOW, Means(times=(1.0, 0.1)))
    assert set(found.seen) | set(found.left) == set(ZONES)
    assert not any(recall(state, zone).ds.views for zone in found.left)


def test_first_zone_of_a_round_never_remains_so_that_the_next_round_gets_further(
    root: Path, brief: None
) -> None:
    state = Repo(root).state
    with Host(root / "state").image.reader() as reader:
        found = look_at_parents(
            state, config(servers="192.0.2.1"), reader, ZONES, NOW, Means(times=(1.0, 0.0))
        )
    assert (found.faults, found.left) == ({ZONES[0]: "its parent took more than 1 s"}, ZONES[1:])


@pytest.mark.parametrize("is_full", [True, False], ids=["round", "verification"])
def test_parent_that_is_not_found_is_silent_but_sites_stay_as_they_saw_it_in_a_verification(
    root: Path, is_full: bool
) -> None:
    state, zone, ds = Repo(root).state, ZONES[0], b"\x12\x34\x0d\x02" + bytes(32)
    views = [ParentView("192.0.2.1", site, NOW, (ds,), 300) for site in ("", "dc1")]
    there = tuple(DelegationView("192.0.2.1", ("ns.example.",), site=site) for site in ("", "dc1"))
    stand_ins = {"dc2": "ns2 runs an older version"}
    remember(state, zone, Observed(ds=DsMemory().after(views, NOW), delegation=there, stand_ins=stand_ins))
    no_time = Means(is_full=is_full, times=(0.0, 0.0))
    with Host(root / "state").image.reader() as reader:
        settings = config(servers="192.0.2.1")
        found = look_at_parents(state, settings, reader, [zone], NOW + timedelta(hours=1), no_time)
    seen = recall(state, zone)
    assert seen == found.seen[zone]
    assert seen.fault == found.faults[zone]
    shown = {each.site: each.ds for each in seen.ds.views}
    assert shown == {"": None, "dc1": None if is_full else (ds,)}
    assert [each.site for each in seen.delegation] == ([] if is_full else ["dc1"])
    assert seen.stand_ins == stand_ins
    later = NOW + timedelta(hours=2)
    again = seen.ds.after([replace(each, at=later) for each in views], later)
    assert again.everywhere_since(ds) == later, "the control host's own look failed"


def test_next_round_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    state = Repo(tmp_path).state
    assert turned(ZONES, next_zone(state)) == [*ZONES]
    begin_next_at(state, ZONES[4])
    assert turned(ZONES, next_zone(state)) == [*ZONES[4:], *ZONES[:4]]
    begin_next_at(state, name("gone.example."))
    assert turned(ZONES, next_zone(state)) == [*ZONES]
    begin_next_at(state, None)
    assert next_zone(state) == ""


def test_command_that_cannot_be_started_stops_no_other_zone(root: Path) -> None:
    parents = {"bad": {"servers": "192.0.2.1", "ds": "hook", "command": ["/bin/echo", "a\0b"]}}
    parents["above"] = {"servers": "192.0.2.1", "ds": "hook", "command": ["/bin/true"]}
    settings = Config.model_validate(
        {
            "version": 1,
            "parents": parents,
            "defaults": {"parent": "above"},
            "zones": {"z0.example": {"parent": "bad"}},
        }
    )
    told = keep_in_step(root, settings, seen_without_a_ds(), NOW, lambda _: None)
    assert [(zone, one.outcome) for zone, one in told.asked] == [
        (ZONES[0], "refused"),
        *((zone, "done") for zone in ZONES[1:]),
    ]


def test_parent_whose_targets_are_not_found_in_time_is_left_for_the_next_round(root: Path) -> None:
    clock = Clock()

    def resolver(query: bytes, _tcp: bool) -> list[bytes]:
        clock.now += 100
        return [answer(query, aa=False, sections=([], [SOA]))]

    with serving(resolver) as stub:
        settings = Config.model_validate({"version": 1, "resolvers": str(stub.endpoint)})
        found = seen_without_a_ds()
        told = keep_in_step(root, settings, found, NOW, lambda _: None, Patience(300, clock))
    assert [zone for zone, _ in told.asked] + [*told.left] == [*ZONES]
    assert told.left
    assert all("no time was left" not in one.message for _, one in told.asked[1:])
