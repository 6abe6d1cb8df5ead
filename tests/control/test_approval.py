"""A second person's approval: who gives it, what needs it, and what only looks like one. Starts no node."""

from pathlib import Path

import pytest

from dnsctl.control.approving import approve
from dnsctl.control.commit_gate import CommitJudgement, judge_commit, judge_return
from dnsctl.control.deploying import follow
from dnsctl.errors import DnsctlError, ReleaseRefusedError
from dnsctl.load.signatures.approval import make_approval
from dnsctl.model.name import from_text
from dnsctl.model.repo import Repo
from dnsctl.publish.changeset import Fate, ZoneChangeset
from dnsctl.publish.guards import GuardVerdict
from dnsctl.release.archive import Archive
from dnsctl.release.manifest import DeltaReference
from tests.cli.shell import CONFIG, dnsctl
from tests.control.signing import Repository, openpgp
from tests.peers import need
from tests.release.releases import entry, manifest, sealed, sealed_certificate

POLICY = CONFIG + "commits: {allowed-signers: signers, approval: {zones: example.com, guards: deletes}}\n"
TEXT = "Approved for release by dnsctl\n\nDirectory: .\n"


def changed(*names: str, fate: Fate = Fate.REMOVED) -> tuple[ZoneChangeset, ...]:
    return tuple(ZoneChangeset(from_text(name), fate) for name in names)


