"""What a push of a commit would change, found without making a key, a signature or a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.control.aliases.resolving import Ask, Targets
from dnsctl.control.cache_gate import judge_caches
from dnsctl.control.commit_gate import CommitJudgement, judge_push
from dnsctl.control.commit_rules import changed_rules, differing_rules
from dnsctl.control.concerns import of_ends
from dnsctl.control.ds_gate import judge_ds_seen
from dnsctl.control.narrowing import narrowed
from dnsctl.control.node_settings import compared, settings_intent
from dnsctl.control.own_image import is_there, open_own, require_whole
from dnsctl.control.released import released
from dnsctl.image.reader import Reader
from dnsctl.load.revision import Revision
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.model.alias import KEPT, LEFT_OUT, Resolved
from dnsctl.model.finding import Finding
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name
from dnsctl.model.presigned import EXPIRE, SOON
from dnsctl.model.processors import usable_processors
from dnsctl.model.repo import HostFiles, Repo
from dnsctl.publish.changeset import Changeset, Fate, changeset_of, compare
from dnsctl.publish.commit import intent_of
from dnsctl.publish.finish import published
from dnsctl.publish.guards import GuardVerdict, judge
from dnsctl.publish.intent import Intent, Progress
from dnsctl.publish.memory import Memory
from dnsctl.publish.old_answers import with_old_answers
from dnsctl.publish.parts import Parts
from dnsctl.publish.presigned import pass_presigned
from dnsctl.publish.settings_changes import SettingsIntent
from dnsctl.release.archive import Archive
from dnsctl.sign.keystore import Keystore

_OF_ALIASES = (KEPT, LEFT_OUT)  # rules, of what nobody wrote, or somebody wrote in vain


@dataclass(frozen=True)
class Plan:
    """What a push would change. `against` says what the commit was compared with.

    `findings`: of pre-signed zones whose signatures expire soon, and of targets of ALIAS that cannot be
    resolved. `aliases`: what became of ALIAS, by zone. `approved`: who approved the commit, besides its
    signer; `rules`: which rules on who may release it changes; `settings`: those of nodes, and what changes
    of them.
    """

    commit: str | None
    against: dict[str, Json]
    changeset: Changeset
    guards: tuple[GuardVerdict, ...]
    findings: tuple[Finding, ...] = ()
    aliases: Mapping[Name, tuple[Resolved, ...]] = field(default_factory=dict)
    approved: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    settings: SettingsIntent = field(default_factory=SettingsIntent)

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to release."""
        return not self.changeset.zones and not self.rules and not self.settings.changes


def plan(
    root: Path,
    rev: str,
    against: str | None,
    tell: Callable[[str], None],
    progress: Progress,
    *,
    offline: bool,
) -> Plan:
    """Compare the commit `rev` with the last release, or with the commit `against`.

    `offline`: no node is asked what is served. `tell` gets what a person should know besides. Raises
    ZonesWithErrorsError where a push would end with it.
    """
    with _opened(root, rev) as commit:
        if against is not None:
            with _opened(root, against) as other:
                settings = compared(other.config, commit.config)
                return _between(
                    root,
                    commit.intent(progress, ask=not offline),
                    other.intent(progress, ask=False),
                    settings,
                    progress,
                )
        if offline:
            tell("offline: compared with what this host knows; no node is asked what it serves")
            require_whole(Repo(root).state, lately=True)
        else:
            from dnsctl.control.newest import take_over_newest  # noqa: PLC0415 - what speaks to nodes

            take_over_newest(root, tell)
        intent, settings, found = _compared(root, commit, tell, progress, ask=not offline)
    told, changeset, findings, seen = found
    guards = (*judge(changeset.zones, intent.limits), *seen)
    last, judged = released(root), CommitJudgement()
    if changeset.zones or settings.changes or changed_rules(root, last, intent.commit):
        judged = judge_push(
            root, last, intent.commit, changeset.zones, guards, settings=bool(settings.changes)
        )
    return Plan(
        intent.commit,
        told,
        changeset,
        (*judged.verdicts, *guards),
        findings,
        intent.aliases,
        judged.approved,
        judged.rules,
        settings,
    )


def _between(root: Path, intent: Intent, other: Intent, settings: SettingsIntent, progress: Progress) -> Plan:
    """Compare with what another commit asks for."""
    changeset = compare(other, intent)
    findings = _passed(intent, changeset, None, progress)
    guards = judge(changeset.zones, intent.limits)
    return Plan(
        intent.commit,
        {"commit": other.commit},
        changeset,
        guards,
        findings,
        intent.aliases,
        rules=differing_rules(root, other.commit, intent.commit),
        settings=settings,
    )


