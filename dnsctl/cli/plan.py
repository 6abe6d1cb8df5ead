"""`dnsctl plan`: show what a push would change, without making a key, a signature or a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import typer

from dnsctl.cli import output
from dnsctl.cli.ends import warn_of_ends
from dnsctl.cli.output.changes import guard_json, print_zones, zone_json
from dnsctl.cli.verbs.context import Context
from dnsctl.control.newest import take_over_newest
from dnsctl.control.own_image import open_own, require_whole
from dnsctl.control.renewal import released
from dnsctl.image.reader import Reader
from dnsctl.load.revision import Revision, is_dirty
from dnsctl.load.settings.file import load_config
from dnsctl.model.presigned import EXPIRE, SOON
from dnsctl.model.repo import RELEASED
from dnsctl.publish.commit import intent_of
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.finish import published
from dnsctl.publish.guards import GuardVerdict, judge
from dnsctl.publish.history import judge_history
from dnsctl.publish.intent import Intent, Progress
from dnsctl.publish.presigned import pass_presigned
from dnsctl.publish.survey import Fate, Survey, compare, survey
from dnsctl.publish.work_tree import errors_of
from dnsctl.sign.keystore import Keystore

CHANGES = 2  # exit code: there is something to release


@dataclass(frozen=True)
class _Plan:
    """What is shown. `against` says what the commit was compared with."""

    commit: str | None
    against: dict[str, Any]
    survey: Survey
    guards: tuple[GuardVerdict, ...]


def plan(context: Context, rev: str, against: str | None, *, offline: bool, as_json: bool) -> None:
    """Print what a push of `rev` would change. Exits with 2 for changes."""
    with output.stages() as progress:
        made = _made(context, rev, against, offline, progress)
    if rev == "HEAD":
        _warn_if_dirty(context)
    if as_json:
        output.json_result(_to_json(made))
    else:
        _print(made)
    if made.survey.zones:
        raise typer.Exit(CHANGES)


def _made(context: Context, rev: str, against: str | None, offline: bool, progress: Progress) -> _Plan:
    intent = _intent(context, rev, progress)
    history: tuple[GuardVerdict, ...] = ()
    if against is not None:
        other = _intent(context, against, progress)
        surveyed = compare(other, intent)
        _pass(intent, surveyed, None, progress)
        told: dict[str, Any] = {"commit": other.commit}
    else:
        if offline:
            require_whole(context.state)
        else:
            take_over_newest(context.root, output.say)
        told, surveyed = _against_release(context, intent, progress)
        history = judge_history(context.root, released(context.root), intent.commit, surveyed.zones)
    return _Plan(intent.commit, told, surveyed, (*history, *judge(surveyed.zones, intent.limits)))


def _intent(context: Context, rev: str, progress: Progress) -> Intent:
    source = Revision(context.root, rev)
    try:
        with errors_listed():
            return intent_of(source, load_config(source), progress)
    finally:
        source.close()


def _against_release(context: Context, intent: Intent, progress: Progress) -> tuple[dict[str, Any], Survey]:
    keystore = Keystore(context.keys, _no_passphrase)
    now = datetime.now(UTC)
    if not (context.image / "data.mdb").exists():
        surveyed = survey(intent, keystore, None, now, progress)
        _pass(intent, surveyed, None, progress)
        return {"generation": 0, "manifest": None}, surveyed
    with open_own(context.state) as image, image.reader() as reader:
        told = {"generation": reader.generation, "manifest": reader.manifest or None}
        warn_of_ends(reader, keystore)
        surveyed = survey(intent, keystore, reader, now, progress)
        _pass(intent, surveyed, reader, progress)
        return told, surveyed


def _pass(intent: Intent, surveyed: Survey, parent: Reader | None, progress: Progress) -> None:
    """Stop at what a push would stop at: a pre-signed zone with an error."""
    due = [intent.zones[each.origin] for each in surveyed.zones if each.fate is not Fate.REMOVED]
    with errors_listed():
        workers = len(os.sched_getaffinity(0))
        passed = pass_presigned(due, datetime.now(UTC), published(parent), workers, progress)
    output.findings([each for each in passed.findings if each.rule in (SOON, EXPIRE)], sys.stderr)


@contextmanager
def errors_listed() -> Iterator[None]:
    """List the errors of zones before the one line of the failure."""
    try:
        yield
    except ZonesWithErrorsError as error:
        output.findings(errors_of(error.findings), sys.stderr)
        raise


def _no_passphrase() -> bytes:
    raise AssertionError("a plan opens no private key")


def _warn_if_dirty(context: Context) -> None:
    changed = is_dirty(context.root, RELEASED)
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        output.say(f"warning: {changed[0]}{more} differs from HEAD; this is the plan of the commit")


def _print(made: _Plan) -> None:
    print_zones(made.survey.zones, made.guards)
    if made.guards:
        allows = " ".join(f"--allow {name}" for name in dict.fromkeys(each.guard for each in made.guards))
        output.line(f"A push would be refused. If the change is meant: dnsctl push {allows} --reason TEXT")
    output.line(_summary(made))


def _totals(made: _Plan) -> dict[str, int]:
    kinds = [change.kind for zone in made.survey.zones for change in zone.records]
    return {
        "zones": len(made.survey.zones),
        "unchanged": made.survey.carried,
        "added": kinds.count("add"),
        "deleted": kinds.count("delete"),
        "updated": kinds.count("update"),
    }


def _summary(made: _Plan) -> str:
    commit = (made.commit or "work tree")[:12]
    other = (
        f"generation {made.against['generation']}"
        if "generation" in made.against
        else f"commit {made.against['commit'][:12]}"
    )
    if not made.survey.zones:
        return f"Nothing to release: commit {commit} is what {other} holds"
    totals = _totals(made)
    return (
        f"Commit {commit} against {other}: {output.plural(totals['zones'], 'zone')} of"
        f" {totals['zones'] + totals['unchanged']}; RRsets: {totals['added']} to add,"
        f" {totals['updated']} to update, {totals['deleted']} to delete{_removed(made)}"
    )


def _removed(made: _Plan) -> str:
    """Tell of zones that go as a whole, whose RRsets are in no other count."""
    gone = [zone.rrsets_before for zone in made.survey.zones if zone.fate is Fate.REMOVED]
    return f"; {output.plural(len(gone), 'zone')} with all {sum(gone)} RRsets removed" if gone else ""


def _to_json(made: _Plan) -> dict[str, Any]:
    return {
        "commit": made.commit,
        "against": made.against,
        "totals": _totals(made),
        "zones": [zone_json(zone) for zone in made.survey.zones],
        "guards": [guard_json(each) for each in made.guards],
    }
