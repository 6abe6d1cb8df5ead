"""The node's processes: whoever dies is back, whoever stops ends all, nothing is shared by accident."""

import os
import pwd
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import lmdb
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.node import proc
from dnsctl.node.supervisor import LATE, LOOKS, PATIENCE, RESTART, Role, Supervisor
from tests.build import validated
from tests.node.running import READY, RunningNode, publish, running

QUERY = dns.message.make_query("www.example.com", "A")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    publish(tmp_path, [validated("example.com.", "www A 192.0.2.1")], generation=7)
    return tmp_path


def until(condition: Callable[[], bool], seconds: float = 60.0) -> float:
    """Return the seconds until `condition` held."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "condition never held"
        time.sleep(0.002)
    return time.monotonic() - start


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def ask(node: RunningNode, *, tcp: bool = False) -> dns.message.Message:
    send = dns.query.tcp if tcp else dns.query.udp
    return send(QUERY, "127.0.0.1", port=node.port, timeout=3)


def test_ready_line_tells_name_addresses_and_generation(state: Path):
    with running(state, [("127.0.0.1", 0), ("::1", 0)]) as node:
        found = node.wait_for(READY.pattern)
        assert found.group(1) == "ns1"
        assert found.group(3) == "7"
        first, second = found.group(2).split(", ")
        assert first.startswith("127.0.0.1:") and second.startswith("[::1]:")
        assert ask(node).answer and ask(node, tcp=True).answer


def test_empty_state_is_made_and_answers_refused(tmp_path: Path):
    with running(tmp_path / "new" / "state") as node:
        assert ask(node).rcode() == dns.rcode.REFUSED
        assert ask(node, tcp=True).rcode() == dns.rcode.REFUSED


def test_first_release_is_served_without_a_restart(tmp_path: Path):
    with running(tmp_path) as node:
        assert ask(node).rcode() == dns.rcode.REFUSED
        publish(tmp_path, [validated("example.com.", "www A 192.0.2.1")])
        assert ask(node).answer
        assert ask(node, tcp=True).answer


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_killed_process_is_back_within_100_ms_and_the_port_answers(state: Path, tcp: bool):
    with running(state) as node:
        assert ask(node, tcp=tcp).answer
        name = "stream" if tcp else "udp0"
        before = node.children()[name]
        os.kill(before, signal.SIGKILL)
        taken = until(lambda: node.children().get(name, before) != before)
        assert taken < 0.1
        assert ask(node, tcp=tcp).answer
        node.wait_for(rf"{name} \(process {before}\) was ended by SIGKILL; restarted")


def test_no_query_gets_a_wrong_answer_while_workers_are_killed(state: Path):
    with running(state, workers=2) as node:
        port = node.port
        wrong: list[str] = []
        answered = 0
        done = threading.Event()

        def client() -> None:
            nonlocal answered
            while not done.is_set():
                try:
                    reply = dns.query.udp(QUERY, "127.0.0.1", port=port, timeout=1)
                except dns.exception.Timeout:
                    continue  # it was in the dead process's hands
                answered += 1
                if not reply.answer:
                    wrong.append(reply.to_text())

        thread = threading.Thread(target=client)
        thread.start()
        for _ in range(4):
            victims = {name: pid for name, pid in node.children().items() if name.startswith("udp")}
            for pid in victims.values():
                os.kill(pid, signal.SIGKILL)
            until(
                lambda victims=victims: (  # type: ignore[misc]  # has a default
                    {"udp0", "udp1"} <= node.children().keys()
                    and not set(node.children().values()) & set(victims.values())
                )
            )
            seen = answered
            until(lambda seen=seen: answered > seen)  # type: ignore[misc]  # has a default
        done.set()
        thread.join(5)
        assert not wrong


def test_clients_are_spread_over_the_workers(state: Path):
    """With one of two workers held, some clients wait and some do not; nobody is forgotten."""
    with running(state, workers=2) as node:
        port = node.port
        held = node.children()["udp0"]
        os.kill(held, signal.SIGSTOP)
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(32)]
        for client in clients:
            client.sendto(QUERY.to_wire(), ("127.0.0.1", port))
        until(lambda: len(select.select(clients, [], [], 0)[0]) > 2)
        waiting = set(clients) - set(select.select(clients, [], [], 0.2)[0])
        os.kill(held, signal.SIGCONT)
        assert waiting
        until(lambda: len(select.select(clients, [], [], 0)[0]) == len(clients))
        for client in clients:
            client.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_node_serves_as_the_user_it_was_told(state: Path):
    (state / "keys").mkdir()
    (state / "keys" / "passphrase").write_text("secret")
    script = f"""
