"""A hostile neighbour of each kind beside pushes and a node that catches up: prints what it costs the others.

    .venv/bin/python -m bench.hostile [KIND...] [--connections 14309] [--octets 199229440] [--clients 8]

Begins a fleet of three nodes as an operator does. The neighbour attacks the agent of ns1, with the
certificate of ns2 or without any, or answers in place of ns2, which is then left out of the pushes.
Meanwhile the fleet is pushed to, and ns3 is emptied and started. Times are in seconds; memory, in MB, is the
most that the agent of ns1 had resident. Exit code 1 where a push or a catch-up took two seconds longer than
without a neighbour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from dnsctl.demo.rehearsal import Rehearsal, rehearsal
from dnsctl.replicate import tls
from dnsctl.replicate.pki import Credentials
from tests.node.test_signals import children
from tests.scenarios.fleet import ZONE, commit, is_up, start_all, write_zone

LONGER = 2.0  # seconds at most
_STATUS = b"GET /v1/status HTTP/1.1\r\nhost: ns1\r\n\r\n"
_REQUESTS = {
    "status": _STATUS,
    "pipelined": _STATUS * 50,
    "releases": b"GET /v1/releases?after=0 HTTP/1.1\r\nhost: ns1\r\n\r\n",
    "snapshots": b"GET /v1/snapshot HTTP/1.1\r\nhost: ns1\r\n\r\n",
    "activate": b"POST /v1/activate HTTP/1.1\r\nhost: ns1\r\ncontent-length: 2\r\n\r\n{}",
    "forbidden": b"POST /v1/prepare HTTP/1.1\r\nhost: ns1\r\ncontent-length: 2\r\n\r\n{}",
}
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Setting:
    """What a neighbour has: where it asks, where it answers, the certificate of ns2, and how much of it."""

    agent: tuple[str, int]
    place: tuple[str, int]
    credentials: Credentials
    clients: int
    connections: int
    octets: int


@contextmanager
def _asking(setting: Setting, request: bytes) -> Iterator[None]:
    """Ask one thing as fast as answers come, over connections that stay open."""
    context = tls.client_context(setting.credentials, datetime.now(UTC))

    def ask() -> None:
        with _connected(setting.agent) as plain, _wrapped(context, plain) as connection:
            while True:
                connection.sendall(request)
                if not connection.recv(1 << 18):
                    return

    with _repeated(setting.clients, ask):
        yield


@contextmanager
def _shaking(setting: Setting) -> Iterator[None]:
    """Begin one handshake after the other, without a certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def shake() -> None:
        with _connected(setting.agent) as plain, _wrapped(context, plain) as connection:
            connection.recv(1)

    with _repeated(setting.clients, shake):
        yield


@contextmanager
def _connecting(setting: Setting) -> Iterator[None]:
    """Open connections that say nothing, and open those again that are cut."""

    def open_all() -> None:
        kept: list[socket.socket] = []
        while True:
            with contextlib.suppress(OSError):
                kept.append(socket.create_connection(setting.agent, timeout=10))
            if len(kept) >= setting.connections // setting.clients:
                kept.pop(0).close()

    with _repeated(setting.clients, open_all):
        yield


