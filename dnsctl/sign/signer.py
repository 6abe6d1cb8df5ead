"""Turn a validated zone into a signed one (RFC 4035 §2), or one that is released unsigned.

Pure: the keys, the clock and the signatures of last time are arguments, and the same arguments give the same
octets, with one worker or many; but for new signatures of MLDSA44, which differ each time, so that those that
are fresh are kept. Invariants of what comes out: each authoritative RRset has a signature of
each key that is to sign it (`SigningKey.duty`); the denial chain was walked; SOA expire is below the time
that signatures have left at any moment (see `model.validity`). Each new signature was verified (see `batch`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import NamedTuple, cast

from dnsctl.errors import SigningError
from dnsctl.model.key import key_tag
from dnsctl.model.name import Name, canonical_key, label_count, to_text
from dnsctl.model.occlusion import Standing, denied_types, is_authoritative, walk
from dnsctl.model.overlay import Overlay
from dnsctl.model.packed import Packed, nsec3_unpacker, pack, unpack
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import KEY_TYPES, MADE_BY_SIGNING, RRset, Type, before_signing
from dnsctl.model.rrsig import expiration
from dnsctl.model.soa import negative_ttl, with_expire_at_most, with_serial
from dnsctl.model.validity import Timing, timing
from dnsctl.model.zone import Nodes, Nsec3Parameters, SignedZone, ValidatedZone
from dnsctl.sign import batch, nsec, nsec3
from dnsctl.sign.chain import Break, Neighbours, breaks, broken_links
from dnsctl.sign.chunks import Task
from dnsctl.sign.dnskey import key_rrsets, refuse_equal_tags
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.rrsig import Header, Validity, message
from dnsctl.sign.zonemd import placeholder, zonemd

Progress = Callable[[int, int], None]  # owners that are signed, those of NSEC3 too, and of how many


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
    `progress` is told as new signatures are made. Raises SigningError where the keys do not fit, or a
    signature does not verify.
    """
    times = timing(policy, zone.facts.largest_ttl)
    validity = Validity.of(policy.signatures, now, f"policy {policy.name}", times.refresh)
    _refuse_unfit(zone.origin, keys)
    refuse_equal_tags(zone, (one.public for one in keys))
    ttl = negative_ttl(_found_soa(zone))  # of NSEC and NSEC3, RFC 9077 §3
    parameters = Nsec3Parameters(opt_out=policy.opt_out) if policy.denial == "nsec3" else None
    apex = _apex(zone, keys, policy, serial, times)
    if parameters is not None:
        apex.append(nsec3.parameter_record(zone.origin, parameters, ttl))
    if policy.zonemd == "publish":
        apex.append(placeholder(zone.origin, serial, apex[0].ttl))
    given = _with_apex(zone, apex)
    bitmaps: dict[bytes, bytes] = {}
    if parameters is not None:
        bitmaps = nsec3.bitmaps(_denied(zone.origin, given), zone.origin, parameters)
    work = _Work(zone.origin, keys, apex[1], validity, previous)

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, len(given) + len(bitmaps))

    work.sign(work.owners(_linked(zone.origin, given, ttl, parameters is None)), workers, tell)
    if parameters is not None:
        work.sign(work.hashes(nsec3.linked(bitmaps, zone.origin, parameters, ttl)), workers, tell)
    if policy.zonemd == "publish":
        work.sign(work.replaced(zonemd(work.zone(serial, parameters), apex[0].ttl)))
    signed = work.zone(serial, parameters)
    _refuse_broken_chain(signed)
    return signed


def sign_owners(
    zone: ValidatedZone,
    owners: Collection[Name],
    keys: Sequence[SigningKey],
    policy: Policy,
    now: datetime,
    serial: int,
    previous: SignedZone,
) -> dict[Name, tuple[RRset, ...]]:
    """Return the nodes that `sign_zone` would make and `previous` has not, and some that both have.

    `zone` is an `Overlay` that differs from what `previous` was made from, by the same keys and policy, in
    `owners` alone: authoritative data below the apex. No signature is due, NSEC denies, there is no ZONEMD.
    The apex, with another serial, is in the result; an empty node: the owner goes.
    """
    nodes, before = zone.nodes, previous.nodes
    assert isinstance(nodes, Overlay) and isinstance(before, Overlay)  # noqa: S101 - they know neighbours
    times = timing(policy, zone.facts.largest_ttl)
    validity = Validity.of(policy.signatures, now, f"policy {policy.name}", times.refresh)
    _refuse_unfit(zone.origin, keys)
    refuse_equal_tags(zone, (one.public for one in keys))
    apex = _apex(zone, keys, policy, serial, times)
    work = _Work(zone.origin, keys, apex[1], validity, previous)
    neighbours = Neighbours(zone.origin, nodes)
    moved = [owner for owner in owners if (owner in nodes) != (owner in before)]
    linking = {zone.origin, *(each for each in owners if each in nodes), *map(neighbours.before, moved)}
    ttl = negative_ttl(_found_soa(zone))
    linked = []
    for owner in sorted(linking, key=canonical_key):
        node = nodes[owner]
        standing = neighbours.standing(owner)
        given = _with_own(node, apex) if owner == zone.origin else _given(node)
        link = nsec.record(owner, neighbours.after(owner), denied_types(given, standing), ttl)
        linked.append((owner, _with(given, link), standing))
    work.sign(work.owners(linked))
    made = {**{owner: () for owner in owners if owner not in nodes}, **work.nodes()}
    for one in broken_links(zone.origin, Overlay(before, made, nodes.facts), [*linking, *owners]):
        raise _broken(zone.origin, one)
    return made


