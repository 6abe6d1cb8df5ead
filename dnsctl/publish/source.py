"""The digest of what a zone is made from: with an equal digest, the zone need not be made again.

Covers every RRset with owner, type, TTL and rdata (see `model.facts`); what of the policy shapes the signed
zone; and its keys, with what each does. Left out: positions in files; the SOA's serial, which a release
chooses, and how far its expire is above what it is lowered to. A pre-signed zone's serial and signatures are
its own, so they are covered. When signatures are due is not in it: see `changeset`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import replace

from dnsctl.image.layout import FORMAT
from dnsctl.model.policy import Lifetimes, Policy
from dnsctl.model.rrset import Type
from dnsctl.model.soa import with_expire_at_most, with_serial
from dnsctl.model.validity import timing
from dnsctl.model.zone import ValidatedZone, is_presigned
from dnsctl.publish.intent import ZoneIntent

_OF_KEYS = frozenset((Type.DNSKEY, Type.CDS, Type.CDNSKEY))
_HALF = 32  # hexadecimal digits: half for the keys, half for the data


def source_of(wanted: ZoneIntent, keys: Iterable[bytes]) -> str:
    """Return the digest of what is asked for, signed by `keys` (see `uses.tokens`)."""
    return wanted.source or keys_digest(keys) + data_digest(wanted.zone, wanted.policy)


def is_of_data(source: str, zone: ValidatedZone, policy: Policy | None) -> bool:
    """True where `source` is the digest of `zone` under `policy`, by whatever keys."""
    return source[_HALF:] == data_digest(zone, policy)


def with_keys(source: str, keys: Iterable[bytes]) -> str:
    """Return a digest of the same data, signed by other keys."""
    return keys_digest(keys) + source[_HALF:]


def followed(source: str, before: ValidatedZone, after: ValidatedZone, policy: Policy | None) -> str:
    """Return the digest of `after`, by the same keys, where `source` is that of `before`.

    Both as they are served. Where that is not what a person wrote, such as keys of another signer, it is a
    digest that no data have: the next push makes the zone again.
    """
    known = source[_HALF:] == data_digest(_written(before), policy)
    return source[:_HALF] + (data_digest(_written(after), policy) if known else "0" * _HALF)


def _written(served: ValidatedZone) -> ValidatedZone:
    """Return a zone without the keys in its apex, and what asks for their DS: most often, these are ours."""
    apex = tuple(one for one in served.nodes[served.origin] if one.rdtype not in _OF_KEYS)
    return replace(served, nodes={**served.nodes, served.origin: apex})


def keys_digest(keys: Iterable[bytes]) -> str:
    state = hashlib.sha256(b"dnsctl keys 2\0")
    _count(state, sorted(keys))
    return state.hexdigest()[:_HALF]


def data_digest(zone: ValidatedZone, policy: Policy | None) -> str:
    """Return the digest of a zone's data and policy. `policy` is None for a zone that is not signed here."""
    state = hashlib.sha256(b"dnsctl source 4, image %d\0" % FORMAT)
    shape: list[bytes] = []
    expire = timing(policy, zone.facts.largest_ttl).expire if policy is not None else None
    if policy is not None:
        shape = [
            str(each).encode()
            for each in (
                int(policy.algorithm),
                policy.keys,
                policy.denial,
                policy.opt_out,
                policy.dnskey_ttl,
                expire,  # the SOA's is lowered to it
            )
        ]
        if policy.beside is not None:
            shape.append(b"beside %d" % policy.beside)
        if policy.cds == "off":  # what is not the default, so that zones released before it stay as they are
            shape.append(b"no CDS")
        if policy.zonemd == "publish":
            shape.append(b"ZONEMD")
        if policy.lifetimes != Lifetimes():  # rolls go by the policy that was released
            shape.append(repr(policy.lifetimes).encode())
        if policy.standby:
            shape.append(b"standby")
    _count(state, shape)
    if policy is None and is_presigned(zone):
        for one in zone.rrsets():
            parts = (*one.rdatas, *one.signatures)
            _count(state, [one.owner, struct.pack("!HI", one.rdtype, one.ttl), *parts])
        return state.hexdigest()[:_HALF]
    soa = zone.get(zone.origin, Type.SOA)
    rdatas = [with_serial(each, 0) for each in (soa.rdatas if soa is not None else ())]
    if expire is not None:
        rdatas = [with_expire_at_most(each, expire) for each in rdatas]
    _count(state, [b"%d" % (soa.ttl if soa is not None else 0), *rdatas])
    state.update(zone.facts.content.to_bytes(64, "big"))
    return state.hexdigest()[:_HALF]


def _count(state: hashlib._Hash, parts: list[bytes]) -> None:
    """Add `parts` so that no other list adds the same octets."""
    state.update(len(parts).to_bytes(2, "big"))
    for each in parts:
        state.update(len(each).to_bytes(4, "big") + each)
