"""Zones that came signed, broken in one way each, and signed again where only the signer's data shall lie.

A zone here is a mapping from (owner, type) to its RRset, so that one can be taken out or replaced.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from dnsctl.model import nsec3
from dnsctl.model.name import Name, canonical_key, from_text, label_count
from dnsctl.model.policy import Policy, SignaturePolicy
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.type_bitmap import bitmap_types, type_bitmap
from dnsctl.model.zone import SignedZone, nodes_of
from dnsctl.sign import nsec
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.rrsig import Header, Validity, message
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.sign.scenery import keys_for, master_text

ORIGIN = from_text("example.com.")
NSEC = Policy(keys="ksk+zsk")
NSEC3 = Policy(keys="ksk+zsk", denial="nsec3")
OPT_OUT = Policy(keys="ksk+zsk", denial="nsec3", opt_out=True)
POLICIES = {"nsec": NSEC, "nsec3": NSEC3, "opt-out": OPT_OUT}
TEXT = f"""
www A 192.0.2.1
@ MX 10 mail
mail A 192.0.2.25
*.w TXT "wildcard"
deep.empty.non.terminals A 192.0.2.3
insecure NS ns.insecure
ns.insecure A 192.0.2.9
secure NS ns.example.net.
secure DS 12345 13 2 {"00" * 32}
only.insecure.below NS ns.example.net.
"""

Records = MutableMapping[tuple[Name, int], RRset]
Mutation = Callable[[Records, Policy], None]


def name(text: str) -> Name:
    return from_text(text, ORIGIN)


def records_of(policy: Policy, now: datetime | None = None, text: str = TEXT) -> Records:
    zone = validated("example.com.", text)
    made = sign_zone(zone, keys_for(ORIGIN, policy), policy, now or datetime.now(UTC), 1)
    return {(one.owner, one.rdtype): one for one in (*made.rrsets(), *made.nsec3_nodes.values())}


def text_of(records: Records) -> str:
    return master_text(SignedZone(ORIGIN, nodes_of(records.values()), 1, True))


def signed_by(one: RRset, *keys: SigningKey, now: datetime | None = None) -> RRset:
    """Return `one` with a good signature of each of `keys`, and no other."""
    signatures = []
    for key in keys:
        validity = Validity.of(SignaturePolicy(), now or datetime.now(UTC))
        header = Header(key.public, validity).octets(one, label_count(one.owner))
        made = scheme(key.public.algorithm).signer(key.private)(message(header, one))
        signatures.append(header + made)
    return one._replace(signatures=tuple(sorted(signatures)))


def zsk(policy: Policy) -> SigningKey:
    return keys_for(ORIGIN, policy)[-1]


def put(records: Records, one: RRset, policy: Policy) -> None:
    records[one.owner, one.rdtype] = signed_by(one, zsk(policy))


# -- What lies in a signature ---


def in_signature(place: slice, octets: bytes, owner: str = "www", rdtype: int = Type.A) -> Mutation:
    """Write `octets` over a field of the RRSIG rdata, which stays as it was otherwise."""

    def mutate(records: Records, _: Policy) -> None:
        one = records[name(owner), rdtype]
        (old,) = one.signatures
        records[name(owner), rdtype] = one._replace(
            signatures=(old[: place.start] + octets + old[place.stop :],)
        )

    return mutate


def flipped(owner: str = "www", rdtype: int = Type.A) -> Mutation:
    def mutate(records: Records, _: Policy) -> None:
        one = records[name(owner), rdtype]
        old = one.signatures[0]
        bad = old[:-7] + bytes((old[-7] ^ 0x10,)) + old[-6:]
        records[name(owner), rdtype] = one._replace(signatures=(bad, *one.signatures[1:]))

    return mutate


def at_hash(mutate: Callable[[str, int], Mutation], owner: str) -> Mutation:
    """Apply `mutate` to the NSEC or NSEC3 that denies at `owner`."""

    def applied(records: Records, policy: Policy) -> None:
        found = denial(records, owner, policy)
        text = "".join(f"\\{octet:03}" for octet in found.owner[1 : 1 + found.owner[0]])
        label = "@" if found.owner == ORIGIN else text
        mutate(owner if policy.denial == "nsec" else label, found.rdtype)(records, policy)

    return applied


def replaced(owner: str, rdtype: int, **fields: Any) -> Mutation:
    """Change the RRset and leave its signatures as they are."""

    def mutate(records: Records, _: Policy) -> None:
        records[name(owner), rdtype] = records[name(owner), rdtype]._replace(**fields)

    return mutate


def untimely(days: int) -> Mutation:
    def mutate(records: Records, policy: Policy) -> None:
        one = records[name("www"), Type.A]
        then = datetime.fromtimestamp(datetime.now(UTC).timestamp() + days * 86400, UTC)
        records[name("www"), Type.A] = signed_by(one, zsk(policy), now=then)

    return mutate


# -- What lies in the chain ---


def denial(records: Records, owner: str, policy: Policy) -> RRset:
    """Return the NSEC at `owner`, or the NSEC3 of its hash. Raises KeyError."""
    if policy.denial == "nsec":
        return records[name(owner), Type.NSEC]
    digest = nsec3.nsec3_hash(name(owner), b"", 0)
    return records[nsec3.nsec3_owner(digest, ORIGIN), Type.NSEC3]


def _parted(one: RRset) -> tuple[bytes, bytes, bytes]:
    """Return what of the rdata stands before the next name or hash, that, and the bitmap."""
    rdata = one.rdatas[0]
    if one.rdtype == Type.NSEC:
        owner, bitmap = nsec.next_owner(rdata)
        return b"", owner, bitmap
    following, bitmap = nsec3.next_hash(rdata)
    return rdata[: -len(following) - len(bitmap)], following, bitmap


def bits(owner: str, *, add: int | None = None, take: int | None = None) -> Mutation:
    def mutate(records: Records, policy: Policy) -> None:
        one = denial(records, owner, policy)
        head, following, bitmap = _parted(one)
        types = (set(bitmap_types(bitmap)) - {take}) | ({add} if add is not None else set())
        rdata = head + following + type_bitmap(tuple(sorted(types)))
        put(records, one._replace(rdatas=(rdata,)), policy)

    return mutate


def without_link(owner: str, *, closed: bool = True) -> Mutation:
    """Take the record that denies at `owner` out of the chain; `closed`: the one before leads past it."""

    def mutate(records: Records, policy: Policy) -> None:
        gone = denial(records, owner, policy)
        del records[gone.owner, gone.rdtype]
        here = gone.owner if gone.rdtype == Type.NSEC else nsec3.owner_hash(gone.owner, ORIGIN)
        for one in [each for each in records.values() if each.rdtype == gone.rdtype]:
            head, following, bitmap = _parted(one)
            if closed and following == here:
                put(records, one._replace(rdatas=(head + _parted(gone)[1] + bitmap,)), policy)

    return mutate


def with_link(owner: str) -> Mutation:
    """Add a record to the chain for a name that is not there."""

    def mutate(records: Records, policy: Policy) -> None:
        kind = Type.NSEC if policy.denial == "nsec" else Type.NSEC3
        chain = [one for one in records.values() if one.rdtype == kind]
        if kind == Type.NSEC:
            here: bytes = name(owner)
            new, order = name(owner), sorted(chain, key=lambda one: canonical_key(one.owner))
            before = [one for one in order if canonical_key(one.owner) < canonical_key(name(owner))][-1]
        else:
            here = nsec3.nsec3_hash(name(owner), b"", 0)
            new, order = nsec3.nsec3_owner(here, ORIGIN), sorted(chain, key=lambda one: one.owner)
            before = ([one for one in order if one.owner < new] or order)[-1]
        head, following, bitmap = _parted(before)
        put(records, before._replace(rdatas=(head + here + bitmap,)), policy)
        types = (Type.RRSIG, Type.NSEC) if kind == Type.NSEC else (Type.A, Type.RRSIG)
        rdata = head + following + type_bitmap(types)
        put(records, RRset(new, kind, before.ttl, (rdata,)), policy)

    return mutate


def with_flags(value: int) -> Mutation:
    def mutate(records: Records, policy: Policy) -> None:
        for one in [each for each in records.values() if each.rdtype == Type.NSEC3]:
            rdata = one.rdatas[0]
            put(records, one._replace(rdatas=(rdata[:1] + bytes((value,)) + rdata[2:],)), policy)

    return mutate


def parameters(*rdatas: bytes) -> Mutation:
    """Let the apex have these NSEC3PARAMs, or none."""

    def mutate(records: Records, policy: Policy) -> None:
        if rdatas:
            put(records, RRset(ORIGIN, Type.NSEC3PARAM, 300, tuple(sorted(rdatas))), policy)
        else:
            records.pop((ORIGIN, Type.NSEC3PARAM))

    return mutate


def signed_too(owner: str, rdtype: int) -> Mutation:
    def mutate(records: Records, policy: Policy) -> None:
        put(records, records[name(owner), rdtype], policy)

    return mutate
