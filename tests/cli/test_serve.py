"""`dnsctl serve`: the embedded default over a directory of files, and what is told where it cannot be."""

import base64
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import pytest

from dnsctl.cli.serve import parse_endpoint
from dnsctl.demo.ports import free_port
from dnsctl.errors import ListenError
from dnsctl.model.fleet import Endpoint
from tests import processes
from tests.node.running import RunningNode
from tests.peers import need

DNSCTL = str(Path(sys.executable).with_name("dnsctl"))
GOOD = """\
$TTL 1h
@ SOA ns1 hostmaster 2026112101 2h 30m 14d 5m
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 198.51.100.53
www A 192.0.2.1
"""
BAD = GOOD + "broken A 192.0.2.300\n"


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    directory = tmp_path / "zones"
    directory.mkdir()
    (directory / "example.com.zone").write_text(GOOD)
    return directory


def started(*arguments: str) -> subprocess.Popen[str]:
    """Start `dnsctl` as a person does, with all that it loads."""
    return subprocess.Popen([DNSCTL, *arguments], stderr=subprocess.PIPE, text=True)


def forked(*arguments: str) -> processes.Forked:
    return processes.start(processes.dnsctl, *arguments)


@contextmanager
def serving(
    zones: Path, *options: str, start: Callable[..., subprocess.Popen[str] | processes.Forked] = forked
) -> Iterator[RunningNode]:
    process = start("serve", "--zones", str(zones), "--listen", "127.0.0.1:0", *options)
    node = RunningNode(process)
    try:
        yield node
    finally:
        if process.poll() is None:
            process.terminate()  # not killed: it removes its temporary state
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def ask(node: RunningNode, name: str, rdtype: str = "A", *, at: int = 0) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, want_dnssec=True)
    return dns.query.udp(query, "127.0.0.1", port=node.ports[at], timeout=20)


def refused(*arguments: str) -> tuple[int, list[str]]:
    ended = processes.run(("serve", *arguments), Path())
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr.splitlines()


def test_files_are_served_as_written_and_state_is_temporary(zones: Path):
    (zones / "example.net.yaml").write_text("www: {type: A, value: 192.0.2.2}\n")
    with serving(zones, start=started) as node:
        assert ask(node, "www.example.com").answer[0][0].address == "192.0.2.1"
        assert ask(node, "example.com", "SOA").answer[0][0].serial == 2026112101
        assert ask(node, "www.example.net").answer[0][0].address == "192.0.2.2"
        assert str(ask(node, "example.net", "NS").answer[0][0].target) == "localhost."
        node.wait_for(r"example\.net\.yaml.*apex-from-localhost")
        assert node.stop() == 0
    assert {path.name for path in zones.iterdir()} == {"example.com.zone", "example.net.yaml"}


def test_signed_zones_keep_keys_beside_the_files_and_signatures_in_the_state(zones: Path, tmp_path: Path):
    answers = []
    for _ in range(2):
        with serving(zones, "--sign", "--state", str(tmp_path / "state")) as node:
            answers.append(ask(node, "www.example.com").answer)
            answers.append(ask(node, "example.com", "DNSKEY").answer)
            node.stop()
    assert [one.rdtype for one in answers[0]] == [dns.rdatatype.A, dns.rdatatype.RRSIG]
    assert answers[:2] == answers[2:]  # kept, not made anew
    passphrase = tmp_path / "state" / "keys" / "passphrase"
    assert passphrase.stat().st_mode & 0o777 == 0o600
    assert not (zones / "keys").exists()


def test_signed_zone_without_state_keeps_its_key_beside_the_files(zones: Path):
    keys = []
    for _ in range(2):
        with serving(zones, "--sign") as node:
            keys.append(ask(node, "example.com", "DNSKEY").answer[0])
            node.stop()
    assert keys[0] == keys[1]
    assert (zones / "keys" / "passphrase").stat().st_mode & 0o777 == 0o600