@contextmanager
def _opened(root: Path, rev: str) -> Iterator[_Commit]:
    with closing(Revision(root, rev)) as source:
        yield _Commit(source, load_config(source), Repo(root).state)


@dataclass(frozen=True)
class _Commit:
    """A commit and its settings, which are read first: what is wrong with them is told before all else."""

    source: Revision
    config: Config
    state: HostFiles

    def intent(
        self, progress: Progress, memory: Memory | None = None, served: Reader | None = None, *, ask: bool
    ) -> Intent:
        """Read it; targets of ALIAS that are not fresh are asked for, unless that is not wanted.

        `served`: the image that it will be compared with, as long as the result is used.
        """
        source, config = self.source, self.config
        targets = Targets(config, self.state, _asked_by(config) if ask else None)
        parts = Parts(source, config, self.state, served) if served is not None else None
        return intent_of(source, config, progress, resolve=targets, memory=memory, parts=parts)


def _asked_by(config: Config) -> Ask:
    from dnsctl.control.aliases.asking import asked_by  # noqa: PLC0415 - what speaks to resolvers

    return asked_by(config)


_Compared = tuple[dict[str, Json], Changeset, tuple[Finding, ...], tuple[GuardVerdict, ...]]


def _compared(
    root: Path, commit: _Commit, tell: Callable[[str], None], progress: Progress, *, ask: bool
) -> tuple[Intent, SettingsIntent, _Compared]:
    """Compare with the last release, where there is one."""
    state = Repo(root).state
    memory = Memory(state.memory)
    if not is_there(state):
        intent = commit.intent(progress, memory, ask=ask)
        return intent, SettingsIntent(), _of_nothing(root, intent, progress)
    with open_own(state) as image, image.reader() as served:
        intent = commit.intent(progress, memory, served, ask=ask)
        found = _against_release(root, intent, served, tell, progress)
        settings = settings_intent(served, root, intent.commit, commit.config, lambda: released(root))
        return intent, settings, found


def _of_nothing(root: Path, intent: Intent, progress: Progress) -> _Compared:
    """Compare with no release at all."""
    keystore = Keystore(Repo(root).keys.directory, _no_passphrase)
    changeset = changeset_of(intent, keystore, None, datetime.now(UTC), progress)
    return {"generation": 0, "manifest": None}, changeset, _passed(intent, changeset, None, progress), ()


def _against_release(
    root: Path, intent: Intent, reader: Reader, tell: Callable[[str], None], progress: Progress
) -> _Compared:
    repo = Repo(root)
    keystore = Keystore(repo.keys.directory, _no_passphrase)
    now = datetime.now(UTC)
    told: dict[str, Json] = {"generation": reader.generation, "manifest": reader.manifest or None}
    for each in of_ends(reader, keystore, now.timestamp()):
        tell(f"warning: {each.about}: {each.message}")
    intent = narrowed(intent, reader, keystore, repo.state, now)
    changeset = changeset_of(intent, keystore, reader, now, progress)
    zones = with_old_answers(changeset.zones, Archive(repo.state.archive), reader.generation, now)
    changeset = replace(changeset, zones=zones)
    if intent.known is not None:
        memory = Memory(repo.state.memory)
        memory.rest(intent.known, intent.zones, changeset.resting, intent.seen)
    seen = (
        *judge_ds_seen(repo.state, reader, changeset.zones, now),
        *judge_caches(repo.state, reader, keystore, changeset.zones, now),
    )
    return told, changeset, _passed(intent, changeset, reader, progress), seen


def _passed(
    intent: Intent, changeset: Changeset, parent: Reader | None, progress: Progress
) -> tuple[Finding, ...]:
    """Stop where a push would stop, at a pre-signed zone with an error. Return those that expire soon."""
    due = [intent.zones[each.origin] for each in changeset.zones if each.fate is not Fate.REMOVED]
    workers = usable_processors()
    passed = pass_presigned(due, datetime.now(UTC), published(parent), workers, progress)
    soon = (each for each in passed.findings if each.rule in (SOON, EXPIRE))
    told = intent.findings if intent.aliases else ()
    return (*(each for each in told if each.rule in _OF_ALIASES), *soon)


def _no_passphrase() -> bytes:
    raise AssertionError("a plan opens no private key")
