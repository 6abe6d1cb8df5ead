"""`dnsctl plan`: show what a push would change, without making a key, a signature or a file."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.cli.output.aliases import alias_lines, aliases_json
from dnsctl.cli.output.changes import (
    allowing,
    errors_listed,
    guard_json,
    print_zones,
    vouched_lines,
    zone_json,
)
from dnsctl.cli.output.markdown import plan_markdown
from dnsctl.cli.output.queries import queries_json, queries_lines
from dnsctl.cli.output.settings import print_settings, settings_json, settings_lines
from dnsctl.control.planning import Plan
from dnsctl.control.planning import plan as find_plan
from dnsctl.control.query_counts import queries_touched
from dnsctl.errors import ConfigError, RevisionError
from dnsctl.load.uncommitted import uncommitted
from dnsctl.model.json_value import Json
from dnsctl.model.repo import CONFIG, Repo
from dnsctl.publish.changeset import Fate

CHANGES = 2  # exit code: there is something to release


def plan(
    context: Context, rev: str, against: str | None, *, offline: bool, markdown: bool, as_json: bool
) -> None:
    """Print what a push of `rev` would change. Exits with 2 for changes."""
    with errors_listed(), output.stages() as progress:
        try:
            made = find_plan(context.root, rev, against, output.say, progress, offline=offline)
        except RevisionError:
            context.require_repo()
            raise
    now = datetime.now(UTC)
    counted = queries_touched(Repo(context.root).state.queries, made.changeset.zones, now)
    summary = [*queries_lines(counted, now), _summary(made)]
    output.findings(made.findings, sys.stderr)
    if rev == "HEAD":
        _warn_if_dirty(context)
    if as_json:
        output.json_result(_to_json(made) | {"queries": queries_json(counted)})
    elif markdown:
        summary += [*vouched_lines(made.approved, made.rules), *settings_lines(made.settings)]
        output.line(plan_markdown(made.changeset.zones, made.guards, summary))
    else:
        _print(made)
        for each in summary:
            output.line(each)
    if not made.is_empty:
        raise typer.Exit(CHANGES)


def _warn_if_dirty(context: Context) -> None:
    try:
        changed = uncommitted(context.root, context.config(fleet=False))
    except ConfigError:  # which HEAD has not, or there would be no plan
        changed = (CONFIG,)
    if changed:
        more = f" and {len(changed) - 1} more differ" if len(changed) > 1 else " differs"
        output.say(f"warning: {changed[0]}{more} from HEAD; this is the plan of the commit")


def _print(made: Plan) -> None:
    print_settings(made.settings)
    print_zones(made.changeset.zones, made.guards)
    owners = {change.owner for zone in made.changeset.zones for change in zone.records}
    for each in alias_lines(made.aliases, owners):
        output.line(each)
    for each in vouched_lines(made.approved, made.rules):
        output.line(each)
    if made.guards:
        allows = allowing(made.guards)
        output.line(f"A push would be refused. If the change is meant: dnsctl push {allows} --reason TEXT")


def _totals(made: Plan) -> dict[str, int]:
    kinds = [change.kind for zone in made.changeset.zones for change in zone.records]
    return {
        "zones": len(made.changeset.zones),
        "unchanged": made.changeset.carried,
        "added": kinds.count("add"),
        "deleted": kinds.count("delete"),
        "updated": kinds.count("update"),
    }


def _summary(made: Plan) -> str:
    commit = (made.commit or "work tree")[:12]
    other = (
        f"generation {made.against['generation']}"
        if "generation" in made.against
        else f"commit {str(made.against['commit'])[:12]}"
    )
    if made.is_empty:
        return f"Nothing to release: commit {commit} is what {other} holds"
    totals = _totals(made)
    return (
        f"Commit {commit} against {other}: {output.plural(totals['zones'], 'zone')} of"
        f" {totals['zones'] + totals['unchanged']}; RRsets: {totals['added']} to add,"
        f" {totals['updated']} to update, {totals['deleted']} to delete{_removed(made)}"
    )


def _removed(made: Plan) -> str:
    """Return a text on zones that are removed, whose RRsets are in no other count."""
    gone = [zone.rrsets_before for zone in made.changeset.zones if zone.fate is Fate.REMOVED]
    return f"; {output.plural(len(gone), 'zone')} with all {sum(gone)} RRsets removed" if gone else ""


def _to_json(made: Plan) -> dict[str, Json]:
    return {
        "commit": made.commit,
        "against": made.against,
        "totals": _totals(made),
        "zones": [zone_json(zone) for zone in made.changeset.zones],
        "guards": [guard_json(each) for each in made.guards],
        "aliases": aliases_json(made.aliases),
        "approved": list(made.approved),
        "rules": list(made.rules),
        "settings": settings_json(made.settings),
    }
