"""An order as JSON and back: frozen dataclasses of texts, numbers, octets, paths, networks, tuples of these.

Only for a process's own order to itself (see `anew`): it reads only what `written` wrote. Without pydantic,
whose memory the new start is there to save.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TypeVar, cast, get_args, get_origin, get_type_hints

from dnsctl.model.fleet import Endpoint, Network

_Order = TypeVar("_Order")


def written(order: object) -> str:
    """Return a dataclass as JSON; fields by name, octets in hexadecimal. Raises TypeError for other types."""
    return json.dumps(_plain(order))


def read(kind: type[_Order], text: str) -> _Order:
    """Return the dataclass `kind` that `written` made `text` from."""
    return cast("_Order", _typed(kind, json.loads(text)))


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path | Network):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no form in an order")


def _typed(kind: object, value: object) -> object:
    """Return the value of type `kind` for which `_plain` gave `value`."""
    if value is None or kind in (str, int, float, bool):
        return value
    if isinstance(value, str):
        if kind is Network:
            return ipaddress.ip_network(value)
        if kind is bytes:
            return bytes.fromhex(value)
        if kind is Path:
            return Path(value)
    if isinstance(value, list):
        if kind is Endpoint:
            return Endpoint(*value)
        if get_origin(kind) is tuple:
            return tuple(_typed(get_args(kind)[0], each) for each in value)
    if isinstance(value, dict) and is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: _typed(hints[name], each) for name, each in value.items()})
    [kind] = (each for each in get_args(kind) if each is not type(None))  # X | None
    return _typed(kind, value)
