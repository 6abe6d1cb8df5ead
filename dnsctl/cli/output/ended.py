"""How a push, a rollback or a renewal goes on, and how it ended: for people, and with --json for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from dnsctl.cli import output
from dnsctl.cli.output.changes import guard_json, list_findings, print_zones, vouched_lines
from dnsctl.cli.output.failed import failure_json
from dnsctl.cli.output.settings import named, print_settings, settings_json
from dnsctl.control.push import Ending, Result, changed_zones
from dnsctl.model.json_value import Json
from dnsctl.model.name import to_text
from dnsctl.model.repo import KEYS
from dnsctl.publish.changeset import STAYS_SIGNED, UNSIGNING, Fate
from dnsctl.publish.ds_changes import DS_WAITS
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Progress
from dnsctl.publish.pipeline import Release
from dnsctl.sign.keystore import StoredKey
from dnsctl.verify.report import Report

_STYLES: dict[Ending, str] = {"served": "bold green", "nothing": "bold green", "dry run": "bold"}
_SHOWN_FAULTS = 5
_SHOWN_KEYS = 10


@contextmanager
def told() -> Iterator[Progress]:
    """Show progress: bars on a terminal, elsewhere a line on standard error for each phase that is done."""
    if output.draws(sys.stderr):
        with output.stages() as bars:
            yield bars
        return
    done: set[str] = set()

    def tell(stage: str, count: int, total: int) -> None:
        if total and count >= total and stage not in done:
            done.add(stage)
            output.say(f"{stage}: {count}")

    yield tell


def finish(result: Result, seconds: float, *, as_json: bool) -> None:
    """Print how it ended, and exit with its code."""
    if as_json:
        output.json_result(to_json(result, seconds))
    else:
        _print(result, seconds)
    _tell_waits(result)
    for zone, why in result.not_renewed:
        output.say(f"not renewed: {to_text(zone)}: {why}")
    tell_keys(result)
    if result.refused is not None:
        told = result.refused
        if isinstance(told, ZonesWithErrorsError):
            list_findings(told)
            told = told.below_its_findings()
        output.failure(str(told))
    raise typer.Exit(result.exit_code)


def _print(result: Result, seconds: float) -> None:
    if result.recovered:
        output.say(f"recovered {output.plural(result.recovered, 'release')} from the fleet")
    if result.ending == "dry run" and result.release is not None:
        print_settings(result.release.settings)
        print_zones(result.release.zones, result.release.guards)
        for each in vouched_lines(result.release.approved, result.release.rules):
            output.line(each)
    elif result.release is not None and not result.failed:
        renewed = {each.origin: each.renewal for each in result.release.zones}
        for zone in changed_zones(result.release):
            entry = result.release.manifest.zones.get(zone)
            why = renewed.get(zone, "")
            output.line(
                f"  {output.visible(to_text(zone))} "
                + (f"serial {entry.serial}" if entry else "removed")
                + (f": {why}" if why else "")
            )
    for name, why in (result.outcome.missed if result.outcome else {}).items():
        output.say(f"not reached: {name}: {why}")
    for name, why in result.not_in_force.items():
        output.say(f"{name} does not run with these settings: {why}")
    failed = result.failed or (result if result.ending in ("unverified", "rollback failed") else None)
    if failed and failed.report:
        for fault in failed.report.faults[:_SHOWN_FAULTS]:
            output.say(f"  {fault}")
        for silent in failed.report.silent:
            output.say(f"  {silent.node} ({silent.address}): {silent.silent}")
    if result.evidence:
        output.say(f"evidence: {result.evidence}")
    if result.full_check:
        output.line(f"Full check before it left: {_checked(result.full_check)}")
    output.styled((_summary(result, seconds), _STYLES.get(result.ending, "bold red")))


def _tell_waits(result: Result) -> None:
    """Say what becomes of the DS of zones: it is asked for later, or again, or goes before signing ends."""
    if result.release is None or result.ending == "dry run" or result.failed is not None:
        return
    for zone in result.release.zones:
        for event in zone.events:
            if event.name in (UNSIGNING, STAYS_SIGNED, DS_WAITS):
                output.say(f"{to_text(zone.origin)}: {event.message}")


def tell_keys(result: Result) -> None:
    """Name the keys that were made: what is served now cannot be changed without them."""
    made = keys_made(result)
    for one in made[:_SHOWN_KEYS]:
        output.say(f"made {one.role} {one.public.tag} of {to_text(one.public.zone)}: {_file(one)}")
    if len(made) > _SHOWN_KEYS:
        output.say(f"and {len(made) - _SHOWN_KEYS} more keys")
    if made:
        output.say("they want a backup now, `dnsctl backup FILE`: without them these zones cannot be changed")


def keys_made(result: Result) -> tuple[StoredKey, ...]:
    """Return the keys that this push left in keys/."""
    if result.release is None or result.ending == "dry run":
        return ()
    ours = tuple(each.stored for each in result.release.new_keys)
    return (*(keys_made(result.failed) if result.failed else ()), *ours)


def _file(key: StoredKey) -> str:
    return "/".join((KEYS, *key.private_path.parts[-2:]))


def _summary(result: Result, seconds: float) -> str:
    generation, took = f"generation {result.generation}", f"{seconds:.1f} s"
    release, left_out = result.release, _names(result.left_out)
    if release is None:
        on = f"every node but {left_out} serves" if left_out else "every node serves"
        if result.target is not None and result.target != result.generation:
            return (
                f"Nothing to roll back: generation {result.target} has the same zones, and {on} {generation};"
                f" rules on who may release, and sites, are not rolled back ({took})"
            )
        return f"Nothing to {result.action.replace('rollback', 'roll back')}: {on} {generation} ({took})"
    content = _content(release)
    if result.ending == "dry run":
        would = "released" if result.refused is None else "refused"
        return f"Dry run: generation {release.generation} would be {would}, with {content} ({took})"
    if result.ending == "served":
        names = _names(result.outcome.activated if result.outcome else ())
        rest = f"; {left_out} will catch up" if left_out else ""
        compared = _compared(result.report, release)
        return (
            f"{generation.capitalize()} is served and verified on {names}: {content}{compared}{rest} ({took})"
        )
    if result.ending == "partly":
        lacks = "but not by every node" if _is_missed(result) else "but some nodes have other settings"
        return f"{generation.capitalize()} is served, {lacks}: see above ({took})"
    if result.ending == "not verified":
        names = _names(result.outcome.activated if result.outcome else ()) or "no node"
        return f"{generation.capitalize()} is active on {names}, and not verified: see above ({took})"
    if result.ending == "rolled back" and result.failed:
        return (
            f"Rolled back: generation {result.failed.generation} failed verification;"
            f" {generation} serves the previous records ({took})"
        )
    return f"{generation.capitalize()} is served and failed verification: {_advice(result)} ({took})"


def _is_missed(result: Result) -> bool:
    missed = result.outcome.missed if result.outcome else ()
    return bool(missed or result.report is None or result.report.silent)


def _compared(report: Report | None, release: Release | None) -> str:
    """Say how much of what is served was asked for; every signature was verified before it left."""
    if report is None:
        return ""
    served = sum(each.fate is not Fate.REMOVED for each in release.zones) if release is not None else 0
    asked = f" of {report.zones} of these zones" if report.zones < served else ""
    if report.checked >= report.rrsets:
        return f", all {report.rrsets} RRsets{asked} compared"
    return f", {report.checked} of {report.rrsets} RRsets{asked} compared"


def _checked(report: Report) -> str:
    zones = output.plural(report.zones, "zone")
    return f"{report.checked} of {report.rrsets} RRsets of {zones} verified ({report.seconds:.1f} s)"


def _names(names: Sequence[str]) -> str:
    if len(names) > 4:
        return output.plural(len(names), "node")
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def _advice(result: Result) -> str:
    if result.ending == "rollback failed":
        return "it could not be rolled back; run `dnsctl verify`, then `dnsctl rollback`"
    return "there was no release before it to go back to; run `dnsctl verify`"


def _content(release: Release) -> str:
    changes = release.settings.changes
    settings = f"other {named([each.setting for each in changes])}" if changes else ""
    beside = f", {settings}" if settings else ""
    zones = output.plural(len(release.zones), "zone")
    untouched = output.plural(release.carried, "zone")
    if not release.zones:
        return f"{settings or 'other rules on who may release'}, {untouched} untouched"
    if release.changes == 0 and all(each.fate is Fate.RENEWED for each in release.zones):
        return f"signatures of {zones} renewed{beside}, {untouched} untouched"
    gone = [each.rrsets_before for each in release.zones if each.fate is Fate.REMOVED]
    removed = f"{output.plural(len(gone), 'zone')} with all {output.plural(sum(gone), 'RRset')} removed"
    if len(gone) == len(release.zones) and gone:
        return f"{removed}{beside}, {untouched} untouched"
    zones = output.plural(len(release.zones) - len(gone), "zone")
    changed = f"{zones} with {output.plural(release.changes, 'RRset')} changed"
    return f"{changed}{f', {removed}' if gone else ''}{beside}, {untouched} untouched"


def to_json(result: Result, seconds: float) -> dict[str, Json]:
    """Return what `push --json` and `rollback --json` print; its keys are kept stable (docs/json.md).

    `generation` is that of `manifest` where there is one: after a dry run, the one that would be released.
    """
    release, outcome = result.release, result.outcome
    return {
        "result": result.ending.replace(" ", "-"),
        "generation": release.manifest.generation if release else result.generation,
        "manifest": release.manifest.digest if release else None,
        "commit": release.manifest.commit if release else None,
        "zones": [
            {
                "zone": to_text(each.origin),
                "fate": each.fate.name.lower(),
                "serial": each.serial,
                "changes": len(each.records),
                "renewal": each.renewal,
            }
            for each in (release.zones if release else ())
        ],
        "guards": [guard_json(each) for each in (release.guards if release else ())],
        "approved": list(release.approved) if release else [],
        "rules": list(release.rules) if release else [],
        "keys_made": [
            {
                "zone": to_text(each.public.zone),
                "tag": each.public.tag,
                "role": each.role,
                "file": _file(each),
            }
            for each in keys_made(result)
        ],
        "backup_wanted": bool(keys_made(result)),
        "activated": list(outcome.activated) if outcome else [],
        "missed": dict(outcome.missed) if outcome else {},
        "left_out": list(result.left_out),
        "settings": settings_json(release.settings) if release else None,
        "not_in_force": dict(result.not_in_force),
        "not_renewed": [{"zone": to_text(zone), "reason": why} for zone, why in result.not_renewed],
        "recovered": result.recovered,
        "notes": list(result.notes),
        "full_check": result.full_check.to_json() if result.full_check else None,
        "verification": result.report.to_json() if result.report else None,
        "refused": failure_json(result.refused) if result.refused else None,
        "failed": to_json(result.failed, 0.0) if result.failed else None,
        "evidence": str(result.evidence) if result.evidence else None,
        "seconds": round(seconds, 3),
    }