@pytest.mark.peer
def test_zone_that_came_signed_is_served_as_it_is(zones: Path, tmp_path: Path):
    sign = need("ldns-signzone")
    (tmp_path / "plain").write_text("$ORIGIN example.com.\n" + GOOD)
    keygen = need("ldns-signzone").replace("signzone", "keygen")
    key = subprocess.run(
        [keygen, "-k", "-a", "ECDSAP256SHA256", "example.com"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    ).stdout.strip()  # fmt: skip
    subprocess.run(
        [sign, "-o", "example.com", "-f", str(zones / "example.com.zone"), "plain", key],
        check=True, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    with serving(zones, "--sign") as node:
        answer = ask(node, "www.example.com").answer
        tag = answer[1][0].key_tag
        assert key.endswith(f"+{tag:05d}")
        denied = ask(node, "missing.example.com")
        assert denied.rcode() == dns.rcode.NXDOMAIN
        assert dns.rdatatype.NSEC in {one.rdtype for one in denied.authority}
    assert not (zones / "keys").exists()


def test_zone_with_errors_is_named_and_left_out(zones: Path):
    (zones / "bad.example.zone").write_text(BAD)
    with serving(zones) as node:
        assert ask(node, "www.example.com").answer
        assert ask(node, "www.bad.example").rcode() == dns.rcode.SERVFAIL
        node.wait_for(r"bad\.example\.zone:8:\d+: error \[rdata-syntax\]")
        node.wait_for(r"^dnsctl: bad\.example\. is left out: it has errors$")


def test_strict_refuses_to_start_for_one_error(zones: Path):
    (zones / "bad.example.zone").write_text(BAD)
    code, lines = refused("--zones", str(zones), "--listen", "127.0.0.1:0", "--strict")
    assert code == 1
    assert lines[-1] == "dnsctl: 1 zone with errors; correct them, or leave out --strict"


def test_no_zone_left_ends_with_1(zones: Path):
    (zones / "example.com.zone").write_text(BAD)
    code, lines = refused("--zones", str(zones), "--listen", "127.0.0.1:0")
    assert code == 1
    assert lines[-1] == f"dnsctl: {zones}: no zone that can be served; correct its errors"


def test_beyond_the_rate_limit_clients_are_sent_to_tcp_and_answered_there(zones: Path):
    query = dns.message.make_query("www.example.com", "A")
    with serving(zones, "--rate-limit", "1", "--workers", "2") as node:
        port = node.port
        began = time.monotonic()
        answers = [dns.query.udp(query, "127.0.0.1", port=port, timeout=20) for _ in range(60)]
        seconds = time.monotonic() - began
        cut = [answer for answer in answers if answer.flags & dns.flags.TC]
        assert not any(answer.answer for answer in cut)
        assert len(answers) - len(cut) <= 2 * (2 + seconds)  # before it is looked at, and one a second
        assert all(dns.query.tcp(query, "127.0.0.1", port=port, timeout=20).answer for _ in range(20))
        node.wait_for(r"rate limit: 1 answers cut .*; now positive to 127\.0\.0\.0/24")


def test_several_addresses_and_transfers(zones: Path):
    with serving(zones, "--listen", "[::1]:0", "--workers", "2", "--transfer", "127.0.0.0/8") as node:
        assert len(node.ports) == 2
        query = dns.message.make_query("www.example.com", "A")
        assert dns.query.udp(query, "::1", port=node.ports[1], timeout=20).answer
        transfer = dns.query.tcp(
            dns.message.make_query("example.com", "AXFR"), "127.0.0.1", port=node.port, timeout=3
        )
        assert len(transfer.answer) == 5  # RRsets: SOA (sent twice), NS and three addresses
        over = dns.query.tcp(
            dns.message.make_query("example.com", "AXFR"), "::1", port=node.ports[1], timeout=3
        )
        assert over.rcode() == dns.rcode.REFUSED


def test_settings_of_a_dnsctl_yaml_beside_the_directory_hold_and_options_have_precedence(
    zones: Path, tmp_path: Path
):
    (tmp_path / "tsig").write_text(base64.b64encode(b"x" * 32).decode())
    (tmp_path / "tsig").chmod(0o600)
    (tmp_path / "dnsctl.yaml").write_text(
        "version: 1\n"
        'sites: {dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}}\n'
        'serve: {identity: "{node} here", version: "9", rate-limit: {rate: 10, slip: 0}}\n'
        "transfers: {allow: [192.0.2.0/24], keys:"
        ' {k.example: {algorithm: hmac-sha256, secret: "file:tsig"}}}\n'
    )
    identity = dns.message.make_query("id.server", "TXT", "CH")
    key = dns.tsig.Key("k.example.", b"x" * 32, "hmac-sha256")
    transfer = dns.message.make_query("example.com", "AXFR")
    transfer.use_tsig(key)
    with serving(zones) as node:
        port = node.port
        told = dns.query.udp(identity, "127.0.0.1", port=port, timeout=20)
        assert told.answer[0][0].to_text() == '"embedded here"'
        assert dns.query.tcp(transfer, "127.0.0.1", port=port, timeout=20).answer
        unsigned = dns.message.make_query("example.com", "AXFR")
        refusal = dns.query.tcp(unsigned, "127.0.0.1", port=port, timeout=20)
        assert refusal.rcode() == dns.rcode.REFUSED
        with pytest.raises(dns.exception.Timeout):
            for _ in range(50):
                dns.query.udp(identity, "127.0.0.1", port=port, timeout=0.2)
        assert not [line for line in node.lines if "made a cookie secret" in line]
    with serving(zones, "--rate-limit", "100000", "--transfer", "127.0.0.0/8") as node:
        for _ in range(50):
            ask(node, "www.example.com")
        assert dns.query.tcp(unsigned, "127.0.0.1", port=node.port, timeout=20).answer


def test_settings_without_a_fleet_are_enough_where_no_fleet_is_served(zones: Path, tmp_path: Path):
    (tmp_path / "dnsctl.yaml").write_text("version: 1\nserve: {identity: alone}\n")
    identity = dns.message.make_query("id.server", "TXT", "CH")
    with serving(zones) as node:
        told = dns.query.udp(identity, "127.0.0.1", port=node.port, timeout=20)
        assert told.answer[0][0].to_text() == '"alone"'
        assert ask(node, "www.example.com").answer[0][0].address == "192.0.2.1"
    missing = "sites is missing; name the sites and nodes of the fleet"
    for command in (("plan",), ("push",), ("verify",), ("status",), ("serve", "--node", "ns1")):
        ended = processes.run(("-C", str(tmp_path), *command), tmp_path)
        assert ended.returncode in (1, 2), command
        assert missing in ended.stderr or "not a git repository" in ended.stderr, (command, ended.stderr)
    checked = processes.run(("-C", str(tmp_path), "check"), tmp_path)
    assert (checked.returncode, checked.stdout.splitlines()[-1][:15]) == (0, "1 zone checked:")


def test_secondaries_of_a_dnsctl_yaml_beside_the_directory_are_told_at_the_start(zones: Path, tmp_path: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary:
        secondary.bind(("127.0.0.1", 0))
        secondary.settimeout(60)
        (tmp_path / "dnsctl.yaml").write_text(
            "version: 1\n"
            'sites: {dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}}\n'
            f'transfers: {{notify: ["127.0.0.1:{secondary.getsockname()[1]}"]}}\n'
        )
        with serving(zones) as node:
            message = dns.message.from_wire(secondary.recv(512))
            served = ask(node, "example.com", "SOA").answer[0][0].serial
    assert message.opcode() == dns.opcode.NOTIFY
    assert message.question[0].name == dns.name.from_text("example.com.")
    assert message.answer[0][0].serial == served


def test_checks_of_a_dnsctl_yaml_beside_the_directory_hold(zones: Path, tmp_path: Path):
    (tmp_path / "dnsctl.yaml").write_text(
        "version: 1\n"
        'sites: {dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}}\n'
        "defaults:\n"
        "  soa: {mname: ns1.example.net., rname: hostmaster.example.net.}\n"
        "  ns: [ns1.example.net., ns2.example.net.]\n"
    )
    (zones / "example.net.yaml").write_text(
        "'': {type: TXT, value: found}\nns1: {type: A, value: 192.0.2.3}\nns2: {type: A, value: 192.0.2.4}\n"
    )
    with serving(zones) as node:
        assert str(ask(node, "example.net", "SOA").answer[0][0].mname) == "ns1.example.net."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--zones", "{tmp}/none", "--listen", "127.0.0.1:0"], "no such directory"),
        (["--zones", "{tmp}/empty", "--listen", "127.0.0.1:0"], "no zone files"),
        (["--zones", "{tmp}/zones"], "--listen"),
        (["--zones", "{tmp}/zones", "--listen", "localhost"], "is not an address and port"),
        (["--zones", "{tmp}/zones", "--listen", "::1:5300"], "is not an address and port"),
        (["--zones", "{tmp}/zones", "--listen", "127.0.0.1:99999"], "is not an address and port"),
        (["--zones", "{tmp}/zones", "--listen", "192.0.2.1:5300"], "not an address of this machine"),
        (["--zones", "{tmp}/zones", "--listen", "127.0.0.1:0", "--transfer", "x"], "--transfer"),
        (["--zones", "{tmp}/zones", "--listen", "127.0.0.1:0", "--node", "ns1"], "one of --node"),
        ([], "one of --node"),
    ],
)
def test_what_cannot_be_served_is_one_line(zones: Path, tmp_path: Path, arguments: list[str], said: str):
    (tmp_path / "empty").mkdir()
    got, lines = refused(*(one.format(tmp=tmp_path) for one in arguments))
    assert got == 1
    assert len(lines) == 1
    assert said in lines[0]


def test_taken_port_is_one_line_before_anything_is_made(zones: Path):
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        code, lines = refused("--zones", str(zones), "--listen", f"127.0.0.1:{port}", "--sign")
    assert code == 1
    assert len(lines) == 1
    assert re.search(rf"UDP port {port} is taken by .*; stop that program", lines[0])
    assert not (zones / "keys").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_while_compiling_leaves_no_temporary_state(
    zones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    hosts = "".join(f"h{number} A 192.0.2.1\n" for number in range(100_000))
    (zones / "example.com.zone").write_text(GOOD + hosts)
    with serving(zones, start=started) as node:
        deadline = time.monotonic() + 60
        while not list(temporary.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        pids = [node.process.pid]
        assert node.stop(number) in (130, 143)
        assert pids
        assert not any("serving on" in line for line in node.lines)
        assert not any("Traceback" in line for line in node.lines)
    assert list(temporary.iterdir()) == []


def test_endpoints_are_addresses_with_ports():
    assert parse_endpoint("192.0.2.1:53") == Endpoint("192.0.2.1", 53)
    assert parse_endpoint("[2001:DB8::1]:0") == Endpoint("2001:db8::1", 0)
    for wrong in (
        "192.0.2.1",
        "2001:db8::1:53",
        "[192.0.2.1:53",
        ":53",
        "a:1",
        "192.0.2.1:-1",
        "192.0.2.1:65536",
    ):
        with pytest.raises(ListenError):
            parse_endpoint(wrong)
