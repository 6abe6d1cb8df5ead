"""SIG(0): a key pair signs a whole message, such as an update (RFC 2931).

The one who reads it has the public half in a KEY record. What is signed is the SIG rdata up to the signature,
then the message as it is without its SIG (§3.1). Pure.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime

from dnsctl.model.key import PublicKey
from dnsctl.model.policy import Algorithm
from dnsctl.model.serial import MODULUS
from dnsctl.sign.algorithm import PrivateKey, scheme

WINDOW = 300  # seconds before and after now: RFC 2931 §3, against replay
# No server checks ML-DSA-44.
ALGORITHMS: tuple[Algorithm, ...] = tuple(each for each in Algorithm if each is not Algorithm.MLDSA44)
_HEAD = struct.Struct("!HBBIIIH")  # covers no type, algorithm, labels, TTL, expiration, inception, key tag


@dataclass(frozen=True, slots=True)
class Sig0Key:
    """A key pair that signs messages. `public`: its KEY record."""

    public: PublicKey
    private: PrivateKey = field(repr=False)


def sig_rdata(message: bytes, key: Sig0Key, now: datetime) -> bytes:
    """Return the rdata of the SIG that is to be the last record of `message`, which has none yet."""
    public, moment = key.public, int(now.timestamp())
    times = ((moment + WINDOW) % MODULUS, (moment - WINDOW) % MODULUS)
    head = _HEAD.pack(0, public.algorithm, 0, 0, *times, public.tag) + public.zone
    return head + scheme(public.algorithm).signer(key.private)(head + message)