@contextmanager
def _answering(setting: Setting) -> Iterator[None]:
    """Answer in place of ns2: every question with a list of empty lists."""
    context = tls.server_context(setting.credentials, datetime.now(UTC))
    piece = b"[]," * 2**20

    def answer(client: socket.socket) -> None:
        with contextlib.suppress(OSError), _wrapped(context, client, server=True) as connection:
            connection.recv(4096)
            connection.sendall(b'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"releases":[')
            for _ in range(setting.octets // len(piece)):
                connection.sendall(piece)

    def listen() -> None:
        with socket.create_server(setting.place, backlog=64) as listener:
            while True:
                client, _ = listener.accept()
                threading.Thread(target=answer, args=(client,), daemon=True).start()

    with _repeated(1, listen):
        yield


_KINDS: dict[str, Callable[[Setting], AbstractContextManager[None]]] = {
    **{kind: partial(_asking, request=request) for kind, request in _REQUESTS.items()},
    "handshakes": _shaking,
    "connections": _connecting,
    "lists": _answering,
}


@contextmanager
def _repeated(times: int, work: Callable[[], None]) -> Iterator[None]:
    """Do `work` over and over in so many processes."""

    def repeat() -> None:
        os.nice(5)  # another machine would not take our cores
        while True:
            with contextlib.suppress(OSError):
                work()
            time.sleep(0.001)

    processes = [_FORK.Process(target=repeat, daemon=True) for _ in range(times)]
    for one in processes:
        one.start()
    try:
        time.sleep(1.0)
        yield
    finally:
        for one in processes:
            one.kill()
            one.join()


def _connected(where: tuple[str, int]) -> socket.socket:
    return socket.create_connection(where, timeout=10)


def _wrapped(context: ssl.SSLContext, plain: socket.socket, *, server: bool = False) -> ssl.SSLSocket:
    return context.wrap_socket(plain, server_side=server, server_hostname=None if server else "ns1")


# -- What the fleet does meanwhile ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """`push` and `catch_up` in seconds, `memory` in MB, `lines` in the log of ns1 a second."""

    push: float
    catch_up: float
    memory: int
    lines: float


def _measured(stage: Rehearsal, pushes: int, *options: str) -> Cost:
    agent = children(stage)["agent"]
    Path(f"/proc/{agent}/clear_refs").write_text("5")  # the peak begins anew
    log = stage.root / "state" / "ns1.log"
    began, told = time.monotonic(), len(log.read_text().splitlines())
    slowest = max(_pushed(stage, *options) for _ in range(pushes))
    catch_up = _caught_up(stage)
    lines = (len(log.read_text().splitlines()) - told) / (time.monotonic() - began)
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{agent}/status").read_text())
    return Cost(slowest, catch_up, int(peak.group(1)) // 1024 if peak else 0, lines)


def _pushed(stage: Rehearsal, *options: str) -> float:
    write_zone(stage, ZONE + f"t{time.time_ns()}: {{type: TXT, value: one}}\n")
    commit(stage)
    began = time.monotonic()
    stage.run("push", *options, expect=(3,) if options else (0,))
    return time.monotonic() - began


def _caught_up(stage: Rehearsal) -> float:
    """Empty ns3 and start it; return the seconds until it answers."""
    stage.kill("ns3")
    shutil.rmtree(stage.root / "state" / "nodes" / "ns3")
    began = time.monotonic()
    stage.start("ns3")
    while not is_up(stage, "ns3"):
        if time.monotonic() - began > 60:
            return float("inf")
        time.sleep(0.02)
    return time.monotonic() - began


def _setting(stage: Rehearsal, asked: argparse.Namespace) -> Setting:
    pki = stage.root / "keys" / "pki"
    agent, place = (urlsplit(stage.fleet[name].control) for name in ("ns1", "ns2"))
    return Setting(
        (str(agent.hostname), int(agent.port or 0)),
        (str(place.hostname), int(place.port or 0)),
        Credentials(pki / "ca.crt", pki / "ns2.crt", pki / "ns2.pem"),
        asked.clients,
        asked.connections,
        asked.octets,
    )


def _status_memory(stage: Rehearsal) -> int:
    """Return the MB that `dnsctl status` had resident at most."""
    done = subprocess.run(
        (sys.executable, "-c", _STATUS_AND_PEAK), cwd=stage.root, capture_output=True, text=True, check=True
    )
    return int(json.loads(done.stdout.splitlines()[-1]))


_STATUS_AND_PEAK = """
import resource, subprocess, sys
subprocess.run((sys.executable, "-m", "dnsctl", "status"), stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def _add_third(stage: Rehearsal) -> None:
    path = stage.root / "dnsctl.yaml"
    third = '  dc3:\n    nodes:\n      ns3: {listen: ["127.0.0.1:5303"], control: "https://127.0.0.1:8303"}\n'
    path.write_text(path.read_text().replace("  dc2:\n", f"{third}  dc2:\n"))
    stage.run("init")
    stage.use_free_ports()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("kinds", nargs="*", choices=[*_KINDS, []], metavar="KIND", help=", ".join(_KINDS))
    options.add_argument("--connections", type=int, default=14_309, help="that say nothing")
    options.add_argument("--octets", type=int, default=190 * 2**20, help="of an answer of empty lists")
    options.add_argument("--clients", type=int, default=8, help="processes that attack")
    options.add_argument("--pushes", type=int, default=3)
    asked = options.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    slow, usual = False, Cost(0.0, 0.0, 0, 0.0)
    with tempfile.TemporaryDirectory() as directory, rehearsal(Path(directory) / "ops") as stage:
        stage.run("init")
        _add_third(stage)
        write_zone(stage, ZONE)
        commit(stage)
        start_all(stage)
        stage.run("push")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        print("| neighbour | push s | catch-up s | memory MB | lines a second |\n|---|---|---|---|---|")
        for kind in ("none", *(asked.kinds or _KINDS)):
            without: tuple[str, ...] = ()
            if kind == "lists":
                stage.kill("ns2")
                without = ("--without", "dc2", "--reason", "hostile")
            around = _KINDS[kind](_setting(stage, asked)) if kind != "none" else contextlib.nullcontext()
            with around:
                cost = _measured(stage, asked.pushes, *without)
                more = f"; `status` {_status_memory(stage)}" if kind == "lists" else ""
            if without:
                stage.start("ns2")
                stage.wait(lambda: is_up(stage, "ns2"), "an answer of ns2")
            if kind == "none":
                usual = cost
            slow |= cost.push > usual.push + LONGER or cost.catch_up > usual.catch_up + LONGER
            times = f"{cost.push:.1f} | {cost.catch_up:.1f}"
            print(f"| {kind} | {times} | {cost.memory}{more} | {cost.lines:.1f} |", flush=True)
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
