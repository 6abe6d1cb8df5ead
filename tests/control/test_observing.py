"""The parent on a server of somebody else: looked at, remembered, told by `status` and judged by `verify`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.resolver
import pytest

from dnsctl.control.daemon.parents import looked_at
from dnsctl.control.observations import Observed
from dnsctl.control.observing import Round
from dnsctl.demo.ports import free_port
from dnsctl.model.name import from_text
from tests.control.operations import NODES, Operations, made
from tests.parent.com import com
from tests.serve.peer_servers import bind

pytestmark = pytest.mark.peer
WRONG = f"example.com. 3600 DS 4711 13 2 {'AB' * 32}"


class Parent:
    """A BIND that serves com.; `says` starts it again with other contents."""

    def __init__(self, directory: Path) -> None:
        self.directory, self._count = directory, 0

    def says(self, ds: str = "", ns: str = "ns2.example.com.", glue: str = "192.0.2.53") -> Any:
        self._count += 1
        place = self.directory / str(self._count)
        place.mkdir(parents=True)
        (place / "com.zone").write_text(com(ns, glue, ds))
        return bind(place, {"com.": place / "com.zone"})


@pytest.fixture
def parent(tmp_path: Path) -> Parent:
    return Parent(tmp_path / "parent")


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        yield operations


def base(repo: Operations) -> str:
    """Return dnsctl.yaml without what a test added; its last mapping is `defaults`."""
    return (repo.root / "dnsctl.yaml").read_text().split("  parent:")[0]


def ask(repo: Operations, *ports: int, code: int | None = None) -> dict[str, Any]:
    """Look at the parent at `ports` with `verify --parents`."""
    servers = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    repo.write("dnsctl.yaml", f"{base(repo)}  parent: com\nparents: {{com: {{servers: [{servers}]}}}}\n")
    return repo.json("verify", "--parents", code=code)


def ds_of(repo: Operations) -> str:
    return repo.run("key", "ds", "example.com").stdout.strip()


def test_parent_without_a_ds_is_told_and_nothing_is_wrong(repo: Operations, parent: Parent) -> None:
    with parent.says() as port:
        told = ask(repo, port, code=0)
    assert "nobody validates the zone" in told["notes"][0]["message"]
    status = repo.json("status")
    assert [each["weight"] for each in status["concerns"] if "nobody validates" in each["message"]] == [
        "soon"
    ]
    kept = json.loads((repo.root / "state/observations/example.com.json").read_text())
    assert kept["ds"]["views"][0]["ds"] == []
    assert kept["ds"]["views"][0]["ttl"] == 300


def test_parent_in_step_is_not_mentioned(repo: Operations, parent: Parent) -> None:
    with parent.says(ds_of(repo)) as port:
        told = ask(repo, port, code=0)
    assert (told["notes"], told["faults"]) == ([], [])
    status = repo.json("status")
    assert (status["concerns"], [each["state"] for each in status["parents"]]) == ([], ["in step"])
    assert "in step" in repo.run("status", "--zones").stdout


def test_ds_of_another_key_is_drift_until_it_is_seen_otherwise(repo: Operations, parent: Parent) -> None:
    with parent.says(WRONG) as port:
        told = ask(repo, port, code=1)
    assert [(each["rule"], each["got"]) for each in told["faults"]] == [("parent-ds", "DS 4711")]
    assert "have the DS replaced at once" in told["notes"][0]["message"]
    assert repo.run("verify").returncode == 1  # it is remembered
    assert repo.run("status").returncode == 1
    with parent.says(ds_of(repo)) as port:
        ask(repo, port, code=0)
    assert (repo.run("verify").returncode, repo.run("status").returncode) == (0, 0)


def test_parent_that_is_half_updated_is_told_by_server(repo: Operations, parent: Parent) -> None:
    with parent.says() as old, parent.says(ds_of(repo)) as new:
        notes = ask(repo, old, new, code=0)["notes"]
    shown = " ".join(each["message"] for each in notes)
    assert f"127.0.0.1 port {old} has none; 127.0.0.1 port {new} has " in shown


def test_delegation_to_other_servers_and_old_glue_are_found(repo: Operations, parent: Parent) -> None:
    with parent.says(ds_of(repo), ns="ns9.example.net.", glue="203.0.113.9") as port:
        told = ask(repo, port, code=1)
    assert [(each["rule"], each["got"]) for each in told["faults"]] == [("parent-glue", "203.0.113.9")]
    assert any("ns9.example.net." in each["message"] for each in told["notes"])


def test_server_that_is_away_is_named_and_the_others_count(repo: Operations, parent: Parent) -> None:
    away = free_port()
    with parent.says(ds_of(repo)) as port:
        told = ask(repo, port, away, code=0)
    assert f"127.0.0.1 port {away}" in told["notes"][0]["message"]
    assert "does not answer" in told["notes"][0]["message"]


def test_daemon_looks_at_the_parent_in_each_round(repo: Operations, parent: Parent) -> None:
    with parent.says(ds_of(repo)) as port:
        repo.write(
            "dnsctl.yaml", f'{base(repo)}  parent: com\nparents: {{com: {{servers: "127.0.0.1:{port}"}}}}\n'
        )
        jobs = {each["job"]: each for each in repo.json("control", "--once")["jobs"]}
    assert (jobs["observe"]["verdict"], jobs["observe"]["message"]) == (
        "well",
        "the parents of 1 zone were asked",
    )


def test_push_does_not_wait_for_resolvers_that_are_away(repo: Operations) -> None:
    repo.write("dnsctl.yaml", f'{base(repo)}resolvers: "127.0.0.1:{free_port()}"\n')
    repo.commit("a resolver that is away")
    assert repo.run("push").returncode == 0
    told = repo.json("verify", "--parents")
    assert "its parent could not be asked: no resolver answers" in told["notes"][0]["message"]


def test_round_that_could_ask_no_parent_does_not_say_that_parents_were_asked() -> None:
    names = [from_text("example.com."), from_text("example.org.")]
    nobody = Round(dict.fromkeys(names, Observed()), {names[0]: "no resolver answers"})
    assert looked_at(nobody).startswith("no parent could be asked; of 2 zones none is known")
    assert looked_at(Round({}, {})) == "the parents of 0 zones were asked"


def test_host_without_any_resolver_could_not_tell_and_says_so(
    repo: Operations, parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = dns.resolver.Resolver.read_resolv_conf
    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", lambda stub, _: read(stub, io.StringIO()))
    jobs = {each["job"]: each for each in repo.json("control", "--once", code=2)["jobs"]}
    assert (jobs["observe"]["verdict"], jobs["observe"]["message"]) == (
        "could not tell",
        "no parent could be asked; of example.com. it could not be told: no resolver is configured, neither"
        " in `resolvers` of dnsctl.yaml nor on this system",
    )
    with parent.says(ds_of(repo)) as port:  # whom to ask is known without a resolver
        repo.write(
            "dnsctl.yaml", f'{base(repo)}  parent: com\nparents: {{com: {{servers: "127.0.0.1:{port}"}}}}\n'
        )
        jobs = {each["job"]: each for each in repo.json("control", "--once")["jobs"]}
    assert jobs["observe"]["verdict"] == "well"
