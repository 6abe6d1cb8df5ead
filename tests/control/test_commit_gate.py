"""Who may sign what is released: real commits, signed with real SSH keys. No node is needed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dnsctl.control.commit_gate import judge_commit
from dnsctl.load.revision import Revision, resolve
from dnsctl.release.manifest import Manifest
from tests.cli.shell import CONFIG
from tests.release.releases import manifest

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs openssh-client")
WANTED = CONFIG + "commits: {allowed-signers: signers}\n"


class Signed:
    """A repository whose dnsctl.yaml wants signatures, and keys: `ours` is on the list, `theirs` is not."""

    def __init__(self, root: Path) -> None:
        self.root = root / "ops"
        self.root.mkdir()
        self.keys = root
        for name in ("ours", "theirs"):
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(root / name)]
            subprocess.run(made, check=True)
        self.git("init", "-q", "-b", "main")
        self.write("dnsctl.yaml", WANTED)
        self.write("signers", self.line("ours"))

    def line(self, name: str) -> str:
        return f"{name}@example.net {(self.keys / f'{name}.pub').read_text()}"

    def git(self, *arguments: str, told: str = "") -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.net", "-c", "gpg.format=ssh")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.root, check=True, capture_output=True, text=True, input=told
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def commit(self, signer: str = "") -> str:
        """Commit all, signed by `signer` if there is one; return the id."""
        self.git("add", "-A")
        by = ("-c", f"user.signingkey={self.keys / signer}") if signer else ()
        self.git(*by, "commit", "-q", "--allow-empty", "-m", "x", *(("-S",) if signer else ()))
        return resolve(self.root, "HEAD")

    def made(self, content: str) -> str:
        """Return the id of a commit with this content."""
        return self.git("hash-object", "-t", "commit", "-w", "--stdin", told=content + "\n")

    def refused(self, released: str | None, pushed: str) -> str:
        """Return what the guard says; empty where it lets `pushed` through."""
        before: Manifest | None = manifest(commit=released) if released is not None else None
        verdicts = judge_commit(self.root, before, pushed)
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


def test_list_that_is_not_there_lets_nobody_through(signed: Signed) -> None:
    (signed.root / "signers").unlink()
    released = signed.commit("ours")
    assert "who may sign cannot be read" in signed.refused(released, signed.commit("ours"))
    signed.write("signers", signed.line("ours"))


def test_signature_of_another_kind_or_of_another_commit_counts_for_nothing(signed: Signed) -> None:
    released = signed.commit("ours")
    raw = signed.git("cat-file", "commit", "HEAD")
    assert raw.endswith("\n\nx")
    changed = signed.made(raw[:-1] + "y")
    assert changed != released
    assert "has a wrong signature" in signed.refused(released, changed)
    start, end = raw.index("gpgsig "), raw.index("-----END SSH SIGNATURE-----")
    pgp = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iHUEABYKAB0WIQ==\n -----END PGP SIGNATURE-----"
    other = raw[:start] + pgp + raw[end + len("-----END SSH SIGNATURE-----") :]
    assert signed.refused(released, signed.made(other)) != ""


def test_object_that_somebody_replaced_is_read_as_it_was_signed(signed: Signed) -> None:
    signed.write("zone", "as signed")
    released = signed.commit("ours")
    blob = signed.git("rev-parse", "HEAD:zone")
    signed.git("replace", blob, signed.git("hash-object", "-w", "--stdin", told="as replaced"))
    assert signed.git("show", "HEAD:zone") == "as replaced"
    source = Revision(signed.root, released)
    assert source.read("zone") == b"as signed"
    source.close()
