"""Some hundreds of signatures at a time: made and verified, or only verified. Knows nothing of processes.

Imports little, because a process that signs begins with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dnsctl.sign.algorithm import Check, PrivateKey, Sign, scheme

Task = tuple[int, bytes]  # which key signs, and the octets to sign: see `rrsig.message`


class Claim(NamedTuple):
    """A signature over `message`, said to be by one of the keys at `places`: several may share a tag."""

    places: tuple[int, ...]
    message: bytes
    signature: bytes


class Signatory(NamedTuple):
    """A key, ready to sign. `cut`: octets of RRSIG rdata before the signature."""

    sign: Sign
    check: Check
    cut: int

    @classmethod
    def of(cls, algorithm: int, field: bytes, private: PrivateKey, cut: int) -> Signatory:
        """Return what signs with `private`, and checks with key field `field` of a DNSKEY."""
        made = scheme(algorithm)
        return cls(made.signer(private), made.checker(field), cut)


class InvalidSignatureError(Exception):
    """The signature of the key at `place` over `octets` does not verify."""

    def __init__(self, place: int, octets: bytes) -> None:
        self.place = place
        self.octets = octets


def signed(chunk: Iterable[Task], signatories: Sequence[Signatory]) -> list[bytes]:
    """Return RRSIG rdatas: sign all, then verify all. Raises InvalidSignatureError."""
    made = [(place, octets, signatories[place].sign(octets)) for place, octets in chunk]
    for place, octets, signature in made:
        if not signatories[place].check(signature, octets):
            raise InvalidSignatureError(place, octets)
    return [octets[: signatories[place].cut] + signature for place, octets, signature in made]


def held(chunk: Iterable[Claim], checks: Sequence[Check | None]) -> list[bool]:
    """Return for each claim whether one of its keys made it. `checks`: by place; None: not usable."""
    found = []
    for places, octets, signature in chunk:
        usable = [check for place in places if (check := checks[place]) is not None]
        found.append(any(check(signature, octets) for check in usable))
    return found
