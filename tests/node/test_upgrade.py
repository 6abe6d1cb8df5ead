"""A new version takes a node over in place: SIGHUP, as `systemctl reload` sends it, and no query is lost.

The node is begun as an operator begins it, in a fleet that has a release. That the program is another one is
shown by what it reads: new settings, and new processes under the supervisor that stays.
"""

import contextlib
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.demo.rehearsal import Rehearsal, rehearsal
from dnsctl.model.fleet import Endpoint
from tests.node.test_signals import children, log
from tests.node.test_supervisor import until
from tests.scenarios.fleet import ZONE, ask, change, commit, start_all, texts, write_zone

QUERY = dns.message.make_query("www.example.com", "A")
ROLES = {"udp0", "udp1", "stream", "agent", "metrics", "inspect"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path_factory.mktemp("upgrade") / "ops") as stage:
        stage.run("init")
        stage.use_free_ports()
        config = stage.root / "dnsctl.yaml"
        more = rf'\1, workers: 2, metrics: "127.0.0.1:{free_port()}"}}'
        config.write_text(re.sub(r"(ns1: {.*?)}", more, config.read_text()))
        write_zone(stage, ZONE)
        commit(stage)
        start_all(stage)
        stage.run("push")
        yield stage


class Load:
    """Queries at a steady rate to an address: over UDP from a few sockets, or over TCP, a connection each."""

    def __init__(self, where: Endpoint, rate: int, *, tcp: bool) -> None:
        self.asked = self.answered = 0
        self.faults: list[str] = []
        self._where = (where.address, where.port)
        self._pause = 1 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._connect if tcp else self._send)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _times(self) -> Iterator[None]:
        due = time.monotonic()
        while not self._stop.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            due += self._pause
            yield

    def _send(self) -> None:
        wire = QUERY.to_wire()[2:]
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(8)
            ]
            for client in clients:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                client.connect(self._where)
                client.setblocking(False)
            for _ in self._times():
                clients[self.asked % 8].send(self.asked.to_bytes(4, "big")[2:] + wire)
                self.asked += 1
                if self.asked % 16 == 0:
                    self._receive(clients)
            deadline = time.monotonic() + 5
            while self.answered < self.asked and time.monotonic() < deadline:
                self._receive(clients)
                time.sleep(0.01)

    def _receive(self, clients: list[socket.socket]) -> None:
        for client in clients:
            with contextlib.suppress(BlockingIOError):
                while True:
                    reply = client.recv(4096)
                    self.answered += 1
                    if reply[3] & 0x0F or reply[6:8] == bytes(2):  # RCODE, ANCOUNT
                        self.faults.append(reply.hex())

    def _connect(self) -> None:
        for _ in self._times():
            self.asked += 1
            try:
                reply = dns.query.tcp(QUERY, self._where[0], port=self._where[1], timeout=10)
            except (OSError, EOFError, dns.exception.DNSException) as fault:
                self.faults.append(repr(fault))
                continue
            self.answered += 1
            if not reply.answer:
                self.faults.append(str(reply))


def reload(stage: Rehearsal) -> None:
    """Send SIGHUP, and wait until the new processes serve and the old ones have ended."""
    before, ready = children(stage), served(stage)
    stage.nodes["ns1"].send_signal(signal.SIGHUP)
    until(lambda: served(stage) == ready + 1, 60)  # a busy machine takes its time to begin a program
    stage.wait(lambda: not set(before.values()) & set(pids(stage)), "the end of the old processes")


def served(stage: Rehearsal) -> int:
    return log(stage).count("ns1 serving on")


def pids(stage: Rehearsal) -> list[int]:
    return pids_of(stage.nodes["ns1"])


def test_no_query_is_lost_while_new_versions_take_over(stage: Rehearsal):
    where = stage.fleet["ns1"].listen[0]
    stage.wait(lambda: children(stage).keys() == ROLES, "all processes")
    before = children(stage)
    with Load(where, 300, tcp=False) as datagrams, Load(where, 30, tcp=True) as streams:
        for _ in range(2):
            reload(stage)
    assert datagrams.faults == [] and streams.faults == []
    assert datagrams.answered == datagrams.asked > 300
    assert streams.answered == streams.asked > 30
    assert stage.nodes["ns1"].poll() is None
    stage.wait(lambda: children(stage).keys() == ROLES, "all processes")
    assert not set(children(stage).values()) & set(before.values())


def test_two_reloads_at_once_end_with_one_set_of_processes(stage: Rehearsal):
    for _ in range(2):
        ready = served(stage)
        stage.nodes["ns1"].send_signal(signal.SIGHUP)
        time.sleep(0.2)
    until(lambda: served(stage) > ready, 60)
    time.sleep(1)
    stage.wait(lambda: len(pids(stage)) == len(ROLES) and children(stage).keys() == ROLES, "one set")
    assert texts(ask(stage, "ns1", "www.example.com"), "A")


