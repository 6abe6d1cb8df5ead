"""An operations repo, filled: each file that is missing is made, whole or not at all.

Order: files of the repo, git, then secrets: passphrase, release key, secret of DNS cookies, authority and
certificates of the control host and of every node that dnsctl.yaml names. Certificates that run out soon, or
already have, are issued again; nothing else that exists is touched. Secrets go only where git ignores them.
"""

from __future__ import annotations

import posixpath
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.errors import ConfigError
from dnsctl.files import durable
from dnsctl.load.example import example_files
from dnsctl.load.revision import WorkTree
from dnsctl.load.secret import resolve
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.model.repo import (
    AUTHORITY,
    CONTROL,
    HOOKS,
    KEYS,
    KEYS_README,
    PRE_COMMIT,
    RELEASE_PRIVATE,
    RELEASE_PUBLIC,
    ZONES,
    Repo,
)
from dnsctl.release.envelope import ensure_release_key
from dnsctl.replicate.pki import ensure_authority, renew
from dnsctl.serve.message.cookies import fresh_secret
from dnsctl.setup.ignored import ignore, refuse_taken, refuse_tracked
from dnsctl.setup.scaffold import HOOK, template_files
from dnsctl.setup.second_fleet import refuse_second_fleet
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.passphrase import check_passphrase, ensure_passphrase


@dataclass
class Report:
    """What was made, issued again, and there already, as paths relative to the repo."""

    root: Path
    made: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def note(self, path: str, *, made: bool) -> None:
        (self.made if made else self.kept).append(path)


def fill_repo(place: Path, tell: Callable[[str], None], *, example: bool, new_fleet: bool = False) -> Report:
    """Add what `place` lacks; return what that was. `tell` is told what a person has to do by hand.

    `new_fleet`: make keys also in a clone of another fleet's repo. Raises FleetElsewhereError there else.
    """
    report = Report(place)
    repo = Repo(place)
    zones: tuple[str, ...] = (ZONES,)
    if repo.config.exists():
        present = _config(repo)
        zones = present.zone_files
        for secret in present.secret_files():
            refuse_tracked(place, secret)
        if not new_fleet:
            refuse_second_fleet(place, present)
    known = _known_passphrase(repo)
    for directory in (place, *(place / each for each in (KEYS, f"{KEYS}/pki", HOOKS, *zones))):
        durable.remove_unfinished(directory)
    _write_repo(report, zones, example=example)
    _git_init(report, tell)
    config = _config(repo)
    _ignore(report, config)
    _secrets(report, repo, config, known)
    return report


def _config(repo: Repo) -> Config:
    return load_config(WorkTree(repo.root))


def _ignore(report: Report, config: Config) -> None:
    """Have git ignore every secret. Raises ConfigError where it would take one all the same."""
    secrets = config.secret_files()
    changed = ignore(report.root, secrets)
    if changed and ".gitignore" in report.kept:
        report.kept.remove(".gitignore")
    if changed and ".gitignore" not in report.made:
        report.made.append(".gitignore")
    for secret in secrets:
        refuse_taken(report.root, secret)


def _write_repo(report: Report, zones: tuple[str, ...], *, example: bool) -> None:
    """Write what is not secret, and what is a zone's into the first directory of `zones`."""
    root = report.root
    for name, mode in (*((each, 0o777) for each in zones), (KEYS, 0o700), (HOOKS, 0o777)):
        _directory(root / name, mode)
    example_texts = example_files()
    wanted: dict[str, bytes] = {}
    if example:
        wanted |= example_texts
    wanted[KEYS_README] = example_texts[KEYS_README]
    for path, content in template_files().items():
        wanted.setdefault(path, content)
    for named, content in wanted.items():
        within = named.removeprefix(f"{ZONES}/")
        path = named if within == named else posixpath.join(zones[0], within)
        report.note(path, made=_create(root / path, content, 0o666))
    report.note(PRE_COMMIT, made=_create(root / PRE_COMMIT, HOOK, 0o777))
    report.note(".gitignore", made=ignore(root, ()))


def _known_passphrase(repo: Repo) -> bytes:
    """Return the passphrase of a keystore that is there; empty where it is still to be made.

    Raises PassphraseError, before anything is written, where it does not open the keys that are there.
    """
    if not repo.config.exists():
        return b""
    config = _config(repo)
    kind, _, path = config.keystore.passphrase.partition(":")
    if kind == "file" and not (repo.root / path).exists():
        return b""
    passphrase = resolve(config.keystore.passphrase, repo.root)
    check_passphrase(repo.keys.directory, passphrase)
    return passphrase


def _secrets(report: Report, repo: Repo, config: Config, known: bytes) -> None:
    reference = config.keystore.passphrase
    if reference.startswith("file:"):
        path = reference.removeprefix("file:")
        report.note(path, made=ensure_passphrase(repo.root / path, repo.keys.directory, path))
    passphrase = known or resolve(config.keystore.passphrase, repo.root)
    had_public = repo.keys.release_public.exists()
    report.note(RELEASE_PRIVATE, made=ensure_release_key(repo.keys.directory, passphrase))
    report.note(RELEASE_PUBLIC, made=not had_public)
    if config.serve.cookies:
        path = config.serve.cookie_secret
        report.note(path, made=_create(repo.root / path, fresh_secret(), 0o600))
    names = [node.name for node in config.nodes()]
    made = ensure_authority(repo.keys.directory, lambda: passphrase, names, datetime.now(UTC))
    for path in made:
        report.note(f"{KEYS}/{path}", made=True)
    renewed = renew(repo.keys.directory, lambda: passphrase, datetime.now(UTC))
    report.renewed += [f"{KEYS}/{path}" for path in renewed]
    _encrypt_anew(report, repo, passphrase)
    _note_kept(report, repo, names)


def _note_kept(report: Report, repo: Repo, names: list[str]) -> None:
    """Note certificates and their keys that were there. The authority's key may be kept elsewhere."""
    pki = repo.keys.pki
    for name in (AUTHORITY, CONTROL, *names):
        for file in (pki.certificate(name), pki.key(name)):
            path = str(file.relative_to(repo.root))
            if file.exists() and path not in (*report.made, *report.renewed):
                report.note(path, made=False)


def _encrypt_anew(report: Report, repo: Repo, passphrase: bytes) -> None:
    """Encrypt again what an earlier dnsctl encrypted more weakly."""
    for path in Keystore(repo.keys.directory, lambda: passphrase).renew_encryption():
        report.renewed.append(str(path.relative_to(repo.root)))
    report.kept = [each for each in report.kept if each not in report.renewed]


def _create(path: Path, content: bytes, mode: int) -> bool:
    """Write a new file, whole or not at all; False where there is one already. Parents are made."""
    _directory(path.parent, 0o777)
    return durable.create(path, content, mode & ~durable.umask())


def _directory(path: Path, mode: int) -> None:
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError("is not a directory", where=str(path), advice="choose another place") from None


def _git_init(report: Report, tell: Callable[[str], None]) -> None:
    """Make the directory a git repository unless it is in one. Hooks are for people to switch on."""
    if shutil.which("git") is None:
        tell("git is not installed: install it, then run `dnsctl init` again")
        return
    if git(report.root, "rev-parse", "--is-inside-work-tree") is not None:
        if (report.root / ".git").exists():  # else it is in the repository of a directory above
            report.note(".git", made=False)
        return
    if git(report.root, "init", "--quiet", "--initial-branch=main") is None:
        tell("`git init` failed: run it by hand")
        return
    report.note(".git", made=True)


def git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it fails."""
    done = subprocess.run(
        ("git", *arguments), cwd=root, capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
