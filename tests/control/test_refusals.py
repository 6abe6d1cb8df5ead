"""What a refusal leaves behind, on two real nodes: nothing. By real commands, some of them killed."""

import random
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dns.dnssec
import dns.message
import dns.query
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dnsctl.model.name import from_text
from dnsctl.model.policy import Policy
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore, StoredKey
from tests.control.operations import NODES, Operations, made, zone
from tests.passphrase import PASSPHRASE

COM = from_text("example.com.")


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    """An operations repo whose nodes run and serve nothing yet."""
    with made(tmp_path / "ops") as operations:
        operations.start(*NODES)
        yield operations


def files(root: Path) -> dict[str, bytes]:
    """Return all of keys/ but the lock that its writers hold."""
    return {str(one): one.read_bytes() for one in root.rglob("*") if one.is_file() and one.name != ".lock"}


def keys(repo: Operations) -> tuple[StoredKey, ...]:
    return Keystore(repo.root / "keys", lambda: PASSPHRASE).list(COM)


def served_tags(repo: Operations) -> set[int]:
    """Return the tags in a DNSKEY answer of each node: they must agree."""
    found = []
    for listen, _ in repo.ports.values():
        query = dns.message.make_query("example.com.", "DNSKEY")
        answer = dns.query.udp(query, "127.0.0.1", port=listen, timeout=5).answer
        found.append({dns.dnssec.key_id(each) for rrset in answer for each in rrset})
    assert found[0] == found[1]
    return found[0]