import os, sys
from pathlib import Path
from dnsctl.node import sandbox
state = Path({str(state)!r})
sandbox.drop_privileges("nobody", state)
sandbox.forbid_new_privileges()
try:
    os.setuid(0)
except PermissionError:
    print(os.geteuid(), os.getegid(), os.getgroups())
"""
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    nobody = pwd.getpwnam("nobody")
    assert told.stdout.startswith(f"{nobody.pw_uid} {nobody.pw_gid} ")
    assert " 0" not in told.stdout
    assert (state / "image" / "data.mdb").stat().st_uid == nobody.pw_uid
    assert (state / "keys" / "passphrase").stat().st_uid == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_all_processes_cleanly(state: Path, number: signal.Signals):
    with running(state, workers=2) as node:
        assert node.port
        children = node.children()
        assert set(children) == {"udp0", "udp1", "stream", "inspect"}
        assert node.stop(number) == 0
        assert all(is_gone(pid) for pid in children.values())
        assert "dnsctl: ns1 stopped" in node.lines


def test_hangup_changes_nothing(state: Path):
    with running(state) as node:
        assert ask(node).answer
        children = node.children()
        node.process.send_signal(signal.SIGHUP)
        assert ask(node).answer
        assert node.children() == children


def test_killed_supervisor_takes_its_processes_along(state: Path):
    with running(state, workers=2) as node:
        assert node.port
        children = node.children()
        node.process.kill()
        until(lambda: all(is_gone(pid) for pid in children.values()))


def test_taken_port_names_its_holder(state: Path):
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # sharing must be refused as well
        taken.bind(("127.0.0.1", port))
        with running(state, [("127.0.0.1", port)]) as node:
            assert node.process.wait(60) == 1
            said = node.wait_for(r"^dnsctl: 127\.0\.0\.1:\d+: UDP port").string
    assert f"UDP port {port} is taken by " in said
    assert f"(process {os.getpid()})" in said
    assert said.endswith("; stop that program or listen on another port")


def test_port_taken_for_tcp_only_is_told(state: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(state, [("127.0.0.1", port)]) as node:
            assert node.process.wait(60) == 1
            node.wait_for(rf"TCP port {port} is taken by ")


@pytest.mark.parametrize(
    ("address", "said"),
    [("192.0.2.1", "is not an address of this machine"), ("not-an-address", "is not an IP address")],
)
def test_address_that_cannot_be_bound_is_one_line(state: Path, address: str, said: str):
    with running(state, [(address, 5300)]) as node:
        assert node.process.wait(60) == 1
        node.wait_for(said)
        assert len(node.lines) == 1


def test_second_node_on_the_same_state_is_refused(state: Path):
    with running(state) as node:
        assert node.port
        with running(state) as second:
            assert second.process.wait(60) == 1
            second.wait_for("another process serves from this state")
        assert ask(node).answer


def test_damaged_image_is_told_and_nothing_is_bound(tmp_path: Path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "data.mdb").write_bytes(b"\xff" * 8192)
    with running(tmp_path) as node:
        assert node.process.wait(60) == 1
        node.wait_for("cannot open the image")
        assert len(node.lines) == 1


def test_child_that_never_starts_ends_the_node_with_its_reason():
    script = """
import logging, sys, time
from dnsctl.errors import DnsctlError, ImageError
from dnsctl.node.supervisor import Role, Supervisor

