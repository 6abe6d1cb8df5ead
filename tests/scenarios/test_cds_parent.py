"""A parent that takes CDS: NOTIFY(CDS) reaches it, BIND's `dnssec-cds` judges our CDS, and the DS follows.

The key that comes is another signer's (RFC 8901), which is published beside ours from the zone file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.model.fleet import Endpoint
from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type, rdata_text
from tests.control.operations import NODES, Operations, made
from tests.parent.com import com
from tests.parent.registry import Registry
from tests.parent.scripted import serving
from tests.parent.updates import parent

pytestmark = pytest.mark.peer
FOREIGN = PublicKey(from_text("example.com."), 13, 257, bytes(range(64)))
APEX = "'':\n  - {type: NS, values: [ns1.example.com., ns2.example.com.]}\n"
HOSTS = "ns1: {type: A, value: 192.0.2.53}\nns2: {type: A, value: 198.51.100.53}\n"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        config = (operations.root / "dnsctl.yaml").read_text()
        operations.write("dnsctl.yaml", f"{config}policies: {{standard: {{foreign-keys: allow}}}}\n")
        operations.write("zones/example.com.yaml", APEX + HOSTS)
        operations.commit("one zone")
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        yield operations


@contextlib.contextmanager
def registry(repo: Operations, directory: Path) -> Iterator[tuple[Registry, Endpoint]]:
    with parent(directory, "com.", com()) as server:
        found = Registry(directory, server, repo.ports["ns1"][0], "example.com.", 600)
        with serving(found.script) as scanner:
            yield found, scanner.endpoint


def test_parent_that_is_notified_takes_the_cds_of_all_signers(repo: Operations, tmp_path: Path) -> None:
    with registry(repo, tmp_path / "parent") as (parent_, scanner):
        first = repo.run("key", "ds", "example.com").stdout.split("DS ")[1].strip()
        parent_.update(f"update add example.com. 600 DS {first}\n")
        config = (repo.root / "dnsctl.yaml").read_text()
        here = f'parents: {{com: {{servers: "{parent_.server}", notify: "{scanner}"}}}}\n'
        repo.write("dnsctl.yaml", config.replace("policies:", f"  parent: com\n{here}policies:"))
        key = rdata_text(Type.DNSKEY, FOREIGN.rdata)
        repo.write("zones/example.com.yaml", f"{APEX}  - {{type: DNSKEY, value: '{key}'}}\n{HOSTS}")
        repo.commit("another signer's key")
        pushed = repo.run("push")
        assert pushed.returncode == 0, pushed.stdout + pushed.stderr
        jobs = {each["job"]: each for each in repo.json("control", "--once")["jobs"]}
        assert "took the NOTIFY for CDS" in jobs["observe"]["message"]
        assert parent_.scanned.wait(60)
        assert parent_.ds() == {first.lower(), rdata_text(Type.DS, FOREIGN.ds()).lower()}
        told = repo.json("verify", "--parents")
        assert (told["verdict"], told["notes"]) == ("consistent", [])
        assert [each["state"] for each in repo.json("status")["parents"]] == ["in step"]
