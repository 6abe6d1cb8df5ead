"""TSIG for a server (RFC 8945): verify a signed query, and sign its answer, whether one message or many.

The order of checks is that of §5.2: form, key, size of the MAC, MAC, time, truncation. A MAC must be whole:
the answer to a truncated one that is right as far as it goes is BADTRUNC. Digests are dnspython's. For who
may do what, see `transfer.admit`.
"""

from __future__ import annotations

import hmac
import ipaddress
import struct
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol, cast

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.tsig

from dnsctl.model.fleet import Network, TransferKey
from dnsctl.serve.message.query import HEADER_LENGTH, Rcode, Rejected
from dnsctl.serve.message.query import TSIG as TYPE

FUDGE: Final = 300  # seconds, RFC 8945 §10
BADSIG: Final = 16
BADKEY: Final = 17
BADTIME: Final = 18
BADTRUNC: Final = 22
_SHORTEST: Final = 10  # octets of a truncated MAC, RFC 8945 §5.2.2.1
_CLASS_ANY: Final = 255
_RECORD: Final = struct.Struct("!HHIH")
_FIXED: Final = 16  # octets of rdata besides algorithm, MAC and other data
Rdata = dns.rdtypes.ANY.TSIG.TSIG


class Untrusted(Rejected):
    """A query with an invalid TSIG. `signer` says why in the response, NOTAUTH (RFC 8945 §5.2)."""

    def __init__(self, what: str, end: int, signer: Signer) -> None:
        super().__init__(what, Rcode.NOTAUTH, end)
        self.signer = signer


class Verified(NamedTuple):
    """A query with a valid TSIG: the query without it, and what signs the response."""

    message: bytes
    networks: tuple[Network, ...]  # from where its key is good for transfers; empty: anywhere
    signer: Signer

    def is_good_for(self, address: str | bytes) -> bool:
        """True where the key allows transfers to `address`."""
        return not self.networks or is_within(address, self.networks)


class _Digest(Protocol):
    """What of a response is in the next MAC."""

    def update(self, data: bytes) -> object: ...


class Signer:
    """Signs the messages of one response, in order. Unsigned: where the key or its MAC was wrong."""

    def __init__(self, key: dns.tsig.Key | None, template: Rdata, owner: dns.name.Name) -> None:
        self._key = key
        self._template = template
        self._owner = owner.canonicalize().to_wire() or b""
        self._request_mac: bytes = template.mac if key is not None else b""
        self._context: _Digest | None = None
        self.clock: Callable[[], float] = time.time

    @property
    def size(self) -> int:
        """How many octets a signature takes, at most."""
        algorithm = self._template.algorithm.to_wire() or b""
        mac = dns.tsig.mac_sizes[self._template.algorithm] if self._key is not None else 0
        return len(self._owner) + _RECORD.size + len(algorithm) + _FIXED + mac + len(self._template.other)

    def sign(self, wire: bytes, *, more: bool = False) -> bytes:
        """Return `wire` with its TSIG. `more`: other messages follow, or came before (RFC 8945 §5.3.1)."""
        template = self._template
        now = template.time_signed if template.error == BADTIME else int(self.clock())
        template = _changed(template, time_signed=now, fudge=FUDGE, mac=b"")
        if self._key is not None:
            template, self._context = dns.tsig.sign(  # type: ignore[no-untyped-call]
                wire, self._key, template, now, self._request_mac, self._context, more
            )
        rdata = template.to_wire() or b""
        count = (wire[10] << 8 | wire[11]) + 1
        head = _RECORD.pack(TYPE, _CLASS_ANY, 0, len(rdata))
        return wire[:10] + count.to_bytes(2, "big") + wire[12:] + self._owner + head + rdata

    def cover(self, wire: bytes) -> None:
        """Take in a message that leaves unsigned: the next signature covers it too (RFC 8945 §5.3.1)."""
        if self._context is None:
            raise AssertionError("the first message of a response is signed")
        self._context.update(wire)


