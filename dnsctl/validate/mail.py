"""Mail in the DNS: null MX, SPF, DMARC, MTA-STS and TLS reporting records that receivers would discard."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dnsctl.model.name import to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.rule import Fault, Scope

_SPF = re.compile(rb"v=spf1(?: |$)", re.IGNORECASE)  # RFC 7208 §4.5
_LOOKUP = re.compile(
    rb"(?:^|\s)(?:[+?~-]?(?:include:|exists:|(?:a|mx|ptr)(?=[\s:/]|$))|redirect=)", re.IGNORECASE
)
MAX_SPF_LOOKUPS = 10  # RFC 7208 §4.6.4
MAX_SPF = 450  # octets, RFC 7208 §3.4
_ONE_EACH = {  # first label, start of the record, what it is and where it says that there is one only
    b"_dmarc": (b"v=dmarc1", "DMARC", "RFC 7489 §6.6.3"),
    b"_mta-sts": (b"v=stsv1", "MTA-STS", "RFC 8461 §3.1"),
}


def mx_null(scope: Scope) -> Iterator[Fault]:
    for mx in scope.index.authoritative(Type.MX):
        if len(mx.rdatas) > 1 and any(rdata[2:] == b"\0" for rdata in mx.rdatas):
            yield Fault(
                scope.at(mx),
                f"{to_text(mx.owner)} MX has a null MX (`.`: no mail here) and names exchanges as well",
                "keep `0 .` alone, or remove it (RFC 7505 §3)",
            )


def spf_several(scope: Scope) -> Iterator[Fault]:
    for one, records in _spf(scope):
        if len(records) > 1:
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} has {len(records)} SPF records: receivers discard them all",
                "join them into one `v=spf1 …` (RFC 7208 §3.2)",
            )


def spf_long(scope: Scope) -> Iterator[Fault]:
    for one, records in _spf(scope):
        longest = max(map(len, records))
        if longest > MAX_SPF:
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)} has {longest} octets; {MAX_SPF} is the safe limit",
                "move parts into records of their own and `include:` them (RFC 7208 §3.4)",
            )


def spf_lookups(scope: Scope) -> Iterator[Fault]:
    for one, records in _spf(scope):
        lookups = max(len(_LOOKUP.findall(record)) for record in records)
        if lookups > MAX_SPF_LOOKUPS:
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)} needs {lookups} lookups; receivers stop at "
                f"{MAX_SPF_LOOKUPS} and treat it as broken",
                "replace include, a, mx, ptr and exists by ip4: and ip6: (RFC 7208 §4.6.4)",
            )


def policy_several(scope: Scope) -> Iterator[Fault]:
    for one in scope.index.authoritative(Type.TXT):
        known = _ONE_EACH.get(one.owner[1 : 1 + one.owner[0]])
        if known is None or len(one.rdatas) == 1:
            continue
        start, what, source = known
        count = sum(text_of(rdata).lower().startswith(start) for rdata in one.rdatas)
        if count > 1:
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} has {count} {what} records: receivers discard them all",
                f"keep one ({source})",
            )


def _spf(scope: Scope) -> Iterator[tuple[RRset, list[bytes]]]:
    for one in scope.index.authoritative(Type.TXT):
        records = [text for rdata in one.rdatas if _SPF.match(text := text_of(rdata))]
        if records:
            yield one, records


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
