"""The zones of the work tree, loaded and validated: what `check`, `zone` and `explain` start from."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.cli.presigned import taken_as_signed
from dnsctl.errors import ZoneFaultsError
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import zone_files
from dnsctl.load.zones import Loaded, load_zones
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import ROOT, Name, ancestors, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.zone import ValidatedZone, Zone
from dnsctl.sign.presigned import is_presigned
from dnsctl.validate.run import Verdict, validate


@dataclass(frozen=True)
class Judged:
    """All that was found in `files` zone files, by position."""

    findings: tuple[Finding, ...]
    files: int

    def count(self, severity: Severity) -> int:
        return sum(each.severity is severity for each in self.findings)


def judge(context: Context, names: list[str]) -> Judged:
    """Load and validate the zones called `names`, or all. Raises DnsctlError for a zone that is not there."""
    config = context.config(fleet=False)
    known = known_zones(context)
    only = frozenset(zone_name(each, known) for each in names) if names else None
    loaded = load_work_tree(context, config, only)
    verdict = verdict_of(loaded, config)
    found = output.by_position((*loaded.findings, *verdict.findings))
    others = sum(each.rule == "octodns-config" for each in found)
    return Judged(tuple(found), len(only if only is not None else known) - others)


def known_zones(context: Context) -> tuple[Name, ...]:
    """Return the zones that have a file in the work tree."""
    return tuple(zone_files(context.work_tree()).zones)


def load_work_tree(context: Context, config: Config, only: frozenset[Name] | None = None) -> Loaded:
    """Load zones with a progress bar on a terminal."""
    with output.progress() as bar:
        task = bar.add_task("load", total=None)
        return load_zones(
            context.work_tree(),
            config,
            only,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def verdict_of(loaded: Loaded, config: Config, *, signatures: bool = True) -> Verdict:
    """Validate what was loaded, as a release would; `signatures`: also those of zones that came signed."""

    def policy(origin: Name) -> Policy | None:
        zone = loaded.zones.get(origin) or loaded.partial[origin]
        return None if is_presigned(zone) else config.policy(origin)

    verdict = validate(loaded.zones, config.checks, policy, partial=loaded.partial, unread=loaded.unread)
    taken = taken_as_signed(verdict.zones, config) if signatures else {}
    of_taken = (each for one in taken.values() for each in one.findings)
    return Verdict(verdict.zones, (*verdict.findings, *of_taken))


def load_one(context: Context, text: str) -> Zone:
    """Return the zone called `text`. Raises ZoneFaultsError after printing why it cannot be loaded."""
    name = zone_name(text, known_zones(context))
    loaded = load_work_tree(context, context.config(fleet=False), frozenset((name,)))
    _tell_errors(loaded.findings)
    if name not in loaded.zones:
        raise _faults(name)
    return loaded.zones[name]


def zones_above(context: Context, qname: Name) -> list[ValidatedZone]:
    """Return our zones at or above `qname`, validated. Raises ZoneFaultsError after printing why not."""
    known = known_zones(context)
    wanted = frozenset(each for each in (qname, *ancestors(qname, ROOT)) if each in known)
    if not wanted:
        return []
    config = context.config(fleet=False)
    loaded = load_work_tree(context, config, wanted)
    verdict = verdict_of(loaded, config, signatures=False)
    _tell_errors((*loaded.findings, *verdict.findings))
    for name in wanted:
        if name not in verdict.zones:
            raise _faults(name)
    return list(verdict.zones.values())


def _tell_errors(found: tuple[Finding, ...]) -> None:
    errors = [each for each in found if each.severity is Severity.ERROR]
    output.findings(output.by_position(errors), sys.stderr)


def _faults(name: Name) -> ZoneFaultsError:
    return ZoneFaultsError(
        "the zone has errors",
        where=to_text(name),
        advice="correct what is named above, or see `dnsctl check`",
    )
