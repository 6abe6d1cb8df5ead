"""`dnsctl init`: an operations repo from nothing to ready for a first push. Adds what is missing.

Certificates that run out soon, or already have, are issued again; nothing else that exists is touched.

Order: files of the repo, git, then secrets: passphrase, release key, secret of DNS cookies, authority and
certificates of the control host and of every node that dnsctl.yaml names. Run it again after adding a node.
Whole or not at all where the directory is new; elsewhere each file is, and a second run adds what a killed
one left out. Two at once wait for each other. Secrets go only where git ignores them.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.cli import output
from dnsctl.cli.verbs.context import Context
from dnsctl.control.passphrase import ensure_passphrase
from dnsctl.errors import ConfigError
from dnsctl.files import durable
from dnsctl.load.example import example_files
from dnsctl.load.settings.config import Config
from dnsctl.model.repo import (
    AUTHORITY,
    CONFIG,
    CONTROL,
    HOOKS,
    KEYS,
    KEYS_README,
    PRE_COMMIT,
    RELEASE_PRIVATE,
    ZONES,
)
from dnsctl.release.envelope import ensure_release_key
from dnsctl.replicate.pki import ensure_authority, renew
from dnsctl.serve.message.cookies import fresh_secret
from dnsctl.setup.ignored import ignore, refuse_taken, refuse_tracked
from dnsctl.setup.scaffold import HOOK, template_files
from dnsctl.setup.whole import whole_directory
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.passphrase import check_passphrase


@dataclass
class _Report:
    """What was made, issued again, and there already, as paths relative to the repo."""

    root: Path
    made: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def note(self, path: str, *, made: bool) -> None:
        (self.made if made else self.kept).append(path)


def init(root: Path, *, example: bool, as_json: bool) -> None:
    """Make an operations repo at `root` with keys and certificates, or add what it lacks; say what."""
    with whole_directory(root) as place:
        report, config = _fill(place, example=example)
    report.root = root
    if as_json:
        output.json_result(
            {"root": str(root), "made": report.made, "renewed": report.renewed, "kept": report.kept}
        )
        return
    for fate, paths in (("made", report.made), ("renewed", report.renewed), ("kept", report.kept)):
        for path in paths:
            output.line(f"{fate}  {output.visible(path)}")
    _tell_renewed(report)
    _next_steps(report, config, example=example)


def _fill(place: Path, *, example: bool) -> tuple[_Report, Config]:
    """Add what `place` lacks; return what that was, and what its dnsctl.yaml says."""
    report = _Report(place)
    context = Context(place)
    if (place / CONFIG).exists():
        for secret in _secret_files(context.config()):
            refuse_tracked(place, secret)
    known = _known_passphrase(context)
    for directory in (place, *(place / each for each in (KEYS, f"{KEYS}/pki", HOOKS, ZONES))):
        durable.remove_unfinished(directory)
    _write_repo(report, example=example)
    _git_init(report)
    config = context.config()
    _ignore(report, config)
    _secrets(report, context, config, known)
    return report, config


def _secret_files(config: Config) -> tuple[str, ...]:
    """Return the files that dnsctl.yaml names for secrets: passphrase, cookies, TSIG keys."""
    references = [config.keystore.passphrase]
    references += [each.secret for each in config.transfers.keys.values() if each.secret is not None]
    named = [each.removeprefix("file:") for each in references if each.startswith("file:")]
    return (*named, *((config.serve.cookie_secret,) if config.serve.cookies else ()))


def _ignore(report: _Report, config: Config) -> None:
    """Have git ignore every secret. Raises ConfigError where it would take one all the same."""
    secrets = _secret_files(config)
    changed = ignore(report.root, secrets)
    if changed and ".gitignore" in report.kept:
        report.kept.remove(".gitignore")
    if changed and ".gitignore" not in report.made:
        report.made.append(".gitignore")
    for secret in secrets:
        refuse_taken(report.root, secret)


def _write_repo(report: _Report, *, example: bool) -> None:
    """Write what is not secret."""
    root = report.root
    for name, mode in ((ZONES, 0o777), (KEYS, 0o700), (HOOKS, 0o777)):
        _directory(root / name, mode)
    example_texts = example_files()
    wanted: dict[str, bytes] = {}
    if example:
        wanted |= example_texts
    wanted[KEYS_README] = example_texts[KEYS_README]
    for path, content in template_files().items():
        wanted.setdefault(path, content)
    for path, content in wanted.items():
        report.note(path, made=_create(root / path, content, 0o666))
    report.note(PRE_COMMIT, made=_create(root / PRE_COMMIT, HOOK, 0o777))
    report.note(".gitignore", made=ignore(root, ()))


def _known_passphrase(context: Context) -> bytes:
    """Return the passphrase of a keystore that is there; empty where it is still to be made.

    Raises PassphraseError, before anything is written, where it does not open the keys that are there.
    """
    if not (context.root / CONFIG).exists():
        return b""
    config = context.config()
    kind, _, path = config.keystore.passphrase.partition(":")
    if kind == "file" and not (context.root / path).exists():
        return b""
    passphrase = context.passphrase(config)
    check_passphrase(context.keys, passphrase)
    return passphrase


def _secrets(report: _Report, context: Context, config: Config, known: bytes) -> None:
    reference = config.keystore.passphrase
    if reference.startswith("file:"):
        path = reference.removeprefix("file:")
        report.note(path, made=ensure_passphrase(context.root / path, context.keys, path))
    passphrase = known or context.passphrase(config)
    report.note(RELEASE_PRIVATE, made=ensure_release_key(context.keys, passphrase))
    if config.serve.cookies:
        path = config.serve.cookie_secret
        report.note(path, made=_create(context.root / path, fresh_secret(), 0o600))
    names = [node.name for node in config.nodes()]
    made = ensure_authority(context.keys, lambda: passphrase, names, datetime.now(UTC))
    for path in made:
        report.note(f"{KEYS}/{path}", made=True)
    renewed = renew(context.keys, lambda: passphrase, datetime.now(UTC))
    report.renewed += [f"{KEYS}/{path}" for path in renewed]
    _encrypt_anew(report, context, passphrase)
    for name in (AUTHORITY, CONTROL, *names):
        if f"pki/{name}.crt" not in (*made, *renewed):
            report.note(f"keys/pki/{name}.crt", made=False)


def _encrypt_anew(report: _Report, context: Context, passphrase: bytes) -> None:
    """Encrypt again what an earlier dnsctl encrypted more weakly."""
    for path in Keystore(context.keys, lambda: passphrase).renew_encryption():
        report.renewed.append(str(path.relative_to(context.root)))
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


def _git_init(report: _Report) -> None:
    """Make the directory a git repository unless it is in one. Hooks are for people to switch on."""
    if shutil.which("git") is None:
        output.say("git is not installed: install it, then run `dnsctl init` again")
        return
    if _git(report.root, "rev-parse", "--is-inside-work-tree") is not None:
        return
    if _git(report.root, "init", "--quiet", "--initial-branch=main") is None:
        output.say("`git init` failed: run it by hand")
        return
    report.note(".git", made=True)


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it fails."""
    done = subprocess.run(
        ("git", *arguments), cwd=root, capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def _tell_renewed(report: _Report) -> None:
    names = [Path(each).stem for each in report.renewed if each.endswith(".crt")]
    if nodes := [each for each in names if each != CONTROL]:
        output.say(
            f"copy the new certificates and keys in keys/pki/ to {', '.join(nodes)},"
            " and restart each node's service"
        )


def _next_steps(report: _Report, config: Config, *, example: bool) -> None:
    """Tell a newcomer how to go on; somebody who runs it again knows."""
    if CONFIG not in report.made:
        return
    enter = "" if report.root.resolve() == Path.cwd().resolve() else f"cd {report.root} && "
    output.say("")
    if not example:
        output.say(
            "next: name your sites and nodes in dnsctl.yaml, put zones into zones/ (see zones/README.md)"
        )
    prefix = _git(report.root, "rev-parse", "--show-prefix")
    if prefix is not None:
        output.say(f"to check zones before every commit: git config core.hooksPath {prefix}hooks")
    output.say(
        "keys/passphrase opens every key: keep a copy elsewhere, and move it to a systemd credential "
        "(keystore: {passphrase: credential:NAME}) on a real host"
    )
    output.say(f"then: {enter}dnsctl check && git add -A && git commit -m 'First zones'")
    output.say("start each node (dnsctl serve --node NAME), and release: dnsctl push")