class Approved(Repository):
    """A repository where alice, who has two keys, and bob may sign, and mallory may not."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.write("dnsctl.yaml", POLICY)
        self.write("signers", self.line("alice") + self.line("alice", "alice2") + self.line("bob"))
        self.released = self.commit("alice")

    def sign_as(self, name: str, root: Path | None = None) -> None:
        """Have git sign with this key from now on, as `dnsctl approve` lets it."""
        settings = {"gpg.format": "ssh", "user.signingkey": str(self.key(name))}
        for key, value in {**settings, "user.name": name, "user.email": f"{name}@example.net"}.items():
            self.git("-C", str(root or self.root), "config", key, value)

    def tag(self, signer: str, commit: str, text: str = TEXT, name: str = "dnsctl-approval/x") -> str:
        """Tag `commit`, signed unless `signer` is empty; return the id of the tag."""
        signed = (*self.by(signer), "tag", "-f", "-s") if signer else ("tag", "-f", "-a")
        self.git(*signed, "--cleanup=verbatim", "-m", text, name, commit)
        return self.git("rev-parse", f"refs/tags/{name}")

    def judged(
        self, pushed: str, zones: tuple[ZoneChangeset, ...] = changed("example.com."), guard: str = ""
    ) -> CommitJudgement:
        verdicts = (GuardVerdict(guard, None, "something"),) if guard else ()
        return judge_commit(self.root, manifest(commit=self.released), pushed, zones, verdicts)

    def said(self, pushed: str) -> str:
        return " ".join(str(each) for each in self.judged(pushed).verdicts)


@pytest.fixture
def approved(tmp_path: Path) -> Approved:
    need("ssh-keygen")
    return Approved(tmp_path)


def test_signer_alone_is_refused_and_with_another_passes(approved: Approved) -> None:
    pushed = approved.commit("alice")
    assert "two people must vouch for a change of example.com., and for " in (said := approved.said(pushed))
    assert "alice@example.net alone does" in said
    [verdict] = approved.judged(pushed).verdicts
    assert f"run `dnsctl approve {pushed[:12]}` and push the tag" in verdict.advice
    approved.sign_as("bob")
    made = approve(approved.root, pushed)
    assert (made.by, made.suffices) == ("bob@example.net", True)
    assert approved.judged(pushed) == CommitJudgement((), ("bob@example.net",))


@pytest.mark.parametrize("signer", ["alice", "alice2"])
def test_signer_cannot_approve_by_this_key_or_by_another(approved: Approved, signer: str) -> None:
    pushed = approved.commit("alice")
    approved.sign_as(signer)
    with pytest.raises(ReleaseRefusedError, match=r"is signed by alice@example\.net, too"):
        approve(approved.root, pushed)
    assert approved.git("tag") == "", "what would count for nothing is not left"
    make_approval(approved.root, pushed)
    assert "is of alice@example.net, the same person" in approved.said(pushed)


def test_stranger_cannot_approve(approved: Approved) -> None:
    pushed = approved.commit("alice")
    approved.sign_as("mallory")
    with pytest.raises(ReleaseRefusedError, match="which is not on the list"):
        approve(approved.root, pushed)
    make_approval(approved.root, pushed)
    assert "which is not on the list" in approved.said(pushed)


def test_commit_without_a_signature_needs_two_who_approve(approved: Approved) -> None:
    pushed = approved.commit()
    approved.tag("bob", pushed)
    assert [each.guard for each in approved.judged(pushed).verdicts] == ["signature", "approval"]
    approved.tag("alice2", pushed, name="dnsctl-approval/y")
    judged = approved.judged(pushed)
    assert [each.guard for each in judged.verdicts] == ["signature"]
    assert judged.approved == ("bob@example.net", "alice@example.net")


def test_tag_that_says_something_else_approves_nothing(approved: Approved) -> None:
    pushed = approved.commit("alice")
    for text in ("a release\n", TEXT + "Directory: staging\n", "Reject\n\n" + TEXT, TEXT.lower()):
        approved.tag("bob", pushed, text)
        assert "does not say that it approves this commit" in approved.said(pushed)
    approved.tag("bob", pushed, TEXT.replace("Directory: .", "Directory: staging"))
    assert "approves what is in staging, another operations repo" in approved.said(pushed)
    approved.tag("bob", pushed, name="v1")
    assert "alone does" in approved.said(pushed), "not below dnsctl-approval/"


def test_tag_without_a_signature_approves_nothing(approved: Approved) -> None:
    pushed = approved.commit("alice")
    approved.tag("", pushed)
    approved.git("tag", "dnsctl-approval/light", pushed)
    approved.git("tag", "dnsctl-approval/two\u2028lines", pushed)
    assert approved.said(pushed).count(" is not signed") == 3


def test_approval_of_another_commit_cannot_be_moved(approved: Approved) -> None:
    first = approved.commit("alice")
    raw = approved.git("cat-file", "tag", approved.tag("bob", first))
    pushed = approved.commit("alice")
    assert "alone does" in approved.said(pushed)
    moved = approved.made(raw.replace(first, pushed) + "\n", "tag")
    approved.git("update-ref", "refs/tags/dnsctl-approval/x", moved)
    assert "has a wrong signature" in approved.said(pushed)
    start = raw.index("-----BEGIN")
    both = raw[:start].replace(first, pushed) + "\n" + raw + "\n"
    approved.git("update-ref", "refs/tags/dnsctl-approval/x", approved.made(both, "tag"))
    assert "does not say that it approves this commit" in approved.said(pushed)
    outer = approved.tag(
        "bob", approved.git("rev-parse", "refs/tags/dnsctl-approval/x"), name="dnsctl-approval/y"
    )
    assert outer and "alone does" in approved.said(pushed), "a tag of a tag"


def test_approver_whom_the_commit_itself_admits_does_not_count(approved: Approved) -> None:
    listed = approved.line("alice") + approved.line("bob")
    approved.write("signers", listed + approved.line("mallory"))
    pushed = approved.commit("alice")
    approved.tag("mallory", pushed)
    assert "which is not on the list" in approved.said(pushed)
    approved.write("signers", approved.line("alice"))
    pushed = approved.commit("alice")
    approved.tag("bob", pushed)
    assert approved.said(pushed) == "", "whom it removes may, this time"


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        ("dnsctl.yaml", CONFIG, "commits.approval"),
        ("dnsctl.yaml", POLICY.replace("example.com", "example.org"), "commits.approval"),
        ("dnsctl.yaml", POLICY + "branch: main\n", "branch"),
        ("signers", "", "those who may sign"),
    ],
)
def test_change_of_the_rules_needs_approval_whatever_it_changes_beside(
    approved: Approved, path: str, text: str, rule: str
) -> None:
    approved.write(path, text)
    pushed = approved.commit("alice")
    judged = approved.judged(pushed, ())
    assert rule in judged.rules
    assert "a change of who may release" in " ".join(map(str, judged.verdicts))
    approved.tag("bob", pushed)
    assert approved.judged(pushed, ()).verdicts == ()


def test_zones_and_guards_that_are_not_named_need_none(approved: Approved) -> None:
    pushed = approved.commit("alice")
    for zones, guard, asked in (
        ((), "", False),
        (changed("example.org.", "xexample.com."), "updates", False),
        (changed("example.com.", fate=Fate.RENEWED), "", False),
        (changed("example.org."), "deletes", True),
        (changed("www.example.com.", fate=Fate.NEW), "", True),  # would take the place of names in it
        (changed("example.com.", fate=Fate.NEW), "", True),
    ):
        found = approved.judged(pushed, zones, guard).verdicts
        assert [each.guard for each in found] == (["approval"] if asked else []), (zones, guard)


def test_people_are_told_apart_by_what_lists_call_them_whatever_they_sign_with(approved: Approved) -> None:
    need("gpg")
    with openpgp() as keys:
        keys.make("alice")
        keys.make("carol")
        approved.write("people.asc", keys.public("alice", "carol"))
        approved.write("dnsctl.yaml", POLICY.replace("signers,", "signers, openpgp-keys: people.asc,"))
        approved.released = approved.commit("alice")
        lists = f"signers and people.asc of {approved.released[:12]} say who may sign"
        assert lists in approved.said(approved.commit())
        pushed = approved.commit("alice")
        for name, lets in (("alice", False), ("carol", True)):
            signed = (*keys.by(name), "tag", "-f", "-s", "--cleanup=verbatim", "-m", TEXT)
            approved.git(*signed, "dnsctl-approval/x", pushed)
            said = approved.said(pushed)
            assert said == "" if lets else "is of alice@example.net, the same person" in said


def test_pattern_in_the_list_is_nobody_else(approved: Approved) -> None:
    approved.write("signers", approved.line("alice") + approved.line("*", "bob"))
    approved.released = approved.commit("alice")
    pushed = approved.commit("alice")
    approved.tag("bob", pushed)
    assert "is of *@example.net, the same person" in approved.said(pushed)


def test_repo_in_a_directory_is_approved_apart_from_its_neighbour(approved: Approved) -> None:
    for directory in ("prod", "staging"):
        approved.write(f"{directory}/dnsctl.yaml", POLICY)
        approved.write(f"{directory}/signers", approved.line("alice") + approved.line("bob"))
    approved.released = approved.commit("alice")
    pushed = approved.commit("alice")
    approved.sign_as("bob")
    approve(approved.root / "staging", pushed)
    zones, before = changed("example.com."), manifest(commit=approved.released)
    assert judge_commit(approved.root / "staging", before, pushed, zones).verdicts == ()
    [verdict] = judge_commit(approved.root / "prod", before, pushed, zones).verdicts
    assert "approves what is in staging, another operations repo" in verdict.message


def test_approval_that_nobody_asks_for_or_that_cannot_be_signed_says_so(approved: Approved) -> None:
    pushed = approved.commit("alice")
    approved.sign_as("bob")
    approved.git("config", "user.signingkey", "/nowhere")
    with pytest.raises(DnsctlError, match=r"git tag failed|your approval is not signed"):  # by version
        approve(approved.root, pushed)
    assert approved.git("tag") == ""
    approved.git("checkout", "-q", "--orphan", "other")
    approved.write("dnsctl.yaml", CONFIG)
    with pytest.raises(ReleaseRefusedError, match="no second person is asked for"):
        approve(approved.root, approved.commit("alice"))


def test_approval_comes_from_a_bare_repository_with_and_without_the_branch(
    approved: Approved, tmp_path: Path
) -> None:
    bare, clone = tmp_path / "bare.git", tmp_path / "clone"
    approved.git("clone", "-q", "--bare", ".", str(bare))
    approved.git("clone", "-q", str(bare), str(clone))
    approved.sign_as("alice", clone)
    approved.git("-C", str(clone), "commit", "-q", "--allow-empty", "-S", "-m", "x")
    approved.git("-C", str(clone), "push", "-q", "origin", "main", "HEAD:refs/tags/other")
    follow(approved.root, bare, "main")
    pushed = approved.git("rev-parse", "HEAD")
    assert "alone does" in approved.said(pushed)
    approved.sign_as("bob", clone)
    approved.git("-C", str(clone), "push", "-q", "origin", approve(clone, pushed).tag)
    follow(approved.root, bare, "main")
    assert approved.said(pushed) == ""
    assert approved.git("tag").startswith("dnsctl-approval/"), "and no other tag"


def test_command_says_what_was_approved_and_how_others_get_it(approved: Approved) -> None:
    pushed = approved.commit("alice")
    approved.sign_as("bob")
    told = dnsctl("approve", root=approved.root)
    assert told.out.startswith(f"bob@example.net approves commit {pushed[:12]} of A <a@example.net>, ")
    assert f"git push origin dnsctl-approval/{pushed[:12]}-" in told.out
    found = dnsctl("approve", pushed, "--json", root=approved.root).json
    assert found == {
        "commit": pushed,
        "tag": approved.git("tag"),
        "by": "bob@example.net",
        "suffices": True,
        "already": True,
        "rules_of": approved.released,
        "released": False,
    }
    assert dnsctl("approve", root=approved.root).out.startswith("Already approved by you: bob@example.net ")


def test_commit_that_removes_its_signer_is_judged_as_a_push_judges_it(approved: Approved) -> None:
    approved.write("signers", approved.line("bob"))
    pushed = approved.commit("alice")
    approved.sign_as("bob")
    told = dnsctl("approve", root=approved.root).out
    assert "Another person must approve" not in told
    lists = f"signers of {approved.released[:12]} names"
    assert f"This clone knows of no release: a push may ask other people than {lists}" in told
    assert approved.said(pushed) == ""


def test_approval_waits_for_another_in_the_words_of_the_lists(approved: Approved) -> None:
    pushed = approved.commit()
    approved.sign_as("bob")
    told = dnsctl("approve", root=approved.root).out
    assert f"nobody whom signers of {approved.released[:12]} names has signed the commit" in told
    approved.sign_as("alice2")
    made = approve(approved.root, pushed)
    assert (made.suffices, made.already) == (True, False)
    approved.sign_as("alice")
    assert approve(approved.root, pushed) == made._replace(already=True), "by another key of the same person"
    assert len(approved.git("tag").split()) == 2


def test_rollback_brings_back_what_was_approved_however_many_releases_ago(approved: Approved) -> None:
    """Generations: 1 without an approval, 2 with, 3 and 4 change another zone, 5 is alone, 6 is served."""
    commits = [approved.released, *(approved.commit("alice") for _ in range(5))]
    approved.tag("bob", commits[1])
    archive = Archive(Repo(approved.root).state.archive)
    delta = DeltaReference(archive.put(b"x"), 1, 1)
    com, org = entry("example.com."), entry("example.org.")
    made = []
    for number, zone in enumerate((com, com, org, org, com, com), 1):
        commit = commits[2 if number == 4 else number - 1]  # 4 renews the signatures of 3
        one = manifest(number, commit=commit, zones={zone.origin: zone}, removed=(), delta=delta)
        archive.put_manifest(number, sealed(one))
        archive.put_activation(number, sealed_certificate(one))
        made.append(one)

    def asked(target: int, zones: tuple[ZoneChangeset, ...], guard: str = "") -> bool:
        verdicts = (GuardVerdict(guard, None, "something"),) if guard else ()
        found = judge_return(approved.root, made[-1], made[target - 1], zones, verdicts).verdicts
        assert {each.guard for each in found} <= {"approval"}
        return bool(found)

    zones = changed("example.com.")
    assert [asked(target, zones) for target in (1, 2, 3, 4, 5)] == [True, False, False, False, True]
    assert not asked(5, changed("example.org."))
    assert asked(3, (), "deletes") and not asked(2, (), "deletes")
    [verdict] = judge_return(approved.root, made[-1], made[4], zones, ()).verdicts
    assert verdict.advice.endswith("`git fetch` it here, and roll back again")
