"""The apex: one SOA with timers that work, NS, and nothing that is not in the zone (RFC 1034 §4.2.1)."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.duration import to_text as duration_text
from dnsctl.model.name import Name, labels, to_text
from dnsctl.model.rrset import Type
from dnsctl.model.soa import intervals_of
from dnsctl.validate.rule import Fault, Scope, name_in

MAX_NEGATIVE_TTL = 86400  # seconds, RFC 2308 §5: more "has been problematic"


def soa_missing(scope: Scope) -> Iterator[Fault]:
    if scope.zone.get(scope.origin, Type.SOA) is None:
        yield Fault(
            scope.at(),
            f"{to_text(scope.origin)} has no SOA",
            "set `defaults: soa: {mname: …, rname: …}` in dnsctl.yaml or write one SOA at the apex",
        )


def zone_empty(scope: Scope) -> Iterator[Fault]:
    """A file that was cut short, or never written, must not become an empty zone unseen."""
    if all(one.position is not None and not one.position.line for one in scope.zone.rrsets()):
        yield Fault(
            scope.at(),
            f"the file of {to_text(scope.origin)} has no record: only SOA and NS of the defaults are served",
            "check that the file is complete; for a parked zone set `checks: {zone-empty: off}`",
        )


def soa_several(scope: Scope) -> Iterator[Fault]:
    soa = scope.zone.get(scope.origin, Type.SOA)
    if soa is not None and len(soa.rdatas) > 1:
        yield Fault(
            scope.at(soa),
            f"{to_text(scope.origin)} has {len(soa.rdatas)} SOA records",
            "keep exactly one (RFC 1035 §3.3.13)",
        )


def soa_below_apex(scope: Scope) -> Iterator[Fault]:
    for soa in scope.index.of(Type.SOA):
        if soa.owner != scope.origin:
            yield Fault(
                scope.at(soa),
                f"SOA at {to_text(soa.owner)}, below the apex",
                "remove it, or give the name a zone file of its own and delegate it here with NS",
            )


def soa_timers(scope: Scope) -> Iterator[Fault]:
    soa = scope.zone.get(scope.origin, Type.SOA)
    if soa is None:
        return
    refresh, retry, expire, minimum = intervals_of(soa.rdatas[0])
    if expire <= refresh + retry:
        yield Fault(
            scope.at(soa),
            f"SOA expire {duration_text(expire)} is not above refresh {duration_text(refresh)} + retry "
            f"{duration_text(retry)}: secondaries would drop the zone after one missed refresh",
            "write an expire of 14d (RFC 1912 §2.2)",
        )
    if retry >= refresh > 0:
        yield Fault(
            scope.at(soa),
            f"SOA retry {duration_text(retry)} is not below refresh {duration_text(refresh)}",
            "write a retry of a quarter of refresh, as 30m for 2h",
        )
    if minimum > MAX_NEGATIVE_TTL:
        yield Fault(
            scope.at(soa),
            f"SOA minimum {duration_text(minimum)}: resolvers take a new name for missing that long",
            "write a minimum of 5m to 1d (RFC 2308 §5)",
        )


def soa_rname(scope: Scope) -> Iterator[Fault]:
    soa = scope.zone.get(scope.origin, Type.SOA)
    if soa is None:
        return
    mname = name_in(soa.rdatas[0], 0)
    rname = name_in(soa.rdatas[0], len(mname))
    mailbox = labels(rname)
    if mailbox and b"@" in mailbox[0]:
        local, _, domain = mailbox[0].decode("ascii", "replace").partition("@")
        rest = ".".join(part for part in (domain, to_text(Name(rname[1 + rname[0] :]))) if part)
        yield Fault(
            scope.at(soa),
            f"SOA rname {to_text(rname)} holds an @",
            f"write {local}.{rest} (the first dot stands for the @, RFC 1035 §3.3.13)",
        )


def apex_ns_missing(scope: Scope) -> Iterator[Fault]:
    if scope.zone.get(scope.origin, Type.NS) is None:
        yield Fault(
            scope.at(),
            f"{to_text(scope.origin)} has no NS at the apex",
            "set `defaults: ns: [ns1.…, ns2.…]` in dnsctl.yaml or write NS at the apex",
        )


def ns_single(scope: Scope) -> Iterator[Fault]:
    ns = scope.zone.get(scope.origin, Type.NS)
    if ns is not None and len(ns.rdatas) == 1:
        yield Fault(
            scope.at(ns),
            f"{to_text(scope.origin)} has one name server only",
            "add a second one in another network (RFC 2182 §5)",
        )


def owner_outside(scope: Scope) -> Iterator[Fault]:
    for owner in scope.index.strangers:
        yield Fault(
            scope.at_owner(owner),
            f"{to_text(owner)} is not in the zone {to_text(scope.origin)}",
            f"move it to the zone it belongs to, or write it without the final dot to mean "
            f"{to_text(owner)}{to_text(scope.origin)}",
        )
