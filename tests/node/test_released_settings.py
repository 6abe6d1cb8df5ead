"""Settings that a release brings: in force when the push ends, without a query lost, and kept.

Two nodes as an operator runs them: the first in the repo, the second on a host of its own, with its own copy
of dnsctl.yaml, which is never copied again.
"""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.demo.rehearsal import Ran, Rehearsal, environment
from tests.node.running import children_of
from tests.node.test_upgrade import Load
from tests.scenarios.fleet import ZONE, ask, change, commit, forked, is_up, texts, write_zone

SECRET = "c2VjcmV0IG9mIGEgVFNJRyBrZXkgZm9yIHRlc3Rz\n"
COPIED = ("dnsctl.yaml", "keys/release.pub", "keys/cookie.secret", "keys/pki/ca.crt", "keys/pki/ns2.crt",
          "keys/pki/ns2.pem")  # fmt: skip


class Fleet:
    """The fleet of `stage`, whose node ns2 has a host of its own."""

    def __init__(self, stage: Rehearsal) -> None:
        self.stage = stage
        self.host = stage.root.parent / "host2"
        self.state = self.host / "state"

    def set_up_second_host(self) -> None:
        for each in COPIED:
            (self.host / each).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.stage.root / each, self.host / each)

    def start(self, name: str) -> None:
        if name == "ns1":
            Rehearsal.start(self.stage, name)  # a program that can begin again
        else:
            command = (
                sys.executable,
                "-m",
                "dnsctl",
                "-C",
                self.host,
                "serve",
                "--node",
                name,
                "--state",
                self.state,
            )
            with (self.stage.root / "state" / f"{name}.log").open("ab") as log:
                self.stage.nodes[name] = subprocess.Popen(
                    command, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
        self.stage.wait(lambda: is_up(self.stage, name), f"an answer of {name}")

    def settings(self, change: Callable[[str], str], *arguments: str, expect: tuple[int, ...] = (0,)) -> Ran:
        """Change dnsctl.yaml, commit and push it."""
        config = self.stage.root / "dnsctl.yaml"
        config.write_text(change(config.read_text()))
        commit(self.stage)
        return self.stage.run("push", *arguments, expect=expect)

    def nodes(self) -> dict[str, Any]:
        told = json_of(self.stage.run("status", "--json", expect=(0, 1, 2)))
        return {each["node"]: each for each in told["nodes"]}

    def told(self, name: str, what: str) -> Any:
        """Return what `status` says of a node's settings; None while its agent is away."""
        return (self.nodes()[name].get("settings") or {}).get(what)

    def identity(self, node: str) -> str:
        query = dns.message.make_query("example.com", "SOA", options=[dns.edns.NSIDOption(b"")])
        where = self.stage.fleet[node].listen[0]
        answer = dns.query.udp(query, where.address, timeout=20, port=where.port)
        return "".join(one.nsid.decode() for one in answer.options if isinstance(one, dns.edns.NSIDOption))

    def transfers(self, node: str) -> bool:
        where = self.stage.fleet[node].listen[0]
        query = dns.message.make_query("example.com", "AXFR")
        return dns.query.tcp(query, where.address, timeout=20, port=where.port).rcode() == dns.rcode.NOERROR


def json_of(ran: Ran) -> Any:
    return json.loads("\n".join(ran.lines))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with forked(tmp_path_factory.mktemp("released") / "ops") as stage:
        stage.run("init")
        stage.use_free_ports()
        write_zone(stage, ZONE)
        commit(stage)
        made = Fleet(stage)
        made.set_up_second_host()
        for name in stage.fleet:
            made.start(name)
        stage.run("push")
        yield made


def test_settings_alone_make_a_release_that_is_in_force_when_the_push_ends(fleet: Fleet) -> None:
    where = fleet.stage.fleet["ns2"].listen[0]
    before = json_of(fleet.stage.run("status", "--json"))["generation"]
    assert not fleet.transfers("ns2")
    with Load(where, 200, tcp=False) as datagrams, Load(where, 20, tcp=True) as streams:
        done = fleet.settings(
            lambda text: with_identity(
                text, "released {node}", "cookies: off, rate-limit: {rate: 100000}"
            ).replace("allow: []", "allow: [127.0.0.0/8]")
        )
        identities = [fleet.identity(name) for name in ("ns1", "ns2")]
        allowed = fleet.transfers("ns2")
    assert datagrams.faults == [] and streams.faults == []
    assert (datagrams.answered, streams.answered) == (datagrams.asked, streams.asked)
    assert identities == ["released ns1", "released ns2"] and allowed
    assert "  ~ serve.identity: {node} (default) -> released {node}" in "\n".join(done.lines)
    assert (
        "  ~ transfers.allow: + 127.0.0.0/8  (networks and addresses that may transfer any zone)"
        in done.lines
    )
    assert f"Generation {before + 1} is served and verified" in done.lines[-1]
    told = fleet.nodes()
    assert {each["settings"]["generation"] for each in told.values()} == {before + 1}
    assert fleet.stage.run("plan").lines[-1].startswith("Nothing to release")


def test_node_that_is_killed_begins_with_what_was_released_and_not_with_its_own_file(fleet: Fleet) -> None:
    fleet.settings(lambda text: with_identity(text, "kept"))
    fleet.stage.kill("ns2")
    fleet.start("ns2")
    assert fleet.identity("ns2") == "kept"
    assert "kept" not in (fleet.host / "dnsctl.yaml").read_text()


def test_node_killed_before_it_could_reload_begins_with_the_new_settings(fleet: Fleet) -> None:
    """Its supervisor stands still, so that the reload that its agent asks for cannot begin."""
    supervisor = fleet.stage.nodes["ns2"]
    supervisor.send_signal(signal.SIGSTOP)
    config = fleet.stage.root / "dnsctl.yaml"
    config.write_text(with_identity(config.read_text(), "after the kill"))
    commit(fleet.stage)
    push = subprocess.Popen(
        (sys.executable, "-m", "dnsctl", "push"), cwd=fleet.stage.root, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    fleet.stage.wait(lambda: fleet.told("ns2", "current") is False, "the release at ns2")
    assert fleet.told("ns2", "reason") == ""
    fleet.stage.kill("ns2")
    fleet.start("ns2")
    assert push.wait(60) == 0
    assert fleet.identity("ns2") == "after the kill"


def test_settings_that_a_node_cannot_run_with_are_refused_before_anything_changes(fleet: Fleet) -> None:
    before, config = fleet.nodes(), (fleet.stage.root / "dnsctl.yaml").read_text()
    put_secret(fleet.stage.root)
    refused = fleet.settings(with_key, expect=(1,))
    assert "ns2" in refused.told[-1] and "the secret of a TSIG key cannot be read" in refused.told[-1]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        own, other = fleet.stage.fleet["ns1"].listen[0], f"127.0.0.1:{taken.getsockname()[1]}"
        refused = fleet.settings(lambda _: config.replace(f'"{own}"', f'"{own}", "{other}"'), expect=(1,))
    assert "ns1" in refused.told[-1] and "is taken" in refused.told[-1]
    after = fleet.nodes()
    assert [after[name]["manifest"] for name in after] == [before[name]["manifest"] for name in before]
    fleet.settings(lambda _: config)


def test_node_that_was_away_takes_settings_up_by_itself_and_says_why_it_cannot(fleet: Fleet) -> None:
    config = (fleet.stage.root / "dnsctl.yaml").read_text()
    put_secret(fleet.stage.root)
    fleet.stage.kill("ns2")
    fleet.settings(
        lambda text: with_key(with_identity(text, "with a key")),
        "--without", "dc2", "--reason", "it is away", expect=(3,),
    )  # fmt: skip
    change(fleet.stage, "192.0.2.25", "192.0.2.26")
    fleet.stage.run("push", "--without", "dc2", "--reason", "it is away", expect=(3,))
    fleet.start("ns2")
    fleet.stage.wait(lambda: bool(fleet.told("ns2", "reason")), "why it has other settings")
    assert texts(ask(fleet.stage, "ns2", "mail.example.com"), "A") == {"192.0.2.26"}  # zones do not wait
    told = fleet.stage.run("status", expect=(1,))
    assert any("ns2: runs with those of generation" in line and "TSIG key" in line for line in told.told)
    put_secret(fleet.host)
    fleet.stage.nodes["ns2"].send_signal(signal.SIGHUP)
    fleet.stage.wait(lambda: fleet.told("ns2", "current") is True, "the released settings")
    assert fleet.identity("ns2") == "with a key"
    fleet.settings(lambda _: config)


def test_rollback_brings_settings_back_and_leaves_the_nodes_of_the_fleet(fleet: Fleet) -> None:
    fleet.settings(lambda text: with_identity(text, "first"))
    fleet.settings(lambda text: with_identity(text, "second"))
    assert fleet.identity("ns2") == "second"
    done = fleet.stage.run("rollback")
    assert "  ~ serve.identity: second -> first" in "\n".join(done.lines)
    assert fleet.identity("ns2") == "first"
    fleet.stage.run("push")
    assert fleet.identity("ns2") == "second"


def test_new_address_answers_and_workers_come_with_the_release(fleet: Fleet) -> None:
    own, port = fleet.stage.fleet["ns2"].listen[0], free_port()
    fleet.settings(
        lambda text: text.replace(f'"{own}"', f'"{own}", "127.0.0.1:{port}"').replace(
            "ns2: {", "ns2: {workers: 2, "
        )
    )
    query = dns.message.make_query("www.example.com", "A")
    assert dns.query.udp(query, "127.0.0.1", timeout=20, port=port).answer
    fleet.stage.wait(lambda: "udp1" in children_of(fleet.stage.nodes["ns2"].pid), "a second worker")


def with_identity(text: str, identity: str, more: str = "") -> str:
    return re.sub(r"(?m)^serve:.*\n", "", text) + f"serve: {{identity: '{identity}', {more}}}\n"


def with_key(text: str) -> str:
    return text.replace("transfers: {", "transfers: {keys: {xfr.example.: {}}, ")


def put_secret(root: Path) -> None:
    path = root / "keys" / "tsig" / "xfr.example"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SECRET)
    path.chmod(0o600)
