"""The jobs of a control host, in the order in which they are done where several are due.

To add one, write `run(work: Work) -> Verdict` beside what it calls, and add a line here:

    Job(NAME, WHAT IT DOES, period, run)

`NAME` appears in `status`, the log and the metrics; `period` says how often, by dnsctl.yaml. A job opens this
host with `work.host()`, which holds the lock of a push while the block runs, and returns one line about how
it ended. It may raise: DnsctlError is its verdict, anything else a bug that is told and does not end the
daemon. It is done again in its next period, or soon if it did not end well. `stands_by=False`: a host that
stands by for another leaves it to that one. Times of day and periods are in UTC.
"""

from __future__ import annotations

from datetime import timedelta

from dnsctl.control.daemon.cleaning import cleaned
from dnsctl.control.daemon.counting import counted
from dnsctl.control.daemon.job import Job
from dnsctl.control.daemon.parents import observed
from dnsctl.control.daemon.readdressing import readdressed
from dnsctl.control.daemon.removing import removed
from dnsctl.control.daemon.renewing import renewed
from dnsctl.control.daemon.rolling import advanced
from dnsctl.control.daemon.watching import verified, watched
from dnsctl.control.journal import WATCH
from dnsctl.load.settings.config import Config
from dnsctl.model.policy import Policy
from dnsctl.rollover.timetable import LOOK

HOUR = timedelta(hours=1)
_SHORTEST = timedelta(seconds=1)


def hourly(_config: Config) -> timedelta:
    return HOUR


def nightly(_config: Config) -> timedelta:
    return timedelta(days=1)


def often(_config: Config) -> timedelta:
    return timedelta(minutes=5)


def quarterly(_config: Config) -> timedelta:
    return LOOK


def of_renewals(config: Config) -> timedelta:
    """Return an hour, or less where a policy asks for renewals more often than each four hours."""
    policies = (Policy(), *config.policies.values())
    shortest = min(each.signatures.renewed_every for each in policies)
    return max(min(HOUR, shortest / 4), _SHORTEST)


def of_aliases(config: Config) -> timedelta:
    """Return how often targets of ALIAS may be due; an hour where nobody is asked for them."""
    return max(config.alias.floor, _SHORTEST) if config.alias_resolvers else HOUR


def _after_midnight(_config: Config) -> timedelta:
    return timedelta(minutes=5)


def _night(config: Config) -> timedelta:
    return config.control.nightly


JOBS: tuple[Job, ...] = (
    Job("renew", "renews signatures that are due, and brings nodes up to date", of_renewals, renewed),
    Job(
        "remove",
        "removes records whose `expires` says so",
        nightly,
        removed,
        _after_midnight,
        stands_by=False,
    ),
    Job("observe", "asks the parents of zones for DS, NS and glue", hourly, observed),
    Job("roll", "takes the next step of rolls of keys that is safe", quarterly, advanced, stands_by=False),
    Job(
        "alias",
        "asks for targets of ALIAS, and releases what changed",
        of_aliases,
        readdressed,
        stands_by=False,
    ),
    Job("verify", "asks every node for every RRset", nightly, verified, at=_night),
    Job("clean-up", "removes old evidence and what killed commands left", nightly, cleaned, at=_night),
    Job("count", "counts the queries of zones, for plans", hourly, counted),
    Job(WATCH, "judges nodes, clocks and what runs out", often, watched),
)