def _refuse_broken_chain(signed: SignedZone) -> None:
    """Walk the whole denial chain, as for a pre-signed zone: it was made from the same nodes."""
    for one in breaks(signed.origin, signed.nodes, signed.nsec3_nodes, signed.nsec3):
        raise _broken(signed.origin, one)


def _broken(origin: Name, one: Break) -> SigningError:
    advice = "nothing was published; this is a fault of dnsctl, please report it"
    return SigningError(one.message, where=to_text(origin), advice=advice)


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


_Linked = tuple[Name, tuple[RRset, ...], Standing]  # an owner


def _tell_nobody(_done: int) -> None:
    pass


class _Part(NamedTuple):
    """Nodes by owner, or NSEC3 by hash, packed; `before`: the same of last time, to share with."""

    octets: dict[bytes, bytes]
    before: Mapping[bytes, bytes]


class _Begun(NamedTuple):
    """A node, and by RRset the signatures that it has; `lacking`: places of RRsets, one for each to come."""

    part: _Part
    key: bytes
    node: tuple[RRset, ...]
    signatures: tuple[list[bytes], ...]
    lacking: tuple[int, ...]


class _Work:
    """A zone on its way: what is signed is packed at once, for all of its RRsets would not fit beside it."""

    def __init__(
        self,
        origin: Name,
        keys: Sequence[SigningKey],
        dnskey: RRset,
        validity: Validity,
        previous: SignedZone | None,
    ) -> None:
        self._origin = origin
        self._keys = keys
        self._dnskey = dnskey
        self._headers = [Header(one.public, validity) for one in keys]
        self._key_signers = _places(keys, _signs_keys)
        self._zone_signers = _places(keys, _signs_data)
        self._previous: Nodes = previous.nodes if previous else {}
        self._previous_hashes = previous.nsec3_nodes if previous else {}
        self._known = _signed_before(keys, previous)
        self._nodes = _Part({}, _octets(self._previous))
        self._hashes = _Part({}, _octets(self._previous_hashes))
        self._sent: deque[_Begun] = deque()  # given to `batch`, in the order it answers
        self._done = 0

    def zone(self, serial: int, parameters: Nsec3Parameters | None) -> SignedZone:
        nodes = Packed(cast("dict[Name, bytes]", self._nodes.octets), unpack)
        hashes = Packed(self._hashes.octets, nsec3_unpacker(self._origin))
        return SignedZone(self._origin, nodes, serial, True, parameters, hashes)

    def nodes(self) -> dict[Name, tuple[RRset, ...]]:
        """Return the owners that are signed, unpacked."""
        return {Name(owner): unpack(Name(owner), octets) for owner, octets in self._nodes.octets.items()}

    def owners(self, linked: Iterable[_Linked]) -> Iterator[Task]:
        """Yield what is to be signed of the zone's owners."""
        for owner, node, standing in linked:
            before = {one.rdtype: one for one in self._previous.get(owner, ())} if self._previous else {}
            signers = [self._signers(one, standing) for one in node]
            yield from self._begin(self._nodes, owner, node, signers, before)

    def hashes(self, linked: Iterable[tuple[bytes, RRset]]) -> Iterator[Task]:
        """Yield what is to be signed of NSEC3 RRsets."""
        for digest, one in linked:
            found = self._previous_hashes.get(digest)
            before = {one.rdtype: found} if found is not None else {}
            yield from self._begin(self._hashes, digest, (one,), [self._zone_signers], before)

    def replaced(self, made: RRset) -> Iterator[Task]:
        """Put `made` in place of the apex's RRset of its type; yield what is to be signed."""
        found = unpack(self._origin, self._nodes.octets[self._origin])
        node = tuple(made if one.rdtype == made.rdtype else one for one in found)
        signatures = tuple([] if one is made else list(one.signatures) for one in node)
        lacking = (node.index(made),) * len(self._zone_signers)
        self._sent.append(_Begun(self._nodes, self._origin, node, signatures, lacking))
        labels = label_count(self._origin)
        yield from (self._task(signer, made, labels) for signer in self._zone_signers)

    def _signers(self, one: RRset, standing: Standing) -> tuple[int, ...]:
        if not is_authoritative(one.rdtype, standing):
            return ()
        at_apex = one.rdtype in KEY_TYPES and one.owner == self._origin
        return self._key_signers if at_apex else self._zone_signers

    def _begin(
        self,
        part: _Part,
        key: bytes,
        node: tuple[RRset, ...],
        signers: Sequence[tuple[int, ...]],
        before: Mapping[int, RRset],
    ) -> Iterator[Task]:
        """Yield what `before` does not keep of a node. It is in its place once that is answered."""
        labels = label_count(node[0].owner)
        signatures: list[list[bytes]] = []
        lacking: list[int] = []
        tasks: list[Task] = []
        for place, one in enumerate(node):
            kept, lacks = self._kept(one, labels, signers[place], before.get(one.rdtype))
            signatures.append(kept)
            for signer in lacks:
                lacking.append(place)
                tasks.append(self._task(signer, one, labels))
        begun = _Begun(part, key, node, tuple(signatures), tuple(lacking))
        if not tasks:
            self._finish(begun, deque())
            return
        part.octets[key] = b""  # keeps the order of owners
        self._sent.append(begun)
        yield from tasks

    def _task(self, signer: int, one: RRset, labels: int) -> Task:
        return signer, message(self._headers[signer].octets(one, labels), one)

    def _kept(
        self, one: RRset, labels: int, signers: tuple[int, ...], before: RRset | None
    ) -> tuple[list[bytes], Sequence[int]]:
        """Return the signatures of `before` that are still good for `one`, and which `signers` have none."""
        if before is None or before.rdatas != one.rdatas or before.ttl != one.ttl:
            return [], signers
        kept: list[bytes] = []
        lacks: list[int] = []
        for signer in signers:
            keeps = self._headers[signer].keeps
            for signature in before.signatures if signer in self._known else ():
                if keeps(signature, one, labels):
                    kept.append(signature)
                    break
            else:
                lacks.append(signer)
        return kept, lacks

    def sign(
        self, tasks: Iterator[Task], workers: int = 1, tell: Callable[[int], None] = _tell_nobody
    ) -> None:
        """Have `tasks`, which this yielded, signed and verified, and finish their nodes."""
        made: deque[bytes] = deque()
        with closing(batch.signatures(tasks, self._keys, self._dnskey, workers)) as chunks:
            for chunk in chunks:  # closing ends the workers also when `tell` raises
                made += chunk
                while self._sent and len(made) >= len(self._sent[0].lacking):
                    self._finish(self._sent.popleft(), made)
                tell(self._done)
        if self._sent or made:
            raise SigningError(f"{len(self._sent)} owners lack signatures", where=to_text(self._origin))

    def _finish(self, begun: _Begun, made: deque[bytes]) -> None:
        """Put a node in its place, with the signatures it lacks, which are the first of `made`."""
        part, key, node, signatures, lacking = begun
        for place in lacking:
            signatures[place].append(made.popleft())
        signed = [RRset(*one[:5], tuple(sorted(own))) for one, own in zip(node, signatures, strict=True)]
        octets, before = pack(signed), part.before.get(key)
        part.octets[key] = before if before == octets else octets
        self._done += 1


