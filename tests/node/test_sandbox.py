"""What a node may do once it serves, found out by trying: as root's child, and under the unit's filter."""

import json
import os
import platform
import pwd
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.demo.rehearsal import Rehearsal, rehearsal
from dnsctl.model.repo import NodeFiles
from tests.build import validated
from tests.node.running import RunningNode, publish, running
from tests.peers import need
from tests.scenarios.fleet import ZONE, ask, change, commit, is_up, texts, write_zone

UNIT = Path(__file__).parents[2] / "docs" / "systemd" / "dnsctl-node@.service"
QUERY = dns.message.make_query("www.example.com", "A")
NUMBERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

_TRYING = """
import json, logging, os, socket, sys, time
from pathlib import Path
from dnsctl.model.fleet import Endpoint, Node, NodeSettings, ServeSettings
from dnsctl.node.launch import run_node

outside, state, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def write(path):
    path.write_text("x")
    path.unlink()

def become_root():
    os.setuid(0)

def listen_below_1024():
    with socket.socket() as one:
        one.bind(("127.0.0.1", port + 1))

def run_as_root():
    if os.waitstatus_to_exitcode(os.system(f"{outside}/setuid-id -u > {state}/id")) != 0:
        raise PermissionError
    if (state / "id").read_text().strip() != "0":
        raise PermissionError

TRIED = {
    "state": lambda: write(state / "own"),
    "outside": lambda: write(outside / "x"),
    "etc": lambda: write(Path("/etc/x")),
    "keys": lambda: write(state / "keys" / "x"),
    "read keys": lambda: (state / "keys" / "passphrase").read_text(),
    "program": lambda: write(Path(sys.prefix) / "x"),
    "become root": become_root,
    "port below 1024": listen_below_1024,
    "program of root": run_as_root,
}

def agent(settings, alive):
    found = {}
    for what, attempt in TRIED.items():
        try:
            attempt()
            found[what] = True
        except OSError:
            found[what] = False
    (state / "tried").write_text(json.dumps(found))
    time.sleep(60)

logging.basicConfig(format="dnsctl: %(message)s", level=logging.INFO)
endpoints = (Endpoint("127.0.0.1", port),)
run_node(
    NodeSettings(Node("ns1", "site", endpoints, ""), ServeSettings(endpoints, workers=2), state),
    agent, user="nobody",
)
"""
_FILTERED = """
import ctypes, os, sys
program = bytes.fromhex(sys.argv[1])
class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))
libc = ctypes.CDLL(None, use_errno=True)
def prctl(*arguments):
    if libc.prctl(*[ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]):
        raise OSError(ctypes.get_errno(), "prctl")
prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
prctl(22, 2, ctypes.byref(Program(len(program) // 8, program)), 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
if sys.argv[2] == "try":
    denied = []
    for what, attempt in {
        "reboot": lambda: libc.reboot(0), "mount": lambda: libc.mount(b"x", b"/", b"tmpfs", 0, None),
        "ptrace": lambda: libc.ptrace(0, 0, 0, 0), "chroot": lambda: libc.chroot(b"/"),
        "swapon": lambda: libc.swapon(b"/x", 0), "nice": lambda: libc.setpriority(0, 0, -5),
    }.items():
        ctypes.set_errno(0)
        if attempt() == -1 and ctypes.get_errno() == 1:
            denied.append(what)
    print(" ".join(denied))
else:
    os.execv(sys.argv[2], sys.argv[2:])
"""


def low_port() -> int:
    """Return a port below 1024 that nobody listens on, nor on the next."""
    ports = random.sample(range(600, 1020), 100)  # tests run side by side
    return next(port for port in ports if _is_free(port) and _is_free(port + 1))


def _is_free(port: int) -> bool:
    text = Path("/proc/net/tcp").read_text() + Path("/proc/net/udp").read_text()
    return f":{port:04X} " not in text


@contextmanager
def started(command: list[str]) -> Iterator[RunningNode]:
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    node = RunningNode(process)
    try:
        yield node
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def status(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: rest.split() for key, _, rest in (line.partition(":") for line in lines)}


