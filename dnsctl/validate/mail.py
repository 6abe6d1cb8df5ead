"""Mail in the DNS: null MX, and policies that receivers discard because of their number or place."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.name import to_text
from dnsctl.model.rrset import Type
from dnsctl.validate.rule import Fault, Scope
from dnsctl.validate.texts import Kind, mail_texts

_AT = {
    Kind.DKIM: "SELECTOR._domainkey",
    Kind.DMARC: "_dmarc",
    Kind.MTA_STS: "_mta-sts",
    Kind.TLS_RPT: "_smtp._tls",
    Kind.BIMI: "default._bimi",
}


def mx_null(scope: Scope) -> Iterator[Fault]:
    for mx in scope.index.authoritative(Type.MX):
        if len(mx.rdatas) > 1 and any(rdata[2:] == b"\0" for rdata in mx.rdatas):
            yield Fault(
                scope.at(mx),
                f"{to_text(mx.owner)} MX has a null MX (`.`: no mail here) and names exchanges as well",
                "keep `0 .` alone, or remove it (RFC 7505 §3)",
            )


def policy_several(scope: Scope) -> Iterator[Fault]:
    for kind in _AT:
        for one, records in mail_texts(scope).of(kind):
            if len(records) > 1:
                message = f"{to_text(one.owner)} has {len(records)} {kind.title} records"
                advice = f"keep one ({kind.source})"
                yield Fault(scope.at(one), f"{message}: receivers discard them all", advice)


def policy_misplaced(scope: Scope) -> Iterator[Fault]:
    for kind, one in mail_texts(scope).misplaced:
        yield Fault(
            scope.at(one),
            f"{to_text(one.owner)} has a {kind.title} record, which is looked for elsewhere",
            f"write it at {_AT[kind]}.{to_text(one.owner)}",
        )
