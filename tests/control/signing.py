"""People with real SSH and OpenPGP keys who sign commits and tags, and a repository that says who may."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dnsctl.load.revision import resolve

PATH = {"PATH": os.environ["PATH"], "LC_ALL": "C"}  # nothing else of who runs the tests


class Repository:
    """A git repository, and SSH keys made on demand beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "ops"
        self.keys = root
        self.root.mkdir()
        self.environment = {**PATH, "HOME": str(root)}
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, told: str = "") -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.net")
        done = subprocess.run(
            ["git", *who, *arguments],
            cwd=self.root,
            check=True,
            capture_output=True,
            text=True,
            input=told,
            env=self.environment,
        )
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def key(self, name: str) -> Path:
        """Return the SSH key of this name."""
        path = self.keys / name
        if not path.exists():
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
            subprocess.run(made, check=True)
        return path

    def line(self, principal: str, key: str = "", options: str = "") -> str:
        """Return the line of a list of allowed signers."""
        public = self.key(key or principal).with_suffix(".pub").read_text()
        return f"{principal}@example.net {options} {public}"

    def by(self, signer: str) -> tuple[str, ...]:
        """Return options of git: `signer` is the name of an SSH key."""
        return "-c", "gpg.format=ssh", "-c", f"user.signingkey={self.key(signer)}"

    def commit(self, signer: str = "") -> str:
        """Commit all, signed by `signer` if there is one; return the id."""
        self.git("add", "-A")
        by = self.by(signer) if signer else ()
        self.git(*by, "commit", "-q", "--allow-empty", "-m", "x", *(("-S",) if signer else ()))
        return resolve(self.root, "HEAD")

    def made(self, content: str, kind: str = "commit") -> str:
        """Return the id of an object with this content."""
        return self.git("hash-object", "-t", kind, "-w", "--stdin", told=content)


class OpenPgp:
    """A keyring of gpg, which is nobody's. People are called by the first letters of their addresses."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def gpg(self, *arguments: str, told: str = "") -> str:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--passphrase", "", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, input=told, env=PATH)
        return done.stdout

    def make(self, name: str, *options: str, expires: str = "0") -> None:
        user = f"{name.title()} <{name}@example.net>"
        self.gpg(*options, "--quick-generate-key", user, "ed25519", "sign", expires)

    def public(self, *names: str) -> str:
        return self.gpg("--export", "--armor", *(f"{each}@example.net" for each in names))

    def revoke(self, name: str) -> None:
        """Revoke the key with the certificate that gpg made with it."""
        listed = self.gpg("--with-colons", "--list-keys", f"{name}@example.net").splitlines()
        fingerprint = next(line for line in listed if line.startswith("fpr")).split(":")[9]
        certificate = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        self.gpg("--import", told=certificate.replace(":-----BEGIN", "-----BEGIN"))

    def by(self, name: str, *options: str) -> tuple[str, ...]:
        """Return options of git, by which `name` signs."""
        program = self.home / "program"
        program.write_text(f'#!/bin/sh\nexec gpg --homedir "{self.home}" {" ".join(options)} "$@"\n')
        program.chmod(0o755)
        settings = ("gpg.format=openpgp", f"gpg.program={program}", f"user.signingkey={name}@example.net")
        return tuple(word for each in settings for word in ("-c", each))


@contextmanager
def openpgp() -> Iterator[OpenPgp]:
    """Yield a keyring in a directory whose path is short enough for the agent's socket; end the agent."""
    home = Path(tempfile.mkdtemp(prefix="gpg"))
    try:
        yield OpenPgp(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, env=PATH)
        shutil.rmtree(home, ignore_errors=True)
