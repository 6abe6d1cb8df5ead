"""Links of the chaos bench: what is cut does not arrive, and what is slow is late."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_ASKER = """
import socket, sys, time
host, port = sys.argv[1], 5353
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1.0)
began = time.monotonic()
s.sendto(b"ping", (host, port))
try:
    s.recv(10)
    print(time.monotonic() - began)
except TimeoutError:
    print("lost")
"""
_ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5353))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(10)
    print("heard", flush=True)
    s.sendto(data, peer)
"""
_TRIAL = """
import json, subprocess, sys
from bench.faults.network import ADDRESSES, CUT, Condition, network

asker, echo = sys.argv[1:]
with network() as hosts:
    there = subprocess.Popen((*hosts.inside("ns2"), sys.executable, "-c", echo, ADDRESSES["ns2"]),
                             stdout=subprocess.PIPE, text=True)
    there.stdout.readline()
    def ask(host):
        command = (*hosts.inside(host), sys.executable, "-c", asker, ADDRESSES["ns2"])
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    told = {"good": ask("ns1")}
    hosts.let([("ns1", "ns2")], CUT)
    told |= {"cut": ask("ns1"), "of another link": ask("control")}
    hosts.heal()
    hosts.let([("ns2", "ns1")], CUT)
    told["cut back"] = ask("ns1")
    hosts.heal()
    hosts.let([("ns1", "ns2")], Condition(delay=0.2))
    told["slow"] = ask("ns1")
    hosts.heal()
    told["healed"] = ask("ns1")
    there.kill()
    told["heard"] = there.stdout.read().count("heard")
    print(json.dumps(told))
"""


def test_cut_and_slow_links_are_that_and_no_others_are():
    unshare = ("unshare", "--net", "--mount")
    if not shutil.which("unshare") or not shutil.which("nsenter") or not shutil.which("ip"):
        pytest.skip("needs unshare, nsenter and ip")
    if subprocess.run((*unshare, "true"), capture_output=True, check=False).returncode:
        pytest.skip("needs root")
    done = subprocess.run(
        (*unshare, sys.executable, "-c", _TRIAL, _ASKER, _ECHO),
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    if "NoNetworkError" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["cut"], told["cut back"]) == ("lost", "lost")
    assert told["heard"] == 5  # all but what was cut on its way there
    assert all(told[each] != "lost" for each in ("good", "of another link", "slow", "healed"))
    assert float(told["slow"]) >= 0.2
