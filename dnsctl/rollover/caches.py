"""What if: would a validator fail that holds something old in its cache?

A resolver caches DS, DNSKEY and signed data apart, each until its own TTL runs out, so that it may hold any
version of one with any version of the others (RFC 7583 §2). A release is safe if every combination of what
it brings with what may still be cached validates. Validators are taken to be of the strict kind: each
algorithm of the DS RRset must lead to a key, and data must have a signature of each algorithm of the DNSKEY
RRset (RFC 4035 §2.2; RFC 6781 §4.1.4 says why).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import product
from typing import Literal, TypeAlias

from dnsctl.model.key import PublicKey, is_sep, key_tag
from dnsctl.model.name import Name
from dnsctl.model.observation import LONGEST_CACHED, DsMemory, ServedKeys, ServedMemory, held_until
from dnsctl.model.parental import names
from dnsctl.model.rrset import Type

FRESH = timedelta(days=1)  # an older look says nothing of what is served now
Kind = Literal["ds", "keys", "data"]
Fault = Literal["", "chain", "data"]
Rdatas: TypeAlias = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A version of DS, DNSKEY RRset or signed data that a cache may hold.

    `held`: its keys or DS; `signers`: what signs the DNSKEY RRset. `until`: the last cache drops it then;
    None: it may be served still. `new`: the release brings it. `unknown`: of before anything was observed.
    """

    kind: Kind
    held: Rdatas
    signers: Rdatas = ()
    until: datetime | None = None
    new: bool = False
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Observations:
    """What was seen of a zone. `foreign`: DNSKEYs of other signers (RFC 8901), which are not judged while the
    zone is signed.
    """

    served: ServedMemory = field(default_factory=ServedMemory)
    ds: DsMemory = field(default_factory=DsMemory)
    foreign: frozenset[bytes] = frozenset()

    def unseen_ds(self, now: datetime) -> bool:
        """True where some server of the parent is silent, was not asked for long, or none was ever asked."""
        views = self.ds.views
        return not views or any(each.ds is None or abs(now - each.at) > FRESH for each in views)


def served_now(seen: Observations, now: datetime) -> Observations:
    """Return `seen` as if no cache held anything that is not served any more."""
    long_ago = now - timedelta(seconds=2 * LONGEST_CACHED)
    served, ds = seen.served, seen.ds
    return replace(
        seen,
        served=replace(
            served,
            versions=tuple(each for each in served.versions if each.gone is None),
            began=served.began and long_ago,
        ),
        ds=replace(
            ds, versions=tuple(each for each in ds.versions if each.gone is None), began=ds.began and long_ago
        ),
    )


@dataclass(frozen=True, slots=True)
class Danger:
    """Two versions that do not go together: DS and DNSKEY RRset (`chain`), or that and data (`data`)."""

    fault: Fault
    parts: tuple[Part, Part]

    @property
    def cause(self) -> Part:
        """The old one; of two the one that caches drop first."""
        old = [each for each in self.parts if not each.new] or list(self.parts)
        return min(old, key=lambda each: (each.until is None, each.until or datetime.min, each.kind))

    @property
    def until(self) -> datetime | None:
        """When no cache can hold both any more; None where that is not yet known."""
        return self.cause.until


@dataclass(frozen=True, slots=True)
class Change:
    """What a release changes: what is served, and the DS sets that the parent is asked for."""

    zone: Name
    served: ServedKeys
    asked: Rdatas
    then_served: ServedKeys
    then_asked: Rdatas

    @property
    def ends_signing(self) -> bool:
        """True where the zone is signed no longer: any DS makes it bogus then, whose key it may lead to."""
        return bool(self.served.data_signers) and not self.then_served.data_signers


