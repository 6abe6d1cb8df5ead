"""What validators make of what they hold: DS, DNSKEY RRset and data, each of its own time (RFC 4035 §5).

A state of caches is judged by its shape, which has no names of keys: no validator looks at those. What is
said here is said apart from `dnsctl.rollover`, on purpose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement, product
from typing import Literal, NamedTuple

from dnsctl.model.name import Name
from dnsctl.model.policy import Algorithm

Rdatas = tuple[bytes, ...]
Verdict = Literal["secure", "insecure", "bogus"]
EVERY = frozenset(Algorithm)
WITHOUT_MLDSA = EVERY - {Algorithm.MLDSA44}


class Row(NamedTuple):
    """A key of a state of caches. `flags`: those of its DNSKEY; 0: a DS that leads to no key."""

    algorithm: int
    flags: int
    ds: bool
    published: bool
    signs_keys: bool
    signs_data: bool


Shape = tuple[Row, ...]  # sorted
Validator = Callable[[Shape, frozenset[int]], Verdict]  # and which algorithms it knows


def shape_of(zone: Name, ds: Rdatas, keys: Rdatas, signers: Rdatas, data: Rdatas) -> Shape:
    """Return the shape of DS rdatas, a DNSKEY RRset, the keys that signed it, and those that signed data."""
    known = {*keys, *signers, *data}
    digests = {each[4:]: each[2] for each in ds}
    rows = [
        Row(
            key[3],
            int.from_bytes(key[:2]),
            _digest(zone, key) in digests,
            key in keys,
            key in signers,
            key in data,
        )
        for key in known
    ]
    strange = set(digests) - {_digest(zone, key) for key in known}
    return tuple(sorted([*rows, *(Row(digests[each], 0, True, False, False, False) for each in strange)]))


def pairs() -> Iterator[Shape]:
    """Yield all that one key or two can do, of three algorithms: two that all know, and ML-DSA."""
    rows = [
        Row(algorithm, flags, *uses)
        for algorithm, flags, uses in product((13, 15, 18), (256, 257), product((False, True), repeat=4))
        if any(uses)
    ]
    rows += [Row(algorithm, 0, True, False, False, False) for algorithm in (13, 15, 18)]
    yield from ((row,) for row in rows)
    yield from (tuple(sorted(pair)) for pair in combinations_with_replacement(rows, 2))


def _digest(zone: Name, key: bytes) -> bytes:
    return hashlib.sha256(zone + key).digest()


def strict(shape: Shape, knows: frozenset[int] = EVERY) -> Verdict:
    """Validate what a signer must heed (RFC 4035 §2.2): what passes here passes at all validators.

    Each algorithm of the DS RRset leads to a key that signs the DNSKEY RRset; each algorithm of that RRset
    signs it, and data.
    """
    known = [each for each in shape if each.algorithm in knows]
    asked = {each.algorithm for each in known if each.ds}
    if not asked:
        return "insecure"
    published = {each.algorithm for each in known if each.published}
    whole = asked <= _anchored(known) and published <= _sign_keys(known) and published <= _sign_data(known)
    return "secure" if whole else "bogus"


def every_ds(shape: Shape, knows: frozenset[int] = EVERY) -> Verdict:
    """Validate by each algorithm of the DS RRset: Unbound with `harden-algo-downgrade: yes`."""
    known = [each for each in shape if each.algorithm in knows]
    asked = {each.algorithm for each in known if each.ds}
    if not asked:
        return "insecure"
    return "secure" if asked <= _anchored(known) and asked <= _sign_data(known) else "bogus"


def any_path(shape: Shape, knows: frozenset[int] = EVERY) -> Verdict:
    """Validate by any one way (RFC 6840 §5.11): Unbound with `harden-algo-downgrade: no`."""
    known = [each for each in shape if each.algorithm in knows]
    if not any(each.ds for each in known):
        return "insecure"
    return "secure" if _anchored(known) and _sign_data(known) else "bogus"


def _anchored(rows: list[Row]) -> set[int]:
    """Return the algorithms by which a DS leads to a key that signs the DNSKEY RRset it is in."""
    return {each.algorithm for each in rows if each.ds and each.published and each.signs_keys}


def _sign_keys(rows: list[Row]) -> set[int]:
    return {each.algorithm for each in rows if each.published and each.signs_keys}


def _sign_data(rows: list[Row]) -> set[int]:
    return {each.algorithm for each in rows if each.published and each.signs_data}
