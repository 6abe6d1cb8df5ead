"""Ask a name server over real sockets: UDP with many questions outstanding, TCP if an answer is truncated.

What comes back is octets, matched to its question by source, ID and question section; reading them is
`decoders`. A `Channel` belongs to one address of one node and is never shared between threads.
"""

from __future__ import annotations

import secrets
import selectors
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import Name

MAX_UDP_PAYLOAD = 1232  # octets, DNS Flag Day 2020
MIN_UDP_PAYLOAD = 512  # octets, RFC 1035 §2.3.4, RFC 6891 §6.2.3
WINDOW = 48  # questions outstanding at one address: their answers fit a socket's default buffer
_MORE_ATTEMPTS = 5  # with those before, one question in 25,000 is lost where a link loses 15 % each way
_TC = 0x02  # in the third octet of a message
_IN = 1
_OPT_DO = 0x8000  # RFC 3225 §3


class Question(NamedTuple):
    """What to ask and how. `payload` is the EDNS size, 0: no EDNS at all; `stream`: over TCP at once."""

    qname: Name
    qtype: int
    payload: int = MAX_UDP_PAYLOAD
    stream: bool = False

    @property
    def section(self) -> bytes:
        return self.qname + struct.pack("!HH", self.qtype, _IN)

    def to_wire(self, identifier: int) -> bytes:
        """Return the query message, with DO where it has EDNS. RD is clear: this is for authorities."""
        header = struct.pack("!HHHHHH", identifier, 0, 1, 0, 0, 1 if self.payload else 0)
        opt = struct.pack("!BHHIH", 0, 41, self.payload, _OPT_DO, 0) if self.payload else b""
        return header + self.section + opt


class Reply(NamedTuple):
    """What came back. `datagram`: the size of the answer over UDP (before TCP was asked), 0 without UDP."""

    wire: bytes | None
    datagram: int = 0
    reason: str = ""


@dataclass(slots=True)
class _Batch:
    """Questions under way over UDP: `waiting` maps a message ID to the question's place."""

    questions: Sequence[Question]
    waiting: dict[int, int]
    replies: list[Reply]
    refused: str = ""


