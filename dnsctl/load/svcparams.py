"""SVCB and HTTPS parameters (RFC 9460 §2) as dnspython reads them: newer keys become numbers with octets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from dnsctl.load.presentation import RdataFault, number, unescape, unquoted

_PARAMETER = re.compile(r"([a-z0-9-]{1,63})(?:=(.*))?", re.DOTALL)
_NUMBERED = re.compile(r"key(\d{1,5})", re.ASCII)
MAX_KEY = 65534  # 65535 is reserved, RFC 9460 §14.3.2


def rewritten(tokens: Sequence[str]) -> list[str]:
    """Return the tokens of SVCB rdata in the words dnspython knows. Raises RdataFault."""
    return [*tokens[:2], *(_parameter(unquoted(token)) for token in tokens[2:])]


def _parameter(token: str) -> str:
    found = _PARAMETER.fullmatch(token)
    if found is None:
        key = token.partition("=")[0]
        raise RdataFault(
            f"parameter key {key[:60]!r} is not of a-z, 0-9 and -", "write it in lower case (RFC 9460 §2.1)"
        )
    key, value = found[1], found[2]
    if numbered := _NUMBERED.fullmatch(key):
        code = int(numbered[1])
        if code > MAX_KEY:
            raise RdataFault(f"{key} is over key{MAX_KEY}", "use a key that is registered")
        return f"key{code}={value}" if value else f"key{code}"  # key00009 is key9
    if key == "mandatory" and value:
        return f'mandatory="{",".join(map(_numbered, unquoted(value).split(",")))}"'
    if key in _NEWER:
        code, octets = _NEWER[key]
        if octets is None:
            if value:
                raise RdataFault(f"{key} takes no value", f"write {key} alone")
            return f"key{code}"
        escaped = "".join(
            rf"\{octet:03d}" for octet in octets(key, unescape(unquoted(value or "")).decode("latin-1"))
        )
        return f'key{code}="{escaped}"'
    return token if value else key  # `=` with nothing behind it is an empty value


def _numbered(key: str) -> str:
    """Return a key as dnspython knows it."""
    return f"key{_NEWER[key][0]}" if key in _NEWER else key


def _groups(key: str, text: str) -> bytes:
    """Return TLS groups, `29,23`, as pairs of octets (draft-ietf-tls-key-share-prediction §3.1)."""
    if not text:
        raise RdataFault(f"{key} has no value", f"write {key}=29,23")
    codes = [number(each, 0xFFFF, "TLS group") for each in text.split(",")]
    if len(set(codes)) != len(codes):
        raise RdataFault(f"{key} names a group twice", "write each once")
    return b"".join(code.to_bytes(2, "big") for code in codes)


# Keys of IANA's registry that dnspython has no word for: number, and the octets of a value, if they have one.
_NEWER: dict[str, tuple[int, Callable[[str, str], bytes] | None]] = {
    "tls-supported-groups": (9, _groups),
    "pvd": (11, None),
}
