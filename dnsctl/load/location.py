"""LOC rdata (RFC 1876) from presentation form, in exact decimal arithmetic."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from decimal import Decimal

from dnsctl.load.presentation import NameReader, RdataFault, RdataRemark

FORM = "write 52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m"
_EQUATOR = 2**31  # thousandths of a second of arc, RFC 1876 §2
_SEA_LEVEL = 10_000_000  # centimetres above the base of altitudes, 100,000 m below the ellipsoid
_MAX_SIZE = 9_000_000_000  # centimetres: 9 and nine zeros
_DEFAULTS = (100, 1_000_000, 1000)  # centimetres of size, horizontal and vertical precision
_WHOLE = re.compile(r"0*\d{1,3}", re.ASCII)
_SECONDS = re.compile(r"0*\d{1,2}(\.\d{0,3})?", re.ASCII)
_METRES = re.compile(r"([+-]?\d{1,8}(?:\.\d{0,2})?)m?", re.ASCII | re.IGNORECASE)


def location(tokens: Sequence[str], names: NameReader) -> bytes:
    """Return LOC rdata. Sizes keep their first digit (RFC 1876 §2): a remark says what is kept."""
    latitude, rest = _angle(list(tokens), "latitude", 90, "NS")
    longitude, rest = _angle(rest, "longitude", 180, "EW")
    if not 1 <= len(rest) <= 4:
        raise RdataFault(f"{len(rest)} fields behind the longitude, 1 to 4 are needed", FORM)
    altitude = _SEA_LEVEL + _centimetres(rest[0], "altitude")
    if not 0 <= altitude < 2**32:
        raise RdataFault(f"altitude {rest[0][:40]!r} is not from -100000 m to 42849672.95 m", FORM)
    sizes = list(_DEFAULTS)
    for place, text in enumerate(rest[1:]):
        sizes[place] = _centimetres(text, "size or precision")
    packed = bytes(_size(each, names) for each in sizes)
    return struct.pack("!B3sIII", 0, packed, latitude, longitude, altitude)


def _angle(tokens: list[str], what: str, limit: int, signs: str) -> tuple[int, list[str]]:
    """Return an angle in thousandths of a second, and the tokens behind its letter."""
    letters = [place for place, token in enumerate(tokens[:4]) if token.upper() in tuple(signs)]
    if not letters or not letters[0]:
        raise RdataFault(f"{what} does not end in {' or '.join(signs)}", FORM)
    fields, letter = tokens[: letters[0]], tokens[letters[0]].upper()
    degrees, minutes, seconds = (*fields, *("0",) * (3 - len(fields)))
    if not (_WHOLE.fullmatch(degrees) and _WHOLE.fullmatch(minutes) and _SECONDS.fullmatch(seconds)):
        raise RdataFault(f"{what} {' '.join(fields)[:60]!r} is not degrees, minutes, seconds", FORM)
    if int(minutes) > 59 or Decimal(seconds) >= 60:
        raise RdataFault(f"{what} has minutes and seconds up to 59", FORM)
    thousandths = (int(degrees) * 60 + int(minutes)) * 60_000 + int(Decimal(seconds) * 1000)
    if thousandths > limit * 3_600_000:
        raise RdataFault(f"{what} is over {limit} degrees", FORM)
    return _EQUATOR + (thousandths if letter in "NE" else -thousandths), tokens[letters[0] + 1 :]


def _centimetres(text: str, what: str) -> int:
    found = _METRES.fullmatch(text)
    if found is None:
        raise RdataFault(f"{what} {text[:40]!r} is not metres with at most two decimals", FORM)
    return int(Decimal(found[1]) * 100)


def _size(centimetres: int, names: NameReader) -> int:
    """Return a size as its first digit and the number of zeros after it."""
    if not 0 <= centimetres <= _MAX_SIZE:
        raise RdataFault("a size or precision is not from 0 to 90000000 m", FORM)
    digits = str(centimetres)
    kept = int(digits[0]) * 10 ** (len(digits) - 1)
    if kept != centimetres:
        message = f"LOC keeps one digit: {metres(centimetres)}m is served as {metres(kept)}m"
        names.remarks.append(
            RdataRemark("loc-rounded", message, "write the value that is served (RFC 1876 §2)")
        )
    return int(digits[0]) << 4 | len(digits) - 1


def metres(centimetres: int) -> str:
    """Return a length in metres, as LOC records show it."""
    return f"{Decimal(centimetres) / 100:.2f}"
