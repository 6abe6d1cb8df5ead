"""Other implementations transfer zones with TSIG and are refused without, and keep our cookies."""

import base64
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.serve.message.cookies import LOOK_INTERVAL
from tests.build import edns_option, validated
from tests.node.running import RunningNode, publish, running
from tests.peers import need
from tests.serve.peer_servers import running as running_peer

SECRET = "a secret that dig, kdig, named and nsd share"
ENCODED = base64.b64encode(SECRET.encode()).decode()
ALGORITHMS = ["hmac-sha256", "hmac-sha384", "hmac-sha512"]
ROWS = "\n".join(f'h{number} TXT "{"x" * 100}"' for number in range(1500))  # several messages
ZONE = f"www A 192.0.2.1\n{ROWS}\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    state = tmp_path_factory.mktemp("state")
    publish(state, [validated("example.com.", ZONE)], generation=7)
    keys = [[f"{each}.example", each, SECRET] for each in ALGORITHMS]
    with running(state, more={"keys": keys, "identity": "ns1.dc1", "version": "9"}) as node:
        assert node.port
        yield node


def run(program: str, node: RunningNode, *arguments: str) -> str:
    command = [need(program), "@127.0.0.1", "-p", str(node.port), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout


@pytest.mark.peer
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_peer_transfers_with_a_key_and_verifies_every_message(
    node: RunningNode, program: str, algorithm: str
):
    text = run(program, node, "-y", f"{algorithm}:{algorithm}.example:{ENCODED}", "example.com", "AXFR")
    assert len(re.findall(r"^h\d+\.example\.com\.", text, re.MULTILINE)) == 1500
    assert re.search(r"IN\s+SOA.*\s1 7200\s", text)
    assert not re.search(r"(?i)couldn't verify|bad signature|tsig error|failed", text), text[-800:]


@pytest.mark.peer
@pytest.mark.parametrize("program", ["dig", "kdig"])
@pytest.mark.parametrize(
    "key", ["", f"hmac-sha256:hmac-sha256.example:{ENCODED[4:]}", f"hmac-sha256:x:{ENCODED}"]
)
def test_peer_without_the_key_gets_nothing(node: RunningNode, program: str, key: str):
    text = run(program, node, *(["-y", key] if key else []), "example.com", "AXFR")
    assert "h1.example.com" not in text
    assert "SOA" not in text


@pytest.mark.peer
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_dig_verifies_a_signed_answer(node: RunningNode, transport: str):
    text = run("dig", node, "-y", f"hmac-sha256:hmac-sha256.example:{ENCODED}", transport, "www.example.com")
    assert "status: NOERROR" in text
    assert "192.0.2.1" in text
    assert "TSIG" in text
    assert "Couldn't verify" not in text


@pytest.mark.peer
def test_dig_keeps_the_cookie_it_was_given(node: RunningNode):
    text = run("dig", node, "+cookie", "+nsid", "+expire", "example.com", "SOA")
    assert re.search(r"COOKIE: [0-9a-f]{48} \(good\)", text)
    assert "ns1.dc1" in text
    assert "EXPIRE: 1209600" in text
    cookie = re.findall(r"COOKIE: ([0-9a-f]{48})", text)[0]
    again = run("dig", node, f"+cookie={cookie}", "www.example.com")
    assert f"COOKIE: {cookie} (good)" in again
    spoilt = cookie[:-1] + ("0" if cookie[-1] != "0" else "1")
    text = run("dig", node, "+nobadcookie", f"+cookie={spoilt}", "www.example.com")
    assert "status: BADCOOKIE" in text


@pytest.mark.peer
def test_kdig_gets_a_cookie_and_retries_after_badcookie(node: RunningNode):
    text = run("kdig", node, "+cookie", "+badcookie", "www.example.com")
    assert re.search(r"COOKIE: [0-9A-Fa-f]{48}", text)
    text = run("kdig", node, "+cookie=" + "ab" * 24, "+badcookie", "www.example.com")
    assert "192.0.2.1" in text


@pytest.mark.peer
def test_dig_reads_what_the_server_tells_of_itself(node: RunningNode):
    assert run("dig", node, "+short", "CH", "TXT", "id.server") == '"ns1.dc1"\n'
    assert run("dig", node, "+short", "CH", "TXT", "version.bind") == '"9"\n'
    text = run("dig", node, "www.example.org")
    assert "EDE: 20 (Not Authoritative)" in text


def secondary(program: str, directory: Path, port: int, primary: int, encoded: str) -> list[str]:
    """Write the configuration of a secondary of example.com and return its command."""
    path = directory / f"{program}.conf"
    if program == "named":
        path.write_text(f"""
key "hmac-sha256.example" {{ algorithm hmac-sha256; secret "{encoded}"; }};
options {{
  directory "{directory}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  pid-file "{directory}/pid"; session-keyfile none; recursion no; notify no; dnssec-validation no;
}};
controls {{ }};
zone "example.com" {{
  type secondary; file "{directory}/copy"; masterfile-format text;
  primaries {{ 127.0.0.1 port {primary} key "hmac-sha256.example"; }};
}};
""")
        return [need("named"), "-f", "-c", str(path), "-n", "1"]
    path.write_text(f"""
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  database: ""
  pidfile: "{directory}/pid"
  xfrdfile: "{directory}/xfrd"
  zonelistfile: "{directory}/list"
  xfrdir: "{directory}"
  server-count: 1
remote-control:
  control-enable: no
key:
  name: "hmac-sha256.example"
  algorithm: hmac-sha256
  secret: "{encoded}"
zone:
  name: "example.com"
  zonefile: "{directory}/copy"
  request-xfr: AXFR 127.0.0.1@{primary} hmac-sha256.example
  allow-notify: 127.0.0.1 NOKEY
""")
    return [need("nsd"), "-d", "-c", str(path)]


@pytest.mark.peer
@pytest.mark.parametrize("program", ["named", "nsd"])
def test_secondary_of_another_make_serves_the_zone_it_got_with_the_key(
    tmp_path: Path, node: RunningNode, program: str
):
    port = free_port()
    command = secondary(program, tmp_path, port, node.port, ENCODED)
    with running_peer(command, port, ["example.com."], tmp_path / "log"):
        answer = dns.query.udp(
            dns.message.make_query("h1499.example.com.", "TXT"), "127.0.0.1", port=port, timeout=5
        )
        assert answer.rcode() == dns.rcode.NOERROR
        assert len(answer.answer) == 1


def test_cookie_of_one_node_is_good_at_another_and_through_a_roll(tmp_path: Path):
    """Two nodes share a file as two sites would; it is rolled while a client goes from one to the other."""
    secret = tmp_path / "cookie.secret"
    old, new = "11" * 16, "22" * 16
    secret.write_text(old)
    states = [tmp_path / site for site in ("dc1", "dc2")]
    for state in states:
        publish(state, [validated("example.com.", "www A 192.0.2.1\n")])
    more = {"cookie_secret": str(secret)}
    with running(states[0], more=more) as first, running(states[1], more=more, workers=2) as second:
        cookie = ask(first.port, b"clientck").options[0].to_wire()
        for content in (f"{old}\n{new}", f"{new}\n{old}"):
            secret.write_text(content)
            until = time.monotonic() + LOOK_INTERVAL + 0.2
            while time.monotonic() < until:
                for node in (first, second):
                    reply = ask(node.port, cookie)
                    assert reply.rcode() == dns.rcode.NOERROR
                    cookie = reply.options[0].to_wire()
                time.sleep(0.05)
        secret.write_text(new)
        time.sleep(LOOK_INTERVAL + 0.2)
        assert ask(first.port, cookie).rcode() == ask(second.port, cookie).rcode() == dns.rcode.NOERROR


def ask(port: int, cookie: bytes) -> dns.message.Message:
    option = edns_option(10, cookie)
    asked = dns.message.make_query("www.example.com.", "A", use_edns=0, options=[option])
    return dns.query.udp(asked, "127.0.0.1", port=port, timeout=5)


def test_node_without_the_fleets_secret_makes_one_for_itself_and_says_so(tmp_path: Path):
    publish(tmp_path, [validated("example.com.", "www A 192.0.2.1\n")])
    with running(tmp_path, more={"cookie_secret": str(tmp_path / "absent")}) as node:
        assert node.wait_for("absent is missing: made a cookie secret for this node only")
        assert len(ask(node.port, b"clientck").options[0].to_wire()) == 24
    own = tmp_path / "cookie.secret"
    assert (own.stat().st_mode & 0o777, len(own.read_text().strip())) == (0o600, 32)
    kept = own.read_text()
    with running(tmp_path) as node:
        assert node.port
    assert own.read_text() == kept


def test_node_with_a_damaged_secret_does_not_start_and_says_why(tmp_path: Path):
    publish(tmp_path, [validated("example.com.", "www A 192.0.2.1\n")])
    secret = tmp_path / "odd"
    secret.write_text("too short\n")
    with running(tmp_path, more={"cookie_secret": str(secret)}) as node:
        assert node.wait_for("odd: holds something other than a cookie secret; write 32 hexadecimal digits")
        assert node.process.wait(10) == 1
