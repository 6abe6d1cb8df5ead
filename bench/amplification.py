"""Octets sent for each octet asked, by type of query: dnsctl beside Knot, on the same signed zone.

    .venv/bin/python bench/amplification.py [--port 5390]

What an attacker gains by asking with somebody else's address: the UDP response over the UDP query, at the
largest payload a client may claim, with DO. Also what is left of it once the rate limit has cut it down.
Zones with NSEC and with NSEC3, and one run by a provider: SOA and NS name hosts of another domain. Peers that
are not installed are left out.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query

APEX = """\
$TTL 3600
@ SOA ns1 hostmaster 1 7200 1800 1209600 300
@ NS ns1
@ NS ns2
@ MX 10 mail
"""
PROVIDED = """\
$TTL 3600
@ SOA ns1.dns.example.net. hostmaster.dns.example.net. 1 7200 1800 1209600 300
@ NS ns1.dns.example.net.
@ NS ns2.dns.example.net.
@ NS ns3.dns.example.net.
@ NS ns4.dns.example.net.
@ MX 10 a.mail.example.net.
@ MX 20 b.mail.example.net.
"""
ZONE = """\
@ TXT "v=spf1 mx -all"
@ CAA 0 issue "ca.example.net"
ns1 A 192.0.2.53
ns1 AAAA 2001:db8::53
ns2 A 198.51.100.53
ns2 AAAA 2001:db8:1::53
mail A 192.0.2.25
www A 192.0.2.80
www AAAA 2001:db8::80
alias CNAME www
_sip._tcp SRV 0 5 5060 www
*.wild TXT "found"
sub NS ns1.sub
sub NS ns2.sub
ns1.sub A 192.0.2.1
ns2.sub A 192.0.2.2
signed NS ns1.signed
signed DS 12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns1.signed A 192.0.2.3
tofive CNAME five
three PTR one.hosts.example.net.
three PTR two.hosts.example.net.
three PTR three.hosts.example.net.
"""
for number in range(1, 6):
    ZONE += "".join(f"{owner} MX {number} mx{number}.mail.example.net.\n" for owner in ("five", "*.five"))
    ZONE += f"four NS ns{number}.dns.example.net.\n" if number < 5 else ""
KINDS = {  # zone -> denial, apex
    "nsec.example.": ("nsec", APEX),
    "nsec3.example.": ("nsec3", APEX),
    "provided.example.": ("nsec", PROVIDED),
}
QUERIES = (
    ("", "SOA"), ("", "NS"), ("", "MX"), ("", "TXT"), ("", "CAA"), ("", "DNSKEY"), ("", "CDS"), ("", "ANY"),
    ("", "RRSIG"), ("", "NSEC3PARAM"), ("", "A"), ("www", "A"), ("www", "AAAA"), ("www", "ANY"),
    ("alias", "A"), ("_sip._tcp", "SRV"), ("x.wild", "TXT"), ("x.wild", "A"), ("nothing", "A"),
    ("a.b.c.nothing", "A"), ("x.sub", "A"), ("x.signed", "A"), ("signed", "DS"), ("elsewhere.invalid.", "A"),
    ("five", "MX"), ("x.five", "MX"), ("tofive", "MX"), ("five", "ANY"), ("four", "NS"), ("x.four", "A"),
    ("three", "PTR"), ("tofive", "TXT"),
)  # fmt: skip


@dataclass
class Server:
    name: str
    port: int


def started(stack: ExitStack, command: list[str | Path], port: int, origins: list[str]) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    for origin in origins:
        deadline = time.monotonic() + 30
        while True:
            try:
                if dns.query.udp(
                    dns.message.make_query(origin, "SOA"), "127.0.0.1", port=port, timeout=0.5
                ).answer:
                    break
            except (dns.exception.DNSException, OSError):
                time.sleep(0.05)
            if time.monotonic() > deadline or process.poll() is not None:
                sys.exit(f"{command[0]} does not serve {origin}")


def start_ours(stack: ExitStack, directory: Path, port: int, origin: str, *more: str) -> None:
    denial, apex = KINDS[origin]
    root = directory / f"ours-{port}"
    (root / "zones").mkdir(parents=True)
    (root / "zones" / f"{origin}zone").write_text(apex + ZONE)
    (root / "dnsctl.yaml").write_text(
        "version: 1\nsites: {a: {nodes: {ns1: {listen: [192.0.2.1:53], control: 'https://192.0.2.1:8443'}}}}\n"
        f"policies: {{standard: {{denial: {denial}}}}}\n"
    )
    dnsctl = Path(sys.executable).with_name("dnsctl")
    command: list[str | Path] = [dnsctl, "serve", "--zones", root / "zones", "--sign", "--listen"]
    command += [f"127.0.0.1:{port}", "--state", root / "state", "--transfer", "127.0.0.0/8", *more]
    started(stack, command, port, [origin])


def save(port: int, origin: str, path: Path) -> None:
    with path.open("wb") as file:
        subprocess.run(
            ["dig", "@127.0.0.1", "-p", str(port), origin, "AXFR", "+noall", "+answer", "+onesoa"],
            stdout=file, check=True,
        )  # fmt: skip


def start_knot(stack: ExitStack, directory: Path, port: int, files: dict[str, Path]) -> None:
    config = directory / "knot.conf"
    zones = "".join(f"  - domain: {origin}\n    file: {path}\n" for origin, path in files.items())
    config.write_text(
        f"server:\n    rundir: {directory}\n    listen: 127.0.0.1@{port}\n"
        f"database:\n    storage: {directory}\nzone:\n{zones}"
    )
    started(stack, ["/usr/sbin/knotd", "-c", str(config)], port, list(files))


def sizes(port: int, origin: str, name: str, rdtype: str) -> tuple[int, int]:
    """Return the octets of the query and of the response."""
    full = name if name.endswith(".") else f"{name}.{origin}".lstrip(".")
    query = dns.message.make_query(full, rdtype, want_dnssec=True, payload=65535)
    query.flags &= ~dns.flags.RD
    response = dns.query.udp(query, "127.0.0.1", port=port, timeout=2)
    return len(query.to_wire()), len(response.wire or b"")


def limited(port: int, origin: str, name: str, rdtype: str) -> float:
    """Return octets sent for each asked beyond the rate."""
    for _ in range(8):
        asked, sent = sizes(port, origin, name, rdtype)
    return sent / asked


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--port", type=int, default=5390, help="first of seven")
    first = options.parse_args().port
    limits = len(KINDS)
    peer_port = first + 2 * limits
    worse = 0
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dnsctl-bench-")))
        files = {}
        for offset, origin in enumerate(KINDS):
            start_ours(stack, directory, first + offset, origin)
            files[origin] = directory / f"{origin}signed"
            save(first + offset, origin, files[origin])
            start_ours(stack, directory, first + limits + offset, origin, "--rate-limit", "1")
        knot = Path("/usr/sbin/knotd").exists()
        if knot:
            start_knot(stack, directory, peer_port, files)
        for offset, origin in enumerate(KINDS):
            print(f"\n{origin}, DO, octets sent for each octet asked\n")
            print("| query | asked | dnsctl | Knot | dnsctl / Knot | dnsctl beyond the rate |")
            print("|---|---|---|---|---|---|")
            ratios = []
            for name, rdtype in QUERIES:
                asked, ours = sizes(first + offset, origin, name, rdtype)
                theirs = sizes(peer_port, origin, name, rdtype)[1] if knot else 0
                cut = limited(first + limits + offset, origin, name, rdtype)
                ratios.append(ours / asked)
                worse += bool(theirs) and ours > theirs
                peer = f"{theirs / asked:.2f} | {ours / theirs:.2f}" if theirs else "- | -"
                shown = f"{name or '@'} {rdtype}"
                print(f"| {shown} | {asked} | {ours / asked:.2f} | {peer} | {cut:.2f} |")
            print(f"\nmedian {statistics.median(ratios):.2f}, largest {max(ratios):.2f}")
    print(f"\nlarger than Knot's: {worse}")


if __name__ == "__main__":
    main()
