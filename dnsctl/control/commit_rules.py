"""Which rules say who may release what: `branch` and `commits` of dnsctl.yaml, and the lists that they name.

Those of the last release count, so that no commit lets itself in. A rollback takes back records, but not the
rules: after it, the same rules count as before. Where the last release has no rule, the pushed commit's own
counts. A commit that changes the rules makes a release, though no record changes (`changed_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dnsctl.control.released import released as released_last
from dnsctl.errors import ConfigError, ImageError, ReleaseError, RevisionError
from dnsctl.load.revision import Revision
from dnsctl.load.settings.config import ApprovalConfig, CommitsConfig
from dnsctl.load.settings.file import load_part
from dnsctl.load.signatures.signers import SignerLists
from dnsctl.release.manifest import Manifest

_RULES = ("branch", "commits")  # settings of dnsctl.yaml
_MAX_LIST = 2**22  # octets: thousands of keys


@dataclass(frozen=True)
class Signers:
    """The lists that dnsctl.yaml of `commit` names. `paths`: their files; `fault`: what cannot be read."""

    commit: str
    paths: tuple[str, ...]
    lists: SignerLists
    fault: str = ""

    def __str__(self) -> str:
        return f"{' and '.join(self.paths)} of {self.commit[:12]}"

    def do(self, verb: str) -> str:
        """Return what the lists do, as in "signers of 3f2a91c5d1a0 names"; `verb` in the plural."""
        return f"{self} {verb if len(self.paths) > 1 else f'{verb}s'}"


@dataclass(frozen=True)
class CommitRules:
    """The rules. None: no rule says anything of that. `fault`: why those in force cannot be told."""

    branch: str | None
    signers: Signers | None
    approval: ApprovalConfig | None
    fault: str = ""


def rules_for(root: Path, released: Manifest | None, pushed: str) -> CommitRules:
    """Return the rules that `pushed` is judged by, where `released` is what is served."""
    return rules_from(root, standing(root, released), pushed)


def rules_from(root: Path, *commits: str | None) -> CommitRules:
    """Return the rules of the first of `commits`, and those that it does not have of the next ones."""
    found = [_rules_of(root, each) for each in commits if each is not None]
    known = [each for each in found if each is not None]
    if known and known[0].fault:
        return known[0]
    return CommitRules(
        next((each.branch for each in known if each.branch is not None), None),
        next((each.signers for each in known if each.signers is not None), None),
        next((each.approval for each in known if each.approval is not None), None),
    )


def changed_rules(root: Path, released: Manifest | None, pushed: str | None) -> tuple[str, ...]:
    """Return which rules differ between `pushed` and those in force, as dnsctl.yaml calls them.

    Empty before the first release, and where either cannot be read.
    """
    if released is None or pushed is None or released.commit == pushed:
        return ()
    return differing_rules(root, standing(root, released), pushed)


def differing_rules(root: Path, before: str | None, after: str | None) -> tuple[str, ...]:
    """Return which rules differ between two commits; empty where either cannot be read."""
    one = _rules_of(root, before) if before is not None and before != after else None
    other = _rules_of(root, after) if after is not None and one is not None else None
    if one is None or other is None:
        return ()
    listed = [(each.signers.paths, each.signers.lists) if each.signers else None for each in (one, other)]
    differ = {
        "branch": one.branch != other.branch,
        "commits.approval": one.approval != other.approval,
        "those who may sign": listed[0] != listed[1],
    }
    return tuple(name for name, differs in differ.items() if differs)


def branch_in_force(root: Path) -> str | None:
    """Return the branch that alone is released from, as this host knows; None where none is named yet."""
    try:
        before = standing(root, released_last(root))
    except (ImageError, ReleaseError):
        return None
    rules = _rules_of(root, before) if before is not None else None
    return rules.branch if rules is not None else None


def standing(root: Path, released: Manifest | None) -> str | None:
    """Return the commit whose rules are in force: the last that was released for the first time.

    One that is released again is a step back.
    """
    if released is None:
        return None
    from dnsctl.control.generations import commits_before  # noqa: PLC0415 - SQLite, for a host with releases

    commits = [*commits_before(root, released.generation), released.commit]
    return next((each for each in reversed(dict.fromkeys(commits)) if each is not None), None)


def _rules_of(root: Path, commit: str) -> CommitRules | None:
    """Return the rules in the dnsctl.yaml of `commit`; None where that is not in this clone."""
    try:
        return _read_rules(root, commit)
    except ConfigError as error:
        return CommitRules(None, None, None, f"{error.what}, at {error.where} in {commit[:12]}")
    except RevisionError:
        return None


@lru_cache(maxsize=8)  # a push asks for those of two commits several times
def _read_rules(root: Path, commit: str) -> CommitRules:
    source = Revision(root, commit)
    try:
        config = load_part(source, _RULES)
        approval = config.commits.approval
        return CommitRules(
            config.branch,
            _signers(source, commit, config.commits),
            approval if approval.zones or approval.guards else None,
        )
    finally:
        source.close()


def _signers(source: Revision, commit: str, config: CommitsConfig) -> Signers | None:
    named = (config.allowed_signers, config.openpgp_keys)
    paths = tuple(each for each in named if each is not None)
    if not paths:
        return None
    try:
        read = [source.read(path, _MAX_LIST) if path is not None else None for path in named]
    except RevisionError as error:
        return Signers(commit, paths, SignerLists(None, None), str(error))
    return Signers(commit, paths, SignerLists(*read))
