"""Weeks without a person: with a daemon signatures never run out, without one alarms are raised in time.

Nodes, daemon and commands are real processes under one `faketime` clock that is moved on while they run. On
each day both nodes are asked, and what they answer is validated with the keys of the first day. A few steps
are taken here; `DNSCTL_SIXTY_DAYS=1` goes through every one of sixty days, in five minutes or so.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import dns.dnssec
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.rrset
import pytest

from tests.clocks import Calendar
from tests.control.operations import DNSCTL, NODES, ORG, Operations, made, zone
from tests.control.test_renewal import (
    branch_without_commit,
    config_broken,
    dirty,
    error_in_head,
    expired,
)

pytestmark = [pytest.mark.peer, pytest.mark.timeout(900)]
WHOLE = os.environ.get("DNSCTL_SIXTY_DAYS") == "1"
DAYS = range(1, 61) if WHOLE else (1, 8, 16, 24, 36, 48, 60)
SITUATIONS: tuple[Callable[[Operations], None], ...] = (
    dirty,
    error_in_head,
    expired,
    config_broken,
    branch_without_commit,
)
APEX = dns.name.from_text("example.com.")
ASKED = (("www", "A"), ("@", "SOA"), ("nope", "A"), ("x.dyn", "A"), ("www", "TXT"))


class Fleet:
    """Two nodes of a fleet, whose clock is `calendar`."""

    def __init__(self, repo: Operations, calendar: Calendar, processes: ExitStack) -> None:
        self.repo, self.calendar, self._processes = repo, calendar, processes
        for name in NODES:
            self.start("serve", "--node", name)
        self.wait(lambda: all(each["reachable"] for each in self.status()[1]["nodes"]))
        done = self.run("push")
        assert done[0] == 0, done
        self.first, self.keys = 0.0, self._keys()

    def start(self, *arguments: str) -> ExitStack:
        """Start a command that runs on; it ends with what is returned, or the fleet."""
        command = (*DNSCTL, "-C", str(self.repo.root), *arguments)
        own = ExitStack()
        own.enter_context(self.calendar.running(command, self.repo.root / f"{arguments[-1]}.log"))
        self._processes.push(own)
        return own

    def run(self, *arguments: str) -> tuple[int, str]:
        done = self.calendar.run((*DNSCTL, "-C", str(self.repo.root), *arguments))
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    def status(self) -> tuple[int, dict[str, Any]]:
        done = self.calendar.run((*DNSCTL, "-C", str(self.repo.root), "status", "--json"))
        return done.returncode, json.loads(done.stdout)

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 150
        while not until():
            assert time.monotonic() < deadline, (self.repo.root / "control.log").read_text()
            time.sleep(0.2)

    def done(self, *jobs: str) -> float:
        """Return since when all of `jobs` were done, and well; 0: one was not."""
        try:
            kept = json.loads((self.repo.root / "state/jobs.json").read_text())["jobs"]
            if any(kept[job]["verdict"] != "well" for job in jobs):
                return 0.0
            return min(datetime.fromisoformat(kept[job]["began"]).timestamp() for job in jobs)
        except (OSError, KeyError):
            return 0.0

    def begin(self) -> None:
        """Go on from signatures that were made now, on a host that never had a daemon."""
        (self.repo.root / "state/jobs.json").unlink(missing_ok=True)
        self.first = self.calendar.days
        self.repo.write("zones/example.com.yaml", zone(f"192.0.2.{100 + self.first:.0f}"))
        self.repo.write(
            "zones/example.org.yaml", ORG.replace("192.0.2.80", f"192.0.2.{100 + self.first:.0f}")
        )
        self.repo.commit("both zones are signed now")
        done = self.run("push")
        assert done[0] == 0, done

    def reach(self, day: float) -> float:
        """Have it be `day` days after `begin`, everywhere; return the time."""
        self.calendar.set(self.first + day)
        return self.calendar.now.timestamp()

    def _keys(self) -> dns.rrset.RRset:
        return self._ask("ns1", "@", "DNSKEY").answer[0]

    def _ask(self, node: str, owner: str, rdtype: str) -> dns.message.Message:
        query = dns.message.make_query(dns.name.from_text(owner, APEX), rdtype, want_dnssec=True)
        return dns.query.udp(query, "127.0.0.1", port=self.repo.ports[node][0], timeout=5)

    def validate(self) -> float:
        """Validate what both nodes answer today; return the days that the first signature has left."""
        now, least = self.calendar.now.timestamp(), math.inf
        for node in NODES:
            for owner, rdtype in ASKED:
                answer = self._ask(node, owner, rdtype)
                sets = [each for part in (answer.answer, answer.authority) for each in part]
                signatures = [each for each in sets if each.rdtype == dns.rdatatype.RRSIG]
                assert signatures
                for each in signatures:
                    (data,) = (one for one in sets if (one.name, one.rdtype) == (each.name, each.covers))
                    dns.dnssec.validate(data, each, {APEX: self.keys}, now=now)
                    least = min(least, *(one.expiration for one in each))
        return (least - now) / 86400


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    tmp_path = tmp_path_factory.mktemp("days")
    calendar = Calendar(tmp_path / "clock")
    with made(tmp_path / "ops") as repo, ExitStack() as processes:
        repo.write("zones/example.org.yaml", ORG)
        repo.commit("two zones")
        yield Fleet(repo, calendar, processes)


def test_thirteen_days_without_a_daemon_are_valid_with_alarms_at_seven_and_three(fleet: Fleet) -> None:
    fleet.begin()
    told = {}
    for day in (6, 7, 8, 11, 13):
        fleet.reach(day)
        assert fleet.validate() > 0.4
        code, status = fleet.status()
        told[day] = code, [(each["weight"], each["about"], each["message"]) for each in status["concerns"]]
    assert told[6] == (0, [])
    assert (told[7][0], {each[:2] for each in told[7][1]}) == (
        0,
        {("soon", "example.com."), ("soon", "example.org.")},
    )
    assert "signatures run out in 6 days, at" in told[7][1][0][2]
    for day in (8, 11, 13):
        assert told[day][0] == 1
        assert {each[:2] for each in told[day][1]} == {("act", "example.com."), ("act", "example.org.")}
    assert "(5 days left)" in told[8][1][0][2]
    assert "(2 days left)" in told[11][1][0][2]
    assert "hours left)" in told[13][1][0][2]


def test_daemon_that_died_is_a_line_then_an_alarm_and_makes_up_for_it_at_once(fleet: Fleet) -> None:
    fleet.begin()
    with fleet.start("control"):
        fleet.wait(lambda: fleet.done("watch") > 0)
    code, told = fleet.status()
    assert (code, [each["weight"] for each in told["concerns"]]) == (0, ["soon"])
    assert "`dnsctl control` does not run, and did its last job at" in told["concerns"][0]["message"]
    fleet.reach(7)
    code, told = fleet.status()
    assert code == 1
    assert ("act", "daemon") in [(each["weight"], each["about"]) for each in told["concerns"]]
    today = fleet.reach(13)
    with fleet.start("control"):
        fleet.wait(lambda: fleet.done("renew", "watch") >= today - 2)
        assert fleet.validate() > 13
        assert fleet.status()[0] == 0
    assert "alarm: less than 3 days" not in (fleet.repo.root / "control.log").read_text()


def test_sixty_days_with_a_daemon_and_no_person_are_valid_throughout(fleet: Fleet) -> None:
    fleet.begin()
    config, left, done = (fleet.repo.root / "dnsctl.yaml").read_text(), [], 0
    before = fleet.status()[1]["generation"]
    with fleet.start("control"):
        for day in DAYS:
            today = fleet.reach(day)
            left.append(fleet.validate())
            fleet.wait(lambda: fleet.done("renew", "watch", "verify") >= today - 2)  # noqa: B023
            left.append(fleet.validate())
            assert left[-1] > 6, f"day {day}: renewed late"
            if day % 4 and WHOLE:
                continue
            (fleet.repo.root / "dnsctl.yaml").write_text(config)
            code, told = fleet.status()
            assert (code, told["verdict"], told["concerns"]) == (0, "well", []), f"day {day}: {told}"
            assert told["daemon"] is not None
            if done < len(SITUATIONS):
                SITUATIONS[done](fleet.repo)
                done += 1
        released = fleet.status()[1]["generation"] - before
    print(f"{len(DAYS)} days, {released} releases, never less than {min(left):.1f} days left")
    log = (fleet.repo.root / "control.log").read_text()
    lines = [line for line in log.splitlines() if "clock of" not in line]  # one was asked while they were set
    assert not [line for line in lines if "act now" in line or "Traceback" in line or "alarm" in line]
    assert 8 <= released <= 10 or not WHOLE, "renewed when due, not each day"