class Keyring:
    """The keys that queries may be signed with."""

    def __init__(self, keys: Iterable[TransferKey] = (), clock: Callable[[], float] = time.time) -> None:
        self._keys: dict[dns.name.Name, tuple[dns.tsig.Key, TransferKey]] = {}
        for one in keys:
            key = dns.tsig.Key(one.name.removesuffix(".") + ".", one.secret, one.algorithm)
            self._keys[key.name] = (key, one)
        self._clock = clock

    def verify(self, message: bytes, at: int, end: int) -> Verified:
        """Verify `message`, whose TSIG stands at `at` and whose question ends at `end`.

        Raises Rejected for a malformed TSIG, Untrusted for one that does not hold.
        """
        owner, rdata = _parsed(message, at, end)
        known = self._keys.get(owner.canonicalize())
        if known is None or known[0].algorithm != rdata.algorithm:
            raise Untrusted("unknown key", end, self._signer(None, rdata, owner, BADKEY, message))
        key, allowed = known
        if rdata.error:
            raise Rejected("a TSIG that tells an error", Rcode.FORMERR, end)
        count = (message[10] << 8 | message[11]) - 1
        plain = message[:10] + count.to_bytes(2, "big") + message[HEADER_LENGTH:at]
        whole = _mac(plain, key, rdata)
        size = len(rdata.mac)
        if not max(_SHORTEST, len(whole) // 2) <= size <= len(whole):
            raise Rejected("a MAC of a size that none may have", Rcode.FORMERR, end)
        if not hmac.compare_digest(whole[:size], rdata.mac):
            raise Untrusted("wrong MAC", end, self._signer(None, rdata, owner, BADSIG, message))
        now = int(self._clock())
        if abs(rdata.time_signed - now) > rdata.fudge:
            raise Untrusted("wrong time", end, self._signer(key, rdata, owner, BADTIME, message, now))
        if size < len(whole):
            raise Untrusted("truncated MAC", end, self._signer(key, rdata, owner, BADTRUNC, message))
        return Verified(plain, allowed.networks, self._signer(key, rdata, owner, 0, message))

    def _signer(
        self,
        key: dns.tsig.Key | None,
        rdata: Rdata,
        owner: dns.name.Name,
        error: int,
        message: bytes,
        now: int | None = None,
    ) -> Signer:
        """Return what signs the response. `now`: our time, in seconds, for clients with another (§5.2.3).

        Other data of the query is never sent back.
        """
        other = b"" if now is None else now.to_bytes(6, "big")
        template = _changed(rdata, error=error, original_id=message[0] << 8 | message[1], other=other)
        signer = Signer(key, template, owner)
        signer.clock = self._clock
        return signer


def _changed(rdata: Rdata, **fields: object) -> Rdata:
    return cast(Rdata, rdata.replace(**fields))  # type: ignore[no-untyped-call, unused-ignore]


def _mac(plain: bytes, key: dns.tsig.Key, rdata: Rdata) -> bytes:
    """Return the MAC that the TSIG `rdata` of the message, `plain` without it, should have."""
    made, _ = dns.tsig.sign(plain, key, rdata, rdata.time_signed)  # type: ignore[no-untyped-call]
    return cast(Rdata, made).mac


def _parsed(message: bytes, at: int, end: int) -> tuple[dns.name.Name, Rdata]:
    """Return owner and rdata of the TSIG at `at`. Raises Rejected."""
    try:
        owner, used = dns.name.from_wire(message, at)
        at += used + _RECORD.size
        found = dns.rdata.from_wire(dns.rdataclass.ANY, dns.rdatatype.TSIG, message, at, len(message) - at)
    except (dns.exception.DNSException, ValueError):
        raise Rejected("malformed TSIG", Rcode.FORMERR, end) from None
    if not isinstance(found, Rdata):
        raise Rejected("malformed TSIG", Rcode.FORMERR, end)
    return owner, found


def is_within(address: str | bytes, networks: Iterable[Network]) -> bool:
    """True where `address` (text, or 4 or 16 octets) is in one of `networks`, IPv4-mapped ones as IPv4."""
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return any((mapped or found) in network for network in networks)
