"""DNS cookies as a server makes and checks them (RFC 7873, in the interoperable form of RFC 9018 §4).

A server cookie is version, timestamp and SipHash-2-4 over client cookie, those two and the client's address.
Nodes with one secret accept each other's cookies. The secrets are in a file, 32 hexadecimal digits a line:
the first makes cookies, all are accepted; so a secret is rolled without a gap (RFC 9018 §5). The file is
checked every few seconds; a file that cannot be used is logged once and changes nothing.
"""

from __future__ import annotations

import binascii
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from siphashc import siphash

from dnsctl.errors import ConfigError
from dnsctl.files import secrecy
from dnsctl.model.serial import distance

CODE: Final = 10  # RFC 7873 §4
CLIENT_LENGTH: Final = 8  # octets
LENGTH: Final = 24  # of a client cookie and a server cookie of our form
MIN_LENGTH: Final = 16  # of a client cookie and the shortest server cookie, RFC 7873 §4
MAX_LENGTH: Final = 40
SECRET_LENGTH: Final = 16
LIFETIME: Final = 3600  # seconds a cookie is good for, RFC 9018 §4.3
RENEWAL: Final = 1800  # seconds after which a client is handed a new one
FUTURE: Final = 300  # seconds another node's clock may be ahead
LOOK_INTERVAL: Final = 2.0  # seconds between two looks at the file
MAX_SECRETS: Final = 4
MAX_KNOWN: Final = 8192  # good cookies that need not be worked out again
_UNKNOWN: Final = (-1.0, None)
_HEAD: Final = b"\1\0\0\0"  # version 1 and what is reserved
OPTIONS_LENGTH: Final = b"\0\x1c"  # of a response whose one option is a cookie, as the OPT record says it
_OPTION_HEAD: Final = b"\0\x0a\0\x18"  # code, length
_log = logging.getLogger(__name__)


class Validity(Enum):
    """What a query's cookie shows about its sender."""

    NEW = "a client cookie only"
    GOOD = "was here before, at this address"
    BAD = "not made here, too old, or for another address"


class Verdict(NamedTuple):
    """What a cookie is worth. `option`: the whole COOKIE option for the response."""

    option: bytes
    validity: Validity


class Cookies:
    """Makes and checks server cookies with the secrets of the first of `paths` that exists.

    Without a usable secret there are no cookies: `judge` returns None until there is one.
    """

    def __init__(self, paths: Sequence[Path], clock: Callable[[], float] = time.time) -> None:
        self._paths = tuple(paths)
        self._clock = clock
        self._secrets: tuple[bytes, ...] = ()
        self._stamp: tuple[object, ...] | None = None
        self._looked = -1.0
        # Good cookies, and until when; by cookie, which has `LENGTH` octets, and address
        self._known: dict[bytes, tuple[float, Verdict | None]] = {}
        self._look(clock())

    def judge(self, data: bytes, address: bytes) -> Verdict | None:
        """Judge the COOKIE option `data` of a query from `address` (4 or 16 octets).

        Raises ValueError for a length that RFC 7873 §5.2.2 calls malformed.
        """
        size = len(data)
        if size != CLIENT_LENGTH and not MIN_LENGTH <= size <= MAX_LENGTH:
            raise ValueError(f"a COOKIE option of {size} octets")
        now = self._clock()
        if not 0 <= now - self._looked < LOOK_INTERVAL:
            self._look(now)
        until, verdict = self._known.get(data + address, _UNKNOWN) if size == LENGTH else _UNKNOWN
        if now < until:
            return verdict
        if not self._secrets:
            return None
        seconds = int(now)
        if size == CLIENT_LENGTH:
            return Verdict(self._made(data, address, seconds), Validity.NEW)
        if size != LENGTH or data[8] != 1:
            return Verdict(self._made(data[:8], address, seconds), Validity.BAD)
        age = distance(seconds, int.from_bytes(data[12:16], "big"))  # RFC 9018 §4.3
        signed = data[:16] + address
        at = self._maker(signed, data[16:]) if -FUTURE <= age <= LIFETIME else None
        if at is None:
            return Verdict(self._made(data[:8], address, seconds), Validity.BAD)
        if at == 0 and 0 <= age < RENEWAL:
            verdict = Verdict(_OPTION_HEAD + data, Validity.GOOD)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[data + address] = (seconds - age + RENEWAL, verdict)
            return verdict
        return Verdict(self._made(data[:8], address, seconds), Validity.GOOD)

    def _made(self, client: bytes, address: bytes, seconds: int) -> bytes:
        head = client + _HEAD + (seconds & 0xFFFFFFFF).to_bytes(4, "big")
        return _OPTION_HEAD + head + siphash(self._secrets[0], head + address).to_bytes(8, "little")

    def _maker(self, signed: bytes, digest: bytes) -> int | None:
        """Return which secret made `digest`. Compares in constant time."""
        for at, secret in enumerate(self._secrets):
            if secrets.compare_digest(siphash(secret, signed).to_bytes(8, "little"), digest):
                return at
        return None

    def _look(self, now: float) -> None:
        """Read the secrets again if their file has changed."""
        self._looked = now
        for path in self._paths:
            try:
                found = path.stat()
            except OSError:
                continue
            stamp = (path, found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._known.clear()
            try:
                self._secrets = read_secrets(path)
            except ConfigError as error:
                _log.error("cookies: %s; the secrets in use stay", error)
            return


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """Return the secrets in a file, the one that makes cookies first. Raises ConfigError."""
    advice = "write 32 hexadecimal digits a line, such as from `openssl rand -hex 16`"
    try:
        lines = [line.partition(b"#")[0].strip() for line in path.read_bytes().splitlines()]
        if shared := secrecy.fault(path.stat(), group=True):
            _log.warning("cookies: %s: %s; chmod 600 it", path, shared)
        found = tuple(binascii.unhexlify(line) for line in lines if line)
    except OSError as error:
        raise ConfigError(
            f"the secrets of cookies cannot be read: {error.strerror}",
            where=str(path),
            advice="make it readable for the user who serves, mode 0600",
        ) from None
    except ValueError:
        raise ConfigError(
            "holds something other than a cookie secret", where=str(path), advice=advice
        ) from None
    if not 0 < len(found) <= MAX_SECRETS or any(len(one) != SECRET_LENGTH for one in found):
        raise ConfigError(f"does not hold 1 to {MAX_SECRETS} secrets", where=str(path), advice=advice)
    return found


def fresh_secret() -> bytes:
    """Return a line with a new random secret."""
    return secrets.token_hex(SECRET_LENGTH).encode() + b"\n"
