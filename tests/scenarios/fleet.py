"""A fleet of two sites on loopback for stories: the real command line, real processes, a git repo."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.query
import dns.rdatatype

from dnsctl.demo.rehearsal import Ran, Rehearsal, RehearsalError, environment, rehearsal
from dnsctl.model.repo import KEYS
from tests import processes
from tests.passphrase import PASSPHRASE

ZONE = """\
'':
  - {type: A, ttl: 300, value: 192.0.2.1}
  - {type: MX, value: {preference: 10, exchange: mail.example.com.}}
mail: {type: A, value: 192.0.2.25}
www: {type: A, ttl: 300, value: 192.0.2.80}
'*.apps': {type: CNAME, value: www.example.com.}
"""


class Forked(Rehearsal):
    """A rehearsal whose processes do not load all modules anew: each is forked from one that has them."""

    def run(self, *arguments: str, expect: tuple[int, ...] = (0,)) -> Ran:
        done = processes.run(arguments, self.root, environment())
        ran = Ran(done.returncode, tuple(done.stdout.splitlines()), tuple(done.stderr.splitlines()))
        if ran.code not in expect:
            raise RehearsalError(f"{arguments} ended with exit code {ran.code}: {ran.told or ran.lines}")
        return ran

    def start(self, name: str) -> None:
        log = self._log(name)
        command = processes.dnsctl, "serve", "--node", name
        process = processes.start(
            *command, directory=self.root, variables=environment(), output=log, errors=log
        )
        self.nodes[name] = cast("subprocess.Popen[bytes]", process)


@contextlib.contextmanager
def forked(directory: Path) -> Iterator[Rehearsal]:
    """Yield what `rehearsal` does, with processes that are forked."""
    with rehearsal(directory) as stage:
        keys = stage.root / KEYS
        keys.mkdir()
        (keys / "passphrase").write_bytes(PASSPHRASE + b"\n")  # instead of the one that `init` would draw
        (keys / "passphrase").chmod(0o600)
        yield Forked(stage.root, stage.nodes)  # whatever runs at the end is ended as in any rehearsal


def write_zone(stage: Rehearsal, text: str, name: str = "example.com.yaml") -> None:
    (stage.root / "zones" / name).write_text(text)


def commit(stage: Rehearsal, message: str = "a change") -> None:
    stage.git("add", "--all")
    stage.git("commit", "--quiet", "--no-verify", "--message", message)


def change(stage: Rehearsal, old: str, new: str, name: str = "example.com.yaml") -> None:
    """Replace text in a zone file and commit that."""
    path = stage.root / "zones" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    commit(stage)


def ask(
    stage: Rehearsal, node: str, owner: str, rdtype: str = "A", *, stream: bool = False, timeout: float = 20
) -> dns.message.Message:
    endpoint = stage.fleet[node].listen[0]
    query = dns.message.make_query(owner, rdtype, want_dnssec=True, payload=1232)
    query.flags &= ~dns.flags.RD
    if stream:
        return dns.query.tcp(query, endpoint.address, timeout=timeout, port=endpoint.port)
    return dns.query.udp_with_fallback(query, endpoint.address, timeout=timeout, port=endpoint.port)[0]


def texts(answer: dns.message.Message, rdtype: str) -> set[str]:
    """Return the rdata of one type in the answer section, as text."""
    kind = dns.rdatatype.from_text(rdtype)
    return {rdata.to_text() for rrset in answer.answer if rrset.rdtype == kind for rdata in rrset}


def serials(stage: Rehearsal, zone: str = "example.com.") -> dict[str, int]:
    """Return the SOA serial at every node that runs; 0 where the zone is not served."""
    found = {}
    for name in stage.nodes:
        answer = ask(stage, name, zone, "SOA")
        found[name] = answer.answer[0][0].serial if answer.answer else 0
    return found


def is_up(stage: Rehearsal, node: str) -> bool:
    with contextlib.suppress(OSError, dns.exception.DNSException):
        ask(stage, node, "example.com.", "SOA", timeout=3)
        return True
    return False


def start_all(stage: Rehearsal) -> None:
    for name in stage.fleet:
        stage.start(name)
    stage.wait(lambda: all(is_up(stage, name) for name in stage.fleet), "an answer of every node")


@contextlib.contextmanager
def deployed(directory: Path, zone: str = ZONE) -> Iterator[Rehearsal]:
    """Yield a fleet that serves `zone` as example.com after a first push."""
    with forked(directory) as stage:
        stage.run("init")
        stage.use_free_ports()
        write_zone(stage, zone)
        commit(stage, "the first zone")
        start_all(stage)
        stage.run("push")
        yield stage


def one_message(ran: Ran) -> str:
    """Return what a failed command printed, having made sure that it is not a traceback."""
    told = "\n".join(ran.lines + ran.told)
    assert "Traceback" not in told and "internal error" not in told, told
    return told