def let_in(directory: Path) -> None:
    """Let anybody walk through what leads to `directory`, as far as it is ours."""
    for parent in (directory, *directory.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """State in a directory that anybody may walk through, and that only root may write to."""
    let_in(tmp_path)
    made = tmp_path / "state"
    publish(made, [validated("example.com.", "www A 192.0.2.1")])
    (made / "keys").mkdir(mode=0o700)
    (made / "keys" / "passphrase").write_text("secret")
    (made / "keys" / "passphrase").chmod(0o600)
    return made


@pytest.fixture
def tried(state: Path, tmp_path: Path) -> Iterator[tuple[RunningNode, dict[str, bool]]]:
    program = tmp_path / "setuid-id"
    shutil.copy(shutil.which("id") or "id", program)
    program.chmod(0o4755)
    with started([sys.executable, "-c", _TRYING, str(tmp_path), str(state), str(low_port())]) as node:
        port = node.port
        assert dns.query.udp(QUERY, "127.0.0.1", port=port, timeout=3).answer  # it was bound before
        told = state / "tried"
        for _ in range(500):
            if told.exists() and told.read_text():
                break
            time.sleep(0.01)
        yield node, json.loads(told.read_text())


@as_root
def test_every_process_of_a_node_gave_up_what_root_can_do(tried: tuple[RunningNode, dict[str, bool]]):
    node, _ = tried
    assert not [line for line in node.lines if "root" in line]
    nobody = pwd.getpwnam("nobody")
    processes = {"supervisor": node.process.pid, **node.children()}
    assert set(processes) >= {"supervisor", "udp0", "udp1", "stream", "agent"}
    for name, pid in processes.items():
        found = status(pid)
        assert found["Uid"] == [str(nobody.pw_uid)] * 4, name
        assert found["Gid"] == [str(nobody.pw_gid)] * 4, name
        assert set(found["Groups"]) <= {str(nobody.pw_gid)}, name
        assert found["NoNewPrivs"] == ["1"], name
        for held in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(found[held][0], 16) == 0, (name, held)


@as_root
def test_process_of_a_node_can_write_its_state_and_nothing_else(tried: tuple[RunningNode, dict[str, bool]]):
    _, found = tried
    assert {what for what, succeeded in found.items() if succeeded} == {"state"}
    assert len(found) == 9


@as_root
def test_root_who_names_no_user_is_told_once_that_all_serve_as_root(state: Path):
    with running(state) as node:
        assert dns.query.udp(QUERY, "127.0.0.1", port=node.port, timeout=3).answer
        [told] = [line for line in node.lines if "root" in line]
    assert told.startswith("dnsctl: every process serves as root: start with --user dnsctl, or ")


@pytest.fixture
def as_nobody(tmp_path: Path) -> list[str]:
    """What starts a command as the unit does: as no root that may bind low ports; it owns `tmp_path` / "own".

    It may read everything as well, as our Python may lie in root's home: one more capability to give up.
    """
    setpriv = shutil.which("setpriv") or pytest.skip("setpriv is not installed: apt-get install util-linux")
    nobody = pwd.getpwnam("nobody")
    let_in(tmp_path)
    (tmp_path / "own").mkdir()
    os.chown(tmp_path / "own", nobody.pw_uid, nobody.pw_gid)
    held = "+net_bind_service,+dac_override"
    return [
        setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
        f"--inh-caps={held}", f"--ambient-caps={held}",
    ]  # fmt: skip


def serve_low(directory: Path) -> list[str]:
    """Return arguments that serve example.com on a low port of 127.0.0.1, with state in `directory`."""
    zones = directory / "zones"
    zones.mkdir()
    (zones / "example.com.zone").write_text(
        "$TTL 1h\n@ SOA ns1 h 1 2h 30m 14d 5m\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.3\n"
    )
    return [
        "serve", "--zones", str(zones), "--listen", f"127.0.0.1:{low_port()}", "--workers", "2",
        "--state", str(directory / "state"),
    ]  # fmt: skip


def as_owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


def held_capabilities(node: RunningNode) -> dict[str, set[int]]:
    """Return, by process, the sets of capabilities that its threads hold, each set as a number."""
    return {
        name: {
            int(status(int(thread.name))[kind][0], 16)
            for thread in Path(f"/proc/{pid}/task").iterdir()
            for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")
        }
        for name, pid in {"supervisor": node.process.pid, **node.children()}.items()
    }


@as_root
@pytest.mark.parametrize("under", ["", "the unit's filter"])
def test_capability_to_bind_low_ports_is_given_up_once_they_are_bound(
    as_nobody: list[str], tmp_path: Path, under: str, request: pytest.FixtureRequest
):
    arguments = serve_low(tmp_path / "own")
    command = [sys.executable, "-m", "dnsctl", *arguments]
    if under:
        command = filtered(request.getfixturevalue("program"), *arguments)
    with started([*as_nobody, *command]) as node:
        assert node.port < 1024
        for send in (dns.query.udp, dns.query.tcp):
            assert send(QUERY, "127.0.0.1", port=node.port, timeout=3).answer
        found = held_capabilities(node)
        assert found == {name: {0} for name in ("supervisor", "udp0", "udp1", "stream", "inspect")}
        before = node.children()["udp0"]
        os.kill(before, signal.SIGKILL)
        node.wait_for("was ended by SIGKILL; restarted")
        assert wait_until(lambda: node.children().get("udp0", before) != before)
        assert held_capabilities(node)["udp0"] == {0}
        assert not [line for line in node.lines if re.search("capabilities|as root|Traceback", line)]


@as_root
def test_fault_that_comes_once_rights_are_given_up_is_told(as_nobody: list[str], tmp_path: Path):
    arguments = serve_low(tmp_path / "own")
    secret = NodeFiles(tmp_path / "own" / "state").cookie_secret
    secret.parent.mkdir()
    secret.write_text("no secret")
    secret.chmod(0o600)
    for one in (secret.parent, secret):
        os.chown(one, *as_owner(tmp_path / "own"))
    ended = subprocess.run(
        [*as_nobody, sys.executable, "-m", "dnsctl", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1
    assert str(secret) in ended.stderr.splitlines()[-1]
    assert "cannot be loaded" not in ended.stderr


@as_root
def test_node_under_an_earlier_units_filter_serves_and_tells_that_it_keeps_capabilities(
    as_nobody: list[str], program: str, tmp_path: Path
):
    earlier = filter_program(allowed() - {"capset"})
    with started([*as_nobody, *filtered(earlier, *serve_low(tmp_path / "own"))]) as node:
        assert dns.query.udp(QUERY, "127.0.0.1", port=node.port, timeout=3).answer
        node.wait_for(
            r"^dnsctl: capabilities are kept, capset: Operation not permitted: install the systemd unit"
        )


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    ends = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < ends:
        time.sleep(0.01)
    return held


def group(name: str) -> set[str]:
    """Return the system calls of a group like @system-service, as systemd knows it."""
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    )
    found: set[str] = set()
    for line in map(str.strip, told.stdout.splitlines()[1:]):
        if line.startswith("@"):
            found |= group(line)
        elif line and not line.startswith("#"):
            found.add(line)
    return found


def allowed(unit: Path = UNIT) -> set[str]:
    """Return the system calls that the unit's SystemCallFilter= lines allow, in their order."""
    found: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.MULTILINE):
        named: set[str] = set()
        for one in line.removeprefix("~").split():
            named |= group(one) if one.startswith("@") else {one}
        found = found - named if line.startswith("~") else found | named
    return found


def filter_program(calls: set[str]) -> str:
    """Return a seccomp filter (BPF, in hexadecimal) that allows `calls`, and EPERM for all others."""
    numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", NUMBERS.read_text()))
    wanted = sorted(int(numbers[name]) for name in calls if name in numbers)
    operations = [
        struct.pack("=HBBI", 0x20, 0, 0, 4),  # load the architecture
        struct.pack("=HBBI", 0x15, 1, 0, 0xC000003E),  # x86-64, or else
        struct.pack("=HBBI", 0x06, 0, 0, 0x80000000),  # the process is killed
        struct.pack("=HBBI", 0x20, 0, 0, 0),  # load the number of the call
    ]
    for number in wanted:
        operations.append(struct.pack("=HBBI", 0x15, 0, 1, number))
        operations.append(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000))
    operations.append(struct.pack("=HBBI", 0x06, 0, 0, 0x00050000 | 1))
    return b"".join(operations).hex()


