"""Turn a validated zone into a signed one (RFC 4035 §2), or one that is released unsigned.

Pure: the keys, the clock and the signatures of last time are arguments, and the same arguments give the same
octets, with one worker or many; but for new signatures of MLDSA44, which differ each time, so that those that
are fresh are kept. Invariants of what comes out: each authoritative RRset has a signature of
each key that is to sign it (`SigningKey.duty`); the denial chain was walked; SOA expire is below the time
that signatures have left at any moment (see `model.validity`). Each new signature was verified (see `batch`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import cast

from dnsctl.errors import SigningError
from dnsctl.model.key import key_tag
from dnsctl.model.name import Name, label_count, to_text
from dnsctl.model.occlusion import Standing, denied_types, is_authoritative, walk
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import KEY_TYPES, MADE_BY_SIGNING, RRset, Type, before_signing
from dnsctl.model.rrsig import expiration
from dnsctl.model.soa import negative_ttl, with_expire_at_most, with_serial
from dnsctl.model.validity import timing
from dnsctl.model.zone import Nodes, Nsec3Parameters, SignedZone, ValidatedZone
from dnsctl.sign import batch, nsec, nsec3
from dnsctl.sign.chain import breaks
from dnsctl.sign.dnskey import key_rrsets, refuse_equal_tags
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.rrsig import Header, Validity, message
from dnsctl.sign.zonemd import placeholder, zonemd

Progress = Callable[[int, int], None]  # signatures made, of how many


def sign_zone(
    zone: ValidatedZone,
    keys: Sequence[SigningKey],
    policy: Policy,
    now: datetime,
    serial: int,
    previous: SignedZone | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> SignedZone:
    """Return `zone` signed at `now`, with `serial` in its SOA.

    A signature of `previous` is kept where rdatas, TTL and key are the same and it is not due for renewal. An
    SOA expire is lowered to what `timing` allows: a secondary must not outlive its signatures.
    `progress` is told of new signatures only. Raises SigningError where the keys do not fit, or a signature
    does not verify.
    """
    times = timing(policy, zone.rrsets())
    validity = Validity.of(policy.signatures, now, f"policy {policy.name}", times.refresh)
    _refuse_unfit(zone.origin, keys)
    refuse_equal_tags(zone, (one.public for one in keys))
    ttl = negative_ttl(_found_soa(zone))  # of NSEC and NSEC3, RFC 9077 §3
    parameters = Nsec3Parameters(opt_out=policy.opt_out) if policy.denial == "nsec3" else None
    apex = [_soa(zone, serial, times.expire)]
    apex += key_rrsets(
        zone,
        [one.public for one in keys if one.duty.published],
        policy.dnskey_ttl,
        cds=[one.public for one in keys if one.duty.ds] if policy.cds != "off" else None,
    )
    if parameters is not None:
        apex.append(nsec3.parameter_record(zone.origin, parameters, ttl))
    if policy.zonemd == "publish":
        apex.append(placeholder(zone.origin, serial, apex[0].ttl))
    given = _with_apex(zone, apex)

    work = _Work(zone.origin, keys, validity, previous)
    nodes: dict[Name, list[RRset]] = {}
    for owner, node, standing in _linked(zone.origin, given, ttl, parameters is None):
        nodes[owner] = work.take(owner, node, standing)
    hashes: dict[bytes, list[RRset]] = {}
    if parameters is not None:
        chain = nsec3.chain(_denied(zone.origin, given), zone.origin, parameters, ttl)
        hashes = {digest: work.take_hash(digest, one) for digest, one in chain.items()}
    work.sign(workers, progress, apex[1])
    signed = SignedZone(
        zone.origin,
        _frozen(nodes),
        serial,
        True,
        parameters,
        {digest: made[0] for digest, made in hashes.items()},
    )
    if policy.zonemd == "publish":
        signed = _with_zonemd(signed, work, apex)
    _refuse_broken_chain(signed)
    return signed


def _with_zonemd(signed: SignedZone, work: _Work, apex: Sequence[RRset]) -> SignedZone:
    """Put the digest of the zone in place of the placeholder, and sign it (RFC 8976 §3.1)."""
    soa, dnskey, *_ = apex
    made = [zonemd(signed, soa.ttl)]
    work.take_data(made)
    work.sign(1, None, dnskey)
    node = tuple(made[0] if one.rdtype == Type.ZONEMD else one for one in signed.nodes[signed.origin])
    return replace(signed, nodes={**signed.nodes, signed.origin: node})


def _refuse_broken_chain(signed: SignedZone) -> None:
    """Walk the whole denial chain, as for a pre-signed zone: it was made from the same nodes."""
    for one in breaks(signed.origin, signed.nodes, signed.nsec3_nodes, signed.nsec3):
        raise SigningError(
            one.message,
            where=to_text(signed.origin),
            advice="nothing was published; this is a fault of dnsctl, please report it",
        )


def unsigned_zone(zone: ValidatedZone, serial: int) -> SignedZone:
    """Return `zone` with `serial` in its SOA, and no signatures."""
    soa = _soa(zone, serial, None)
    apex = tuple(soa if one.rdtype == Type.SOA else one for one in zone.nodes[zone.origin])
    return SignedZone(zone.origin, {**zone.nodes, zone.origin: apex}, serial)


def earliest_expiry(zone: SignedZone) -> int | None:
    """Return when the first of all signatures expires, in unix seconds; None where there are none."""
    found = [
        expiration(signature)
        for rrsets in (zone.rrsets(), zone.nsec3_nodes.values())
        for one in rrsets
        for signature in one.signatures
    ]
    return min(found, default=None)


class _Work:
    """RRsets on their way: each in the list it will be returned in, with the signatures it could keep."""

    def __init__(
        self, origin: Name, keys: Sequence[SigningKey], validity: Validity, previous: SignedZone | None
    ) -> None:
        self._origin = origin
        self._keys = keys
        self._headers = [Header(one.public, validity) for one in keys]
        self._key_signers = _places(keys, _signs_keys)
        self._zone_signers = _places(keys, _signs_data)
        self._previous: Nodes = previous.nodes if previous else {}
        self._previous_hashes = previous.nsec3_nodes if previous else {}
        self._known = _signed_before(keys, previous)
        self._pending: deque[tuple[list[RRset], int, int, int]] = deque()  # list, place in it, labels, signer
        self._sent: deque[tuple[list[RRset], int]] = deque()  # given to `batch`, in the order it answers

    def take(self, owner: Name, node: tuple[RRset, ...], standing: Standing) -> list[RRset]:
        """Note what is to be signed of `node`; return the list its RRsets will stand in."""
        made = list(node)
        if standing is Standing.OCCLUDED:
            return made
        labels = label_count(owner)
        before = {one.rdtype: one for one in self._previous.get(owner, ())}
        for place, one in enumerate(node):
            if is_authoritative(one.rdtype, standing):
                at_apex = one.rdtype in KEY_TYPES and owner == self._origin
                signers = self._key_signers if at_apex else self._zone_signers
                self._note(made, place, labels, signers, before.get(one.rdtype))
        return made

    def take_data(self, made: list[RRset]) -> None:
        """Note the one RRset in `made`, of the apex."""
        self._note(made, 0, label_count(self._origin), self._zone_signers, None)

    def take_hash(self, digest: bytes, one: RRset) -> list[RRset]:
        """Note an NSEC3 RRset; return the list of one that it will stand in."""
        made = [one]
        self._note(made, 0, label_count(one.owner), self._zone_signers, self._previous_hashes.get(digest))
        return made

    def _note(
        self, made: list[RRset], place: int, labels: int, signers: tuple[int, ...], before: RRset | None
    ) -> None:
        one = made[place]
        if before is None or before.rdatas != one.rdatas or before.ttl != one.ttl:
            for signer in signers:
                self._pending.append((made, place, labels, signer))
            return
        kept: list[bytes] = []
        for signer in signers:
            keeps = self._headers[signer].keeps
            for signature in before.signatures if signer in self._known else ():
                if keeps(signature, one, labels):
                    kept.append(signature)
                    break
            else:
                self._pending.append((made, place, labels, signer))
        if len(kept) == len(before.signatures) and before.position == one.position:
            made[place] = before  # the very same: two releases in memory then share it
        else:
            made[place] = RRset(*one[:5], tuple(sorted(kept)))

    def sign(self, workers: int, progress: Progress | None, dnskey: RRset) -> None:
        """Make and verify what is pending, and put it in place."""
        count, done = len(self._pending), 0
        signatures = batch.signatures(self._tasks(), count, self._keys, dnskey, workers)
        with closing(signatures) as chunks:  # ends the workers also when `progress` raises
            for chunk in chunks:
                for rdata in chunk:
                    made, place = self._sent.popleft()
                    owner, rdtype, ttl, rdatas, position, kept = made[place]
                    made[place] = RRset(owner, rdtype, ttl, rdatas, position, tuple(sorted((*kept, rdata))))
                done += len(chunk)
                if progress is not None:
                    progress(done, count)
        if done != count:
            raise SigningError(f"{count - done} signatures are missing", where=to_text(self._origin))

    def _tasks(self) -> Iterator[batch.Task]:
        headers, sent = self._headers, self._sent
        while self._pending:
            made, place, labels, signer = self._pending.popleft()
            one = made[place]
            sent.append((made, place))
            yield signer, message(headers[signer].octets(one, labels), one)


def _frozen(nodes: dict[Name, list[RRset]]) -> Nodes:
    """Turn the lists into tuples where they stand: a second mapping of a million owners would not fit."""
    frozen: dict[Name, tuple[RRset, ...]] = cast("dict[Name, tuple[RRset, ...]]", nodes)
    for owner, made in nodes.items():
        frozen[owner] = tuple(made)
    return frozen


def _linked(
    origin: Name, nodes: Nodes, ttl: int, with_nsec: bool
) -> Iterator[tuple[Name, tuple[RRset, ...], Standing]]:
    """Yield what `walk` yields, without old signatures, and with an NSEC at each authoritative owner."""
    owned = (
        (owner, denied_types(node, standing))
        for owner, node, standing, _ in walk(origin, nodes)
        if standing is not Standing.OCCLUDED
    )
    links = nsec.chain(owned, ttl)  # lazy: runs one owner ahead of the walk below
    for owner, node, standing, _ in walk(origin, nodes):
        if with_nsec and standing is not Standing.OCCLUDED:
            yield owner, _with(node, next(links)), standing
        else:
            yield owner, node, standing


def _with(node: tuple[RRset, ...], one: RRset) -> tuple[RRset, ...]:
    if not node or node[-1].rdtype < one.rdtype:  # nearly always
        return (*node, one)
    return tuple(sorted((*node, one), key=lambda each: each.rdtype))


def _denied(origin: Name, nodes: Nodes) -> Iterator[nsec3.Denied]:
    for owner, node, standing, _ in walk(origin, nodes):
        if standing is not Standing.OCCLUDED:
            types = denied_types(node, standing)
            yield nsec3.Denied(owner, types, standing is Standing.CUT and Type.DS not in types)


def _with_apex(zone: ValidatedZone, apex: Sequence[RRset]) -> Nodes:
    """Return the zone's nodes with `apex` in place of the RRsets of those types, and nothing that is made
    here."""
    nodes = {
        owner: before_signing(node)
        if any(one.rdtype in MADE_BY_SIGNING or one.signatures for one in node)
        else node
        for owner, node in zone.nodes.items()
    }
    own = {one.rdtype: one for one in nodes[zone.origin]} | {one.rdtype: one for one in apex}
    nodes[zone.origin] = tuple(own[rdtype] for rdtype in sorted(own))
    return {owner: node for owner, node in nodes.items() if node}


def _soa(zone: ValidatedZone, serial: int, longest_expire: int | None) -> RRset:
    """Return the SOA with `serial`, and expire lowered to `longest_expire` seconds."""
    found = _found_soa(zone)
    rdata = with_serial(found.rdatas[0], serial)
    if longest_expire is not None:
        rdata = with_expire_at_most(rdata, longest_expire)
    return found._replace(rdatas=(rdata,), signatures=())


def _found_soa(zone: ValidatedZone) -> RRset:
    soa = zone.get(zone.origin, Type.SOA)
    if soa is None:
        raise SigningError("no SOA at the apex", where=to_text(zone.origin))
    return soa


def _refuse_unfit(origin: Name, keys: Sequence[SigningKey]) -> None:
    where = to_text(origin)
    for one in keys:
        if one.public.zone != origin:
            raise SigningError(f"{one!r} is not of this zone", where=where)
    if not _places(keys, _signs_keys) or not _places(keys, _signs_data):
        raise SigningError(
            "no key signs its DNSKEY RRset, or none its data",
            where=where,
            advice="give a CSK, or a KSK and a ZSK",
        )
    if not any(one.duty.published and _signs_data(one) for one in keys):
        raise SigningError(
            "no key that signs its data is in its DNSKEY RRset: validators would refuse all of it",
            where=where,
            advice="restore keys/ from its backup",
        )


def _places(keys: Sequence[SigningKey], signs: Callable[[SigningKey], bool]) -> tuple[int, ...]:
    return tuple(place for place, one in enumerate(keys) if signs(one))


def _signs_keys(key: SigningKey) -> bool:
    return key.duty.signs_keys


def _signs_data(key: SigningKey) -> bool:
    return key.duty.signs_data


def _signed_before(keys: Sequence[SigningKey], previous: SignedZone | None) -> frozenset[int]:
    """Return the places of keys whose signatures in `previous` their tag alone identifies.

    One that was not published signed before its algorithm was (RFC 6781 §4.1.4): no other has its tag.
    """
    dnskey = previous.get(previous.origin, Type.DNSKEY) if previous else None
    if dnskey is None:
        return frozenset()
    tags = [(rdata[3], key_tag(rdata)) for rdata in dnskey.rdatas]
    return frozenset(
        place
        for place, one in enumerate(keys)
        if tags.count((one.public.algorithm, one.public.tag)) == (one.public.rdata in dnskey.rdatas)
    )