def fail(ready):
    raise ImageError("it is broken", where="image")

logging.basicConfig(format="%(message)s")
def live(ready):
    ready(1)
    time.sleep(60)

try:
    Supervisor([Role("udp0", fail), Role("stream", live)], print).run()
except DnsctlError as fault:
    sys.exit(str(fault))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    lines = ended.stderr.splitlines()
    assert lines.count("udp0: image: it is broken") == 5
    assert lines[-1].startswith("udp0 failed to start 5 times")


def test_crash_loop_of_a_ready_node_is_paced_and_told_once_a_second(tmp_path: Path):
    """Each child notes its start in a file; those of the first round are ready and fail a little later."""
    script = """
import logging, sys, time
from pathlib import Path
from dnsctl.errors import ImageError
from dnsctl.node.supervisor import Role, Supervisor

def failing(name):
    starts = Path(sys.argv[1]) / name
    def work(ready):
        first = not starts.exists()
        with starts.open("a") as file:
            file.write("x")
        if first:
            ready(1)
            time.sleep(0.3)
        raise ImageError("it is broken", where="image")
    return work

logging.basicConfig(format="%(message)s")
roles = [Role("udp0", failing("udp0")), Role("agent", failing("agent"), awaited=False)]
Supervisor(roles, lambda generation: print("ready", flush=True)).run()
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(3)
        process.terminate()
        _, told = process.communicate(timeout=10)
    assert process.returncode == 0
    starts = (tmp_path / "udp0").stat().st_size
    assert 20 <= starts <= 3.5 / RESTART
    assert (tmp_path / "agent").stat().st_size <= 9
    deaths = [line for line in told.splitlines() if line.startswith("udp0 (process")]
    assert 2 <= len(deaths) <= 5
    assert 2 <= told.splitlines().count("udp0: image: it is broken") <= 6
    often = [re.fullmatch(r".* ended with 1; restarted(?:, (\d+) times .*)?", line) for line in deaths]
    counted = sum(int(found[1] or 1) for found in often if found)
    assert starts / 2 < counted <= starts


def test_process_that_the_kernel_does_not_give_is_asked_for_again_and_the_others_serve_on():
    script = """
import errno, logging, os, signal, time
from dnsctl.node.supervisor import Role, Supervisor

def live(ready):
    ready(1)
    time.sleep(60)

fork, refused = os.fork, []
def none_left():
    if len(refused) < 2:
        refused.append(1)
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()

def begin(generation):
    print("ready", *(child.pid for child in supervisor._children), flush=True)
    os.fork = none_left
    os.kill(supervisor._children[0].pid, signal.SIGKILL)

logging.basicConfig(format="%(message)s")
supervisor = Supervisor([Role("udp0", live), Role("stream", live)], begin)
supervisor.run()
print("ended", *(child.pid for child in supervisor._children), len(refused), flush=True)
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        _, udp, stream = process.stdout.readline().split()
        told = [process.stderr.readline() for _ in range(3)]
        until(lambda: len(children_of(process.pid)) == 2)
        assert stream in children_of(process.pid) and udp not in children_of(process.pid)
        process.terminate()
        ended, _ = process.communicate(timeout=10)
    assert process.returncode == 0 and ended.split() == ["ended", "0", "0", "2"]
    assert sum(line == "udp0 cannot be started yet: Resource temporarily unavailable\n" for line in told) == 2


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_readers_of_killed_processes_leave_no_slot_behind(state: Path):
    """A dead reader's slot would keep the pages of its generation for ever."""
    with running(state) as node:
        assert ask(node).answer
        for _ in range(3):
            before = node.children()["udp0"]
            os.kill(before, signal.SIGKILL)
            until(lambda before=before: node.children().get("udp0", before) != before)  # type: ignore[misc]  # has a default
            assert ask(node).answer
        with lmdb.open(str(state / "image"), readonly=True) as environment:
            slots = environment.readers().splitlines()[1:]
        assert {int(slot.split()[0]) for slot in slots} <= set(node.children().values())