def _octets(nodes: Mapping[Name, object] | Mapping[bytes, object]) -> Mapping[bytes, bytes]:
    return nodes.octets if isinstance(nodes, Packed) else {}


def _linked(origin: Name, nodes: Nodes, ttl: int, with_nsec: bool) -> Iterator[_Linked]:
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


def _apex(
    zone: ValidatedZone, keys: Sequence[SigningKey], policy: Policy, serial: int, times: Timing
) -> list[RRset]:
    """Return what the apex has of its own in any signed zone: SOA, DNSKEY, then CDS and CDNSKEY."""
    return [
        _soa(zone, serial, times.expire),
        *key_rrsets(
            zone,
            [one.public for one in keys if one.duty.published],
            policy.dnskey_ttl,
            cds=[one.public for one in keys if one.duty.ds] if policy.cds != "off" else None,
        ),
    ]


def _with_apex(zone: ValidatedZone, apex: Sequence[RRset]) -> Nodes:
    """Return the zone's nodes with `apex` in place of the RRsets of those types, and nothing that is made
    here."""
    nodes = {}
    for owner, node in zone.nodes.items():
        given = _with_own(node, apex) if owner == zone.origin else _given(node)
        if given:
            nodes[owner] = given
    return nodes


def _given(node: tuple[RRset, ...]) -> tuple[RRset, ...]:
    """Return the RRsets of a node without what is made here."""
    from_elsewhere = any(one.rdtype in MADE_BY_SIGNING or one.signatures for one in node)
    return before_signing(node) if from_elsewhere else node


def _with_own(node: tuple[RRset, ...], apex: Sequence[RRset]) -> tuple[RRset, ...]:
    own = {one.rdtype: one for one in (*_given(node), *apex)}
    return tuple(own[rdtype] for rdtype in sorted(own))


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
