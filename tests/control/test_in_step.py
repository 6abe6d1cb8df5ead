"""A parent of somebody else follows our keys without a person: by update, by command, by NOTIFY(CDS)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.opcode
import dns.query
import pytest

from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import from_text
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.sig0 import Sig0Key
from dnsctl.sign.sig0_keys import chosen, key_record, opened
from tests.control.operations import NODES, Operations, made
from tests.parent.com import com
from tests.parent.scripted import answer, serving
from tests.parent.sig0_parent import sig0_parent
from tests.parent.updates import KEY, SECRET, parent, sig0_named
from tests.passphrase import PASSPHRASE

pytestmark = pytest.mark.peer
NAME = "updates.com."


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    """A zone with brief TTLs, so that nothing waits for caches."""
    with made(tmp_path / "ops") as operations:
        config = (operations.root / "dnsctl.yaml").read_text()
        operations.write("dnsctl.yaml", f"{config}  ttl: 1s\n")
        operations.write("keys/tsig/parent-update", SECRET + "\n")
        (operations.root / "keys/tsig/parent-update").chmod(0o600)
        operations.commit("brief")
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        time.sleep(1.1)
        yield operations


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Endpoint]:
    with parent(tmp_path / "parent", "com.", com()) as endpoint:
        yield endpoint


def by(repo: Operations, registry: Endpoint, way: str) -> None:
    base = (repo.root / "dnsctl.yaml").read_text().split("  parent:")[0]
    repo.write("dnsctl.yaml", f'{base}  parent: com\nparents: {{com: {{servers: "{registry}", {way}}}}}\n')


def observe(repo: Operations, code: int | None = 0) -> dict[str, Any]:
    return next(
        each for each in repo.json("control", "--once", code=code)["jobs"] if each["job"] == "observe"
    )


def in_step(repo: Operations) -> bool:
    told = repo.json("verify", "--parents")
    return (told["verdict"], told["notes"]) == ("consistent", [])


def test_update_puts_the_ds_in_place_and_then_leaves_the_parent_alone(
    repo: Operations, registry: Endpoint
) -> None:
    by(repo, registry, f'ds: update, server: "{registry}", key: {{name: {KEY.name}}}')
    assert not in_step(repo)
    first = observe(repo)
    assert first["verdict"] == "well"
    assert f"{registry} took the update" in first["message"]
    assert in_step(repo)
    assert "took" not in observe(repo)["message"]
    assert repo.json("status")["concerns"] == []


def of_sig0(repo: Operations) -> Sig0Key:
    """Make a key for SIG(0) as an operator does, and return it."""
    record = repo.run("key", "generate", NAME, "--sig0").stdout.strip()
    keystore = Keystore(repo.root / "keys", lambda: PASSPHRASE)
    key = opened(keystore, chosen(keystore.root, from_text(NAME), None))
    assert record == key_record(key.public)
    return key


def test_update_with_sig0_puts_the_ds_in_place_and_then_leaves_the_parent_alone(
    repo: Operations, tmp_path: Path
) -> None:
    """At a BIND that has the KEY record that `key generate` prints."""
    record = key_record(of_sig0(repo).public)
    zone = com() + f"{record}\n"
    with parent(tmp_path / "bind", "com.", zone, [NAME.removesuffix(".")], sig0_named()) as registry:
        by(repo, registry, f'ds: update, server: "{registry}", sig0: {{name: {NAME}}}')
        assert f"{registry} took the update" in observe(repo)["message"]
        assert in_step(repo)
        assert "took" not in observe(repo)["message"]
        assert repo.json("status")["concerns"] == []


def test_update_with_sig0_is_valid_to_another_verifier_and_the_parent_is_looked_at(
    repo: Operations,
) -> None:
    with sig0_parent("com.", "example.com.", of_sig0(repo)) as registry:
        by(repo, registry.endpoint, f'ds: update, server: "{registry.endpoint}", sig0: {{name: {NAME}}}')
        assert f"{registry.endpoint} took the update" in observe(repo)["message"]
        assert registry.verdicts == ["valid"]
        ours = repo.run("key", "ds", "example.com").stdout.split("DS ")[1].split()
        assert [each.lower() for each in registry.ds[0].split("DS ")[1].split()] == [
            each.lower() for each in ours
        ]
        observe(repo)
        assert len(registry.updates) == 1, "it has the DS, and is left alone"
        (private,) = repo.root.glob("keys/sig0/*/*.private.pem")
        private.unlink()
        told = observe(repo, code=1)
        assert told["verdict"] == "act now", "before a roll needs the key"
        assert "private.pem: missing; restore it from a backup" in told["message"]


def test_command_gets_the_ds_and_is_not_run_again_while_the_parent_follows(
    repo: Operations, registry: Endpoint, tmp_path: Path
) -> None:
    hook = tmp_path / "registrar"
    hook.write_text(f"#!/bin/sh\necho call >> {tmp_path}/calls\ncat > {tmp_path}/told\necho ticket 17\n")
    hook.chmod(0o755)
    by(repo, registry, f"ds: hook, command: [{hook}]")
    assert "took it" in observe(repo)["message"]
    ours = repo.run("key", "ds", "example.com").stdout.split("DS ")[1].split()
    told = (tmp_path / "told").read_text().split("DS ")[1].split()
    assert [each.lower() for each in told] == [each.lower() for each in ours]
    observe(repo)
    assert (tmp_path / "calls").read_text() == "call\n"


def test_command_that_refuses_is_for_a_person(repo: Operations, registry: Endpoint) -> None:
    by(repo, registry, "ds: hook, command: [/bin/false]")
    assert observe(repo, code=1)["verdict"] == "act now"
    concerns = repo.json("status", code=1)["concerns"]
    assert any("its parent does not take the DS" in each["message"] for each in concerns)
    assert any("/bin/false: exit code 1" in each["message"] for each in concerns)


def test_parent_gets_notify_for_cds(repo: Operations, registry: Endpoint) -> None:
    got: list[dns.message.Message] = []

    def script(query: bytes, _tcp: bool) -> list[bytes]:
        got.append(dns.message.from_wire(query))
        return [answer(query)]

    with serving(script) as scanner:
        by(repo, registry, f'ds: cds, notify: "{scanner.endpoint}"')
        assert "took the NOTIFY for CDS" in observe(repo)["message"]
    assert [each.opcode() for each in got] == [dns.opcode.NOTIFY]


def test_nothing_is_sent_where_a_person_does_it(repo: Operations, registry: Endpoint) -> None:
    by(repo, registry, "ds: none")
    assert observe(repo)["message"] == "the parents of 1 zone were asked"


def test_zone_that_is_newly_signed_waits_until_caches_have_forgotten_it_unsigned(
    repo: Operations, registry: Endpoint
) -> None:
    repo.write(
        "zones/example.com.yaml",
        (repo.root / "zones/example.com.yaml").read_text() + "slow: {type: A, ttl: 1d, value: 192.0.2.1}\n",
    )
    repo.commit("a long TTL")
    assert repo.run("push").returncode == 0
    by(repo, registry, f'ds: update, server: "{registry}", key: {{name: {KEY.name}}}')
    assert "took" not in observe(repo)["message"]


def unsign(repo: Operations) -> None:
    """Push `dnssec: none` for a zone whose parent has the DS."""
    assert in_step(repo)
    config = (repo.root / "dnsctl.yaml").read_text()
    repo.write("dnsctl.yaml", config.replace("dnssec: standard", "dnssec: none"))
    repo.commit("unsigned")
    assert repo.run("push").returncode == 0


def test_update_removes_the_ds_of_a_zone_that_is_to_be_unsigned(repo: Operations, registry: Endpoint) -> None:
    by(repo, registry, f'ds: update, server: "{registry}", key: {{name: {KEY.name}}}')
    observe(repo)
    unsign(repo)
    query = dns.message.make_query("example.com.", "DS")
    assert dns.query.udp(query, str(registry.address), port=registry.port, timeout=5).answer
    assert f"asked for the DS none: {registry} took the update" in observe(repo)["message"]
    assert not dns.query.udp(query, str(registry.address), port=registry.port, timeout=5).answer
    observe(repo)
    waits = [each["message"] for each in repo.json("status")["concerns"]]
    assert any(
        "a roll waits for caches to drop the DS of key" in each and "until 20" in each for each in waits
    )
    assert repo.json("key", "roll", "example.com", "--continue")["step"] is None


def test_command_is_told_that_the_ds_is_to_go(repo: Operations, registry: Endpoint, tmp_path: Path) -> None:
    by(repo, registry, f'ds: update, server: "{registry}", key: {{name: {KEY.name}}}')
    observe(repo)
    unsign(repo)
    hook = tmp_path / "registrar"
    hook.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\n")
    hook.chmod(0o755)
    by(repo, registry, f"ds: hook, command: [{hook}]")
    assert "took it" in observe(repo)["message"]
    assert (tmp_path / "told").read_text() == ""


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("ds: update", "ds: update needs `server`"),
        ("ds: hook", "ds: hook needs `command`"),
        ("sig0: {name: a.example}", "`sig0` is for ds: update, and this parent has ds: cds"),
        (
            'ds: update, server: "192.0.2.1", key: {name: a}, sig0: {name: a.example}',
            "an update is signed once: by the TSIG key `key`, or by `sig0`",
        ),
        ('ds: update, server: "192.0.2.1", sig0: {name: a..b}', "'a..b' is not a domain name"),
        ('ds: update, server: "192.0.2.1", sig0: {name: a.example, tag: 65536}', "65535"),
        ('ds: update, server: "192.0.2.1", sig0: {name: a.example, kye: 1}', "kye"),
        ("command: [x]", "`command` is for ds: hook, and this parent has ds: cds"),
        ("ds: fax", "should be 'none', 'cds', 'update' or 'hook'"),
        ("ds: hook, command: [x], timeout: 0s", "no command ends in no time"),
        ('ds: hook, command: [/bin/echo, "a\\0b"]', "with a NUL in its name or arguments"),
        ('ds: hook, command: [""]', "or with an empty name"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_their_place(tmp_path: Path, way: str, said: str) -> None:
    with contextlib.ExitStack() as stack:
        repo = stack.enter_context(made(tmp_path / "ops"))
        repo.write("dnsctl.yaml", (repo.root / "dnsctl.yaml").read_text() + f"parents: {{com: {{{way}}}}}\n")
        done = repo.run("check")
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    assert "dnsctl.yaml:" in done.stdout + done.stderr