class Channel:
    """One address of one node, asked in batches: `post` sends, `collect` waits for what is missing.

    `timeout` is in seconds for one attempt; there are more of them at an address that has answered, since
    links lose datagrams. An address that never answered a whole batch is `silent`: later
    batches are not sent to it, so that a dead node costs one batch and not the whole of the run.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = 1.0, attempts: int = 3) -> None:
        self.endpoint = endpoint
        self.silent = ""
        self._timeout = timeout
        self._attempts = attempts
        self._has_answered = False
        self._family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
        self._batch: _Batch | None = None
        try:
            self._socket.setblocking(False)
            self._socket.connect(endpoint)
        except OSError as error:
            self.silent = error.strerror or str(error)

    @property
    def address(self) -> str:
        return str(self.endpoint)

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def post(self, questions: Sequence[Question]) -> None:
        """Send one batch of at most WINDOW questions; those that go over TCP wait for `collect`."""
        base = secrets.randbelow(65536)
        waiting = {(base + at) & 0xFFFF: at for at, one in enumerate(questions) if not one.stream}
        self._batch = _Batch(questions, waiting, [Reply(None, reason="no answer")] * len(questions))
        if not self.silent:
            self._batch.refused = self._send(self._batch)

    def collect(self) -> list[Reply]:
        """Return a reply for each question of the batch that was posted last, in its order."""
        batch, self._batch = self._batch, None
        assert batch is not None, "collect without post"  # noqa: S101 - a mistake of the caller
        if self.silent:
            return [Reply(None, reason=self.silent)] * len(batch.questions)
        reason, attempt = "", 0
        while attempt < self._attempts + (_MORE_ATTEMPTS if self._has_answered else 0):
            if attempt:
                batch.refused = self._send(batch)
            attempt += 1
            reason = batch.refused or self._receive(batch)
            if not batch.waiting:
                break
            if reason:
                time.sleep(0.05)  # refused: a node that restarts is back within moments
        asked = sum(not one.stream for one in batch.questions)
        if asked and len(batch.waiting) == asked:
            self.silent = reason or f"no answer within {self._timeout * self._attempts:g} s"
            return [Reply(None, reason=self.silent)] * len(batch.questions)
        self._follow_up(batch)
        return batch.replies

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """Ask any number of questions, batch after batch."""
        replies: list[Reply] = []
        for start in range(0, len(questions), WINDOW):
            self.post(questions[start : start + WINDOW])
            replies += self.collect()
        return replies

    def _send(self, batch: _Batch) -> str:
        """Send what is not answered yet. Return why it can't be: an error of what was sent before counts."""
        for identifier, at in batch.waiting.items():
            try:
                self._socket.send(batch.questions[at].to_wire(identifier))
            except BlockingIOError:
                return ""  # the rest goes with the next attempt
            except OSError as error:
                return error.strerror or str(error)
        return ""

    def _receive(self, batch: _Batch) -> str:
        """Take what arrives until all is there or the timeout has passed. Return why nothing can arrive."""
        ends = time.monotonic() + self._timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            while batch.waiting and (left := ends - time.monotonic()) > 0:
                try:
                    self._place(batch, self._socket.recv(65535))
                except BlockingIOError:
                    selector.select(left)
                except OSError as error:
                    return error.strerror or str(error)
        return ""

    def _place(self, batch: _Batch, wire: bytes) -> None:
        at = batch.waiting.get(int.from_bytes(wire[:2], "big"), -1)
        if at < 0 or not _echoes(wire, batch.questions[at]):
            return  # late, or not ours
        del batch.waiting[int.from_bytes(wire[:2], "big")]
        self._has_answered = True
        batch.replies[at] = Reply(wire, len(wire))

    def _follow_up(self, batch: _Batch) -> None:
        """Ask over TCP what was cut short over UDP (RFC 7766 §5), and what asks for TCP."""
        wanted = [
            at
            for at, (question, reply) in enumerate(zip(batch.questions, batch.replies, strict=True))
            if question.stream or (reply.wire is not None and is_truncated(reply.wire))
        ]
        if not wanted:
            return
        for at, reply in zip(wanted, self._ask_stream([batch.questions[at] for at in wanted]), strict=True):
            batch.replies[at] = reply._replace(datagram=batch.replies[at].datagram)

    def _ask_stream(self, questions: Sequence[Question]) -> list[Reply]:
        """Ask over one TCP connection, pipelined; answers may come in any order (RFC 7766 §6.2.1.1)."""
        replies = [Reply(None, reason="no answer over TCP")] * len(questions)
        base = secrets.randbelow(65536)
        waiting = {(base + at) & 0xFFFF: at for at in range(len(questions))}
        messages = [questions[at].to_wire(identifier) for identifier, at in waiting.items()]
        try:
            with socket.create_connection(self.endpoint, timeout=self._timeout * self._attempts) as stream:
                stream.settimeout(self._timeout * self._attempts)
                stream.sendall(b"".join(struct.pack("!H", len(each)) + each for each in messages))
                with stream.makefile("rb") as incoming:
                    while waiting:
                        (length,) = struct.unpack("!H", incoming.read(2))
                        wire = incoming.read(length)
                        at = waiting.pop(int.from_bytes(wire[:2], "big"), -1)
                        if at >= 0 and len(wire) == length and _echoes(wire, questions[at]):
                            replies[at] = Reply(wire)
        except (OSError, struct.error) as error:
            reason = f"TCP: {getattr(error, 'strerror', None) or 'closed before the answer'}"
            return [each if each.wire else Reply(None, reason=reason) for each in replies]
        return replies


def is_truncated(response: bytes) -> bool:
    """True where TC is set: the answer is cut short (RFC 1035 §4.1.1)."""
    return bool(response[2] & _TC)


def _echoes(wire: bytes, question: Question) -> bool:
    """True where `wire` is a response to `question`: QR set, and the question section is the same.

    An error may come without a question section, where the server could not read it.
    """
    if len(wire) < 12 or not wire[2] & 0x80:
        return False
    end = 12 + len(question.qname)  # a type can be a letter (HTTPS is `A`): only the name is lower-cased
    echoed = wire[12:end].lower() + wire[end : end + 4]
    return echoed == question.section or wire[4:6] == b"\0\0"
