"""docs/takeover.md is run as it stands: zones of a BIND and a Knot come with their keys, and go back.

An Unbound asks whoever the parent would name. It trusts the DS of before, keeps its cache throughout, and is
asked all the while: each answer must be validated.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.demo.rehearsal import Rehearsal
from tests.peers import need, unbound_config
from tests.scenarios.fleet import forked, is_up
from tests.scenarios.test_operations import STEP, run_block

pytestmark = pytest.mark.peer
PAGE = Path(__file__).parents[2] / "docs" / "takeover.md"
ZONES = ("example.com", "example.net")
ZONE = """\
$TTL 1
@ 3600 SOA ns1.example.org. hostmaster.example.org. 2026010101 7200 1800 86400 1
@ 3600 NS ns1.example.org.
@ 3600 NS ns2.example.org.
@ MX 10 mail.example.org.
www A 192.0.2.80
alias CNAME www
*.wild TXT "wildcard"
deep.below A 192.0.2.81
"""
NAMED = """\
options {{
  directory "{directory}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; pid-file none; session-keyfile none; notify no;
}};
controls {{ }};
dnssec-policy own {{ keys {{ csk lifetime unlimited algorithm ecdsap256sha256; }}; }};
zone "example.com" {{
  type primary; file "example.com.zone"; key-directory "keys"; dnssec-policy own; inline-signing yes;
}};
"""
KNOT = """\
server:
  rundir: "{directory}"
  listen: "127.0.0.1@{port}"
database:
  storage: "{directory}"
  kasp-db: kasp
log:
  - target: stderr
    any: notice
policy:
  - id: own
    algorithm: ecdsap256sha256
    ksk-lifetime: 0
    zsk-lifetime: 0
    manual: {manual}
zone:
  - domain: example.net
    storage: "{directory}"
    file: example.net.zone
    zonefile-sync: -1
    zonefile-load: whole
    dnssec-signing: on
    dnssec-policy: own
