"""From the octets of a query to the octets of the response: never raises, whatever the octets are.

The order: what cannot be parsed is dropped or rejected; EDNS version; class; types that are no data; zone;
answer; size. A zone that cannot be served right gets SERVFAIL, never a wrong answer.
"""

from __future__ import annotations

import logging

from dnsctl.errors import DnsctlError
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type
from dnsctl.serve import edns as edns_
from dnsctl.serve.answer import Answer, answer
from dnsctl.serve.direct import Direct
from dnsctl.serve.failures import FailureLog
from dnsctl.serve.lookup import Zones
from dnsctl.serve.question import (
    AA,
    HEADER,
    HEADER_LENGTH,
    OPCODE,
    QR,
    RD,
    TC,
    Question,
    Rcode,
    Rejected,
    Unanswerable,
    parse,
)
from dnsctl.serve.wire import Response

_IN = 1
_MAX_MESSAGE = 65535  # octets over a stream, RFC 1035 §4.2.2
_META_QUERIES = frozenset((int(Type.IXFR), int(Type.AXFR), 253, 254))  # MAILB, MAILA: obsolete, RFC 973
_log = logging.getLogger(__name__)


class Responder:
    """Answers queries from the image that a reader sees. One a process, or one a thread."""

    def __init__(self, identity: str = "") -> None:
        self._identity = identity.encode()
        self._zones: Zones | None = None
        self._direct: Direct | None = None
        self.failures = FailureLog(_log)

    def respond(self, reader: Reader, message: bytes, *, stream: bool) -> Response | None:
        """Return the response to `message`, or None where there must be none."""
        found = None if stream else self.short(reader, message)
        return self.long(reader, message, stream=stream) if found is None else found

    def short(self, reader: Reader, message: bytes) -> Response | None:
        """Return the response to a UDP query if there is a short way to it (see `direct`)."""
        if self._direct is None or not self._direct.is_of(reader):
            self._direct = Direct(reader, self._current(reader))
        return self._direct.respond(message)

    def long(self, reader: Reader, message: bytes, *, stream: bool = False) -> Response | None:
        """Return the response to any message, or None where there must be none."""
        try:
            return self._respond(reader, message, stream)
        except Unanswerable:
            return None
        except Rejected as rejected:
            return self._bare(message, rejected.rcode, rejected.end)
        except Exception:  # noqa: BLE001 - whatever arrives, the worker lives on and the client hears
            self.failures.note("a query could not be answered", message)
            return self._bare(message, Rcode.SERVFAIL, HEADER_LENGTH)

    def explain(self, reader: Reader, message: bytes) -> Answer | None:
        """Return the way to the answer of a query, or None where no zone answers it."""
        question = parse(message)
        view = self._current(reader).find(question.name, question.rdtype)
        if view is None:
            return None
        signed = question.edns is not None and question.edns.dnssec
        return answer(reader, view, question.name, question.rdtype, signed)

    @property
    def zone(self) -> Name | None:
        """The zone that the last query with a zone was answered from."""
        return None if self._zones is None else self._zones.last

    def _current(self, reader: Reader) -> Zones:
        zones = self._zones
        if zones is None or not zones.is_of(reader):
            zones = self._zones = Zones(reader)
        return zones

    def _respond(self, reader: Reader, message: bytes, stream: bool) -> Response:
        question = parse(message)
        edns = question.edns
        if edns is not None and edns.version != edns_.VERSION:
            return self._final(message, question, Rcode.BADVERS)
        if question.rdclass != _IN:
            return self._final(message, question, Rcode.REFUSED)
        if question.rdtype in _META_QUERIES or question.rdtype == Type.OPT:
            rcode = Rcode.NOTIMP if question.rdtype != Type.OPT else Rcode.FORMERR
            return self._final(message, question, rcode)
        try:
            view = self._current(reader).find(question.name, question.rdtype)
            if view is None:
                return self._final(message, question, Rcode.REFUSED)
            found = answer(reader, view, question.name, question.rdtype, edns is not None and edns.dnssec)
        except (DnsctlError, KeyError, IndexError, ValueError):
            self.failures.note("a zone cannot be served", message)
            return self._final(message, question, Rcode.SERVFAIL)
        return self._final(message, question, found.rcode, found, stream)

    def _final(
        self,
        message: bytes,
        question: Question,
        rcode: Rcode,
        found: Answer | None = None,
        stream: bool = False,
    ) -> Response:
        """Put header, question, sections and OPT together, and cut what does not fit."""
        edns, end = question.edns, question.end
        opt = edns_.opt_record(edns, rcode, self._identity) if edns is not None else b""
        flags = QR | (message[2] << 8 & RD) | (rcode & 0xF)
        counts = [0, 0, 0]
        sections = b""
        if found is not None:
            sections = b"".join(found.draft.parts)
            counts = found.draft.counts
            flags |= AA if found.authoritative else 0
            if end + len(sections) + len(opt) > (_MAX_MESSAGE if stream else edns_.udp_limit(edns)):
                if stream:
                    return self._final(message, question, Rcode.SERVFAIL)
                flags |= TC
                sections, counts = b"", [0, 0, 0]
        header = HEADER.pack(
            message[0] << 8 | message[1], flags, 1, counts[0], counts[1], counts[2] + (1 if opt else 0)
        )
        wire = header + message[HEADER_LENGTH:end] + sections + opt
        return Response(wire, end, question.plain and rcode != Rcode.SERVFAIL)

    def _bare(self, message: bytes, rcode: Rcode, end: int) -> Response:
        """Return a response that says its RCODE and, where it was readable, the question."""
        questions = 1 if end > HEADER_LENGTH else 0
        flags = QR | (message[2] << 8 & (OPCODE | RD)) | rcode
        header = HEADER.pack(message[0] << 8 | message[1], flags, questions, 0, 0, 0)
        return Response(header + message[HEADER_LENGTH:end], end, False)


def is_transfer(message: bytes) -> bool:
    """True for a well-formed query for AXFR or IXFR (RFC 5936 §2.1, RFC 1995 §3)."""
    try:
        return parse(message).rdtype in (Type.AXFR, Type.IXFR)
    except (Unanswerable, Rejected):
        return False
