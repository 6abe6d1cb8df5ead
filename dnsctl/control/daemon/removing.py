"""The job `remove`: records with `expires: {at: …, then: remove}` go once their day has passed.

The commit that was released last is released again, by the way of every push and past its guards: read on
this day, it has those records no more. What was written since, and what was never released, plays no part.
"""

from __future__ import annotations

from datetime import date

from dnsctl.control.daemon.job import Verdict, Work, named
from dnsctl.control.push import Request, Result, push
from dnsctl.control.released import released
from dnsctl.errors import RevisionError
from dnsctl.load.revision import Revision
from dnsctl.load.settings.file import load_config
from dnsctl.load.zone_yaml import REMOVED
from dnsctl.load.zones import load_zones
from dnsctl.model.finding import Finding


def removed(work: Work) -> Verdict:
    """Release the released commit again, where records of it have passed. Raises DnsctlError."""
    manifest = released(work.root)
    commit = manifest.commit if manifest is not None else None
    if commit is None:
        return Verdict("well", "nothing is released from a commit, so no record of one has expired")
    today = work.now.date()
    try:
        due = _due(work, commit, today)
    except RevisionError as error:
        return Verdict("well", f"the released commit is not in this clone, and is not read: {error}")
    if not due:
        return Verdict("well", "no record is to be removed")
    with work.host() as host:
        reason = f"{len(due)} records have passed their `expires`: {due[0].message}"
        return _verdict(push(host, Request(rev=commit, reason=reason), work.progress, today=today), due)


def _due(work: Work, commit: str, today: date) -> list[Finding]:
    source = Revision(work.root, commit)
    try:
        loaded = load_zones(source, load_config(source), today=today)
    finally:
        source.close()
    return [each for each in loaded.findings if each.rule == REMOVED]


def _verdict(result: Result, due: list[Finding]) -> Verdict:
    if result.refused is not None:
        return Verdict("act", f"records that have expired are served on: {result.refused}")
    if result.release is None:
        return Verdict("well", f"{len(due)} records that have expired are not served any more")
    zones = named([each.origin for each in result.release.zones])
    what = f"records of {zones} that have expired are removed: generation {result.generation}"
    if result.ending == "served":
        return Verdict("well", what)
    if result.ending == "partly":
        return Verdict("unknown", f"{what}; some nodes were not reached")
    return Verdict("act", f"{what}; {result.ending}: run `dnsctl verify`")