def test_systemd_is_told_when_answers_can_be_given(state: Path, tmp_path: Path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(10)
        with running(state, environment={"NOTIFY_SOCKET": path}) as node:
            assert notify.recv(100) == b"READY=1"
            assert ask(node).answer
            node.stop()
            assert notify.recv(100) == b"STOPPING=1"


def test_process_that_turns_in_circles_is_killed_and_idle_or_stopped_for_a_moment_is_not():
    """One spins for ever, one sleeps, one is stopped for a second; only the first has told nothing."""
    script = """
import logging, os, sys, time
from dnsctl.node.supervisor import Role, Supervisor

def spin(ready):
    ready(1)
    while True:
        pass

def live(ready):
    ready(1)
    time.sleep(60)

logging.basicConfig(format="%(message)s")
roles = [Role("udp0", spin, hangs=lambda: True), Role("stream", live), Role("udp1", live)]
supervisor = Supervisor(roles, lambda _: print(*(c.pid for c in supervisor._children), flush=True))
supervisor.run()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        spinning, idle, held = map(int, process.stdout.readline().split())
        os.kill(held, signal.SIGSTOP)
        time.sleep(1)
        os.kill(held, signal.SIGCONT)
        assert process.stderr.readline() == f"udp0 (process {spinning}) hangs; killed\n"
        assert {str(idle), str(held)} < set(children_of(process.pid))
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0


def _looks(supervisor: Supervisor, states: list[str], monkeypatch: pytest.MonkeyPatch, *, cpu: float) -> None:
    """Have the supervisor look once for each of `states`; a look marked "late" comes late."""
    for number, state in enumerate(states):
        monkeypatch.setattr(proc, "standing", lambda _, n=number, s=state: proc.Standing(s[0], n * cpu))
        supervisor._next_look = time.monotonic() - (2 * LATE if state.endswith("late") else 0)
        supervisor._end_hanging()


@pytest.mark.parametrize(
    ("states", "silent", "cpu", "killed"),
    [
        (["T", "T"], False, 0, False),
        (["T", "T", "T"], False, 0, True),
        (["T", "T", "S", "T", "T"], False, 0, False),
        (["T", "T", "T late", "T", "T"], False, 0, False),
        (["S", "S", "S", "S"], False, 0, False),
        (["S", "S", "S"], True, 0, True),
        (["S late", "S late", "S late", "S late"], True, 0, False),
        (["R", "R", "R", "R", "R", "R"], True, 0.05, False),
        (["R", "R", "R", "R", "R", "R"], True, 0.2, True),
        (["t", "t", "t", "t"], False, 0, False),
    ],
    ids=[
        "stopped for a moment", "stopped", "stopped now and then", "asleep with its machine", "idle",
        "blocked", "machine at a standstill", "starved", "turns in circles", "under a debugger",
    ],
)  # fmt: skip
def test_child_is_killed_where_looks_in_a_row_find_it_hanging(
    states: list[str], silent: bool, cpu: float, killed: bool, monkeypatch: pytest.MonkeyPatch
):
    supervisor = Supervisor([Role("x", lambda _ready: None, hangs=lambda: silent)], lambda _: None)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        supervisor._children[0].pid = process.pid
        _looks(supervisor, states, monkeypatch, cpu=cpu)
        if not killed:
            process.terminate()
        assert process.wait(60) == -(signal.SIGKILL if killed else signal.SIGTERM)


def test_look_before_it_is_time_finds_nothing():
    supervisor = Supervisor([Role("x", lambda _ready: None, hangs=lambda: True)], lambda _: None)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        supervisor._children[0].pid = process.pid
        for _ in range(2 * LOOKS):
            supervisor._end_hanging()
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM


def test_node_with_a_stopped_process_ends_in_order(state: Path):
    with running(state) as node:
        assert ask(node).answer
        os.kill(node.children()["udp0"], signal.SIGSTOP)
        began = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - began < PATIENCE
