"""Approve a commit where the rules of the last release ask for a second person.

Needs no state and no keys of the fleet. A clone that knows of no release goes by the rules of the parent
commit: a commit may change the rules, but lets nobody in or out itself.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dnsctl.control.commit_gate import Vouching, vouching_for
from dnsctl.control.commit_rules import CommitRules, Signers, rules_for, rules_from
from dnsctl.control.released import released
from dnsctl.errors import RefusalRule, ReleaseRefusedError, RevisionError
from dnsctl.load.revision import resolve
from dnsctl.load.signatures.approval import drop_approval, make_approval
from dnsctl.load.signatures.signer import Fault, Signer


class Approval(NamedTuple):
    """An approval. `suffices`: with it, two people vouch for the commit; `already`: it was there before.

    `signers`: the lists that it was judged by; `released`: a push goes by the same ones.
    """

    commit: str
    tag: str
    by: str
    suffices: bool
    already: bool
    signers: Signers
    released: bool


def approve(root: Path, rev: str) -> Approval:
    """Have git make a signed tag that approves `rev`; remove it again if it counts for nothing, or twice.

    Raises ReleaseRefusedError where the user may not approve it, RevisionError where git cannot sign.
    """
    commit = resolve(root, rev)
    known = released(root)
    rules = rules_for(root, known, commit) if known is not None else _rules(root, commit)
    if rules.signers is None or rules.signers.fault or rules.approval is None:
        fault = rules.signers.fault if rules.signers is not None else ""
        raise _refused(
            f"no second person is asked for {commit[:12]}{f': {fault}' if fault else ''}",
            "name what needs one in dnsctl.yaml: commits: {approval: {zones: [NAME]}}",
        )
    name = make_approval(root, commit)
    try:
        made = _judged(vouching_for(root, commit, rules), name, rules.signers, released=known is not None)
    except BaseException:
        drop_approval(root, name)
        raise
    if made.already:
        drop_approval(root, name)
    return made


def _rules(root: Path, commit: str) -> CommitRules:
    """Return the rules of the parent, and those of `commit` that it lacks; else only those of `commit`."""
    with suppress(RevisionError):
        rules = rules_from(root, resolve(root, f"{commit}^1"), commit)
        if not rules.fault and (rules.signers is None or not rules.signers.fault):
            return rules
    return rules_from(root, commit)


def _judged(vouching: Vouching, name: str, signers: Signers, *, released: bool) -> Approval:
    by = next((each.by for each in vouching.tags if each.name == name), Fault("cannot be found"))
    if isinstance(by, Fault):
        advice = f"sign with a key that {signers.do('name')}: git config user.signingkey, gpg.format"
        raise _refused(f"your approval {by.what}", advice)
    if by not in vouching.approvers:
        what = f"{vouching.commit[:12]} is signed by {by.name}, too"
        raise _refused(what, "have somebody else approve it: two people must vouch")
    same = (tag for tag, who in vouching.tags if isinstance(who, Signer) and who.name == by.name)
    earlier = next((tag for tag in same if tag != name), None)
    return Approval(
        vouching.commit,
        earlier or name,
        by.name,
        vouching.suffices,
        already=earlier is not None,
        signers=signers,
        released=released,
    )


def _refused(what: str, advice: str) -> ReleaseRefusedError:
    return ReleaseRefusedError(what, advice=advice, rule=RefusalRule.APPROVAL)
