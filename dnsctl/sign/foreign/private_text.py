"""BIND's `Private-key-format: v1.3`, which PowerDNS prints as v1.2, without times: lines of `Field: base64`.

Numbers of RSA keys are big-endian (RFC 8017 §3.2); `PrivateKey` is the number of an ECDSA key, big-endian and
as long as the curve's order, and the seed of an EdDSA (RFC 8032 §5.1.5) or ML-DSA key (FIPS 204 §5.1). Times
are UTC. Not encrypted. Pure.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dnsctl.errors import KeystoreError
from dnsctl.model.policy import Algorithm
from dnsctl.sign.algorithm import PrivateKey

FIRST_LINE = "Private-key-format:"
_WRITTEN = f"{FIRST_LINE} v1.3"
_TIME = "%Y%m%d%H%M%S"
_RSA = frozenset((5, 7, 8, 10))  # IANA's numbers of algorithms
_CURVES: Mapping[int, tuple[ec.EllipticCurve, int]] = {13: (ec.SECP256R1(), 32), 14: (ec.SECP384R1(), 48)}
_SEEDS: Mapping[int, Callable[[bytes], object]] = {
    15: ed25519.Ed25519PrivateKey.from_private_bytes,
    16: ed448.Ed448PrivateKey.from_private_bytes,
    18: mldsa.MLDSA44PrivateKey.from_seed_bytes,
}
_NAMES = {8: "RSASHA256", 13: "ECDSAP256SHA256", 14: "ECDSAP384SHA384", 15: "ED25519", 16: "ED448"}
_RSA_FIELDS = (
    "Modulus",
    "PublicExponent",
    "PrivateExponent",
    "Prime1",
    "Prime2",
    "Exponent1",
    "Exponent2",
    "Coefficient",
)
_ENDINGS = ("Inactive", "Delete", "Revoke")


@dataclass(frozen=True, slots=True)
class PrivateText:
    """What such a file says. `times`: by BIND's titles, such as `Created` or `Inactive`."""

    algorithm: int
    private: PrivateKey
    times: Mapping[str, datetime]

    def ended(self, now: datetime) -> bool:
        """True where the key had been retired, deleted or revoked by `now`."""
        return any(self.times[each] <= now for each in _ENDINGS if each in self.times)


class _FieldError(ValueError):
    """A field that cannot be read. Its message is for a person."""


def parse(text: str, where: str) -> PrivateText:
    """Return what a file says. Raises KeystoreError naming `where` and what is wrong in it."""
    fields = {
        name.strip(): value.strip()
        for name, colon, value in (line.partition(":") for line in text.splitlines())
        if colon
    }
    version = fields.get(FIRST_LINE.removesuffix(":"), "")
    if not version.startswith("v1."):
        raise _malformed(where, f"its format is {version or 'missing'}, not v1.2 or v1.3")
    if "Label" in fields or "Engine" in fields:
        raise KeystoreError(
            "names a key in a hardware module, and does not hold it",
            where=where,
            advice="such a key cannot be imported: roll to a new one",
        )
    try:
        algorithm = int(fields["Algorithm"].split()[0])
    except (KeyError, ValueError, IndexError):
        raise _malformed(where, "no line `Algorithm:` with a number") from None
    try:
        private = _private(algorithm, fields)
    except KeyError as error:
        raise _malformed(where, f"no line `{error.args[0]}:`") from None
    except _FieldError as error:
        raise _malformed(where, str(error)) from None
    except (ValueError, OverflowError):
        raise _malformed(where, f"its numbers are not a key of algorithm {algorithm}") from None
    return PrivateText(algorithm, private, dict(_times(fields, where)))


def _times(fields: Mapping[str, str], where: str) -> Iterator[tuple[str, datetime]]:
    for name in ("Created", "Publish", "Activate", *_ENDINGS):
        if name not in fields:
            continue
        try:
            yield name, datetime.strptime(fields[name], _TIME).replace(tzinfo=UTC)
        except ValueError:
            raise _malformed(where, f"`{name}: {fields[name]}` is not YYYYMMDDHHMMSS") from None


def to_text(algorithm: int, private: PrivateKey, times: Mapping[str, datetime], where: str) -> str:
    """Return the file of a key, as BIND writes it.

    Raises KeystoreError naming `where` for an algorithm that these servers do not know.
    """
    if algorithm not in _NAMES:
        raise KeystoreError(
            f"BIND, Knot and PowerDNS do not know algorithm {algorithm} ({Algorithm(algorithm).name})",
            where=where,
            advice="export it with --format pem",
        )
    lines = [_WRITTEN, f"Algorithm: {algorithm} ({_NAMES[algorithm]})"]
    lines += [f"{name}: {base64.b64encode(value).decode()}" for name, value in _fields(algorithm, private)]
    lines += [f"{name}: {moment:{_TIME}}" for name, moment in times.items()]
    return "\n".join(lines) + "\n"


def _private(algorithm: int, fields: Mapping[str, str]) -> PrivateKey:
    """Return the key. Raises KeyError for a field that is missing, ValueError for one that is wrong."""
    if algorithm in _RSA:
        n, e, d, p, q, dp, dq, qi = (_number(fields[each]) for each in _RSA_FIELDS)
        return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n)).private_key()
    if algorithm not in _CURVES and algorithm not in _SEEDS:
        raise _FieldError(f"algorithm {algorithm} is not supported")
    octets = _octets(fields["PrivateKey"])
    if algorithm in _CURVES:
        return ec.derive_private_key(int.from_bytes(octets, "big"), _CURVES[algorithm][0])
    private = _SEEDS[algorithm](octets)
    if not isinstance(private, PrivateKey):
        raise _FieldError(f"algorithm {algorithm} is not supported")
    return private


def _fields(algorithm: int, private: PrivateKey) -> Iterator[tuple[str, bytes]]:
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.private_numbers()
        public = numbers.public_numbers
        values = (
            public.n,
            public.e,
            numbers.d,
            numbers.p,
            numbers.q,
            numbers.dmp1,
            numbers.dmq1,
            numbers.iqmp,
        )
        for name, value in zip(_RSA_FIELDS, values, strict=True):
            yield name, value.to_bytes((value.bit_length() + 7) // 8, "big")
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        length = _CURVES[algorithm][1]
        yield "PrivateKey", private.private_numbers().private_value.to_bytes(length, "big")
    else:
        yield "PrivateKey", private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def _number(text: str) -> int:
    return int.from_bytes(_octets(text), "big")


def _octets(text: str) -> bytes:
    with contextlib.suppress(binascii.Error):
        return base64.b64decode(text, validate=True)
    raise _FieldError("a field is not base64")


def _malformed(where: str, what: str) -> KeystoreError:
    return KeystoreError(f"malformed private key: {what}", where=where, advice="export it again")