def test_push_that_makes_keys_names_them_and_says_that_they_want_a_copy(repo: Operations) -> None:
    done = repo.run("push")
    assert done.returncode == 0, done.stderr
    (key,) = keys(repo)
    assert key.state is KeyState.ACTIVE
    assert f"made csk {key.public.tag} of example.com.: keys/example.com/K" in done.stderr
    assert "they want a backup now, `dnsctl backup FILE`" in done.stderr
    repo.write("zones/example.net.yaml", zone().replace("example.com.", "example.net."))
    repo.commit("second zone")
    told = repo.json("push")
    (made,) = told["keys_made"]
    assert (made["zone"], made["role"]) == ("example.net.", "csk")
    assert (repo.root / made["file"]).is_file()
    assert repo.json("push")["keys_made"] == []


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_push_that_a_guard_refuses_leaves_no_key(repo: Operations, options: tuple[str, ...]) -> None:
    repo.write("dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text().replace("standard", "none"))
    repo.commit("not signed")
    assert repo.run("push").returncode == 0
    repo.write(
        "dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text().replace("dnssec: none", "dnssec: standard")
    )
    repo.write("zones/example.com.yaml", zone().replace("value: 192.0.2.25", "ttl: 30d, value: 192.0.2.25"))
    repo.commit("signed, with a long TTL")
    before = files(repo.root / "keys")
    done = repo.run("push", *options)
    assert done.returncode == 1
    assert "guard ttl-jump" in done.stderr
    assert files(repo.root / "keys") == before


def test_dry_run_and_push_to_a_node_that_is_away_leave_no_key(repo: Operations) -> None:
    before = files(repo.root / "keys")
    assert repo.json("push", "--dry-run")["keys_made"] == []
    repo.end("ns2")
    done = repo.run("push")
    assert done.returncode == 1
    assert "--without dc2" in done.stderr
    assert files(repo.root / "keys") == before
    assert repo.run("push", "--without", "dc2", "--reason", "away").returncode == 3
    assert [each.state for each in keys(repo)] == [KeyState.ACTIVE]


@pytest.mark.parametrize("seed", range(3))
def test_first_push_killed_at_any_moment_leaves_keys_that_the_next_one_takes(
    repo: Operations, seed: int
) -> None:
    chance = random.Random(seed)
    push = repo.begin("push")
    time.sleep(chance.uniform(0.8, 2.2))
    push.send_signal(chance.choice((signal.SIGKILL, signal.SIGINT)))
    push.communicate(timeout=30)
    done = repo.run("push")
    assert done.returncode == 0, done.stderr
    (key,) = keys(repo)
    assert key.state is KeyState.ACTIVE
    assert served_tags(repo) == {key.public.tag}
    assert repo.run("verify").returncode == 0


def test_keys_that_are_generated_at_one_moment_are_one(repo: Operations) -> None:
    """Each would find none that waits to be used, if another could come between look and making."""
    asked = [repo.begin("key", "generate", "example.com") for _ in range(3)]
    told = [each.communicate(timeout=60)[1] for each in asked]
    (made,) = keys(repo)
    assert sorted(each.returncode for each in asked) == [0, 1, 1]
    assert sum("was generated before" in each and made.path.name in each for each in told) == 2


@pytest.mark.parametrize("pause", [0.0, 1.0, 2.0])
def test_active_key_that_is_imported_beside_a_push_signs_or_is_refused(
    repo: Operations, tmp_path: Path, pause: float
) -> None:
    other = Keystore(tmp_path / "other", lambda: PASSPHRASE)
    one = other.generate(COM, Policy(), "csk", datetime.now(UTC))
    pem = tmp_path / "key.pem"
    pem.write_bytes(other.open(one).private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    push = repo.begin("push")
    time.sleep(pause)
    importing = repo.begin("key", "import", "example.com", str(pem), "--role", "csk", "--active")
    told = [each.communicate(timeout=60)[1] for each in (push, importing)]
    assert importing.returncode == 0 or "already" in told[1] or "another" in told[1], told
    assert repo.run("push").returncode == 0
    active = [each.public for each in keys(repo) if each.state is KeyState.ACTIVE]
    assert served_tags(repo) == {each.tag for each in active} and len(active) == 1, told
    assert (importing.returncode == 0) is (active == [one.public])


def test_control_host_without_keys_is_refused_and_goes_on_once_the_copy_is_back(
    repo: Operations, tmp_path: Path
) -> None:
    """The disaster of docs/operations.md, with the copy of keys/ brought back too late for the first try."""
    assert repo.run("push").returncode == 0
    tags = served_tags(repo)
    shutil.copytree(repo.root / "keys", tmp_path / "copy")
    shutil.rmtree(repo.root / "keys" / "example.com")
    for name in ("image", "archive"):
        shutil.rmtree(repo.root / "state" / name)
    for path in (repo.root / "state").glob("control.db*"):
        path.unlink()
    before = files(repo.root / "keys")
    repo.write("zones/example.com.yaml", zone("192.0.2.99"))
    repo.commit("a change meanwhile")
    for options in (("--dry-run",), (), ("--dry-run",)):
        done = repo.run("push", *options)
        if options == () or done.returncode:
            assert done.returncode == 1
            assert "guard keys-missing" in done.stderr
            assert "restore keys/ from its copy" in done.stderr
        assert files(repo.root / "keys") == before
    plan = repo.json("plan", code=2)
    assert [each["guard"] for each in plan["guards"]] == ["keys-missing"]
    shutil.rmtree(repo.root / "keys")
    shutil.copytree(tmp_path / "copy", repo.root / "keys")
    done = repo.run("push")
    assert done.returncode == 0, done.stderr
    assert served_tags(repo) == tags
    assert [each.state for each in keys(repo)] == [KeyState.ACTIVE]


@pytest.mark.parametrize("way", ["generate", "init"])
def test_nothing_is_written_under_a_passphrase_that_opens_nothing(repo: Operations, way: str) -> None:
    (repo.root / "keys/passphrase").write_text("mistyped\n")
    before = files(repo.root / "keys")
    done = repo.run("key", "generate", "example.com") if way == "generate" else repo.run("init")
    assert done.returncode == 1
    assert "the passphrase does not open this key, so nothing is written under it" in done.stderr
    assert files(repo.root / "keys") == before
    refused = repo.run("push", "--dry-run").stderr
    assert refused.count("the passphrase does not open this key") == 1, "one fault is said once"
    (repo.root / "keys/passphrase").write_bytes(PASSPHRASE)  # without a line break at its end
    assert repo.run("key", "generate", "example.com").returncode == 0
    assert repo.run("push").returncode == 0
    assert [each.state for each in keys(repo)] == [KeyState.ACTIVE]


def test_empty_passphrase_is_told_where_it_was_looked_for(repo: Operations) -> None:
    (repo.root / "keys/passphrase").write_text("\n")
    before = files(repo.root / "keys")
    for command in (("key", "generate", "example.com"), ("init",), ("push",)):
        done = repo.run(*command)
        assert done.returncode == 1
        assert "the passphrase from file:keys/passphrase is empty" in done.stderr
    assert files(repo.root / "keys") == before
