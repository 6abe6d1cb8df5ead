"""A roll that waits for what has to be seen: since when it stands, and from when on somebody must act."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dnsctl.control.concerns import Concern
from dnsctl.control.fleet_status import commit_of
from dnsctl.control.observations import amend
from dnsctl.control.own_image import released
from dnsctl.control.zone_rolls import TOO_LONG, roll_concerns
from dnsctl.model.observation import ParentView
from dnsctl.model.repo import Repo
from dnsctl.replicate.staging import Served
from dnsctl.rollover.planning import Wait
from tests.control.rolls import ORIGIN, Rolling, rolling

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rolling]:
    """A roll whose new DS the parent does not take."""
    with rolling(tmp_path_factory.mktemp("standing")) as found:
        (old,) = found.stored()
        found.leave(old)
        found.parent = lambda asked: found.ds
        deadline = time.monotonic() + 60
        while not any(each.reason.startswith("for the DS of key") for each in waits(found)):
            assert time.monotonic() < deadline
        yield found


def waits(rolls: Rolling) -> list[Wait]:
    """Go on as far as can be, and return what is waited for then."""
    rolls.observe()
    rolls.advance()
    time.sleep(0.3)
    return list(rolls.waits.values())


def concern(rolls: Rolling, now: datetime) -> Concern:
    """Look at the parent at `now`, which has what it had, and return what is said of the roll then."""
    state = Repo(rolls.repo.root).state
    views = [ParentView(f"ns{each}.example.", "dc1", now, rolls.ds, 1) for each in (1, 2)]
    amend(state, ORIGIN, lambda known: replace(known, ds=known.ds.after(views, now)))
    with released(state) as reader:
        assert reader is not None
        commit = commit_of(rolls.repo.root, Served(reader.generation, reader.manifest))
        (told,) = roll_concerns(rolls.repo.root, commit, reader, rolls.keystore, now.timestamp())
    return told


def test_roll_that_stands_is_an_alarm_after_a_week_and_not_before(standing: Rolling) -> None:
    last = max(each for one in standing.stored() for each in (one.times.active, one.times.published) if each)
    now = datetime.now(UTC)
    soon = concern(standing, now)
    assert soon.weight == "soon"
    assert "; it stands since " in soon.message
    told = soon.message.rsplit("since ", 1)[1]
    since = datetime.strptime(told, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert last <= since <= now
    assert concern(standing, since + TOO_LONG - SECOND).weight == "soon"
    late = concern(standing, since + TOO_LONG + 2 * SECOND)
    assert late.weight == "act"
    assert late.message.startswith(soon.message)
    assert "for more than 7 days: look at what it waits for" in late.message