def test_reload_that_is_asked_for_while_a_program_takes_over_reads_what_was_released_since(stage: Rehearsal):
    pid = stage.nodes["ns1"].pid
    program = Path(f"/proc/{pid}/auxv")  # the kernel makes it anew for each program
    before = program.read_bytes()
    stage.nodes["ns1"].send_signal(signal.SIGHUP)
    until(lambda: program.read_bytes() != before, 60)
    release_workers(stage, 4)
    stage.wait(lambda: {"udp2", "udp3"} <= children(stage).keys(), "the workers that were asked for")
    release_workers(stage, 2)
    stage.wait(lambda: children(stage).keys() == ROLES, "as many workers as before")


def release_workers(stage: Rehearsal, count: int) -> None:
    """Push how many workers ns1 is to have, which asks it to reload."""
    config = stage.root / "dnsctl.yaml"
    config.write_text(re.sub(r"workers: \d", f"workers: {count}", config.read_text()))
    commit(stage)
    stage.run("push")


def test_connection_that_is_in_use_is_answered_by_the_old_processes_and_then_closed(stage: Rehearsal):
    where = stage.fleet["ns1"].listen[0]
    with socket.create_connection((where.address, where.port), timeout=10) as connection:
        before, ready = children(stage), served(stage)
        stage.nodes["ns1"].send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while served(stage) == ready and time.monotonic() < deadline:
            dns.query.send_tcp(connection, QUERY)
            assert dns.query.receive_tcp(connection)[0].answer
            time.sleep(0.1)
        for _ in range(10):  # longer than a connection may be quiet
            dns.query.send_tcp(connection, QUERY)
            assert dns.query.receive_tcp(connection)[0].answer
            time.sleep(0.2)
        assert before["stream"] in pids(stage)
        assert connection.recv(1) == b""  # quiet from here on
    stage.wait(lambda: before["stream"] not in pids(stage), "the end of the old process")


def test_push_is_taken_by_the_new_agent(stage: Rehearsal):
    old = children(stage)["agent"]
    reload(stage)
    change(stage, "192.0.2.80", "192.0.2.81")
    stage.wait(lambda: log(stage).rpartition("ns1 serving on")[2].count("agent of ns1 on") == 1, "the agent")
    stage.run("push")
    assert texts(ask(stage, "ns1", "www.example.com"), "A") == {"192.0.2.81"}
    assert old not in pids(stage)


def test_new_settings_that_are_wrong_leave_all_as_it_was(stage: Rehearsal):
    config = stage.root / "dnsctl.yaml"
    text = config.read_text()
    before = children(stage)
    config.write_text(text.replace("version: 1", "version: 9"))
    stage.nodes["ns1"].send_signal(signal.SIGHUP)
    stage.wait(lambda: "the new program does not take over" in log(stage), "a refusal")
    config.write_text(text)
    assert "dnsctl.yaml" in log(stage).splitlines()[-2]
    assert children(stage) == before
    assert texts(ask(stage, "ns1", "www.example.com"), "A")


def test_supervisor_without_descriptors_for_a_takeover_goes_on_as_before(stage: Rehearsal):
    pid, before = stage.nodes["ns1"].pid, children(stage)
    taken = {int(one.name) for one in Path(f"/proc/{pid}/fd").iterdir()}
    free = [one for one in range(64) if one not in taken]
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    for spare in (0, 1):  # of the two that a trial needs
        told = log(stage).count("does not take over")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[spare], limits[1]))
        stage.nodes["ns1"].send_signal(signal.SIGHUP)
        until(lambda told=told: log(stage).count("does not take over") > told, 30)  # type: ignore[misc]  # has a default
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert "no file for its order: Too many open files" in log(stage).splitlines()[-1]
    assert children(stage) == before
    assert texts(ask(stage, "ns1", "www.example.com"), "A")


@pytest.mark.parametrize("workers", [3, 1], ids=["more", "fewer"])
def test_released_settings_are_read_anew(stage: Rehearsal, workers: int):
    with Load(stage.fleet["ns1"].listen[0], 300, tcp=False) as load:
        release_workers(stage, workers)
    assert load.faults == [] and load.answered == load.asked
    names = {f"udp{number}" for number in range(workers)} | (ROLES - {"udp0", "udp1"})
    stage.wait(lambda: children(stage).keys() == names, "as many workers as told")


def test_state_stays_locked_and_sigterm_ends_the_node_in_order(stage: Rehearsal):
    told = stage.run("serve", "--node", "ns1", expect=(1,)).told
    assert "another process serves from this state" in told[-1] or "is taken by" in told[-1]
    process = stage.nodes.pop("ns1")
    running = pids_of(process)
    process.terminate()
    assert process.wait(15) == 0
    assert not [pid for pid in running if Path(f"/proc/{pid}").exists()]
    assert log(stage).splitlines()[-1] == "dnsctl: ns1 stopped"


def pids_of(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
