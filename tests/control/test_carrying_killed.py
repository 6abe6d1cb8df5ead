"""A push that is killed leaves nothing in what is remembered that makes the next release another one."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dnsctl.errors import DnsctlError
from dnsctl.publish.intent import Intent
from dnsctl.publish.pipeline import Release, build
from dnsctl.replicate import acceptance
from dnsctl.replicate.catchup import recover
from dnsctl.replicate.staging import Staging
from tests.publish.host import TRUST, Host
from tests.publish.test_resting import LATER, Fleet

_EVENTS = 700  # of a push that makes keys; one that does not has some 150
_TOLD_OF = ("open", "os.", "sqlite3.", "fcntl.", "subprocess.")  # what comes between writes


class Killed(Fleet):
    """A fleet whose pushes are killed."""

    def built(self, intent: Intent) -> Release | None:
        """Build a release as a push does, and remember what is at rest."""
        host = self.host
        return build(
            intent,
            host.keystore,
            host.keys,
            host.image,
            self.now,
            found=lambda resting: (
                self.memory.rest(intent.known, intent.zones, resting, intent.seen) if intent.known else None
            ),
        )

    def push_and_die(self, event: int) -> bool:
        """Push in a process that is killed at its Nth event; return whether it was."""
        root = self.host.keystore.root.parent
        self.host.image.close()
        pid = os.fork()
        if not pid:
            try:
                self.host = Host(root)
                die_at(event)
                intent = self.intent(carrying=True)
                if self.built(intent) is not None:
                    self.host.push(intent, self.now)
            finally:
                os._exit(0)
        died = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        self.host = Host(root)
        self._recover()
        self.age_keys()
        return died

    def _recover(self) -> None:
        """Do what every push does first: take what was decided and is not in the image."""
        with ThreadPoolExecutor(1) as writer:
            staging = Staging(self.host.image, self.host.archive, TRUST, prove=acceptance.prove)
            asyncio.run(recover(staging, writer, ()))
            writer.submit(staging.close).result()


def die_at(event: int) -> None:
    """Kill this process at its Nth event that has to do with files."""
    left = event

    def count(name: str, _: object) -> None:
        nonlocal left
        if name.startswith(_TOLD_OF):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


@pytest.mark.parametrize("seed", range(2))
def test_release_after_kills_is_the_one_of_a_full_comparison(tmp_path: Path, seed: int) -> None:
    fleet, dice, compared, died = Killed(tmp_path, seed), random.Random(seed), 0, 0
    for _ in range(14):
        try:
            whole = fleet.built(fleet.intent(carrying=False))
        except DnsctlError:
            fleet.history.go_back()
            continue
        narrow = fleet.built(fleet.intent(carrying=True))
        assert (narrow is None) == (whole is None)
        if whole is not None and narrow is not None:
            assert narrow.zones == whole.zones or narrow.new_keys
            if not narrow.new_keys:  # which are drawn anew each time
                assert narrow.manifest.table == whole.manifest.table
                compared += 1
            died += fleet.push_and_die(dice.randrange(1, _EVENTS))
            fleet.now += LATER
        fleet.step()
    assert compared
    assert died