@pytest.fixture(scope="module")
def program() -> str:
    """The filter of the unit. Skips where it cannot be made; in CI that is a failure."""
    need("systemd-analyze")
    if platform.machine() != "x86_64":
        pytest.skip("the filter is made for x86-64")
    if not NUMBERS.exists():
        message = f"{NUMBERS} is missing: apt-get install linux-libc-dev"
        (pytest.fail if os.environ.get("DNSCTL_REQUIRE_PEERS") == "1" else pytest.skip)(message)
    return filter_program(allowed())


def filtered(program: str, *command: str) -> list[str]:
    return [sys.executable, "-c", _FILTERED, program, sys.executable, "-m", "dnsctl", *command]


def test_node_serves_under_the_system_call_filter_of_its_unit(program: str, tmp_path: Path):
    zones = tmp_path / "zones"
    zones.mkdir()
    (zones / "example.com.zone").write_text(
        "$TTL 1h\n@ SOA ns1 h 1 2h 30m 14d 5m\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n"
        "www A 192.0.2.3\n"
    )
    command = filtered(
        program, "serve", "--zones", str(zones), "--sign", "--listen", f"127.0.0.1:{free_port()}",
        "--state", str(tmp_path / "state"), "--workers", "2", "--rate-limit", "100",
        "--transfer", "127.0.0.0/8",
    )  # fmt: skip
    with started(command) as node:
        port = node.port
        for send in (dns.query.udp, dns.query.tcp):
            assert send(QUERY, "127.0.0.1", port=port, timeout=3).answer
        transfer = dns.message.make_query("example.com", "AXFR")
        assert dns.query.tcp(transfer, "127.0.0.1", port=port, timeout=3).answer
        assert {status(pid)["Seccomp"][0] for pid in node.children().values()} == {"2"}
        os.kill(node.children()["udp0"], signal.SIGKILL)
        assert dns.query.tcp(QUERY, "127.0.0.1", port=port, timeout=3).answer
        node.wait_for("was ended by SIGKILL; restarted")
        assert not [line for line in node.lines if "not permitted" in line or "Traceback" in line]
        assert node.stop() == 0


