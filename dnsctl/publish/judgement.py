"""Which zones may be published, and all that was found of them. The first half of every way to publish.

`check`, `plan`, `push`, `explain --work-tree` and `serve --zones` judge here, so that none of them serves
what another refuses. A zone with an error is not in `Judged.zones`, whatever found it: a reader, a rule, or,
with `judge_signatures`, its own signatures. One with an error keeps no other out. Opens no key and no image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from dnsctl.load.settings.config import Config
from dnsctl.load.zones import Loaded
from dnsctl.model.alias import Resolve, ask_nobody
from dnsctl.model.finding import Finding, Level, Severity
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.zone import SignedZone, ValidatedZone, Zone, is_presigned
from dnsctl.publish.aliases import addressed, incomplete
from dnsctl.publish.intent import Progress, ZoneIntent, no_progress
from dnsctl.validate.landscape import Answer, Question
from dnsctl.validate.rule import Certificates
from dnsctl.validate.run import Beside, validate

PolicyOf = Callable[[Name], Policy | None]  # how a zone is signed here, unless it is pre-signed
LevelsOf = Callable[[Name], Mapping[str, Level]]  # severities by rule, from `checks` of dnsctl.yaml
CertificatesOf = Callable[[Name], Certificates]  # who issues those for names of a zone, from dnsctl.yaml


@dataclass(frozen=True)
class Judged:
    """`zones` may be published; `signed`: the pre-signed ones of them, once signatures were judged.

    `found`: those of `findings` that rules have found; `asked`: what they asked of other zones, by zone.
    """

    zones: Mapping[Name, ZoneIntent] = field(repr=False)
    findings: Sequence[Finding]
    signed: Mapping[Name, SignedZone] = field(default_factory=dict, repr=False)
    found: tuple[Finding, ...] = field(default=(), repr=False)
    asked: Mapping[Name, Mapping[Question, Answer]] = field(default_factory=dict, repr=False)

    @property
    def has_errors(self) -> bool:
        return any(each.severity is Severity.ERROR for each in self.findings)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What keeps zones, and files that are none, from being published."""
        return tuple(
            each
            for each in self.findings
            if each.severity is Severity.ERROR and (each.zone is None or each.zone not in self.zones)
        )


def judge(
    loaded: Loaded,
    policy_of: PolicyOf,
    levels_of: LevelsOf,
    progress: Progress = no_progress,
    resolve: Resolve = ask_nobody,
    certificates_of: CertificatesOf = lambda _: {},
    processes: int = 1,
) -> Judged:
    """Judge what was loaded by every rule, except signatures of pre-signed zones, which come later.

    Before that, aliases become addresses; `resolve` tells those of targets that are not ours. `processes`:
    how many may be forked for it, where all zones are at hand.
    """
    loaded, aliases = addressed(loaded, levels_of, resolve)
    read = {**loaded.zones, **loaded.partial}
    presigned = {origin for origin, zone in read.items() if is_presigned(zone)}
    policies = {origin: None if origin in presigned else policy_of(origin) for origin in read}
    progress("validate", 0, len(read))
    verdict = validate(
        loaded.zones,
        levels_of,
        policies.__getitem__,
        partial=loaded.partial,
        beside=Beside(loaded.unread, loaded.around, incomplete(aliases)),
        certificates=certificates_of,
        processes=processes,
    )
    progress("validate", len(read), len(read))
    zones = {
        origin: ZoneIntent(
            zone,
            policies[origin],
            origin in presigned,
            levels=levels_of(origin),
            aliases=aliases.get(origin, ()),
        )
        for origin, zone in verdict.zones.items()
    }
    findings = (*loaded.findings, *verdict.findings)
    return Judged(zones, findings, found=verdict.findings, asked=verdict.asked)


def zone_intent(zone: ValidatedZone, read: Zone, policy_of: PolicyOf, levels_of: LevelsOf) -> ZoneIntent:
    """Return what is asked for of a zone that passed; `read`: the same, as it was loaded."""
    presigned = is_presigned(read)
    policy = None if presigned else policy_of(zone.origin)
    return ZoneIntent(zone, policy, presigned, levels=levels_of(zone.origin))


def with_parents(zones: Mapping[Name, ZoneIntent], config: Config) -> dict[Name, ZoneIntent]:
    """Return `zones`, each knowing whether its DS in a zone of ours follows its keys."""
    return {
        origin: each if config.parent_policy(origin).ours == "follow" else replace(each, ds_follows=False)
        for origin, each in zones.items()
    }


def judge_signatures(
    judged: Judged, now: datetime, workers: int = 1, progress: Progress = no_progress
) -> Judged:
    """Verify every signature of the pre-signed zones, as valid at `now`."""
    if not any(each.presigned for each in judged.zones.values()):
        return judged
    from dnsctl.publish.presigned import take_signed  # noqa: PLC0415 - what verifies, for these alone

    taken = take_signed(judged.zones.values(), now, workers=workers, progress=progress)
    refused = {origin for origin, one in taken.items() if one.zone is None}
    return replace(
        judged,
        zones={origin: zone for origin, zone in judged.zones.items() if origin not in refused},
        findings=(*judged.findings, *(each for one in taken.values() for each in one.findings)),
        signed={origin: one.zone for origin, one in taken.items() if one.zone is not None},
    )
