"""One roll of each kind while an Unbound watches, by rounds of `control --once` alone. The parent is a Knot
that takes the child's CDS after NOTIFY(CDS), by somebody who scans. TTLs are a second long. Only with
DNSCTL_PARENTS=all.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import from_text
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore, StoredKey
from tests.control.operations import Operations
from tests.parent.knot import signed_knot
from tests.parent.registry import Registry
from tests.parent.scripted import serving
from tests.passphrase import PASSPHRASE
from tests.scenarios.test_rolls_at_parents import CHILD, PARENT, TEXT, repo, resolver, rounds, told

__all__ = ["repo"]  # a fixture
pytestmark = [
    pytest.mark.peer,
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.environ.get("DNSCTL_PARENTS") != "all", reason="takes a minute"),
]
SPLIT = "keys: ksk+zsk, "
KINDS = {
    "csk": ("", ["key", "roll", CHILD]),
    "ksk": (SPLIT, ["key", "roll", CHILD, "--role", "ksk"]),
    "zsk": (SPLIT, ["key", "roll", CHILD, "--role", "zsk"]),
    "algorithm": ("", ["push"]),
    "roles": ("", ["push"]),
}
AFTERWARDS = {"algorithm": "algorithm: ED25519, ", "roles": SPLIT}  # policies, which a push begins to follow


@contextlib.contextmanager
def knot(directory: Path) -> Iterator[Endpoint]:
    with signed_knot(directory, PARENT, TEXT) as parent:
        yield parent


@contextlib.contextmanager
def taking_cds(repo: Operations, parent: Endpoint, directory: Path) -> Iterator[Registry]:
    """Have `parent` take the child's CDS after NOTIFY(CDS); it has the DS of its keys already."""
    registry = Registry(directory, parent, repo.ports["ns1"][0], CHILD, 1)
    for line in repo.run("key", "ds", CHILD).stdout.splitlines():
        registry.update(f"update add {CHILD} 1 DS {line.split('DS ')[1].strip()}\n")
    with serving(registry.script) as scanner:
        config = (repo.root / "dnsctl.yaml").read_text()
        way = f'parents: {{knot: {{servers: "{parent}", notify: "{scanner.endpoint}"}}}}'
        repo.write("dnsctl.yaml", f"{config}{way}\nzones: {{corp.example.org: {{parent: knot}}}}\n")
        repo.commit("its parent is a Knot")
        assert repo.run("control", "--once").returncode == 0
        yield registry


def keys(repo: Operations, *states: KeyState) -> list[StoredKey]:
    listed = Keystore(repo.root / "keys", lambda: PASSPHRASE).list(from_text(CHILD))
    return [each for each in listed if each.state in states]


def with_policy(repo: Operations, settings: str) -> None:
    config = (repo.root / "dnsctl.yaml").read_text()
    repo.write("dnsctl.yaml", config.replace("{dnskey-ttl: 1s", f"{{{settings}dnskey-ttl: 1s"))
    repo.commit("a policy")


@pytest.mark.parametrize("kind", KINDS)
def test_roll_at_a_knot_that_takes_cds_after_notify_without_one_servfail(
    kind: str, repo: Operations, tmp_path: Path
) -> None:
    policy, begin = KINDS[kind]
    if policy:
        with_policy(repo, policy)
    assert repo.run("push").returncode == 0
    with knot(tmp_path / "knot") as parent, taking_cds(repo, parent, tmp_path) as registry:
        with resolver(tmp_path / "resolver", parent.port, repo.ports["ns1"][0]) as port:
            time.sleep(1.2)
            assert told(port, f"first.{CHILD}") == ("NOERROR", True)
            before = keys(repo, KeyState.ACTIVE)
            at_parent = registry.ds()
            if kind in AFTERWARDS:
                with_policy(repo, AFTERWARDS[kind])
            begun = repo.run(*begin)
            assert begun.returncode == 0, begun
            role = kind if kind in ("ksk", "zsk") else None
            old = {each.public for each in before if role in (None, each.role)}

            def gone() -> bool:
                left = {each.public for each in keys(repo, *KeyState) if each.state is not KeyState.REMOVED}
                return not old & left

            assert rounds(repo, port, "r", gone) > 3
            assert told(port, f"last.{CHILD}") == ("NOERROR", True)
        assert (registry.ds() != at_parent) == (kind != "zsk")
        assert registry.scanned.is_set() == (kind != "zsk")
    assert repo.json("verify", "--full")["verdict"] == "consistent"
