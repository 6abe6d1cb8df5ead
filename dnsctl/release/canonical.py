"""Canonical JSON: a value has exactly one form in bytes, so that its digest or signature is unambiguous.

ASCII, keys sorted, no spaces, integers within 64 bits, no floats. Decoding is strict: it refuses everything
that `encode` would not have made byte for byte, such as duplicate keys and odd escapes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import UnionType
from typing import NoReturn, TypeVar, cast, get_args, get_origin, get_type_hints

from dnsctl.errors import ReleaseError
from dnsctl.model.json_value import Json

_LARGEST = 2**63 - 1
_Shape = TypeVar("_Shape", bound=Mapping[str, object])


def encode(value: Json) -> bytes:
    """Return the canonical form of `value`: dicts with str keys, lists, str, int, bool, None."""
    return json.dumps(
        value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def decode(data: bytes, limit: int, what: str) -> dict[str, object]:
    """Return the object that `data` is the canonical form of; `what` names it in errors.

    Checked in this order, cheapest first: size, JSON, integers, being an object, canonical form.
    Raises ReleaseError.
    """
    if len(data) > limit:
        raise ReleaseError(f"{what} of {len(data)} octets, at most {limit} are read")
    try:
        value = json.loads(
            data.decode("ascii"), parse_int=_integer, parse_float=_refuse, parse_constant=_refuse
        )
        if not isinstance(value, dict):
            raise ReleaseError(f"{what} is not a JSON object")
        same = encode(value) == data
    except (ValueError, RecursionError) as error:
        raise ReleaseError(f"{what} is malformed: {str(error)[:120]}") from None
    if not same:
        raise ReleaseError(f"{what} is not in canonical form")
    return value


def fields(value: object, what: str, shape: type[_Shape]) -> _Shape:
    """Return `value` as `shape`, a TypedDict: an object with exactly its keys, and values of its types.

    Of lists and dicts inside only that they are some is checked. Raises ReleaseError.
    """
    expected = _kinds(shape)
    if not isinstance(value, dict) or value.keys() != expected.keys():
        raise ReleaseError(f"{what} has not the fields {', '.join(sorted(expected))}")
    for key, kinds in expected.items():
        if type(value[key]) not in kinds:  # a bool is an int to isinstance
            raise ReleaseError(f"{what}: {key} is not a {' or '.join(each.__name__ for each in kinds)}")
    return cast("_Shape", value)


@lru_cache
def _kinds(shape: object) -> dict[str, tuple[type, ...]]:
    """Return the types that each field of a TypedDict may have."""
    hints = get_type_hints(shape)
    return {
        key: tuple(
            get_origin(each) or each for each in (get_args(hint) if isinstance(hint, UnionType) else (hint,))
        )
        for key, hint in hints.items()
    }


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > _LARGEST:
        raise ValueError("integer beyond 64 bits")
    return int(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} where an integer belongs")
