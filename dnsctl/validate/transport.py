"""MTA-STS and TLS reporting (RFC 8461, RFC 8460): records that senders would ignore."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from dnsctl.model.name import MAX_NAME, Name, to_text
from dnsctl.validate.landscape import Standing
from dnsctl.validate.rule import Fault, Scope
from dnsctl.validate.tag_list import parse, shown
from dnsctl.validate.texts import Kind, mail_texts

_ID = re.compile(r"[A-Za-z0-9]{1,32}")  # RFC 8461 §3.1
_HOST = b"\x07mta-sts"  # RFC 8461 §3.3: where the policy is fetched


def mta_sts_syntax(scope: Scope) -> Iterator[Fault]:
    for one, records in mail_texts(scope).of(Kind.MTA_STS):
        for record in records:
            if faults := mta_sts_faults(record):
                message = f"MTA-STS record {to_text(one.owner)}: {'; '.join(faults)}"
                yield Fault(scope.at(one), message, "write v=STSv1; id=20301231T120000; (RFC 8461 §3.1)")


def mta_sts_host_missing(scope: Scope) -> Iterator[Fault]:
    for one, _ in mail_texts(scope).of(Kind.MTA_STS):
        domain = one.owner[1 + one.owner[0] :]
        host = Name(_HOST + domain)
        if len(host) > MAX_NAME:
            continue
        place = scope.landscape.find(host)
        if place.standing in (Standing.MISSING, Standing.EMPTY):
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} announces an MTA-STS policy, and {to_text(host)} does not exist: "
                "senders cannot fetch it",
                f"add {to_text(host)} A or AAAA, or remove the record (RFC 8461 §3.3)",
            )


def tls_rpt_syntax(scope: Scope) -> Iterator[Fault]:
    for one, records in mail_texts(scope).of(Kind.TLS_RPT):
        for record in records:
            if faults := tls_rpt_faults(record):
                message = f"TLS reporting record {to_text(one.owner)}: {'; '.join(faults)}"
                yield Fault(scope.at(one), message, "write v=TLSRPTv1; rua=mailto:… (RFC 8460 §3)")


@lru_cache(1024)
def mta_sts_faults(record: bytes) -> tuple[str, ...]:
    """Return what is wrong with an MTA-STS record."""
    tags = parse(record, "STSv1")
    faults = [*tags.faults, *tags.unknown(("v", "id"))]
    if "id" not in tags.values:
        faults.append("it has no id=")
    elif not _ID.fullmatch(tags.values["id"]):
        faults.append(f"id={shown(tags.values['id'])} is not 1 to 32 letters and digits")
    return tuple(faults)


@lru_cache(1024)
def tls_rpt_faults(record: bytes) -> tuple[str, ...]:
    """Return what is wrong with a record of TLS reporting."""
    tags = parse(record, "TLSRPTv1")
    faults = [*tags.faults, *tags.unknown(("v", "rua"))]
    if "rua" not in tags.values:
        faults.append("it has no rua=, where reports go")
    for each in tags.values["rua"].split(",") if "rua" in tags.values else ():
        if not re.match(r"mailto:[^@\s]+@[^@\s]+$|https://[^\s]+$", each.strip(), re.IGNORECASE):
            faults.append(f"rua={shown(each)} is neither mailto: and an address nor an https: URL")
    return tuple(faults)
