"""Who may sign what is released: real commits, signed with real SSH keys. No node is needed."""

import shutil
from pathlib import Path

import pytest

from dnsctl.control.commit_gate import judge_commit, judge_push
from dnsctl.load.ancestry import is_ancestor
from dnsctl.load.revision import Revision
from dnsctl.model.name import from_text
from dnsctl.publish.changeset import Fate, ZoneChangeset
from dnsctl.release.manifest import Manifest
from tests.cli.shell import CONFIG
from tests.control.signing import Repository
from tests.release.releases import manifest

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs openssh-client")
WANTED = CONFIG + "commits: {allowed-signers: signers}\n"


class Signed(Repository):
    """A repository whose dnsctl.yaml wants signatures: `ours` is on the list, `theirs` is not."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.write("dnsctl.yaml", WANTED)
        self.write("signers", self.line("ours"))

    def refused(self, released: str | None, pushed: str) -> str:
        """Return what the guard says; empty where it lets `pushed` through."""
        before: Manifest | None = manifest(commit=released) if released is not None else None
        verdicts = judge_commit(self.root, before, pushed).verdicts
        assert {each.guard for each in verdicts} <= {"signature"}
        return " ".join(str(each) for each in verdicts)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return Signed(tmp_path_factory.mktemp("signed"))


def test_only_commits_that_one_on_the_list_signed_pass(signed: Signed) -> None:
    released = signed.commit("ours")
    assert signed.refused(None, released) == ""
    assert signed.refused(released, signed.commit("ours")) == ""
    assert "is not signed; signers of " in signed.refused(released, signed.commit())
    assert "which is not on the list" in signed.refused(released, signed.commit("theirs"))
    assert signed.refused(released, signed.commit("ours")) == "", "who signs the last one vouches for all"


def test_commit_that_admits_its_own_signer_is_refused_until_another_has_released_the_list(
    signed: Signed,
) -> None:
    released = signed.commit("ours")
    signed.write("signers", signed.line("ours") + signed.line("theirs"))
    assert "which is not on the list" in signed.refused(released, signed.commit("theirs"))
    signed.write("dnsctl.yaml", CONFIG)
    assert "which is not on the list" in signed.refused(released, signed.commit("theirs"))
    signed.write("dnsctl.yaml", WANTED)
    listed = signed.commit("ours")
    assert signed.refused(released, listed) == ""
    assert signed.refused(listed, signed.commit("theirs")) == ""
    signed.write("signers", signed.line("ours"))


def test_list_that_no_release_has_yet_limits_the_commit_that_brings_it_and_those_after_it(
    signed: Signed,
) -> None:
    signed.write("dnsctl.yaml", CONFIG)
    released = signed.commit()
    assert signed.refused(released, signed.commit()) == ""
    signed.write("dnsctl.yaml", WANTED)
    assert "is not signed; signers of " in signed.refused(released, signed.commit())
    assert signed.refused(released, signed.commit("ours")) == ""
    assert "which is not on the list" in signed.refused(released, signed.commit("theirs"))


@pytest.mark.parametrize("renewed", [False, True])
def test_release_that_changes_no_record_takes_nothing_back_either(signed: Signed, renewed: bool) -> None:
    zones = (ZoneChangeset(from_text("example.com."), Fate.RENEWED),) if renewed else ()
    before = signed.commit("ours")
    released = signed.commit("ours")
    [verdict] = judge_push(
        signed.root, manifest(commit=released), before, zones, (), settings=renewed
    ).verdicts
    assert verdict.guard == "history"
    assert (
        judge_push(signed.root, manifest(commit=before), released, zones, (), settings=renewed).verdicts == ()
    )


def test_list_that_is_not_there_lets_nobody_through(signed: Signed) -> None:
    (signed.root / "signers").unlink()
    released = signed.commit("ours")
    assert "who may sign cannot be read" in signed.refused(released, signed.commit("ours"))
    signed.write("signers", signed.line("ours"))


def test_signature_of_another_kind_or_of_another_commit_counts_for_nothing(signed: Signed) -> None:
    released = signed.commit("ours")
    raw = signed.git("cat-file", "commit", "HEAD")
    assert raw.endswith("\n\nx")
    changed = signed.made(raw[:-1] + "y\n")
    assert changed != released
    assert "has a wrong signature" in signed.refused(released, changed)
    start, end = raw.index("gpgsig "), raw.index("-----END SSH SIGNATURE-----")
    pgp = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iHUEABYKAB0WIQ==\n -----END PGP SIGNATURE-----"
    other = raw[:start] + pgp + raw[end + len("-----END SSH SIGNATURE-----") :]
    assert signed.refused(released, signed.made(other + "\n")) != ""


def test_object_that_somebody_replaced_is_read_as_it_was_signed(signed: Signed) -> None:
    signed.write("zone", "as signed")
    released = signed.commit("ours")
    blob = signed.git("rev-parse", "HEAD:zone")
    signed.git("replace", blob, signed.git("hash-object", "-w", "--stdin", told="as replaced"))
    assert signed.git("show", "HEAD:zone") == "as replaced"
    source = Revision(signed.root, released)
    assert source.read("zone") == b"as signed"
    source.close()


def test_rules_hold_though_this_version_cannot_read_the_rest_of_the_file_that_was_released(
    signed: Signed,
) -> None:
    signed.write("dnsctl.yaml", WANTED + "of-another-version: 1\n")
    released = signed.commit("ours")
    signed.write("dnsctl.yaml", CONFIG)
    assert "is not signed; signers of " in signed.refused(released, signed.commit())
    signed.write("dnsctl.yaml", CONFIG + "commits: {of-another-version: 1}\n")
    released = signed.commit("ours")
    signed.write("dnsctl.yaml", WANTED)
    said = signed.refused(released, signed.commit("ours"))
    assert "who may release cannot be told from what was released last: unknown setting commits.of-" in said


@pytest.mark.parametrize(
    ("options", "lets"),
    [
        ('valid-after="20200101",valid-before="20910101"', True),
        ('valid-before="20200101"', False),
        ('valid-after="20900601"', False),
        ('namespaces="git"', True),
        ('namespaces="file"', False),
    ],
)
def test_list_is_held_to_by_the_clock_and_not_by_the_date_in_the_commit(
    signed: Signed, options: str, lets: bool
) -> None:
    signed.write("signers", signed.line("ours", options=options))
    released = signed.commit()
    for dated in ("2019-06-01T00:00:00Z", "2090-06-01T00:00:00Z"):
        signed.environment["GIT_COMMITTER_DATE"] = dated
        found = signed.refused(released, signed.commit("ours"))
        assert found == "" if lets else "whom the list does not allow that now" in found
    del signed.environment["GIT_COMMITTER_DATE"]
    signed.write("signers", signed.line("ours"))


def test_settings_of_git_name_no_other_program_and_no_other_list(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = signed.commit("ours")
    stranger = signed.commit("theirs")
    everybody = signed.keys / "everybody"
    everybody.write_text(f"* {signed.key('theirs').with_suffix('.pub').read_text()}")
    for name, value in (("gpg.ssh.program", "true"), ("gpg.ssh.allowedSignersFile", str(everybody))):
        signed.git("config", name, value)
    for name, value in {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "gpg.ssh.program",
        "GIT_CONFIG_VALUE_0": "true",
    }.items():
        monkeypatch.setenv(name, value)
    assert "which is not on the list" in signed.refused(released, stranger)
    signed.git("config", "--remove-section", "gpg.ssh")


def test_history_that_somebody_grafted_is_read_as_it_was_made(
    signed: Signed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, other = signed.commit("ours"), signed.git("commit-tree", "-m", "another", "HEAD^{tree}")
    grafts = tmp_path / "grafts"
    grafts.write_text(f"{other} {one}\n")
    shutil.copy(grafts, signed.root / ".git" / "info" / "grafts")
    monkeypatch.setenv("GIT_GRAFT_FILE", str(grafts))
    assert not is_ancestor(signed.root, one, other)
    (signed.root / ".git" / "info" / "grafts").unlink()
