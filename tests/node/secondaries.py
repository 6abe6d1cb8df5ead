"""Knot, NSD, BIND and PowerDNS as secondaries of a node, on loopback."""

import base64
import contextlib
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.peers import need

KEY = "xfr.example."
SECRET = "not a secret: a key for tests, 32+"  # the octets themselves
TEXT = base64.b64encode(SECRET.encode()).decode()
PDNS_SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")


@dataclass(frozen=True)
class Primary:
    """The node as a secondary is told of it. `key`: whether transfers and NOTIFY are signed."""

    address: str
    port: int
    key: bool


def serial(address: str, port: int, zone: str) -> int:
    """Return the serial that a secondary serves; 0 where it does not."""
    with contextlib.suppress(OSError, dns.exception.DNSException):
        reply = dns.query.udp(dns.message.make_query(zone, "SOA"), address, timeout=0.3, port=port)
        if reply.answer:
            return int(reply.answer[0][0].serial)
    return 0


def knot(root: Path, port: int, zone: str, primary: Primary) -> list[str]:
    signed = f"    key: {KEY}\n" if primary.key else ""
    key = f'key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: "{TEXT}"\n' if primary.key else ""
    config = root / "knot.conf"
    config.write_text(
        f"server:\n  listen: {primary.address}@{port}\n  rundir: {root}\n{key}"
        f"log:\n  - target: stderr\n    any: info\ndatabase:\n  storage: {root}\n"
        f"remote:\n  - id: primary\n    address: {primary.address}@{primary.port}\n{signed}"
        f"acl:\n  - id: told\n    address: {primary.address}\n    action: notify\n{signed}"
        f'zone:\n  - domain: "{zone}"\n    master: primary\n    acl: told\n    storage: {root}\n'
    )
    return [need("knotd"), "-c", str(config)]


def nsd(root: Path, port: int, zone: str, primary: Primary) -> list[str]:
    name = KEY if primary.key else "NOKEY"
    key = f'key:\n  name: "{KEY}"\n  algorithm: hmac-sha256\n  secret: "{TEXT}"\n' if primary.key else ""
    config = root / "nsd.conf"
    config.write_text(
        f'server:\n  ip-address: {primary.address}@{port}\n  username: ""\n  chroot: ""\n'
        f'  zonesdir: "{root}"\n'
        f'  database: ""\n  pidfile: "{root}/pid"\n  xfrdfile: "{root}/xfrd"\n  zonelistfile: "{root}/list"\n'
        f'  xfrdir: "{root}"\n  server-count: 1\nremote-control:\n  control-enable: no\n{key}'
        f'zone:\n  name: "{zone}"\n  zonefile: "{root}/zone"\n  allow-notify: {primary.address} {name}\n'
        f"  request-xfr: AXFR {primary.address}@{primary.port} {name}\n"
    )
    return [need("nsd"), "-d", "-c", str(config)]


def bind(root: Path, port: int, zone: str, primary: Primary) -> list[str]:
    key = f'key "{KEY}" {{ algorithm hmac-sha256; secret "{TEXT}"; }};\n' if primary.key else ""
    signed = f' key "{KEY}"' if primary.key else ""
    v6 = ":" in primary.address
    listen = f"listen-on{'-v6' if v6 else ''} port {port} {{ {primary.address}; }};"
    other = "listen-on { none; };" if v6 else "listen-on-v6 { none; };"
    config = root / "named.conf"
    config.write_text(
        f'{key}options {{ directory "{root}"; pid-file "{root}/pid"; session-keyfile "{root}/key"; {listen}\n'
        f"  {other} recursion no; dnssec-validation no; notify no; }};\ncontrols {{}};\n"
        f'zone "{zone}" {{ type secondary; file "zone";\n'
        f"  primaries {{ {primary.address} port {primary.port}{signed}; }}; }};\n"
    )
    return [need("named"), "-g", "-n", "1", "-c", str(config)]


def powerdns(root: Path, port: int, zone: str, primary: Primary) -> list[str]:
    program, util = need("pdns_server"), need("pdnsutil")
    database = root / "pdns.sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(PDNS_SCHEMA.read_text())
    (root / "pdns.conf").write_text(
        f"launch=gsqlite3\ngsqlite3-database={database}\ngsqlite3-dnssec=yes\nsecondary=yes\n"
        f"local-address={primary.address}\nlocal-port={port}\nsocket-dir={root}\ncache-ttl=0\n"
        "query-cache-ttl=0\nnegquery-cache-ttl=0\nxfr-cycle-interval=1\nzone-cache-refresh-interval=0\n"
        "security-poll-suffix=\nguardian=no\ndaemon=no\nversion-string=anonymous\n"
    )
    host = f"[{primary.address}]" if ":" in primary.address else primary.address
    name = zone.removesuffix(".")
    steps = [["create-slave-zone", name, f"{host}:{primary.port}"]]
    if primary.key:
        steps += [
            ["import-tsig-key", KEY, "hmac-sha256", TEXT],
            ["activate-tsig-key", name, KEY, "secondary"],
        ]
    for step in steps:
        subprocess.run([util, f"--config-dir={root}", *step], check=True, capture_output=True, timeout=60)
    return [program, f"--config-dir={root}"]


KINDS: dict[str, Callable[[Path, int, str, Primary], list[str]]] = {
    "knot": knot,
    "nsd": nsd,
    "bind": bind,
    "powerdns": powerdns,
}


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
