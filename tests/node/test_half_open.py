"""Connections that are begun in other people's names and never completed, in a network of the test's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.build import validated
from tests.node.running import publish

_NETWORK = """
set -e
ip link set lo up
ip link add v0 type veth peer name v1
ip addr add 192.0.2.53/24 dev v0
ip link set v0 up
ip link set v1 up
ip neigh add 192.0.2.99 lladdr 02:00:00:00:00:01 dev v0  # who never answers
ip route add 198.51.100.0/24 via 192.0.2.99
for one in all v0 lo; do echo 0 > /proc/sys/net/ipv4/conf/$one/rp_filter; done
"""
_FLOOD = """
import json, random, socket, struct, sys, time
from pathlib import Path
import dns.message, dns.query
from tests.node.running import running

ADDRESS, SYN = "192.0.2.53", 0x02
QUERY = dns.message.make_query("www.example.com", "A")

def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF

def opening(port):
    source = socket.inet_aton(f"198.51.100.{random.randrange(1, 255)}")
    target = socket.inet_aton(ADDRESS)
    head = struct.pack("!HHIIBB", random.randrange(1024, 65536), port, random.getrandbits(32), 0, 0x50, SYN)
    segment = head + struct.pack("!HHH", 65535, 0, 0)
    summed = checksum(source + target + struct.pack("!HH", socket.IPPROTO_TCP, len(segment)) + segment)
    segment = head + struct.pack("!HHH", 65535, summed, 0)
    first = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, socket.IPPROTO_TCP, 0)
    return first + source + target + segment

def half_open():
    return sum(line.split()[3] == "03" for line in Path("/proc/net/tcp").read_text().splitlines()[1:])

with running(Path(sys.argv[1]), [(ADDRESS, 0)]) as node:
    port = node.port
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    answered, most = 0, 0
    for _ in range(20):
        for _ in range(500):
            raw.sendto(opening(port), (ADDRESS, 0))
        answered += bool(dns.query.tcp(QUERY, ADDRESS, port=port, timeout=3).answer)
        most = max(most, half_open())
    stream = node.children()["stream"]
    open_files = len(list(Path(f"/proc/{stream}/fd").iterdir()))
    print(json.dumps([answered, most, open_files]))
"""


def network(*command: str) -> list[str]:
    script = f'{_NETWORK}\nexec "$@"'
    return ["unshare", "--net", "--mount", "bash", "-c", script, "bash", *command]


def need_network() -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs root, unshare and ip")
    tried = subprocess.run(network("true"), capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network of our own: {tried.stderr.strip()}")


def test_flood_of_half_open_connections_keeps_nobody_out(tmp_path: Path):
    need_network()
    publish(tmp_path, [validated("example.com.", "www A 192.0.2.1\n")])
    root = Path(__file__).parents[2]
    told = subprocess.run(
        network(sys.executable, "-c", _FLOOD, str(tmp_path)),
        cwd=root, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    answered, half_open, open_files = map(int, told.stdout.strip("[] \n").split(","))
    assert answered == 20
    assert half_open > 100  # the flood did arrive
    assert open_files < 60  # and reached no further than the kernel
