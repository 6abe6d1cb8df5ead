"""TXT records that say how a domain sends and receives mail: found in one pass over a zone, kept by kind.

Most kinds are looked for only at names of their own, so a text elsewhere is not one of them. Does not judge
what a record says: see `spf`, `dkim`, `dmarc`, `transport` and `bimi`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.rule import Scope

_SPF = b"v=spf1"  # RFC 7208 §4.5
_NO_KEYS = (b"_adsp", b"_report", b"_atps")  # below _domainkey: RFC 5617 §4.1, RFC 6651 §3, RFC 6541 §4


class Kind(Enum):
    """What a text is. `start`: how it begins, in lower case; `source`: who says that a name has one."""

    SPF = "SPF", _SPF, "RFC 7208 §3.2"
    DKIM = "DKIM", b"v=dkim", "RFC 6376 §3.6.2.2"
    DMARC = "DMARC", b"v=dmarc", "RFC 7489 §6.6.3"
    MTA_STS = "MTA-STS", b"v=sts", "RFC 8461 §3.1"
    TLS_RPT = "TLS reporting", b"v=tlsrpt", "RFC 8460 §3"
    BIMI = "BIMI", b"v=bimi", "draft-brand-indicators-for-message-identification §4.2"

    def __init__(self, title: str, start: bytes, source: str) -> None:
        self.title = title
        self.start = start
        self.source = source


class Texts(NamedTuple):
    """The records of one kind at one name, their strings joined."""

    rrset: RRset
    records: tuple[bytes, ...]


@dataclass(frozen=True)
class MailTexts:
    """All of a zone, by kind; `misplaced`: at the apex, by the kind that is looked for elsewhere."""

    by_kind: Mapping[Kind, tuple[Texts, ...]]
    misplaced: tuple[tuple[Kind, RRset], ...] = ()

    def of(self, kind: Kind) -> tuple[Texts, ...]:
        return self.by_kind.get(kind, ())


def mail_texts(scope: Scope) -> MailTexts:
    """Return the TXT records about mail of a zone."""
    return scope.once(_sorted_out)


def _sorted_out(scope: Scope) -> MailTexts:
    found: dict[Kind, list[Texts]] = {}
    misplaced: list[tuple[Kind, RRset]] = []
    for one in scope.index.authoritative(Type.TXT):
        records = [text_of(rdata) for rdata in one.rdatas]
        if spf := tuple(record for record in records if is_spf(record)):
            found.setdefault(Kind.SPF, []).append(Texts(one, spf))
        expected = _expected(one.owner)
        if expected is not None:
            if those := tuple(record for record in records if _is(expected, record)):
                found.setdefault(expected, []).append(Texts(one, those))
        elif one.owner == scope.origin:
            misplaced += [(kind, one) for kind in map(_kind, records) if kind is not None]
    return MailTexts({kind: tuple(texts) for kind, texts in found.items()}, tuple(misplaced))


def is_spf(record: bytes) -> bool:
    """True where receivers take `record` for SPF (RFC 7208 §4.5)."""
    return record[:6].lower() == _SPF and record[6:7] in (b"", b" ")


def text_of(rdata: bytes) -> bytes:
    """Return the strings of TXT rdata joined, as their readers do."""
    if len(rdata) == 1 + rdata[0]:
        return rdata[1:]
    parts = []
    position = 0
    while position < len(rdata):
        parts.append(rdata[position + 1 : position + 1 + rdata[position]])
        position += 1 + rdata[position]
    return b"".join(parts)


def _expected(owner: Name) -> Kind | None:
    """Return the kind that is looked for at `owner`."""
    first = owner[1 : 1 + owner[0]]
    if b"\x0a_domainkey" in owner[1:]:
        return Kind.DKIM if first not in _NO_KEYS and first != b"_domainkey" else None
    if b"\x05_bimi" in owner[1:]:
        return Kind.BIMI
    if first == b"_smtp" and owner[6:11] == b"\x04_tls":
        return Kind.TLS_RPT
    return {b"_dmarc": Kind.DMARC, b"_mta-sts": Kind.MTA_STS}.get(first)


def _is(kind: Kind, record: bytes) -> bool:
    if kind is Kind.DKIM:  # `v=` may be left out, RFC 6376 §3.6.1
        return record[:6].lower() == kind.start or b"p=" in record
    return record[:8].lower().startswith(kind.start)


def _kind(record: bytes) -> Kind | None:
    if record[:2] not in (b"v=", b"V="):
        return None
    start = record[:8].lower()
    return next((kind for kind in Kind if kind is not Kind.SPF and start.startswith(kind.start)), None)
