"""Verify every RRset of the zones that a release changes, before it leaves (`push --full-check`).

A release is asked as nodes will be, in a trial of this host's image, and each answer is judged by `verify`,
which shares nothing with what signed it: every signature and every proof of denial, kept ones included, from
the DS down. Every push verifies what it signs anew, and asks nodes what it touched; this asks for the rest.
"""

from __future__ import annotations

from datetime import UTC, datetime

from dnsctl.control.host import ControlHost
from dnsctl.control.keeping import as_kept
from dnsctl.errors import RefusalRule, ReleaseRefusedError
from dnsctl.model.key import signs_keys
from dnsctl.model.repo import Repo
from dnsctl.publish.changeset import Fate
from dnsctl.publish.intent import Progress
from dnsctl.publish.pipeline import Release
from dnsctl.serve.respond import Responder
from dnsctl.verify.anchor import Anchors, anchors_in
from dnsctl.verify.consistency import verify_responder
from dnsctl.verify.report import Report

STAGE = "full check"  # of a push, in its progress


def check_in_full(host: ControlHost, release: Release, progress: Progress) -> Report:
    """Return what was compared. Raises ReleaseRefusedError, with the first fault, where anything is wrong."""
    zones = {each.origin for each in release.zones if each.fate is not Fate.REMOVED}
    responder = Responder()
    with as_kept(release, host.image) as reader:

        def respond(query: bytes, stream: bool) -> bytes | None:
            response = responder.respond(reader, query, stream=stream)
            return response.wire if response is not None else None

        report = verify_responder(
            respond,
            reader,
            now=datetime.now(UTC),
            zones=zones,
            anchors=_anchors(host, release),
            progress=lambda done, total: progress(STAGE, done, total),
        )
    if report.faults:
        raise _refusal(report)
    return report


def _anchors(host: ControlHost, release: Release) -> Anchors:
    """Return the DS of the key files, and of the keys that become files once the release is decided."""
    anchors = anchors_in(Repo(host.root).keys.directory)
    for one in release.new_keys:
        public = one.stored.public
        if signs_keys(one.stored.role):
            anchors[public.zone] = (*anchors.get(public.zone, ()), public.ds())
    return anchors


def _refusal(report: Report) -> ReleaseRefusedError:
    more = len(report.faults) + report.more_faults - 1
    return ReleaseRefusedError(
        f"the full check found what resolvers would refuse: {report.faults[0]}"
        + (f"; and {more} more" if more else ""),
        advice="nothing was sent. Where the zone is right, this is a fault in dnsctl: report it",
        rule=RefusalRule.ANSWER_WRONG,
    )
