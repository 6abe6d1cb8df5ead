"""Knot, NSD and BIND as processes on loopback, serving given master files, for tests that compare answers."""

import contextlib
import subprocess
import time
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

from dnsctl.demo.ports import free_port
from tests.peers import need


def wait_until_served(port, origins, process):
    deadline = time.monotonic() + 60
    waiting = list(origins)
    while waiting:
        assert process.poll() is None, "the peer ended at once"
        assert time.monotonic() < deadline, f"the peer does not serve {waiting[0]}"
        with contextlib.suppress(dns.exception.Timeout, OSError):
            reply = dns.query.udp(
                dns.message.make_query(waiting[0], "SOA"), "127.0.0.1", port=port, timeout=0.3
            )
            if reply.rcode() == dns.rcode.NOERROR and reply.answer:
                waiting.pop(0)
                continue
        time.sleep(0.02)


@contextlib.contextmanager
def running(command, port, origins, log: Path):
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        try:
            wait_until_served(port, origins, process)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text()[-3000:]}") from None
        yield port
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def knot(directory: Path, zones: dict[str, Path]):
    """Serve `zones` (origin -> master file) with Knot; yield the port."""
    knotd, port = need("knotd"), free_port()
    (directory / "knot").mkdir()
    lines = [
        f"server:\n  listen: 127.0.0.1@{port}\n  rundir: {directory}/knot\n",
        f"database:\n  storage: {directory}/knot\n",
        "log:\n  - target: stderr\n    any: warning\n",
        "template:\n  - id: default\n    semantic-checks: off\n    zonefile-sync: -1\n",
        "    journal-content: none\nzone:\n",
    ]
    lines += [f'  - domain: "{origin}"\n    file: "{path}"\n' for origin, path in zones.items()]
    config = directory / "knot.conf"
    config.write_text("".join(lines))
    with running([knotd, "-c", str(config)], port, zones, directory / "knot.log"):
        yield port


@contextlib.contextmanager
def nsd(directory: Path, zones: dict[str, Path]):
    """Serve `zones` with NSD; yield the port."""
    program, port = need("nsd"), free_port()
    base = directory / "nsd"
    base.mkdir()
    lines = [
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  chroot: ""\n  zonesdir: "{base}"\n',
        f'  database: ""\n  pidfile: "{base}/pid"\n  xfrdfile: "{base}/xfrd"\n',
        f'  zonelistfile: "{base}/list"\n',
        f'  xfrdir: "{base}"\n  server-count: 1\n  minimal-responses: yes\n  rrl-ratelimit: 0\n',
        "remote-control:\n  control-enable: no\n",
    ]
    lines += [f'zone:\n  name: "{origin}"\n  zonefile: "{path}"\n' for origin, path in zones.items()]
    config = directory / "nsd.conf"
    config.write_text("".join(lines))
    with running([program, "-d", "-c", str(config)], port, zones, directory / "nsd.log"):
        yield port


@contextlib.contextmanager
def bind(directory: Path, zones: dict[str, Path]):
    """Serve `zones` with BIND; yield the port."""
    program, port = need("named"), free_port()
    base = directory / "bind"
    base.mkdir()
    lines = [
        f'options {{\n  directory "{base}";\n  pid-file "{base}/pid";\n  session-keyfile "{base}/key";\n',
        f"  listen-on port {port} {{ 127.0.0.1; }};\n  listen-on-v6 {{ none; }};\n  recursion no;\n",
        "  minimal-responses yes;\n  dnssec-validation no;\n  notify no;\n  check-names primary ignore;\n",
        "  check-integrity no;\n  empty-zones-enable no;\n  edns-udp-size 1232;\n",
        "  zero-no-soa-ttl no;\n};\ncontrols {};\n",
    ]
    lines += [f'zone "{origin}" {{ type primary; file "{path}"; }};\n' for origin, path in zones.items()]
    config = directory / "named.conf"
    config.write_text("".join(lines))
    with running([program, "-g", "-n", "1", "-c", str(config)], port, zones, directory / "named.log"):
        yield port
