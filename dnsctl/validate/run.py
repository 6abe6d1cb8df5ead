"""Run every rule over every zone: `Zone -> ValidatedZone`, and all findings, not only the first.

A zone with a finding of severity ERROR is left out of the verdict's zones; the others are in. Each zone is
walked a fixed number of times, whatever the number of findings, so a million RRsets take seconds.
"""

from __future__ import annotations

import difflib
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from dnsctl.model import reading
from dnsctl.model.finding import LEVELS, Finding, Level, Position, Severity
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.repo import CONFIG
from dnsctl.model.sharing import shared
from dnsctl.model.zone import ValidatedZone, Zone
from dnsctl.validate.landscape import Answer, Landscape, Question
from dnsctl.validate.rule import Certificates, Rule, Scope
from dnsctl.validate.rules import BESIDE, FIXED, RULE_NAMES, RULES, SEVERITIES, UNKNOWN

WORTH_A_PROCESS = 100  # zones: they take as long as to fork, and to hear of them


@dataclass(frozen=True)
class Verdict:
    """What may be signed and served, and all findings. `asked`: what rules asked of other zones, by zone."""

    zones: Mapping[Name, ValidatedZone]
    findings: tuple[Finding, ...]
    asked: Mapping[Name, Mapping[Question, Answer]] = field(default_factory=dict, repr=False)


class Beside(NamedTuple):
    """Our other zones. `unread`: nothing of them could be read, so that names that lead there are not judged.

    `around`: zones without errors that names lead to, and that are not judged. What `incomplete` zones lack
    is not judged either; these may pass.
    """

    unread: Iterable[Name] = ()
    around: Mapping[Name, Zone] = MappingProxyType({})
    incomplete: Iterable[Name] = ()


class _Judged(NamedTuple):
    """What was found in a zone, and what rules asked of others."""

    findings: tuple[Finding, ...]
    asked: Mapping[Question, Answer]

    @property
    def passed(self) -> bool:
        return not any(each.severity is Severity.ERROR for each in self.findings)


def validate(
    zones: Mapping[Name, Zone],
    checks: Callable[[Name], Mapping[str, Level]],
    policy: Callable[[Name], Policy | None],
    partial: Mapping[Name, Zone] | None = None,
    beside: Beside = Beside(),  # noqa: B008 - it is frozen
    certificates: Callable[[Name], Certificates] = lambda _: {},
    processes: int = 1,
) -> Verdict:
    """Judge `zones`. `checks`: severities a zone from dnsctl.yaml; `policy`: how it is signed here, or None;
    `certificates`: who issues those for its names.

    `partial` are zones of which a part could not be read: they are judged by what is there, and never pass.
    `processes`: how many may be forked for it; zones are all at hand then, and not read on demand.
    """
    partial = partial or {}
    landscape = landscape_of(zones, partial, beside)

    def judged(origins: Sequence[Name]) -> list[_Judged]:
        made = []
        for origin in origins:
            zone = zones[origin] if origin in zones else partial[origin]
            here = landscape.seen_from(origin)
            scope = Scope(zone, landscape.index(origin), here, policy(origin), certificates(origin))
            found = tuple(judge_rules(scope, checks(origin), whole=origin not in partial))
            made.append(_Judged(found, here.asked))
        return made

    origins = [*zones, *partial]
    processes = min(processes, len(origins) // WORTH_A_PROCESS)
    judgements = dict(zip(origins, shared(judged, origins, processes), strict=True))
    passed = {
        origin: ValidatedZone(origin, zone.nodes, zone.file, zone.emptied)
        for origin, zone in zones.items()
        if judgements[origin].passed
    }
    findings: list[Finding] = []
    settings_told: set[Finding] = set()
    for origin, each in judgements.items():
        for told in settings_findings(checks(origin)):
            if told not in settings_told:
                settings_told.add(told)
                findings.append(told)
        findings += each.findings
    return Verdict(passed, tuple(findings), {origin: each.asked for origin, each in judgements.items()})


def landscape_of(zones: Mapping[Name, Zone], partial: Mapping[Name, Zone], beside: Beside) -> Landscape:
    """Return the landscape that all of these make; the arguments are those of `validate`."""
    nothing = {origin: Zone(origin, {}, "") for origin in beside.unread}
    known: Mapping[Name, Zone] = {**nothing, **zones, **partial}
    if beside.around:  # may read zones as they are asked for: not all of them here
        known = ChainMap(known, beside.around)  # type: ignore[arg-type]  # nothing is written to it
    return Landscape(known, frozenset((*nothing, *partial, *beside.incomplete)))


def judge_rules(
    scope: Scope, levels: Mapping[str, Level], rules: Iterable[Rule] = RULES, *, whole: bool = True
) -> Iterator[Finding]:
    """Yield what `rules` find; without `whole`, of a zone of which a part could not be read."""
    types = scope.index.by_type
    for rule in rules:
        if rule.types and rule.types.isdisjoint(types):
            continue
        severity = severity_of(rule, levels) if levels else rule.severity
        if severity is None or (rule.whole and not whole):
            continue
        for fault in rule.check(scope):
            told = severity
            if not rule.fixed and fault.position in scope.zone.lenient:
                told = min(severity, Severity.WARNING)  # `lenient`: octoDNS publishes it all the same
            yield Finding(rule.name, told, fault.position, fault.message, fault.advice, scope.origin)


def severity_of(rule: Rule, levels: Mapping[str, Level]) -> Severity | None:
    """Return the severity that applies, or None for off. A fixed rule keeps its own."""
    if rule.fixed or rule.name not in levels:
        return rule.severity
    return LEVELS[levels[rule.name]]


def settings_findings(levels: Mapping[str, Level], file: str = CONFIG) -> Iterator[Finding]:
    """Judge what `checks` says: rules that do not exist, and rules that cannot be changed."""
    if not levels:
        return
    fixed = {rule.name for rule in RULES if rule.fixed}
    fixed |= {name for name, severity, _ in (*reading.RULES, *BESIDE) if severity is Severity.ERROR}
    for name, level in levels.items():
        if name in fixed and level != "error":
            yield Finding(
                FIXED,
                SEVERITIES[FIXED],
                Position(file),
                f"rule {name} cannot be set to {level}: the zone could not be served",
                f"remove {name} from `checks`",
            )
        elif name not in RULE_NAMES:
            near = difflib.get_close_matches(name, RULE_NAMES, 1)
            yield Finding(
                UNKNOWN,
                SEVERITIES[UNKNOWN],
                Position(file),
                f"`checks` names {name}, which is not a rule",
                f"did you mean {near[0]}?" if near else "`dnsctl check --rules` lists them",
            )
