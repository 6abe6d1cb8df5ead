"""A push from beginning to end: recover, build, guard, push, adopt, record, verify, or go back.

Order, and what an interruption at each point leaves:

1. Recover: this host takes what the fleet serves, or what an earlier push decided, and brings nodes that are
   behind up to date. 2. Build, and judge by the guards: nothing has changed anywhere. 3. Prepare it on this
   host as on a node, then push to all nodes or none (see `replicate.transaction`); new keys are on disk
   before the release is decided, and removed if it is not. 4. Keep and record it, in disk space that was
   reserved before (see `keeping`); after a kill, step 1 of the next push does it. 5. Verify from outside; if
   the fleet does not serve exactly the release, the previous records are released again as a new generation,
   and the evidence is kept in `state/evidence/`.

Pushes, rollbacks and renewals of signatures all go this way. A renewal begins from what is served instead of
a commit (see `publish.renewal`), so that nothing that was written since can stop it.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from dnsctl.control.aliases.asking import asked_by
from dnsctl.control.aliases.resolving import Targets, remember
from dnsctl.control.cache_gate import judge_caches
from dnsctl.control.commit_gate import CommitJudgement, judge_push, judge_return
from dnsctl.control.commit_rules import changed_rules
from dnsctl.control.ds_gate import judge_ds_seen
from dnsctl.control.full_check import check_in_full
from dnsctl.control.generations import ENDED, TAKEN_BACK, counts_of
from dnsctl.control.host import ControlHost, actor
from dnsctl.control.keeping import as_kept, keep, prepared, room_for
from dnsctl.control.narrowing import narrowed
from dnsctl.control.node_settings import again, settings_intent
from dnsctl.control.renewal import renewal_due
from dnsctl.control.served import expect
from dnsctl.control.settings_in_force import able_to_travel, await_settings
from dnsctl.control.settling import settle_all
from dnsctl.errors import (
    DnsctlError,
    NodeUnreachableError,
    RefusalRule,
    ReleaseError,
    ReleaseRefusedError,
    RevisionError,
    SystemRefusalError,
    worded,
)
from dnsctl.files import durable
from dnsctl.image.reader import Reader
from dnsctl.load.revision import Revision, head
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.load.uncommitted import uncommitted
from dnsctl.model.guard_names import DS_CHANGE, GUARDS, HISTORY, KEYS_MISSING
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, to_text
from dnsctl.model.processors import usable_processors
from dnsctl.model.repo import Repo
from dnsctl.model.timestamp import stamp
from dnsctl.publish.changeset import Fate
from dnsctl.publish.commit import intent_of
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.guards import enforce, is_allowed
from dnsctl.publish.intent import Intent, Progress, no_progress
from dnsctl.publish.memory import Memory
from dnsctl.publish.old_answers import with_old_answers
from dnsctl.publish.parts import Parts
from dnsctl.publish.pipeline import Release, build, certify
from dnsctl.publish.settings_changes import SettingsIntent
from dnsctl.release.manifest import Manifest
from dnsctl.replicate.transaction import Outcome, Outgoing, Phase, clocks_ahead, fence, push_release, reach
from dnsctl.sign.keyfile import directory_name
from dnsctl.verify.anchor import AnchorFiles
from dnsctl.verify.consistency import verify_fleet
from dnsctl.verify.report import Report
from dnsctl.verify.timeliness import untimely

_CHANGED_ZONES = 100  # asked right after a push: nodes have probed more, and `verify` asks all
_TOUCHED = 2000  # owners asked right after a push, and zones that are no more
_UNTOUCHED_ZONES = 10  # asked where a release changes no zone that still exists
_SECOND_LOOK = 0.3  # seconds; an answer lost on the way is not drift

_Each = TypeVar("_Each")
Action = Literal["push", "rollback", "renew", "roll", "alias"]
Ending = Literal[
    "served", "nothing", "dry run", "partly", "not verified", "unverified", "rolled back", "rollback failed"
]


def _show_nobody(_release: Release) -> None:
    """Show nothing of what is about to leave."""


@dataclass(frozen=True)
class Request:
    """What is asked for. `rev` empty: HEAD, and the work tree must be clean. `allow`: guards, by name.

    `full_check`: every RRset of the zones that change is verified before anything leaves. `shows` is told of
    the release right before it leaves, once no guard refuses it.
    """

    rev: str = ""
    allow: tuple[str, ...] = ()
    without: str = ""
    reason: str = ""
    dry_run: bool = False
    full_check: bool = False
    shows: Callable[[Release], None] = _show_nobody


@dataclass(frozen=True)
class Result:
    """How it ended. `generation` is what the fleet serves now; `failed` the release that was taken back.

    `left_out`: nodes of the site that was left out on purpose. `not_renewed`: zones whose signatures are due
    and could not be made, each with why. `refused`: what the command ends with, though it did something: a
    guard's refusal after a dry run, records that have expired after signatures were renewed. `notes`: of this
    host's own state, what was damaged and mended, and what could not be kept. `full_check`: what was compared
    before the release left, where that was asked for. `not_in_force`: nodes that do not run with the settings
    that the release brings, each with why. `target`: the generation whose records a rollback brings back.
    """

    ending: Ending
    generation: int
    release: Release | None = field(default=None, repr=False)
    outcome: Outcome | None = None
    report: Report | None = field(default=None, repr=False)
    recovered: int = 0
    left_out: tuple[str, ...] = ()
    failed: Result | None = field(default=None, repr=False)
    evidence: Path | None = None
    action: Action = "push"
    not_renewed: tuple[tuple[Name, str], ...] = ()
    refused: DnsctlError | None = None
    notes: tuple[str, ...] = ()
    full_check: Report | None = None
    not_in_force: Mapping[str, str] = field(default_factory=dict)
    target: int | None = None

    @property
    def exit_code(self) -> int:
        if self.refused is not None or (self.not_renewed and self.ending in ("served", "nothing")):
            return 1
        if self.ending == "dry run" or (self.ending in ("served", "nothing") and not self.left_out):
            return 0
        return NodeUnreachableError.exit_code if self.ending in ("served", "nothing", "partly") else 1


def push(
    host: ControlHost, request: Request, progress: Progress = no_progress, today: date | None = None
) -> Result:
    """Release the commit that `request` names. Raises DnsctlError where nothing has changed.

    Where records of it have passed their `expires` date, by `today` (UTC's by default), the push ends there,
    after renewing what is due: signatures do not wait for a person.
    """
    check_request(request)
    rev = request.rev or _clean_head(host.root, host.config)
    recovered = 0 if request.dry_run else level(host, progress)
    try:
        release = _judged(host, _built(host, rev, progress, today, at_once=_at_once(request), by_rules=True))
    except ZonesWithErrorsError as error:
        if not error.expired or request.dry_run:
            raise
        renewed = renew(host, replace(request, rev="", allow=()), progress)
        if renewed.release is None:
            raise
        return replace(renewed, refused=error)
    return ended(host, release, "push", request, recovered, progress)


def rollback(
    host: ControlHost, generation: int | None, request: Request, progress: Progress = no_progress
) -> Result:
    """Release the records of an earlier generation again; None: of the last that had another commit.

    Guards judge it as they judge a push, except those on the commit: going back is the purpose. Only
    `approval` is asked, as of `commit_gate.judge_return`. Raises
    DnsctlError where nothing has changed.
    """
    check_request(request)
    recovered = 0 if request.dry_run else level(host, progress)
    target = _earlier(host, generation)
    release = _built_again(host, target, progress, _at_once(request))
    if release is not None:
        served = host.served_manifest()
        judged = judge_return(host.root, served, target, release.zones, release.guards)
        release = _with(release, judged)
    result = ended(host, release, "rollback", request, recovered, progress)
    return replace(result, target=target.generation)


def renew(host: ControlHost, request: Request, progress: Progress = no_progress) -> Result:
    """Renew the signatures of what is served, where due. No guard is asked: no record changes."""
    check_request(request)
    recovered = 0 if request.dry_run else level(host, progress)
    renewal = renewal_due(host, progress)
    release = build_intent(host, renewal.intent, progress)
    allowed = replace(request, allow=tuple(GUARDS))
    result = ended(host, release, "renew", allowed, recovered, progress)
    return replace(result, not_renewed=renewal.unable)


def ended(
    host: ControlHost,
    release: Release | None,
    action: Action,
    request: Request,
    recovered: int,
    progress: Progress,
) -> Result:
    """Send `release` out, if there is one and no guard refuses it; take it back if it fails."""
    before = host.supply.served().generation
    if release is None:
        return Result("nothing", before, recovered=recovered, left_out=_left_out(host), action=action)
    refused = _refusal(release, request)
    if refused is not None and not request.dry_run:
        raise refused
    checked = check_in_full(host, release, progress) if request.full_check else None
    if request.dry_run:
        return Result("dry run", before, release, action=action, refused=refused, full_check=checked)
    request.shows(release)
    result = _out(host, release, action, request, progress)
    if result.ending == "unverified" and action != "rollback":
        result = _taken_back(host, result, before, progress)
    left_out = _left_out(host)
    return replace(result, recovered=recovered, left_out=left_out, action=action, full_check=checked)


def _refusal(release: Release, request: Request) -> DnsctlError | None:
    try:
        enforce(release.guards, request.allow)
    except ReleaseRefusedError as error:
        return error
    return None


def _left_out(host: ControlHost) -> tuple[str, ...]:
    chosen = {node.name for node in host.nodes}
    return tuple(node.name for node in host.config.nodes() if node.name not in chosen)


def check_request(request: Request) -> None:
    """Raise ReleaseRefusedError where a reason is missing or `allow` names no guard."""
    if (request.allow or request.without) and not request.reason.strip():
        option = "--allow" if request.allow else "--without"
        raise ReleaseRefusedError(
            f"{option} needs a reason",
            advice="add --reason TEXT; it is logged",
            rule=RefusalRule.REASON_MISSING,
        )
    enforce((), request.allow)


# -- The steps ---


def _clean_head(root: Path, config: Config) -> str:
    changed = uncommitted(root, config)
    if changed:
        head(root)  # where nothing is committed, there is no other way out
        more = f" (and {len(changed) - 1} more files)" if len(changed) > 1 else ""
        raise RevisionError(
            f"has changes that are not committed{more}",
            where=changed[0],
            advice="commit them, or release the last commit without them: --rev HEAD",
            rule=RefusalRule.UNCOMMITTED,
        )
    return "HEAD"


def level(host: ControlHost, progress: Progress) -> int:
    """Bring this host and then every node to the last release; return how many this host lacked."""
    host.fleet.run(reach(host.fleet.clients))  # or else the push ends here: a slow node is waited for once
    recovered = host.recover()
    host.have_archived()
    host.fleet.run(fence(host.fleet.clients, host.supply, _counted(host, progress)))
    _record_history(host)
    settle_all(host)
    return recovered


def _at_once(request: Request) -> Callable[[Name], bool]:
    """Return which zones may be unsigned whatever their parents have: all, where a person says so by name."""
    return lambda zone: is_allowed(request.allow, DS_CHANGE, zone)


def _built(
    host: ControlHost,
    rev: str,
    progress: Progress,
    today: date | None = None,
    *,
    at_once: Callable[[Name], bool],
    by_rules: bool = False,
    settings_of: Callable[[Reader], SettingsIntent] | None = None,
) -> Release | None:
    """Build the release of a commit. `today`: what its records' `expires` is compared with; `at_once`: as of
    `unsigning.kept_signed`; `by_rules`: also where all that it changes is who may release; `settings_of`:
    other settings of nodes than the commit's. Targets of ALIAS are asked for where they are not fresh.
    """
    source = Revision(host.root, rev)
    with host.image.reader() as served:  # as long as zones are read from it
        try:
            config = load_config(source)
            state = Repo(host.root).state
            targets = Targets(config, state, asked_by(config))
            intent = intent_of(
                source,
                config,
                progress,
                today=today,
                resolve=targets,
                memory=Memory(state.memory),
                parts=Parts(source, config, state, served),
            )
        finally:
            source.close()
        targets.keep()
        intent = narrowed(intent, served, host.keystore, state, datetime.now(UTC), at_once)
        last = partial(host.manifest, served.generation)
        if settings_of is None:
            settings = settings_intent(served, host.root, intent.commit, config, last)
        else:
            settings = settings_of(served)
        settings = able_to_travel(host, settings)
        anyway = bool(settings.changes) or (
            by_rules and bool(changed_rules(host.root, last(), intent.commit))
        )
        return build_intent(host, replace(intent, even_if_equal=anyway, settings=settings), progress)


def _built_again(
    host: ControlHost,
    manifest: Manifest,
    progress: Progress,
    at_once: Callable[[Name], bool],
    *,
    whole: bool = False,
) -> Release | None:
    """Build the release of an earlier one's records, which had not expired when it was made, and of its
    settings; `whole`: with sites and nodes.
    """
    made = datetime.fromtimestamp(manifest.created, UTC).date()

    def settings(served: Reader) -> SettingsIntent:
        return again(served, manifest, whole=whole)

    return _built(host, manifest.commit or "", progress, made, at_once=at_once, settings_of=settings)


def _judged(host: ControlHost, release: Release | None) -> Release | None:
    """Return `release` with the verdicts of the guards on its commit."""
    if release is None:
        return None
    served = host.served_manifest()
    judged = judge_push(
        host.root,
        served,
        release.manifest.commit,
        release.zones,
        release.guards,
        settings=bool(release.settings.changes),
    )
    return _with(release, judged)


def _with(release: Release, judged: CommitJudgement) -> Release:
    guards = (*judged.verdicts, *release.guards)
    return replace(release, guards=guards, approved=judged.approved, rules=judged.rules)


def build_intent(host: ControlHost, intent: Intent, progress: Progress) -> Release | None:
    """Build the release that turns what is served into `intent`; None where nothing would change."""
    now, known = datetime.now(UTC), intent.known
    memory = Memory(Repo(host.root).state.memory)
    release = build(
        intent,
        host.keystore,
        host.release_keys,
        host.image,
        now,
        workers=usable_processors(),
        progress=progress,
        found=lambda resting: (
            memory.rest(known, intent.zones, resting, intent.seen) if known is not None else None
        ),
    )
    if release is None:
        return None
    with host.image.reader() as served:
        state = Repo(host.root).state
        seen = judge_ds_seen(state, served, release.zones, now)
        held = judge_caches(state, served, host.keystore, release.zones, now)
        zones = with_old_answers(release.zones, host.archive, served.generation, now)
        return replace(release, zones=zones, guards=(*release.guards, *seen, *held))


def _out(
    host: ControlHost,
    release: Release,
    action: Action,
    request: Request,
    progress: Progress,
    only: Collection[str] | None = None,
) -> Result:
    """Prepare, push, keep, verify; on the nodes named in `only`, where it is given."""
    manifest = release.manifest
    details: dict[str, Json] = {
        "generation": manifest.generation,
        "manifest": manifest.digest,
        "commit": manifest.commit,
        "allowed": [str(each) for each in release.guards],
        "approved": list(release.approved),
        "rules": list(release.rules),
        "keys": [each.stored.path.name for each in release.new_keys],
        "without": request.without,
        "counts": counts_of(release.zones),
        "settings": [each.setting for each in release.settings.changes],
    }
    host.state.audit(actor(), action, request.reason, details, when=datetime.now(UTC))
    sealed, delta = release.sealed, release.delta
    with prepared(host.image, host.archive, host.trust, sealed, delta) as staging, room_for(host) as free:
        with _keys_on_disk(host, release):
            expect(host, release, datetime.now(UTC))
            outcome = host.fleet.run(
                push_release(
                    Outgoing(manifest, sealed, delta),
                    [each for each in host.fleet.clients if only is None or each.node.name in only],
                    host.supply,
                    lambda: certify(manifest, host.release_keys, datetime.now(UTC)),
                    _counted(host, progress),
                )
            )
        free()
        keep(host, staging, release, outcome, action)
    _remember_aliases(host, release)
    not_in_force = _await_settings(host, release, outcome, progress)
    try:
        with as_kept(release, host.image) as reader:
            report = _verified(host, release, outcome, reader, progress)
    except (DnsctlError, OSError) as error:
        host.notes.append(f"what is served could not be verified: {worded(error)}")
        return _logged(host, action, Result("not verified", manifest.generation, release, outcome))
    result = Result(
        _ending(outcome, report, not_in_force),
        manifest.generation,
        release,
        outcome,
        report,
        not_in_force=not_in_force,
    )
    return _logged(host, action, result)


def _await_settings(
    host: ControlHost, release: Release, outcome: Outcome, progress: Progress
) -> Mapping[str, str]:
    """Wait for nodes that get other settings; return which do not run with them, and why."""
    settings = release.manifest.settings
    if settings is None or not release.settings.changes:
        return {}
    try:
        return await_settings(host, settings, outcome.activated, progress)
    except OSError as error:
        return dict.fromkeys(outcome.activated, worded(error).what)


def _remember_aliases(host: ControlHost, release: Release) -> None:
    """Keep where aliases lead; what cannot be kept is read from the commit again."""
    if release.aliases is None:
        return
    try:
        remember(Repo(host.root).state, release.manifest.commit, release.aliases)
    except DnsctlError as error:
        host.notes.append(f"where aliases lead could not be kept: {error}")


def _logged(host: ControlHost, action: Action, result: Result) -> Result:
    """Return `result`, after saying in the audit log how it ended. The log stops no push that is decided."""
    details: dict[str, Json] = {"generation": result.generation, "ending": result.ending}
    with contextlib.suppress(DnsctlError):
        host.state.audit(actor(), f"{action} {ENDED}", "", details, when=datetime.now(UTC))
    return result


@contextmanager
def _keys_on_disk(host: ControlHost, release: Release) -> Iterator[None]:
    """Store the release's new keys before it is decided, and remove them if it is not.

    After a kill in between, they stay as generated keys, which sign nothing: the next push that needs one
    uses them, or finds them served and marks them active. That no DS was asked for cannot be told from what
    is served, so that the key's file says so before.
    """
    now = datetime.now(UTC)
    host.keystore.store(release.new_keys)
    try:
        unasked = [(one, one.state, replace(one.roll, ds=False)) for one in release.unasked]
        host.keystore.record_all(unasked, now)
        yield
    except BaseException:
        if host.archive.activation(release.generation) is None:
            host.keystore.discard(release.new_keys)
            host.keystore.record_all([(one, one.state, one.roll) for one in release.unasked], now)
        raise


def _ending(outcome: Outcome, report: Report | None, not_in_force: Mapping[str, str]) -> Ending:
    """Return the ending: any fault, or silence everywhere, is a failure; silence of some is partial, and so
    are settings that are not in force.
    """
    if report is None:
        return "partly"
    if report.faults or len(report.silent) == len(report.nodes):
        return "unverified"
    return "partly" if report.silent or outcome.missed or not_in_force else "served"


def _verified(
    host: ControlHost, release: Release, outcome: Outcome, reader: Reader, progress: Progress
) -> Report | None:
    """Ask every node that serves the release for what it changed, or a part of that spread over all of it;
    None where there is none. `reader` holds the release.
    """
    nodes = [node for node in host.nodes if node.name in outcome.activated]
    if not nodes:
        return None
    changed = [each for each in release.zones if each.fate is not Fate.REMOVED]
    chosen = _spread(changed, _CHANGED_ZONES)
    zones = {each.origin for each in chosen}
    owners = [change.owner for each in chosen for change in (*each.derived, *each.records)]
    removed = [each.origin for each in release.zones if each.fate is Fate.REMOVED]
    touched = [*_spread(owners, _TOUCHED), *_spread(removed, _TOUCHED)]
    clocks = host.fleet.run(clocks_ahead(host.fleet.clients))
    if not zones:
        zones = {origin for origin, _ in zip(reader.apexes(), range(_UNTOUCHED_ZONES), strict=False)}
    for attempt in range(2):
        if attempt:
            time.sleep(_SECOND_LOOK)
        report = verify_fleet(
            nodes,
            reader,
            now=datetime.now(UTC),
            zones=zones,
            touched=touched,
            anchors=AnchorFiles(Repo(host.root).keys.directory, directory_name),
            progress=lambda done, total: progress("verify", done, total),
        )
        if report.consistent:
            break
    timed = {each.origin for each in changed} or zones
    faults = tuple(untimely(reader, timed, datetime.now(UTC), clocks))
    return replace(report, faults=(*report.faults, *faults))


def _spread(found: Sequence[_Each], most: int) -> Sequence[_Each]:
    """Return at most `most` of `found`, at equal distances."""
    return found[:: max(1, math.ceil(len(found) / most))]


def _taken_back(host: ControlHost, failed: Result, before: int, progress: Progress) -> Result:
    """Release the records of generation `before` again, because the fleet does not serve the release."""
    evidence = _keep_evidence(host, failed)
    if not before:
        return replace(failed, evidence=evidence)
    request = Request(reason=f"generation {failed.generation} failed verification")
    try:
        begun = failed.release.before if failed.release else {}  # nobody was asked for a DS of these
        earlier = _earlier(host, before)
        release = _built_again(host, earlier, progress, begun.__contains__, whole=True)
        if release is None:
            raise ReleaseRefusedError(
                f"generation {before} has the same records", rule=RefusalRule.SAME_RECORDS
            )
        enforce(release.guards, set(GUARDS) - {KEYS_MISSING})
        reached = failed.outcome.activated if failed.outcome else ()
        result = _out(host, release, "rollback", request, progress, reached)
    except DnsctlError as error:
        with contextlib.suppress(DnsctlError):
            host.state.audit(actor(), "rollback failed", str(error), when=datetime.now(UTC))
        return replace(failed, ending="rollback failed", evidence=evidence)
    ending: Ending = "rollback failed" if result.ending == "unverified" else "rolled back"
    if ending == "rolled back":
        details: dict[str, Json] = {"generation": failed.generation, "by": result.generation}
        with contextlib.suppress(DnsctlError):
            host.state.audit(actor(), TAKEN_BACK, "", details, when=datetime.now(UTC))
    return replace(result, ending=ending, failed=failed, evidence=evidence)


def _keep_evidence(host: ControlHost, failed: Result) -> Path | None:
    """Write what verification saw to a file in `state/evidence`; None, and a note, if that fails."""
    path = Repo(host.root).state.evidence(failed.generation)
    report = failed.report.to_json() if failed.report else None
    manifest = failed.release.manifest if failed.release else None
    text = json.dumps(
        {
            "generation": failed.generation,
            "manifest": manifest.digest if manifest else None,
            "commit": manifest.commit if manifest else None,
            "at": stamp(datetime.now(UTC)),
            "verification": report,
        },
        indent=2,
    )
    try:
        durable.make_directory(path.parent)
        durable.write(path, text.encode() + b"\n")
    except OSError as error:
        host.notes.append(f"evidence could not be kept: {SystemRefusalError.of(error, path)}")
        return None
    return path


# -- Records ---


def _record_history(host: ControlHost) -> None:
    """Record releases that were made by another host, or by a push that was killed."""
    last = host.state.last_release()
    known = last.generation if last else 0
    for generation in host.archive.generations():
        if generation > known:
            with contextlib.suppress(ReleaseError):  # reported where it is needed
                if manifest := host.manifest(generation):
                    host.state.record_release(manifest)


def _earlier(host: ControlHost, generation: int | None) -> Manifest:
    """Return the manifest of an activated generation; of the last one whose commit is another, if None."""
    served = host.supply.served().generation
    if generation is None:
        current = host.manifest(served)
        for earlier in range(served - 1, 0, -1):
            found = host.manifest(earlier)
            if found is not None and found.commit and (not current or found.commit != current.commit):
                return found
        raise ReleaseRefusedError(
            "no earlier release has another commit",
            advice="push the commit you want, with --rev",
            rule=RefusalRule.NO_EARLIER_RELEASE,
        )
    manifest = host.manifest(generation)
    if manifest is None or manifest.commit is None:
        raise ReleaseRefusedError(
            f"generation {generation} is not in the archive",
            advice=f"{served} is the last that was released; to go back to a commit that `git log` shows: "
            f"dnsctl push --rev COMMIT --allow {HISTORY} --reason TEXT",
            rule=RefusalRule.NOT_ARCHIVED,
        )
    return manifest


def changed_zones(release: Release) -> Collection[Name]:
    """Return the apexes of the zones that `release` changes, removed ones included."""
    return sorted((each.origin for each in release.zones), key=to_text)


def _counted(host: ControlHost, progress: Progress) -> Callable[[Phase, str], None]:
    """Return a callable for `replicate.transaction` that counts nodes a phase."""
    total = len(host.nodes)
    done: dict[Phase, set[str]] = {}

    def tell(phase: Phase, node: str) -> None:
        seen = done.setdefault(phase, set())
        seen.add(node)
        progress(phase, len(seen), total)

    return tell
