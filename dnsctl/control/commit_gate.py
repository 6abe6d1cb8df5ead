"""Guards on the commit itself: `branch`, which one it is on; `signature`, who vouches for it; `approval`,
whether a second person does, where that is wanted.

The rules are in `commit_rules`. The signer of the commit and those who approved it must be two people: of
a commit that nobody on the list has signed, two must approve. A rollback is asked for `approval` alone, and
not where it brings back what was approved (`judge_return`). What is made of the released commit again, such
as a renewal of signatures, is asked for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dnsctl.control.commit_rules import (
    CommitRules,
    Signers,
    changed_rules,
    differing_rules,
    rules_for,
    rules_from,
    standing,
)
from dnsctl.load.ancestry import is_on_branch
from dnsctl.load.settings.config import ApprovalConfig
from dnsctl.load.settings.policy import is_named
from dnsctl.load.signatures.approval import Tag, approvals
from dnsctl.load.signatures.signed import signed_commit
from dnsctl.load.signatures.signer import Fault, Signer, count_people, is_same_person
from dnsctl.load.signatures.signers import judge_signature
from dnsctl.model.guard_names import APPROVAL, BRANCH, SIGNATURE
from dnsctl.model.name import Name, to_text
from dnsctl.model.repo import Repo
from dnsctl.publish.changeset import Fate, ZoneChangeset
from dnsctl.publish.guards import GuardVerdict
from dnsctl.publish.history import judge_history
from dnsctl.release.archive import Archive, activated
from dnsctl.release.manifest import Manifest

_PEOPLE = 2
_SHOWN = 3  # zones, and tags, named in one message


@dataclass(frozen=True)
class CommitJudgement:
    """What the guards say. `approved`: by whom, besides the signer; `rules`: which it changes."""

    verdicts: tuple[GuardVerdict, ...] = ()
    approved: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vouching:
    """Who vouches for `commit`. `signer`: of the commit, or what is wrong with its signature."""

    commit: str
    signer: Signer | Fault
    tags: tuple[Tag, ...]

    @property
    def approvers(self) -> tuple[Signer, ...]:
        """Those who approved it, except the signer."""
        found = [each.by for each in self.tags if isinstance(each.by, Signer)]
        signer = self.signer
        if isinstance(signer, Signer):
            found = [each for each in found if not is_same_person(each, signer)]
        return tuple(dict.fromkeys(found))

    @property
    def suffices(self) -> bool:
        """True where at least two people do."""
        signers = (self.signer,) if isinstance(self.signer, Signer) else ()
        return count_people((*signers, *self.approvers)) >= _PEOPLE


def judge_push(
    root: Path,
    released: Manifest | None,
    pushed: str | None,
    zones: Sequence[ZoneChangeset],
    others: Sequence[GuardVerdict],
    *,
    settings: bool,
) -> CommitJudgement:
    """Judge the release of the commit `pushed` as `judge_commit` does, and by the guard `history`.

    `settings`: whether it changes those of nodes. What it changes beside records can be lost as well.
    """
    more = settings or not zones or bool(changed_rules(root, released, pushed))
    history = judge_history(root, released, pushed, zones, more=more)
    judged = judge_commit(root, released, pushed, zones, (*history, *others))
    return replace(judged, verdicts=(*history, *judged.verdicts))


def judge_commit(
    root: Path,
    released: Manifest | None,
    pushed: str | None,
    zones: Iterable[ZoneChangeset] = (),
    verdicts: Iterable[GuardVerdict] = (),
) -> CommitJudgement:
    """Judge the commit `pushed`. `zones`: what it changes; `verdicts`: what other guards object to."""
    before = released.commit if released is not None else None
    if pushed is None or pushed == before:
        return CommitJudgement()
    in_force = standing(root, released)
    rules, changed = rules_from(root, in_force, pushed), differing_rules(root, in_force, pushed)
    if rules.fault:
        what = f"who may release cannot be told from what was released last: {rules.fault}"
        return CommitJudgement((GuardVerdict(SIGNATURE, None, what),), rules=changed)
    found = list(_branch(root, rules.branch, pushed)) if rules.branch is not None else []
    if rules.signers is None:
        return CommitJudgement(tuple(found), rules=changed)
    if fault := _unreadable(rules.signers):
        return CommitJudgement((*found, fault), rules=changed)
    vouching = vouching_for(root, pushed, rules)
    found += _signature(vouching, rules.signers)
    if rules.approval is not None:
        wanted = [*map(to_text, _changed(rules.approval, zones))]
        wanted += _guards(rules.approval, (*verdicts, *found))
        wanted += ["who may release"] if changed else []
        found += _approval(vouching, rules.signers, wanted)
    return CommitJudgement(tuple(found), tuple(each.name for each in vouching.approvers), changed)


def judge_return(
    root: Path,
    served: Manifest | None,
    target: Manifest,
    zones: Iterable[ZoneChangeset],
    verdicts: Iterable[GuardVerdict],
) -> CommitJudgement:
    """Judge a rollback from `served` to the release `target`."""
    if served is None or target.commit is None:
        return CommitJudgement()
    rules = rules_for(root, served, target.commit)
    if rules.fault:
        what = f"who must approve cannot be told from what was released last: {rules.fault}"
        return CommitJudgement((GuardVerdict(APPROVAL, None, what),))
    if rules.signers is None or rules.approval is None:
        return CommitJudgement()
    if fault := _unreadable(rules.signers):
        return CommitJudgement((fault._replace(guard=APPROVAL),))
    vouching = vouching_for(root, target.commit, rules)
    wanted = [
        to_text(zone)
        for zone in _changed(rules.approval, zones)
        if not any(vouching_for(root, commit, rules).suffices for commit in _same_content(root, target, zone))
    ]
    wanted += _guards(rules.approval, verdicts)
    names = tuple(each.name for each in vouching.approvers)
    found = _approval(vouching, rules.signers, wanted, "roll back again")
    return CommitJudgement(tuple(found), names)


def vouching_for(root: Path, commit: str, rules: CommitRules) -> Vouching:
    """Return which of those whom `rules` admits vouch for `commit`. Raises RevisionError."""
    if rules.signers is None:
        return Vouching(commit, Fault("is not signed"), ())
    lists = rules.signers.lists
    signer = judge_signature(signed_commit(root, commit), lists)
    return Vouching(commit, signer, tuple(approvals(root, commit, lists)) if rules.approval else ())


def _branch(root: Path, branch: str, pushed: str) -> Iterator[GuardVerdict]:
    found = is_on_branch(root, branch, pushed)
    what = f"{pushed[:12]} is not on branch {branch}, which dnsctl.yaml says is released from"
    if found is None:
        message = f"{what}; this clone does not have that branch"
        yield GuardVerdict(BRANCH, None, message, f"fetch it: git fetch origin {branch}")
    elif not found:
        yield GuardVerdict(BRANCH, None, what, f"merge it into {branch} and push from there")


def _unreadable(signers: Signers) -> GuardVerdict | None:
    if not signers.fault:
        return None
    message = f"who may sign cannot be read: {signers.fault}"
    return GuardVerdict(SIGNATURE, None, message, "release a commit with that file")


def _signature(vouching: Vouching, signers: Signers) -> Iterator[GuardVerdict]:
    if isinstance(vouching.signer, Fault):
        message = f"{vouching.commit[:12]} {vouching.signer.what}; {signers.do('say')} who may sign"
        advice = f"have one whom {signers.do('name')} sign it: git commit --amend --no-edit --gpg-sign"
        yield GuardVerdict(SIGNATURE, None, message, advice)


def _approval(
    vouching: Vouching, signers: Signers, wanted: list[str], retry: str = "push again"
) -> Iterator[GuardVerdict]:
    """Yield the verdict where `wanted`, what the commit changes, needs two people and has fewer.

    `retry`: what to do once they have approved.
    """
    if not wanted or vouching.suffices:
        return
    commit, signer = vouching.commit[:12], vouching.signer
    more = f" and {len(wanted) - _SHOWN} more" if len(wanted) > _SHOWN else ""
    alone = f"{signer.name} alone does" if isinstance(signer, Signer) else "too few do"
    told = [_of_no_use(vouching, each) for each in vouching.tags]
    tags = "".join(f"; {each}" for each in told[:_SHOWN] if each)
    what = f"{', '.join(wanted[:_SHOWN])}{more}"
    message = f"two people must vouch for a change of {what}, and for {commit} {alone}{tags}"
    advice = (
        f"have another whom {signers.do('name')} run `dnsctl approve {commit}` and push the tag; "
        f"`git fetch` it here, and {retry}"
    )
    yield GuardVerdict(APPROVAL, None, message, advice)


def _of_no_use(vouching: Vouching, tag: Tag) -> str:
    """Say why a tag does not count; empty where it does."""
    if isinstance(tag.by, Fault):
        return f"tag {tag.name} {tag.by.what}"
    return "" if tag.by in vouching.approvers else f"tag {tag.name} is of {tag.by.name}, the same person"


def _changed(approval: ApprovalConfig, zones: Iterable[ZoneChangeset]) -> Iterator[Name]:
    """Yield the zones that `approval` is for and that change; renewed signatures alone change nothing."""
    for each in zones:
        is_changed = bool(each.records or each.events) or each.fate in (Fate.NEW, Fate.REMOVED)
        if each.fate is not Fate.RENEWED and is_changed and is_named(approval.zones, each.origin):
            yield each.origin


def _guards(approval: ApprovalConfig, verdicts: Iterable[GuardVerdict]) -> Iterator[str]:
    for name in dict.fromkeys(each.guard for each in verdicts):
        if name in approval.guards:
            yield f"what guard {name} objects to"


def _same_content(root: Path, target: Manifest, zone: Name) -> Iterator[str]:
    """Yield the commits that had `zone` as the release `target` has it, as far as releases follow each other.

    A release that lists a zone has changed it, unless it was made of the same commit as the one before.
    """
    archive, manifest = Archive(Repo(root).state.archive), target
    seen: set[str] = set()
    while manifest.commit is not None:
        if manifest.commit not in seen:
            seen.add(manifest.commit)
            yield manifest.commit
        earlier = activated(archive, manifest.generation - 1)
        touched = zone in manifest.zones or zone in manifest.removed
        if earlier is None or (touched and earlier.commit != manifest.commit):
            return
        manifest = earlier
