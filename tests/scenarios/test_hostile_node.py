"""Commands beside a node whose agent is hostile: what the other node says is shown, the hostile one is named.

The agent of ns2 is replaced by whoever has its certificate, or somebody else's. No command takes longer than
the deadline of a request, which is two seconds here; the longest of all is ten.
"""

import contextlib
import functools
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from dnsctl.replicate import client, tls
from dnsctl.replicate.pki import Credentials
from tests.control.operations import NODES, Operations, made, zone

DEADLINE = 2.0  # seconds
LONGER = 2.0  # seconds, at most, beside a dead node
Act = Callable[[ssl.SSLSocket], object]
HEAD = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"


def forever(piece: bytes, pause: float = 0.0, head: bytes = HEAD) -> Act:
    def act(connection: ssl.SSLSocket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return act


def sent(octets: bytes) -> Act:
    return lambda connection: connection.sendall(octets)


def body(text: str | bytes) -> Act:
    return sent(HEAD + (text.encode() if isinstance(text, str) else text))


# What is done to a connection, and the reason that is told.
ACTS: dict[str, tuple[Act, str]] = {
    "silent": (lambda connection: time.sleep(30), "did not answer in time"),
    "drips a body": (forever(b" ", 0.3), "did not answer in time"),
    "drips a head": (forever(b"a: b\r\n", 0.3, b"HTTP/1.1 200 OK\r\n"), "did not answer in time"),
    "endless body": (forever(b"a" * 65536), "sent too many octets|did not answer in time"),
    "slow enough to be a transfer": (forever(b"a" * 65536, 0.5), "too many octets|did not answer in time"),
    "endless head": (forever(b"a: b\r\n" * 1000, 0.0, b"HTTP/1.1 200 OK\r\n"), "cannot be reached"),
    "endless values": (forever(b"[]," * 4096), "sent too many "),
    "ends at once": (lambda connection: None, "cannot be reached"),
    "octets of no protocol": (sent(os.urandom(4096)), "cannot be reached"),
    "not JSON": (body("hello"), "sent something that is not a JSON object"),
    "another kind of JSON": (body("[1, 2]"), "sent something that is not a JSON object"),
    "nested": (body("[" * 60_000), "sent "),
    "nested objects": (body('{"a":' * 1000 + "1" + "}" * 1000), "sent "),
    "not text": (body(b'{"name": "\xff\xfe"}'), "sent something that is not a JSON object"),
    "half of it": (sent(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{}"), "cannot be reached"),
    "leads elsewhere": (sent(b"HTTP/1.1 302 F\r\nlocation: http://192.0.2.1/\r\n\r\n"), "HTTP status 302"),
}  # fmt: skip

# What a status says that none may.
CLAIMS: dict[str, object] = {
    "generation": 10**300,
    "zone_count": -1,
    "created": 2.5,
    "time": float("nan"),
    "expiry": float("inf"),
    "inception": True,
    "manifest": None,
    "workers": "two",
    "refusal": [],
    "prepared": "yes",
    "damage": {"at": 2**60, "reason": "", "mended": False},
    "zones": {"example.com.": {"serial": 1.5}},
    "name": "\ud800",
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """A fleet with two releases, one commit that is not released, and no ns2 any more."""
    with made(tmp_path_factory.mktemp("hostile") / "ops", "none") as operations:
        operations.start(*NODES)
        for address in ("192.0.2.80", "192.0.2.81"):
            operations.write("zones/example.com.yaml", zone(address))
            operations.commit(address)
            assert operations.run("push").returncode == 0
        operations.end("ns2")
        operations.write("zones/example.com.yaml", zone("192.0.2.82"))
        operations.commit("to be released")
        yield operations


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = functools.partial(client.Patience, connect=DEADLINE, short=DEADLINE, status=DEADLINE)
    monkeypatch.setattr(client, "Patience", patience)


@contextlib.contextmanager
def acting(repo: Operations, act: Act, who: str = "ns2") -> Iterator[None]:
    """Answer at the agent's address of ns2 with the certificate of `who`."""
    pki = repo.root / "keys" / "pki"
    credentials = Credentials(pki / "ca.crt", pki / f"{who}.crt", pki / f"{who}.pem")
    context = tls.server_context(credentials, datetime.now(UTC))
    listener = socket.create_server(("127.0.0.1", repo.ports["ns2"][1]), backlog=16)

    def answer(accepted: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(accepted, server_side=True) as connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            act(connection)

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def claimed(**changes: object) -> Act:
    told: dict[str, Any] = {
        "name": "ns2", "site": "dc2", "generation": 2, "manifest": "ab" * 32, "created": 1, "prepared": None,
        "refusal": None, "workers": 1, "zone_count": 1, "expiry": None, "inception": None,
        "time": time.time(), "zones": {}, "damage": None,
    }  # fmt: skip
    return body(json.dumps({**told, **changes}))


def timed(repo: Operations, *arguments: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it printed, having seen that it did not take too long."""
    began = time.monotonic()
    done = repo.run(*arguments)
    assert time.monotonic() - began < DEADLINE + LONGER + 1.0
    told = done.stdout + done.stderr
    assert "Traceback" not in told and "internal error" not in told and "\x1b" not in told
    assert len(done.stderr) < 4000
    return done.returncode, done.stdout, done.stderr


def check_status(repo: Operations, reason: str, codes: tuple[int, ...] = (2,)) -> None:
    code, out, _ = timed(repo, "status", "--json")
    nodes = {each["node"]: each for each in json.loads(out)["nodes"]}
    assert code in codes
    assert nodes["ns1"]["reachable"] and nodes["ns1"]["generation"] == 2
    assert not nodes["ns2"]["reachable"]
    assert nodes["ns2"]["reason"].startswith("ns2: ")
    assert re.search(reason, nodes["ns2"]["reason"])


def check_push(repo: Operations, reason: str, verb: str = "push") -> None:
    code, _, err = timed(repo, verb)
    assert code == 1
    last = next(line for line in reversed(err.splitlines()) if line.startswith("dnsctl: "))
    assert last.startswith("dnsctl: ns2: ") and re.search(reason, last)


@pytest.mark.parametrize("kind", ACTS)
def test_status_and_push_tell_what_is_wrong_with_a_hostile_node(repo: Operations, kind: str) -> None:
    act, reason = ACTS[kind]
    with acting(repo, act):
        check_status(repo, reason, codes=(1, 2))
        check_push(repo, reason)


@pytest.mark.parametrize("field", CLAIMS)
def test_status_tells_what_a_node_may_not_claim(repo: Operations, field: str) -> None:
    named = {"damage": "at", "zones": "serial"}.get(field, field)
    with acting(repo, claimed(**{field: CLAIMS[field]})):
        check_status(repo, f"sent a status that is not valid: {named}")


@pytest.mark.parametrize("kind", ["silent", "nested objects"])
def test_plan_and_rollback_beside_a_hostile_node(repo: Operations, kind: str) -> None:
    act, reason = ACTS[kind]
    with acting(repo, act):
        code, out, err = timed(repo, "plan")
        assert code == 2 and "192.0.2.82" in out
        assert f"not asked what is served: ns2: {reason}" in err
        check_push(repo, reason, "rollback")


def test_clock_that_one_node_claims_hides_no_plan_and_stops_a_push_by_name(repo: Operations) -> None:
    with acting(repo, claimed(time=time.time() + 10**6)):
        code, out, err = timed(repo, "plan")
        assert code == 2 and "192.0.2.82" in out
        assert "ns2" in err
        check_push(repo, "clock")


def test_release_that_one_node_claims_and_does_not_show_hides_no_plan(repo: Operations) -> None:
    with acting(repo, claimed(generation=10**9)):
        code, out, _ = timed(repo, "plan")
        assert code == 2 and "192.0.2.82" in out
        check_push(repo, "generation 1000000000")


def test_node_with_the_certificate_of_another_is_named(repo: Operations) -> None:
    with acting(repo, claimed(), who="ns1"):
        check_status(repo, "certificate", codes=(1,))
        check_push(repo, "certificate")


def test_site_of_a_hostile_node_is_left_out_at_no_cost(repo: Operations) -> None:
    repo.write("zones/example.com.yaml", zone("192.0.2.83"))
    repo.commit("pushed beside it")
    with acting(repo, ACTS["silent"][0]):
        began = time.monotonic()
        done = repo.run("push", "--without", "dc2", "--reason", "hostile")
        assert done.returncode == 3, done.stderr
        assert "verified on ns1" in done.stdout
        assert time.monotonic() - began < 10
