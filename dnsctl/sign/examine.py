"""The signatures of a pre-signed zone, each judged as a validator would (RFC 4035 §2.2, §5.3).

A validator is content with one good signature, an operator is not: each one by a published key must be valid.
A signature by a key that is not in the DNSKEY RRset is ignored, and does no harm (§5.3.1). What was verified
in the release before (same RRset, key and signature) is not verified again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain

from dnsctl.errors import SigningError
from dnsctl.model import presigned as rules
from dnsctl.model.name import Name, label_count, to_text
from dnsctl.model.occlusion import Standing, is_authoritative, walk
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.model.rrsig import Signature, parse
from dnsctl.model.serial import distance
from dnsctl.model.zone import Nodes, SignedZone
from dnsctl.sign.batch import verified
from dnsctl.sign.chunks import Claim
from dnsctl.sign.published import KeyId, PublishedKeys, algorithm_text, key_text
from dnsctl.sign.rrsig import message
from dnsctl.sign.zone_findings import ZoneFindings

Progress = Callable[[int, int], None]  # signatures verified, of how many

_KEY_SIGNED = frozenset((Type.CDS, Type.CDNSKEY))


def examine(
    zone: SignedZone,
    keys: PublishedKeys,
    told: ZoneFindings,
    now: datetime | None,
    before: SignedZone | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> None:
    """Judge every signature of `zone`; with `now`, also whether it is valid then.

    `before`: a zone whose signatures were verified. `progress` counts only signatures that it lacks.
    """
    count = sum(len(one.signatures) for one in chain(zone.rrsets(), zone.nsec3_nodes.values()))
    work = _Examination(zone, keys, told, now, before)
    done = 0
    checked = verified(work.claims(), keys, workers)
    with closing(checked) as chunks:  # ends the workers also when `progress` raises
        for chunk in chunks:
            for holds in chunk:
                work.take(holds=holds)
            done += len(chunk)
            if progress is not None:
                progress(done, count)
    if progress is not None:
        progress(count, count)
    work.sum_up()


class _Examination:
    """One zone under examination. `claims` yields what is to be verified, `take` gets the results."""

    def __init__(
        self,
        zone: SignedZone,
        keys: PublishedKeys,
        told: ZoneFindings,
        now: datetime | None,
        before: SignedZone | None,
    ) -> None:
        self._zone = zone
        self._keys = keys
        self._told = told
        self._now = int(now.timestamp()) if now is not None else None
        self._before: Nodes = before.nodes if before is not None else {}
        self._before_hashes = before.nsec3_nodes if before is not None else {}
        self._settled = _settled(keys, before)
        self._sent: deque[tuple[RRset, KeyId]] = deque()
        self._failed: set[tuple[Name, int, KeyId]] = set()
        self._signers: dict[int, set[KeyId]] = {}  # of the apex's DNSKEY, CDS and CDNSKEY
        self._foreign: Counter[KeyId] = Counter()
        self._first: dict[object, RRset] = {}  # where what is only counted shows first
        self._lacking: Counter[int] = Counter()
        self._unneeded = 0

    def claims(self) -> Iterator[Claim]:
        """Yield the signatures that are to be verified; report at once what needs no arithmetic."""
        origin = self._zone.origin
        for owner, node, standing, _ in walk(origin, self._zone.nodes):
            labels = label_count(owner)
            before: dict[int, RRset] = {}
            if self._before:
                before = {one.rdtype: one for one in self._before.get(owner, ())}
            for one in node:
                if standing is Standing.OCCLUDED or not is_authoritative(one.rdtype, standing):
                    self._not_authoritative(one)
                else:
                    yield from self._of(one, labels, before.get(one.rdtype))
        for digest, one in self._zone.nsec3_nodes.items():
            yield from self._of(one, label_count(one.owner), self._before_hashes.get(digest))

    def take(self, *, holds: bool) -> None:
        """Take the result of the claim that was yielded first of those still out."""
        one, key = self._sent.popleft()
        if not holds:
            self._failed.add((one.owner, one.rdtype, key))
            self._say(rules.INVALID, one, f"the signature by {key_text(key)} does not verify")

    def sum_up(self) -> None:
        """Report what is counted over the zone, once everything came back."""
        told, keys = self._told, self._keys
        for key, count in self._foreign.items():
            what = "not in the DNSKEY RRset"
            if key in keys.revoked or key in keys.unusable:
                what = "revoked" if key in keys.revoked else "not usable"
            told.add(
                rules.FOREIGN,
                f"{count} signatures by {key_text(key)}, which is {what}: they count for nothing",
                self._first.get(key),
            )
        for algorithm, count in self._lacking.items():
            told.add(
                rules.ALGORITHM,
                f"{count} RRsets have no signature of {algorithm_text(algorithm)}, an algorithm of a DNSKEY",
                self._first.get(algorithm),
            )
        if self._unneeded:
            told.add(
                rules.UNNEEDED,
                f"{self._unneeded} RRsets are signed that are not authoritative (glue, NS of a delegation)",
                self._first.get("unneeded"),
            )
        self._entry_point()
        self._cds()

    # -- one RRset ---

    def _of(self, one: RRset, labels: int, before: RRset | None) -> Iterator[Claim]:
        keys = self._keys
        known = before is not None and before.rdatas == one.rdatas and before.ttl == one.ttl
        algorithms = set()
        late: list[tuple[KeyId, str]] = []
        faulty = False
        for signature in one.signatures:
            try:
                parsed = parse(signature)
            except SigningError:
                faulty = True
                self._say(rules.INVALID, one, "has a malformed signature")
                continue
            key = (parsed.algorithm, parsed.tag)
            places = keys.places.get(key) or (keys.revoked.get(key) if one.rdtype == Type.DNSKEY else None)
            if places is None:
                self._foreign[key] += 1
                self._first.setdefault(key, one)
                continue
            if lie := self._lie(parsed, one, labels):
                faulty = True
                self._say(rules.INVALID, one, f"the signature by {key_text(key)} {lie}")
                continue
            if when := self._untimely(parsed):
                late.append((key, when))
                continue
            if key in keys.places:
                algorithms.add(parsed.algorithm)
                self._signed_by(one, key)
            if known and key in self._settled and before is not None and signature in before.signatures:
                continue
            if keys.checks[places[0]] is not None:
                self._sent.append((one, key))
                yield Claim(places, *_signed_octets(one, signature, parsed))
        self._complete(one, frozenset(algorithms), late, faulty=faulty)

    def _lie(self, parsed: Signature, one: RRset, labels: int) -> str:
        """Return which field of a signature is wrong (RFC 4035 §2.2, §5.3.1)."""
        if parsed.signer != self._zone.origin:
            return f"names {to_text(parsed.signer)} as its signer, which is not the zone"
        if parsed.labels != labels:
            return f"counts {parsed.labels} labels in the owner, which has {labels}"
        if parsed.original_ttl != one.ttl:
            return f"says that the TTL is {parsed.original_ttl}, where {one.ttl} stands"
        return ""

    def _untimely(self, parsed: Signature) -> str:
        """Return why a signature is not valid now; times compare as serials do (RFC 4034 §3.1.5)."""
        if self._now is None:
            return ""
        if distance(parsed.expiration, self._now) < 0:
            return f"expired {_when(self._now + distance(parsed.expiration, self._now))}"
        if distance(parsed.inception, self._now) > 0:
            return f"begins {_when(self._now + distance(parsed.inception, self._now))} only"
        return ""

    def _complete(
        self, one: RRset, algorithms: frozenset[int], late: list[tuple[KeyId, str]], *, faulty: bool
    ) -> None:
        """Judge the signatures of an RRset together."""
        if not algorithms and not late and not faulty:
            lacks = "no signature of a published DNSKEY" if one.signatures else "no signature"
            self._say(rules.INCOMPLETE, one, f"has {lacks}")
        elif not algorithms and late:
            kind = "expired signatures" if late[0][1].startswith("expired") else "signatures that begin later"
            self._say(rules.TIME, one, f"has only {kind} ({key_text(late[0][0])}: {late[0][1]})")
        elif not faulty:
            for key, when in late:
                self._say(rules.TIME, one, f"the signature by {key_text(key)} {when}")
        if algorithms:
            for algorithm in self._keys.algorithms - algorithms:
                self._lacking[algorithm] += 1
                self._first.setdefault(algorithm, one)

    def _not_authoritative(self, one: RRset) -> None:
        if one.signatures or one.rdtype == Type.NSEC:
            self._unneeded += 1
            self._first.setdefault("unneeded", one)

    def _say(self, rule: str, one: RRset, what: str) -> None:
        separator = ": " if what.startswith("the ") else " "
        self._told.add(rule, f"{to_text(one.owner)} {type_text(one.rdtype)}{separator}{what}", one)

    # -- the apex's keys ---

    def _signed_by(self, one: RRset, key: KeyId) -> None:
        if one.owner == self._zone.origin and (one.rdtype == Type.DNSKEY or one.rdtype in _KEY_SIGNED):
            self._signers.setdefault(one.rdtype, set()).add(key)

    def _good(self, rdtype: int) -> frozenset[KeyId]:
        origin = self._zone.origin
        return frozenset(
            key for key in self._signers.get(rdtype, ()) if (origin, rdtype, key) not in self._failed
        )

    def _entry_point(self) -> None:
        entries = self._keys.entry_points
        dnskey = self._zone.get(self._zone.origin, Type.DNSKEY)
        good = self._good(Type.DNSKEY)
        if dnskey is not None and entries and good and not good & entries:
            self._say(
                rules.INCOMPLETE,
                dnskey,
                "has no signature of a key with the SEP flag, which a DS leads to (RFC 4035 §2.4)",
            )

    def _cds(self) -> None:
        entries = self._good(Type.DNSKEY)
        entries = entries & self._keys.entry_points or entries
        for rdtype in sorted(_KEY_SIGNED):
            found = self._zone.get(self._zone.origin, rdtype)
            good = self._good(rdtype)
            if found is not None and good and not good & entries:
                by = ", ".join(key_text(key) for key in sorted(good))
                self._say(
                    rules.CDS,
                    found,
                    f"is signed by {by} only, which a DS does not lead to: parents ignore it (RFC 7344 §4.1)",
                )


def _signed_octets(one: RRset, signature: bytes, parsed: Signature) -> tuple[bytes, bytes]:
    """Return the message of a signature, and the signature; its signer is in lower case (RFC 4034 §6.2)."""
    header = signature[: parsed.start - len(parsed.signer)] + parsed.signer
    return message(header, one), signature[parsed.start :]


def _settled(keys: PublishedKeys, before: SignedZone | None) -> frozenset[KeyId]:
    """Return the keys whose signatures in `before` were verified with the very keys of today."""
    dnskey = before.get(before.origin, Type.DNSKEY) if before is not None and before.signed else None
    if dnskey is None:
        return frozenset()
    old = PublishedKeys.of(dnskey)
    return frozenset(
        key for key in (*keys.places, *keys.revoked) if keys.rdatas_of(key) == old.rdatas_of(key)
    )


def _when(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
