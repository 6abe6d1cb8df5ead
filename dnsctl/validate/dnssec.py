"""DNSSEC records written by hand in a zone that is signed here: signing would replace or contradict them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dnsctl.model.key import key_tag
from dnsctl.model.name import to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.rule import Fault, Scope

TAG_SHARED = "dnskey-tag-shared"  # also of our own keys, see `publish.other_signers`
_MADE_HERE = (Type.NSEC, Type.NSEC3, Type.NSEC3PARAM)
_OF_KEYS = (Type.DNSKEY, Type.CDS, Type.CDNSKEY)


def dnssec_by_hand(scope: Scope) -> Iterator[Fault]:
    """Find DNSSEC records in a zone that is signed here. A pre-signed zone needs `dnssec: none`.

    Another signer's DNSKEY (RFC 8901), and what the parent is to do with the DS (RFC 8078 §4), the policy may
    allow: a person who writes zones may not always decide about the zone's keys.
    """
    policy = scope.policy
    if policy is None:
        return
    unsigned = f"`zones: {to_text(scope.origin)[:-1]}: {{dnssec: none}}` in dnsctl.yaml"
    for rdtype in _OF_KEYS:
        found = scope.index.of(rdtype)
        if found and policy.foreign_keys == "refuse":
            allow = f"`policies: {policy.name}: {{foreign-keys: allow}}` in dnsctl.yaml"
            yield _by_hand(scope, found, rdtype.name, f"remove it, or let it be published with {allow}")
    for rdtype in _MADE_HERE:
        found = scope.index.of(rdtype)
        if found:
            yield _by_hand(scope, found, rdtype.name, f"remove it, or set {unsigned}")
    covered = [each for rrsets in scope.index.by_type.values() for each in rrsets if each.signatures]
    if covered:
        yield _by_hand(scope, covered, "RRSIG", f"remove it, or set {unsigned}")


def _by_hand(scope: Scope, found: list[RRset], what: str, advice: str) -> Fault:
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    where = f"{what} at {to_text(found[0].owner)}{more}"
    return Fault(scope.at(found[0]), f"{where}, in a zone that dnsctl signs", advice)


def dnskey_tag_shared(scope: Scope) -> Iterator[Fault]:
    """Find DNSKEYs of other signers that no signature tells apart: it names algorithm and tag only.

    Of a zone that came signed, each signature was verified with each such key, and one of them made it.
    """
    dnskey = scope.zone.get(scope.origin, Type.DNSKEY) if scope.signed else None
    if dnskey is None:
        return
    counts = Counter((rdata[3], key_tag(rdata)) for rdata in dnskey.rdatas)
    for (algorithm, tag), count in counts.items():
        if count > 1:
            message = f"{count} DNSKEYs of algorithm {algorithm} share key tag {tag}"
            yield Fault(
                scope.at(dnskey),
                f"{message}: validators take one for the other",
                "keep one of them, and have the other's signer make another key",
            )


def algorithm_experimental(scope: Scope) -> Iterator[Fault]:
    """Tell what follows from an algorithm that few validators know: alone, the zone is insecure to all others
    (RFC 4035 §5.2).
    """
    policy = scope.policy
    found = [each for each in policy.algorithms if each.is_experimental] if policy is not None else []
    if policy is None or not found:
        return
    what = f"policy {policy.name} signs with {found[0].name} ({int(found[0])}), which is experimental: "
    usual = Policy().algorithm.name
    if len(found) == len(policy.algorithms):
        what += "validators that do not know it treat the zone as insecure, and most answers need TCP"
        advice = f"to be protected today, sign with {usual} and `beside: {found[0].name}`; see docs/mldsa.md"
    else:
        what += "most answers need TCP"
        advice = "if that is meant, switch this rule off under `checks`; see docs/mldsa.md"
    yield Fault(scope.at(), what, advice)


def zonemd_by_hand(scope: Scope) -> Iterator[Fault]:
    zonemd = scope.zone.get(scope.origin, Type.ZONEMD)
    if zonemd is not None and (scope.signed or not zonemd.signatures):
        yield Fault(
            scope.at(zonemd),
            "ZONEMD is a digest of the zone with its serial, which changes at every release",
            "remove it; with `zonemd: publish` in its policy, each release has a digest of its own",
        )
