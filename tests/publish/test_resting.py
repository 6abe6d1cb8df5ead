"""A release that looks only at zones that are not at rest is the one of a full comparison.

Histories are drawn, pushed, and compared after each step in both ways; see `test_carrying` for the commits.
"""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.control.since import released_since
from dnsctl.errors import DnsctlError
from dnsctl.load.revision import Revision
from dnsctl.load.settings.file import load_config
from dnsctl.publish.changeset import Changeset, changeset_of
from dnsctl.publish.commit import intent_of
from dnsctl.publish.intent import Intent
from dnsctl.publish.memory import Memory
from dnsctl.publish.resting import at_work
from tests.publish.host import NOW, Host
from tests.publish.test_carrying import History

LATER = timedelta(minutes=10)  # than the times of key files, which are of now


class Fleet:
    """A history, and the host that releases it. `now`: a clock that goes with the history's days."""

    def __init__(self, root: Path, seed: int) -> None:
        (root / "repo").mkdir(parents=True)
        self.history, self.host = History(root / "repo", seed), Host(root / "host")
        self.memory, self.now, self._written = Memory(root / "memory.db"), NOW, 0
        self.history.commit()

    def intent(self, *, carrying: bool) -> Intent:
        source = Revision(self.history.root, "HEAD")
        memory = self.memory if carrying else None
        made = intent_of(source, load_config(source), today=self.history.day, memory=memory)
        self.history.good = made.commit or ""
        with self.host.image.reader() as reader:
            since = released_since(self.host.archive, reader)
            return at_work(made, self.host.keystore.stamps(self.now), reader, self.now, since)

    def compared(self, intent: Intent) -> Changeset:
        with self.host.image.reader() as reader:
            made = changeset_of(intent, self.host.keystore, reader, self.now)
        if intent.known is not None:
            self.memory.rest(intent.known, intent.zones, made.resting, intent.seen)
        return made

    def step(self) -> None:
        """Go on: a commit; sometimes keys are lost, sometimes it is so late that signatures are due."""
        self.history.step()
        self._age_keys()
        what = self.history.rng.randrange(12)
        if what == 0:
            self.now += timedelta(days=8)
        elif what < 3 and (found := sorted(self.host.keystore.root.glob("*/"))):
            shutil.rmtree(self.history.rng.choice(found))

    def _age_keys(self) -> None:
        """Let what was written now be older than this clock: no two times are equal."""
        for each in self.host.keystore.root.glob("*/"):
            if each.stat().st_mtime > NOW.timestamp() - 1:
                self._written += 1
                os.utime(each, (0, self._written))


@pytest.mark.parametrize("seed", range(3))
def test_any_history_is_released_as_by_a_full_comparison(tmp_path: Path, seed: int) -> None:
    fleet, carried = Fleet(tmp_path, seed), 0
    for _ in range(16):
        try:
            whole = fleet.compared(fleet.intent(carrying=False))
        except DnsctlError as error:
            with pytest.raises(type(error)):
                fleet.intent(carrying=True)
            fleet.history.go_back()
            continue
        intent = fleet.intent(carrying=True)
        narrow = fleet.compared(intent)
        carried += len(intent.carried)
        assert narrow.zones == whole.zones
        assert narrow.carried == whole.carried
        if whole.zones and fleet.history.rng.random() < 0.7:
            fleet.host.push(intent, fleet.now)
            fleet.now += LATER
        fleet.step()
    assert carried
