"""A fleet of two sites that serves a signed zone, which tests try to harm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.sign.keystore import Keystore, SigningKey
from tests.control.operations import NODES, Done, Operations, made
from tests.passphrase import PASSPHRASE
from tests.sign.mutations import ORIGIN, Records, text_of
from tests.sign.same_tag import new_key, same_tag

RECORDS = "".join(f"host{number}: {{type: A, value: 192.0.2.{number}}}\n" for number in range(1, 31))


def three_keys() -> tuple[SigningKey, ...]:
    """Return three keys of one tag; the zone is served signed by the first."""
    return same_tag(ORIGIN, "csk", 3)


@dataclass
class Fleet:
    """The repo, as it was released, and a copy of its keys."""

    repo: Operations
    copy: Path

    @property
    def keys(self) -> Path:
        return self.repo.root / "keys"

    def served(self) -> dict[str, object]:
        """Return what every node serves: generation, and answers with signatures."""
        found: dict[str, object] = {"generations": self.repo.generations()}
        for node in NODES:
            for owner, kind in (
                ("example.com.", "DNSKEY"),
                ("www.example.com.", "A"),
                ("example.com.", "NS"),
            ):
                query = dns.message.make_query(owner, kind, want_dnssec=True)
                told = dns.query.udp(query, "127.0.0.1", port=self.repo.ports[node][0], timeout=5)
                found[f"{node} {owner} {kind}"] = sorted(each.to_text() for each in told.answer)
        return found

    def files(self) -> dict[str, bytes]:
        """Return the files of keys/."""
        return {
            str(path.relative_to(self.keys)): path.read_bytes()
            for path in self.keys.rglob("*")
            if path.is_file() and path.name != ".lock"
        }

    def refused(self, *command: str) -> Done:
        """Run a command that must be refused and change nothing; return what it said."""
        before = self.served(), self.files()
        done = self.repo.run(*command)
        assert done.returncode == 1, done
        assert "Traceback" not in done.stderr
        assert (self.served(), self.files()) == before
        return done

    def commit_records(self, text: str) -> None:
        """Commit the zone with `text` behind it."""
        path = self.repo.root / "zones/example.com.yaml"
        path.write_text(path.read_text() + text)
        self.repo.commit("records")

    def commit_presigned(self, records: Records) -> None:
        """Commit the zone as somebody else signed it."""
        (self.repo.root / "zones/example.com.yaml").unlink()
        self.repo.write("zones/example.com.zone", text_of(records))
        self.repo.commit("a zone that came signed")


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    root = tmp_path_factory.mktemp("outages")
    with made(root / "ops") as repo:
        text = (repo.root / "zones/example.com.yaml").read_text()
        repo.write("zones/example.com.yaml", text + RECORDS)
        repo.commit("more records")
        own = new_key(repo.root / "keys", three_keys()[0])
        Keystore(repo.root / "keys", lambda: PASSPHRASE).store([own])
        repo.start(*NODES)
        done = repo.run("push")
        assert done.returncode == 0, done
        repo.git("tag", "released")
        shutil.copytree(repo.root / "keys", root / "keys")
        yield Fleet(repo, root / "keys")


@pytest.fixture
def fleet(_running: Fleet) -> Iterator[Fleet]:
    """The fleet; what a test committed and wrote into keys/ and state/observations/ is undone after it."""
    yield _running
    root = _running.repo.root
    _running.repo.git("reset", "--quiet", "--hard", "released")
    _running.repo.git("clean", "--quiet", "-fd")
    shutil.rmtree(root / "keys")
    shutil.copytree(_running.copy, root / "keys")
    shutil.rmtree(root / "state/observations", ignore_errors=True)
