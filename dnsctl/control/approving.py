"""Approve a commit, where the rules say that a second person has to: those of the last release.

Needs no state and no keys of the fleet. A clone that knows of no release goes by the rules of the commit
itself, or of its parent, from which it may have taken them.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dnsctl.control.commit_gate import Vouching, vouching_for
from dnsctl.control.commit_rules import CommitRules, Signers, rules_for
from dnsctl.control.released import released
from dnsctl.errors import RefusalRule, ReleaseRefusedError, RevisionError
from dnsctl.load.revision import resolve
from dnsctl.load.signatures.approval import drop_approval, make_approval
from dnsctl.load.signatures.signer import Fault


class Approval(NamedTuple):
    """An approval that was made. `suffices`: with it, two people vouch for the commit."""

    commit: str
    tag: str
    by: str
    suffices: bool


def approve(root: Path, rev: str) -> Approval:
    """Have git make a signed tag that approves `rev`. Leaves none that would count for nothing.

    Raises ReleaseRefusedError for who may not approve it, RevisionError where git cannot sign.
    """
    commit = resolve(root, rev)
    rules = _rules(root, commit)
    if rules.signers is None or rules.signers.fault or rules.approval is None:
        fault = rules.signers.fault if rules.signers is not None else ""
        raise _refused(
            f"no second person is asked for {commit[:12]}{f': {fault}' if fault else ''}",
            "name what needs one in dnsctl.yaml: commits: {approval: {zones: [NAME]}}",
        )
    name = make_approval(root, commit)
    try:
        return _judged(vouching_for(root, commit, rules), name, rules.signers)
    except BaseException:
        drop_approval(root, name)
        raise


def _rules(root: Path, commit: str) -> CommitRules:
    known = released(root)
    rules = rules_for(root, known, commit)
    if known is None and (rules.approval is None or rules.signers is None):
        with suppress(RevisionError):
            rules = rules_for(root, None, resolve(root, f"{commit}^1"))
    return rules


def _judged(vouching: Vouching, name: str, signers: Signers) -> Approval:
    by = next((each.by for each in vouching.tags if each.name == name), Fault("cannot be found"))
    if isinstance(by, Fault):
        advice = f"sign with a key that {signers} has: git config user.signingkey, gpg.format"
        raise _refused(f"your approval {by.what}", advice)
    if by not in vouching.approvers:
        what = f"{vouching.commit[:12]} is signed by {by.name}, too"
        raise _refused(what, "have somebody else approve it: two people must vouch")
    return Approval(vouching.commit, name, by.name, vouching.suffices)


def _refused(what: str, advice: str) -> ReleaseRefusedError:
    return ReleaseRefusedError(what, advice=advice, rule=RefusalRule.APPROVAL)
