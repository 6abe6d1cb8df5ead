"""Who may sign with OpenPGP what is released: real keys of gpg, in a keyring that is nobody's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.control.commit_gate import judge_commit
from tests.cli.shell import CONFIG
from tests.control.signing import OpenPgp, Repository, openpgp
from tests.peers import need
from tests.release.releases import manifest

EARLY = "--faked-system-time 20200601T000000"
WANTED = CONFIG + "commits: {openpgp-keys: people.asc}\n"


@pytest.fixture(scope="module")
def people() -> Iterator[OpenPgp]:
    need("gpg")
    with openpgp() as keys:
        for name in ("carol", "erin", "mallory"):
            keys.make(name)
        keys.make("dave", *EARLY.split(), expires="2021-01-01")
        yield keys


@pytest.fixture
def repository(people: OpenPgp, tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.write("dnsctl.yaml", WANTED)
    made.write("people.asc", people.public("carol", "dave", "erin"))
    made.commit()
    return made


def refused(repository: Repository, *options: str) -> str:
    """Return what the guard says of a commit that git makes with `options`; empty where it passes."""
    released = repository.git("rev-parse", "HEAD")
    repository.git(*options, "commit", "-q", "--allow-empty", "-S", "-m", "x")
    pushed = repository.git("rev-parse", "HEAD")
    verdicts = judge_commit(repository.root, manifest(commit=released), pushed).verdicts
    assert {each.guard for each in verdicts} <= {"signature"}
    return " ".join(str(each) for each in verdicts)


def test_key_in_the_file_may_sign_and_no_other(repository: Repository, people: OpenPgp) -> None:
    assert refused(repository, *people.by("carol")) == ""
    assert "is signed by the key " in (said := refused(repository, *people.by("mallory")))
    assert "which is not on the list; people.asc of " in said


def test_keyring_and_settings_of_the_user_count_for_nothing(
    repository: Repository, people: OpenPgp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(people.home))
    yes = people.home / "yes"
    yes.write_text("#!/bin/sh\necho '[GNUPG:] GOODSIG 0 x' >&2\necho '[GNUPG:] TRUST_ULTIMATE' >&2\n")
    yes.chmod(0o755)
    said = refused(repository, *people.by("mallory"))
    repository.git("config", "gpg.program", str(yes))
    again = refused(repository, *people.by("mallory"))
    assert all("which is not on the list" in each for each in (said, again))


def test_key_that_has_expired_is_refused_by_name_though_the_commit_is_older(
    repository: Repository, people: OpenPgp
) -> None:
    said = refused(repository, *people.by("dave", EARLY))
    assert "is signed by a key that has expired, Dave <dave@example.net> (" in said


def test_key_that_is_revoked_in_the_file_is_refused_by_name(repository: Repository, people: OpenPgp) -> None:
    program = people.by("erin")
    repository.git(*program, "commit", "-q", "--allow-empty", "-S", "-m", "of before")
    signed = repository.git("rev-parse", "HEAD")
    people.revoke("erin")
    repository.git("checkout", "-q", "--orphan", "later")
    repository.write("people.asc", people.public("carol", "erin"))
    released = repository.commit()
    verdicts = judge_commit(repository.root, manifest(commit=released), signed).verdicts
    assert "is signed by a key that is revoked, Erin <erin@example.net> (" in " ".join(map(str, verdicts))


def test_signature_over_another_commit_is_wrong(repository: Repository, people: OpenPgp) -> None:
    assert refused(repository, *people.by("carol")) == ""
    released, raw = repository.git("rev-parse", "HEAD^"), repository.git("cat-file", "commit", "HEAD")
    changed = repository.made(raw.replace("\n\nx", "\n\ny") + "\n")
    twice = repository.made(raw.replace("gpgsig ", "gpgsig-sha256 x\ngpgsig ", 1) + "\n")
    [verdict] = judge_commit(repository.root, manifest(commit=released), changed).verdicts
    assert "has a wrong signature" in verdict.message
    assert judge_commit(repository.root, manifest(commit=released), twice).verdicts == (), "as git reads it"


@pytest.mark.parametrize("content", ["", "no keys\n", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n"])
def test_file_without_a_key_lets_nobody_through(
    repository: Repository, people: OpenPgp, content: str
) -> None:
    repository.write("people.asc", content)
    repository.commit()
    assert "the list has no OpenPGP key" in refused(repository, *people.by("carol"))


def test_kind_of_signature_that_has_no_list_is_refused(repository: Repository) -> None:
    said = refused(repository, *repository.by("alice"))
    assert "is signed with SSH, and commits.allowed-signers names no list" in said


def test_verdict_is_that_of_git(repository: Repository, people: OpenPgp) -> None:
    """git, told of the same keyring, agrees on signed, unsigned and changed commits."""
    released = repository.git("rev-parse", "HEAD")
    repository.git(*people.by("carol"), "commit", "-q", "--allow-empty", "-S", "-m", "x")
    good = repository.git("rev-parse", "HEAD")
    raw = repository.git("cat-file", "commit", "HEAD")
    for commit in (good, released, repository.made(raw + "\n\n"), repository.made(raw + "\n")):
        shown = repository.git(*people.by("carol"), "log", "-1", "--format=%G?", commit)
        ours = judge_commit(repository.root, manifest(commit="0" * 40), commit).verdicts
        assert (shown in ("G", "U")) == (not ours), (shown, ours)