def dangers(change: Change, seen: Observations, now: datetime) -> tuple[Danger, ...]:
    """Return what a release would break for whoever holds something old.

    The parent may take what it is asked for at any moment. What is broken already is not counted, such as by
    a DS that names no key of ours; but where signing ends, every DS counts. It may lead to another signer's
    key (RFC 8901), whose DNSKEY RRset leads to ours.
    """
    zone, current = change.zone, change.served
    key_parts = _parts("keys", current, change.then_served, seen, now)
    data_parts = _parts("data", current, change.then_served, seen, now)
    known = frozenset(rdata for part in key_parts for rdata in part.held) - seen.foreign
    found: dict[Danger, None] = {}
    for ds in _ds_parts(change, known, seen, now):
        if not ds.held or (
            not ds.new
            and not change.ends_signing
            and fault_of(zone, ds.held, current.keys, current.key_signers, current.data_signers, known)
        ):
            continue
        for keys, data in product(key_parts, data_parts):
            if keys.unknown or data.unknown:
                fault: Fault = "chain" if keys.unknown and ds.new else "data"
            else:
                fault = fault_of(zone, ds.held, keys.held, keys.signers, data.held, known)
            pair = (ds, keys) if fault == "chain" else (keys, data)
            if fault and (ds.new or any(each.new for each in pair)):
                found[Danger(fault, pair)] = None
    return tuple(found)


def last_of(found: Iterable[Danger]) -> Danger:
    """Return the danger that lasts longest; one whose end is not known lasts longer than any other."""
    return max(found, key=lambda each: (each.until is None, each.until and each.until.timestamp()))


def fault_of(
    zone: Name, ds: Rdatas, keys: Rdatas, key_signers: Rdatas, data_signers: Rdatas, known: frozenset[bytes]
) -> Fault:
    """Return why a strict validator refuses these together; empty where it does not.

    `known`: our own keys, all that may be in caches. DS that name none of those are another signer's, or
    nobody's, and lead to nothing here.
    """
    if not ds:
        return ""
    ours = {key for each in ds for key in known if _names(zone, each, key)}
    chained = {key for key in ours if key in keys and key in key_signers}
    if not chained or {key[3] for key in chained} != {key[3] for key in ours}:
        return "chain"
    good = {key[3] for key in data_signers if key in keys}
    return "" if good and {key[3] for key in keys if key in known} <= good else "data"


@lru_cache(maxsize=65536)
def _names(zone: Name, ds: bytes, dnskey: bytes) -> bool:
    return names(zone, ds, Type.CDS, dnskey)


def names_key(zone: Name, ds: Rdatas, dnskey: bytes) -> bool:
    """True where one of `ds` leads to the key."""
    return any(_names(zone, each, dnskey) for each in ds)


def _part(kind: Kind, served: ServedKeys, until: datetime | None = None) -> Part:
    if kind == "keys":
        return Part("keys", served.keys, served.key_signers, until)
    return Part("data", served.data_signers, (), until)


def _parts(
    kind: Kind, current: ServedKeys, then: ServedKeys, seen: Observations, now: datetime
) -> list[Part]:
    """Return what a cache may hold of the DNSKEY RRset, or of data; of before any observation, too."""
    memory = seen.served
    ttl = memory.dnskey_ttl if kind == "keys" else memory.data_ttl
    parts = {_part(kind, current): None}
    if _part(kind, then) not in parts:
        parts[replace(_part(kind, then), new=True)] = None
    for each in memory.versions:
        until = held_until(each, ttl)
        if until is None or now < until:
            parts[_part(kind, each.what, until)] = None
    began = None if memory.began is None else memory.began + timedelta(seconds=ttl)
    if began is None or now < began:
        parts[Part(kind, (), until=began, unknown=True)] = None
    return list(parts)


def _ds_parts(change: Change, known: frozenset[bytes], seen: Observations, now: datetime) -> Iterator[Part]:
    """Yield what a cache may hold of the DS; what a server that is silent may say, too."""
    zone = change.zone
    yield Part("ds", change.asked)
    if change.then_asked != change.asked:
        yield Part("ds", change.then_asked, new=True)
    for version in seen.ds.versions:
        until = held_until(version, seen.ds.ttl)
        if until is None or now < until:
            yield Part("ds", version.what, until=until)
    began = seen.ds.began
    until = None if began is None else began + timedelta(seconds=seen.ds.ttl)
    unseen = seen.unseen_ds(now)
    if unseen or until is None or now < until:
        for key in sorted(known):
            if is_sep(key):
                yield Part("ds", (_ds(zone, key),), until=None if unseen else until, unknown=True)


@lru_cache(maxsize=4096)
def _ds(zone: Name, dnskey: bytes) -> bytes:
    return PublicKey.of(zone, dnskey).ds()


def tags(rdatas: Iterable[bytes]) -> str:
    """Return key tags as messages name them."""
    return ", ".join(str(each) for each in sorted(key_tag(rdata) for rdata in rdatas)) or "none"
