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
from dnsctl.model.name import to_text
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

    def intent(self, *, carrying: bool, rev: str = "HEAD") -> Intent:
        source = Revision(self.history.root, rev)
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

    def go_back_elsewhere(self) -> None:
        """Have a host that remembers other things release the commit before this one."""
        try:
            made = self.intent(carrying=False, rev="HEAD~1")
            if self.compared(made).zones:
                self.host.push(made, self.now)
                self.now += LATER
        except DnsctlError:
            pass  # that commit has an error, or there is none
        self.age_keys()

    def step(self) -> None:
        """Go on: a commit; sometimes keys are lost, sometimes it is so late that signatures are due."""
        self.history.step()
        self.age_keys()
        what = self.history.rng.randrange(12)
        if what == 0:
            self.now += timedelta(days=8)
        elif what < 3 and (found := sorted(self.host.keystore.root.glob("*/"))):
            shutil.rmtree(self.history.rng.choice(found))

    def age_keys(self) -> None:
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
            fleet.age_keys()
            fleet.compared(fleet.intent(carrying=True))
        if fleet.history.rng.random() < 0.2:
            fleet.go_back_elsewhere()
        else:
            fleet.step()
    assert carried


def test_zone_that_another_host_released_otherwise_is_looked_at_again(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 0)
    for path in (fleet.history.root / "zones").iterdir():
        path.unlink()
    fleet.history.write(
        "zones/example.net.yaml", "ns1: {type: A, value: 192.0.2.53}\nns2: {type: A, value: 192.0.2.54}\n"
    )
    for number in (1, 2):
        fleet.history.write("zones/example.org.yaml", f"www: {{type: A, value: 192.0.2.{number}}}\n")
        fleet.history.commit()
        fleet.host.push(fleet.intent(carrying=True), fleet.now)
        fleet.age_keys()
        fleet.now += LATER
    assert not fleet.compared(fleet.intent(carrying=True)).zones
    assert len(fleet.intent(carrying=True).carried) == 2
    fleet.go_back_elsewhere()
    intent = fleet.intent(carrying=True)
    assert [to_text(each.origin) for each in fleet.compared(intent).zones] == ["example.org."]
    assert len(intent.carried) == 1