@contextmanager
def fleet(directory: Path, program: str) -> Iterator[Rehearsal]:
    """Two nodes that serve a first release, each under the filter."""
    with rehearsal(directory) as stage:
        stage.run("init")
        stage.use_free_ports()
        config = stage.root / "dnsctl.yaml"
        text = config.read_text().replace("allow: []", "allow: [127.0.0.0/8]")
        port = free_port()
        text = re.sub(r"(ns1: {.*)}", rf'\1, metrics: "127.0.0.1:{port}", workers: 2}}', text)
        config.write_text(text + "\n")
        write_zone(stage, ZONE)
        commit(stage)
        for name in stage.fleet:
            start(stage, name, program)
        stage.wait(lambda: all(is_up(stage, name) for name in stage.fleet), "an answer of every node")
        stage.run("push")
        yield stage


def start(stage: Rehearsal, name: str, program: str) -> None:
    with (stage.root / "state" / f"{name}.log").open("ab") as log:
        command = filtered(program, "serve", "--node", name)
        stage.nodes[name] = subprocess.Popen(command, cwd=stage.root, stderr=log, start_new_session=True)


def test_node_of_a_fleet_takes_releases_under_the_filter_and_gets_them_back_from_its_peer(
    program: str, tmp_path: Path
):
    with fleet(tmp_path / "ops", program) as stage:
        change(stage, "192.0.2.80", "192.0.2.81")
        stage.run("push")
        assert [texts(ask(stage, name, "www.example.com"), "A") for name in stage.fleet] == [
            {"192.0.2.81"}
        ] * 2
        transfer = dns.message.make_query("example.com", "AXFR")
        where = stage.fleet["ns1"].listen[0]
        assert dns.query.tcp(transfer, where.address, port=where.port, timeout=3).answer
        children = Path(f"/proc/{stage.nodes['ns1'].pid}/task/{stage.nodes['ns1'].pid}/children")
        found = children.read_text().split()
        assert len(found) == 6  # two workers, streams, agent, metrics, inspector
        assert {status(int(pid))["Seccomp"][0] for pid in found} == {"2"}
        for pid in found:
            os.kill(int(pid), signal.SIGKILL)
        stage.wait(
            lambda: len(set(children.read_text().split()) - set(found)) == len(found), "a restart of all"
        )
        stage.wait(lambda: is_up(stage, "ns1"), "an answer of those that came anew")
        stage.kill("ns1")
        shutil.rmtree(stage.root / "state" / "nodes" / "ns1")
        start(stage, "ns1", program)
        stage.wait(lambda: is_up(stage, "ns1"), "an answer of the node without state")
        stage.wait(lambda: bool(ask(stage, "ns1", "www.example.com").answer), "catching up")
        stage.run("verify")
        stage.nodes["ns1"].send_signal(signal.SIGTERM)
        assert stage.nodes["ns1"].wait(60) == 0
        text = "".join((stage.root / "state" / f"{name}.log").read_text() for name in stage.fleet)
        assert "not permitted" not in text
        assert "Traceback" not in text


def test_filter_of_the_unit_denies_what_no_name_server_needs(program: str):
    told = subprocess.run(
        [sys.executable, "-c", _FILTERED, program, "try"], capture_output=True, text=True, check=True
    )
    assert set(told.stdout.split()) == {"reboot", "mount", "ptrace", "chroot", "swapon", "nice"}


def test_systemd_finds_little_that_the_unit_leaves_open():
    need("systemd-analyze")
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"exposure level for \S+: ([\d.]+)", told.stdout)
    assert found is not None, told.stderr
    assert float(found[1]) <= 2.0


def test_unit_says_that_it_gains_nothing_and_writes_its_state_only():
    lines = UNIT.read_text().splitlines()
    for wanted in (
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
    ):
        assert wanted in lines
    assert not [line for line in lines if line.startswith(("ReadWritePaths", "ExecStartPre=+"))]