"""


class Servers:
    """The other name servers: a BIND for example.com, a Knot for example.net, each in a directory."""

    def __init__(self) -> None:
        self.ports = {zone: free_port() for zone in ZONES}
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, bind: Path, knot: Path, *, manual: bool) -> None:
        (bind / "keys").mkdir(exist_ok=True)
        config = bind / "named.conf"
        config.write_text(NAMED.format(directory=bind, port=self.ports["example.com"]))
        self._run(bind, need("named"), "-g", "-c", config)
        (knot / "kasp").mkdir(exist_ok=True, mode=0o700)
        config = knot / "knot.conf"
        flag = "on" if manual else "off"
        config.write_text(KNOT.format(directory=knot, port=self.ports["example.net"], manual=flag))
        self._run(knot, need("knotd"), "-c", config)
        for zone, port in self.ports.items():
            wait(lambda zone=zone, port=port: len(tags(zone, port)) > 0, f"{zone} to be signed")  # type: ignore[misc]

    def _run(self, directory: Path, *command: str | Path) -> None:
        with (directory / "log").open("ab") as log:
            self._running.append(
                subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(60)
        self._running.clear()


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError, dns.exception.DNSException):
            if condition():
                return
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def tags(zone: str, port: int) -> set[str]:
    """Return the DNSKEYs of a zone at a server, if their RRset is signed."""
    query = dns.message.make_query(zone, "DNSKEY", want_dnssec=True)
    answer = dns.query.tcp(query, "127.0.0.1", port=port, timeout=2).answer
    if not any(rrset.rdtype == 46 for rrset in answer):
        return set()
    return {each.to_text() for rrset in answer if rrset.rdtype == 48 for each in rrset}


class Resolver:
    """A validating Unbound, and somebody who asks it without a pause."""

    def __init__(self, directory: Path, anchors: list[str]) -> None:
        self.directory, self.port = directory, free_port()
        settings = [f'trust-anchor: "{each}"' for each in anchors]
        settings += ["serve-expired: no", "outbound-msg-retry: 8"]
        text = unbound_config(directory, self.port, settings).replace(
            "  control-enable: no\n",
            f"  control-enable: yes\n  control-interface: {directory}/control\n  control-use-cert: no\n",
        )
        self.config = directory / "unbound.conf"
        self.config.write_text(text)
        self.bogus: list[str] = []
        self.count: Counter[str] = Counter()
        self._end = threading.Event()
        self._asking = threading.Thread(target=self._ask_on)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with (self.directory / "log").open("ab") as log:
            process = subprocess.Popen(
                (need("unbound"), "-d", "-c", self.config), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                yield
            finally:
                self._end.set()
                if self._asking.is_alive():
                    self._asking.join()
                process.terminate()
                process.wait(60)

    def begin(self) -> None:
        self._asking.start()

    def control(self, *arguments: str) -> None:
        subprocess.run(
            (need("unbound-control"), "-c", self.config, *arguments), check=True, capture_output=True
        )

    def delegate(self, zone: str, ports: list[int]) -> None:
        """Have the zone asked for at other servers; what is cached stays."""
        self.control("stub_add", f"{zone}.", *(f"127.0.0.1@{port}" for port in ports))

    def is_up(self) -> bool:
        command = (need("unbound-control"), "-c", self.config, "status")
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def ask(self, owner: str, rdtype: str) -> None:
        query = dns.message.make_query(owner, rdtype, want_dnssec=True)
        answer = dns.query.udp_with_fallback(query, "127.0.0.1", port=self.port, timeout=20)[0]
        code = dns.rcode.to_text(answer.rcode())
        self.count[code] += 1
        if code not in ("NOERROR", "NXDOMAIN") or not answer.flags & dns.flags.AD:
            self.bogus.append(f"{owner} {rdtype}: {code}, flags {dns.flags.to_text(answer.flags)}")

    def _ask_on(self) -> None:
        for number in itertools.count():
            if self._end.is_set():
                return
            for zone in ZONES:
                for owner, rdtype in (
                    ("www", "A"),
                    ("alias", "AAAA"),
                    (f"none{number}", "A"),
                    (f"x{number}.wild", "TXT"),
                    ("below", "A"),
                ):
                    self.ask(f"{owner}.{zone}", rdtype)
                self.ask(zone, ("MX", "DNSKEY", "SOA", "NS")[number % 4])
            time.sleep(0.02)


def anchors(bind: Path, knot: Path) -> list[str]:
    """Return the DS of both zones as these servers give them, before anything moves."""
    [key] = (bind / "keys").glob("*.key")
    one = subprocess.run((need("dnssec-dsfromkey"), "-2", key), check=True, capture_output=True, text=True)
    two = subprocess.run(
        (need("keymgr"), "-D", knot / "kasp", "example.net.", "ds"),
        check=True,
        capture_output=True,
        text=True,
    )
    found = [line for line in two.stdout.splitlines() if re.search(r"DS \d+ 13 2 ", line)]
    return [one.stdout.strip(), *found]


def act(note: str, stage: Rehearsal, servers: Servers, resolver: Resolver) -> None:
    own = [node.listen[0].port for node in stage.fleet.values()]
    if note == "settings":
        [block] = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        path = stage.root / "dnsctl.yaml"
        text = re.sub(r"(?ms)^policies:\n.*?(?=^\S)", "", path.read_text().replace("\n\n#", "\n#"))
        path.write_text(re.sub(r"(?ms)^zones:\n.*?(?=^\S)", "", text) + block)
    elif note in ("both", "ours", "theirs"):
        for zone in ZONES:
            old = [servers.ports[zone]]
            resolver.delegate(zone, {"both": old + own, "ours": own, "theirs": old}[note])
        time.sleep(2)  # everything but the keys is fetched again
        if note == "ours":
            servers.stop()
        for zone in ZONES if note != "both" else ():
            resolver.control("flush_zone", zone)  # and now from nothing
            for owner, rdtype in ((zone, "DNSKEY"), (f"www.{zone}", "A"), (f"never.{zone}", "A")):
                resolver.ask(owner, rdtype)
    elif note == "start theirs":
        back = stage.root.parent / "back"
        shutil.copytree(back, back.with_name("back-knot"))
        servers.start(back, back.with_name("back-knot"), manual=True)
    else:
        pytest.fail(f"takeover.md asks for {note!r}, which is nothing the test knows")


@pytest.mark.timeout(300)
def test_zones_of_bind_and_knot_come_with_their_keys_and_go_back_and_validate_all_the_while(
    tmp_path: Path,
) -> None:
    bind, knot, cache = tmp_path / "bind", tmp_path / "knot", tmp_path / "cache"
    servers = Servers()
    for directory in (bind, knot, cache, tmp_path / "back"):
        directory.mkdir()
    (bind / "example.com.zone").write_text(ZONE)
    (knot / "example.net.zone").write_text(ZONE)
    try:
        servers.start(bind, knot, manual=False)
        before = {zone: tags(zone, port) for zone, port in servers.ports.items()}
        resolver = Resolver(cache, anchors(bind, knot))
        with forked(tmp_path / "ops") as stage, resolver.running():
            stage.run("init")
            stage.use_free_ports()
            for name in stage.fleet:
                stage.start(name)
            stage.wait(lambda: all(is_up(stage, name) for name in stage.fleet), "nodes to be up")
            wait(resolver.is_up, "Unbound")
            for zone in ZONES:
                resolver.delegate(zone, [servers.ports[zone]])
            resolver.begin()
            for step in STEP.finditer(PAGE.read_text()):
                if step["block"] is not None:
                    run_block(step["block"], stage.root)
                else:
                    act(step["note"], stage, servers, resolver)
                assert not resolver.bogus, f"{step[0]}\n{resolver.bogus[:5]}"
        assert {zone: tags(zone, port) for zone, port in servers.ports.items()} == before
        assert resolver.count["NOERROR"] > 300
        assert resolver.count["NXDOMAIN"] > 50
        assert not resolver.bogus
    finally:
        servers.stop()
