"""From the octets of a query to the octets of the response: never raises, whatever the octets are.

In this order: drop or reject what cannot be parsed; TSIG; EDNS version; options; cookie; opcode; class; types
that are not data; zone; answer; size. A zone that cannot be served right gets SERVFAIL, never a wrong answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from dnsctl.errors import DnsctlError
from dnsctl.image.fragment import find
from dnsctl.image.reader import Reader
from dnsctl.model.fleet import Network
from dnsctl.model.message_size import MAX_MESSAGE
from dnsctl.model.name import ROOT
from dnsctl.model.rrset import CLASS_IN, Type
from dnsctl.model.soa import intervals_of
from dnsctl.serve.message import chaos, cookies
from dnsctl.serve.message import edns as edns_
from dnsctl.serve.message.chaos import Chaos
from dnsctl.serve.message.cookies import Cookies, Validity, Verdict
from dnsctl.serve.message.edns import ExtendedError, ZoneFacts
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.message.query import (
    AA,
    HEADER,
    HEADER_LENGTH,
    OPCODE,
    QR,
    RD,
    TC,
    Client,
    Edns,
    Opcode,
    Question,
    Rcode,
    Rejected,
    Unanswerable,
    opcode_of,
    parse,
    tells_serial,
)
from dnsctl.serve.message.sections import ANSWER, Draft, Ends, Response, last_end
from dnsctl.serve.message.tsig import Keyring, Untrusted, is_within
from dnsctl.serve.metrics.failures import FailureLog
from dnsctl.serve.zone.answer import answer
from dnsctl.serve.zone.names import LeftOut, Zones, ZoneView

# MAILB, MAILA: obsolete, RFC 973
_META_QUERIES: Final = frozenset((int(Type.IXFR), int(Type.AXFR), 253, 254))
_log = logging.getLogger(__name__)


class _Asked(NamedTuple):
    """A query that could be parsed. `room`: octets to leave for a TSIG."""

    message: bytes
    question: Question
    client: Client
    room: int
    cookie: Verdict | None = None


class _Body(NamedTuple):
    """What a response says, before it is put together."""

    rcode: Rcode
    error: ExtendedError | None = None
    sections: bytes = b""
    counts: Sequence[int] = (0, 0, 0)
    authoritative: bool = False
    zone: ZoneFacts | None = None
    ends: Ends = ()
    beside: bool = False
    kind: Kind = Kind.OTHER


class Responder:
    """Answers queries from the image that a reader sees. One a process, or one a thread.

    `about`: what class CHAOS tells, None to refuse it; `cookies`: None to take no notice of them;
    `networks`: who may ask for transfers without one of `keys`.
    """

    def __init__(
        self,
        identity: str = "",
        *,
        about: Chaos | None = None,
        cookies: Cookies | None = None,
        keys: Keyring | None = None,
        networks: Iterable[Network] = (),
    ) -> None:
        self._identity = identity.encode()
        self._about = about
        self._cookies = cookies
        self.keys = keys or Keyring()
        self._networks = tuple(networks)
        self._zones: Zones | None = None
        self.failures = FailureLog(_log)

    def respond(
        self, reader: Reader, message: bytes, *, stream: bool, address: bytes = b"", idle: float = 0.0
    ) -> Response | None:
        """Return the response to any message, or None where there must be none. See `Client`."""
        return self.answered(reader, message, Client(address, stream, idle))

    def transfer_options(self, message: bytes, client: Client) -> bytes:
        """Return the options for what answers a transfer query: those that need no look at the zone.

        Raises Rejected where version or options of the query are to be refused, as of any other.
        """
        question = parse(message)
        edns = question.edns
        if edns is None:
            return b""
        rcode, cookie = self._checked(edns, client)
        if rcode:
            raise Rejected("EDNS that is to be refused", rcode, question.end, edns)
        made = edns_.options(edns, self._identity, None, None, client.idle)
        return made if cookie is None else cookie.option + made

    def zones(self, reader: Reader) -> Zones:
        """Return the zones that `reader` sees now."""
        zones = self._zones
        if zones is None or not zones.is_of(reader):
            zones = self._zones = Zones(reader)
        return zones

    def answered(self, reader: Reader, message: bytes, client: Client, room: int = 0) -> Response | None:
        """Return the response to any message of `client`. `room`: octets to leave for a TSIG."""
        try:
            return self._respond(reader, message, client, room)
        except Unanswerable:
            return None
        except Untrusted as fault:
            response = self._rejected(message, fault, client)
            return response._replace(wire=fault.signer.sign(response.wire))
        except Rejected as rejected:
            return self._rejected(message, rejected, client)
        except Exception:  # noqa: BLE001 - whatever arrives, the worker lives on and the client hears
            self.failures.note("a query could not be answered", message)
            return self._rejected(message, Rejected("nobody foresaw this", Rcode.SERVFAIL), client)

    def _respond(
        self,
        reader: Reader,
        message: bytes,
        client: Client = Client(),  # noqa: B008
        room: int = 0,
    ) -> Response | None:
        opcode = opcode_of(message)
        try:
            question = parse(message, opcode)
        except Rejected as rejected:
            if opcode not in (Opcode.QUERY, Opcode.NOTIFY, Opcode.UPDATE):
                rejected.rcode = Rcode.NOTIMP
            raise
        if question.tsig:
            return self._signed(reader, message, question, client)
        edns, rcode, cookie = question.edns, Rcode.NOERROR, None
        if edns is not None and (edns.version or edns.options):
            rcode, cookie = self._checked(edns, client)
        asked = _Asked(message, question, client, room, cookie)
        return self._final(asked, _Body(rcode) if rcode else self._body(reader, asked, opcode))

    def _signed(self, reader: Reader, message: bytes, question: Question, client: Client) -> Response | None:
        """Answer a query with a TSIG: as one without, and signed. Raises Rejected where it does not hold."""
        try:
            verified = self.keys.verify(message, question.tsig, question.end)
        except Rejected as rejected:
            rejected.edns = question.edns
            raise
        signer = verified.signer
        known = bool(client.address) and verified.is_good_for(client.address)
        found = self.answered(reader, verified.message, client._replace(trusted=known), signer.size)
        return found and found._replace(wire=signer.sign(found.wire), cacheable=False)

    def _checked(self, edns: Edns, client: Client) -> tuple[Rcode, Verdict | None]:
        """Judge version and options of a query: return its rcode, NOERROR if all is good, and its cookie."""
        if edns.version != edns_.VERSION:
            return Rcode.BADVERS, None
        try:
            cookie = self.judge(edns.options.get(cookies.CODE), client.address)
        except ValueError:
            return Rcode.FORMERR, None
        if edns_.is_malformed(edns):
            return Rcode.FORMERR, cookie
        if cookie and cookie.validity is Validity.BAD and not client.stream:
            return Rcode.BADCOOKIE, cookie  # RFC 7873 §5.2.4
        return Rcode.NOERROR, cookie

    def judge(self, cookie: bytes | None, address: bytes) -> Verdict | None:
        """Return what a cookie is worth; None without one. Raises ValueError for its length."""
        if cookie is None or self._cookies is None or not address:
            return None
        return self._cookies.judge(cookie, address)

    def _body(self, reader: Reader, asked: _Asked, opcode: int) -> _Body:
        question = asked.question
        if opcode:
            return self._other_opcode(reader, question, opcode)
        try:
            return self._queried(reader, asked)
        except LeftOut:
            return _Body(Rcode.SERVFAIL, ExtendedError.INVALID_DATA)

    def _queried(self, reader: Reader, asked: _Asked) -> _Body:
        question = asked.question
        if question.rdclass == chaos.CLASS:
            return self._chaos(question)
        if question.rdclass != CLASS_IN:
            return _Body(Rcode.REFUSED, ExtendedError.NOT_AUTHORITATIVE)
        if question.rdtype == Type.IXFR and not asked.client.stream:
            return self._incremental(reader, asked)
        if question.rdtype in _META_QUERIES:
            return _Body(Rcode.NOTIMP, ExtendedError.NOT_SUPPORTED)
        if question.rdtype == Type.OPT:
            return _Body(Rcode.FORMERR)
        return self._data(reader, asked)

    def _other_opcode(self, reader: Reader, question: Question, opcode: int) -> _Body:
        """Decline: a node takes its zones from releases, not from NOTIFY (RFC 1996) or UPDATE (RFC 2136)."""
        if opcode not in (Opcode.NOTIFY, Opcode.UPDATE):
            return _Body(Rcode.NOTIMP, ExtendedError.NOT_SUPPORTED)
        if opcode == Opcode.UPDATE and question.rdtype != Type.SOA:
            return _Body(Rcode.FORMERR)  # RFC 2136 §3.1.1
        if question.rdclass == CLASS_IN and question.name in self.zones(reader):
            return _Body(Rcode.REFUSED, ExtendedError.NOT_SUPPORTED)
        return _Body(Rcode.NOTAUTH, ExtendedError.NOT_AUTHORITATIVE)

    def _incremental(self, reader: Reader, asked: _Asked) -> _Body:
        """Answer IXFR over UDP: our SOA says whether there is something to fetch by TCP (RFC 1995 §2).

        Who asks is looked at first: to read the SOA that is held takes long.
        """
        question, client = asked.question, asked.client
        known = bool(client.address) and is_within(client.address, self._networks)
        if not (known or client.trusted):
            return _Body(Rcode.REFUSED, ExtendedError.PROHIBITED)
        if question.plain or not tells_serial(asked.message):
            return _Body(Rcode.FORMERR)
        zones = self.zones(reader)
        view = zones.find(question.name, question.rdtype) if question.name in zones else None
        soa = None if view is None else find(view.apex, Type.SOA, view.origin)
        if view is None or soa is None:
            return _Body(Rcode.NOTAUTH, ExtendedError.NOT_AUTHORITATIVE)
        draft = Draft(question.name, do=False)
        draft.place(ANSWER, soa, view.origin)
        return _Body(
            Rcode.NOERROR,
            None,
            b"".join(draft.parts),
            draft.counts,
            authoritative=True,
            zone=_facts(view, question),
            kind=Kind.DATA,
        )

    def _chaos(self, question: Question) -> _Body:
        if self._about is None:
            return _Body(Rcode.REFUSED, ExtendedError.PROHIBITED)
        found = self._about.answer(question.name, question.rdtype)
        if found is None:
            return _Body(Rcode.REFUSED, ExtendedError.NOT_AUTHORITATIVE)
        return _Body(Rcode.NOERROR, None, found[1], (found[0], 0, 0), authoritative=True)

    def _data(self, reader: Reader, asked: _Asked) -> _Body:
        question, edns = asked.question, asked.question.edns
        try:
            zones = self.zones(reader)
            view = zones.find(question.name, question.rdtype)
            if view is None:
                ready = ExtendedError.NOT_AUTHORITATIVE if len(zones) else ExtendedError.NOT_READY
                return _Body(Rcode.REFUSED, ready)
            do = edns is not None and edns.do
            found = answer(reader, zones, view, question.name, question.rdtype, do)
        except (DnsctlError, KeyError, IndexError, ValueError):
            self.failures.note("a zone cannot be served", asked.message)
            return _Body(Rcode.SERVFAIL, ExtendedError.INVALID_DATA)
        draft = found.draft
        return _Body(
            Rcode(found.rcode),
            None,
            b"".join(draft.parts),
            draft.counts,
            found.authoritative,
            _facts(view, question),
            draft.ends,
            found.beside,
            found.kind,
        )

    def _final(self, asked: _Asked, body: _Body) -> Response:
        """Put header, question, sections and OPT together, and cut what does not fit."""
        message, question, client, room, cookie = asked
        edns, end, sections, counts = question.edns, question.end, body.sections, body.counts
        opt = b""
        if edns is not None:
            made = edns_.options(edns, self._identity, body.zone, body.error, client.idle)
            opt = edns_.opt_record(edns, body.rcode, made if cookie is None else cookie.option + made)
        flags = (
            QR | (message[2] << 8 & (OPCODE | RD)) | (body.rcode & 0xF) | (AA if body.authoritative else 0)
        )
        limit = MAX_MESSAGE if client.stream else edns_.udp_limit(edns.payload if edns else 0)
        limit -= end + len(opt) + room
        if sections and len(sections) > limit:
            if (last := last_end(body.ends, limit)) is not None:
                sections, counts = sections[: last[0]], (counts[0], counts[1], last[1])
            elif client.stream:
                return self._final(asked, _Body(Rcode.SERVFAIL, ExtendedError.OTHER))
            else:
                flags |= TC
                sections, counts = b"", (0, 0, 0)
        number = message[0] << 8 | message[1]
        questions, additionals = 1 if end > HEADER_LENGTH else 0, counts[2] + (1 if opt else 0)
        header = HEADER.pack(number, flags, questions, counts[0], counts[1], additionals)
        wire = header + message[HEADER_LENGTH:end] + sections + opt
        return Response(
            wire,
            end,
            cacheable=question.plain and body.rcode != Rcode.SERVFAIL and question.rdtype != Type.IXFR,
            proved=cookie is not None and cookie.validity is Validity.GOOD,
            zone=body.zone.origin if body.zone else None,
            kind=body.kind,
            beside=body.beside,
        )

    def _rejected(self, message: bytes, rejected: Rejected, client: Client) -> Response:
        """Say the RCODE, with the question where it was readable and OPT if the query has one.

        A query without a question but with a cookie is good for learning ours (RFC 7873 §5.4).
        """
        edns, rcode, cookie = rejected.edns, rejected.rcode, None
        if edns is not None:
            checked, cookie = self._checked(edns, client)
            if checked == Rcode.BADVERS:
                if not rejected.malformed and rcode != Rcode.NOTAUTH:  # TSIG goes before EDNS
                    rcode = checked
            elif cookie is not None and message[4:6] == b"\0\0" and not opcode_of(message):
                rcode = Rcode.BADCOOKIE if cookie.validity is Validity.BAD else Rcode.NOERROR
        nothing = Question(ROOT, 0, 0, rejected.end, edns, plain=False)
        return self._final(_Asked(message, nothing, client, 0, cookie), _Body(rcode))


def _facts(view: ZoneView, question: Question) -> ZoneFacts:
    """Return what options may tell of the zone; EXPIRE goes with its SOA only (RFC 7314 §4)."""
    expire = None
    if question.rdtype in (Type.SOA, Type.IXFR) and question.name == view.origin:
        soa = find(view.apex, Type.SOA, view.origin)
        if soa is not None:
            expire = intervals_of(soa.octets[: soa.plain]).expire
    return ZoneFacts(view.origin, view.entry.serial, expire)


def is_transfer(message: bytes) -> bool:
    """True for a well-formed query for AXFR or IXFR (RFC 5936 §2.1, RFC 1995 §3)."""
    try:
        return parse(message).rdtype in (Type.AXFR, Type.IXFR)
    except (Unanswerable, Rejected):
        return False
