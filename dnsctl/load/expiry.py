"""What `expires` of a record says: a day, or {at: DAY, then: remove}."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from dnsctl.load.yaml_nodes import Mapping, Node, Scalar

ADVICE = "write expires: 2030-12-31, or expires: {at: 2030-12-31, then: remove}"


class Expiry(NamedTuple):
    """The last day that a record is to be served on. `removes`: after it, the record is served no more."""

    day: date
    removes: bool

    def has_passed(self, today: date) -> bool:
        return self.day < today


def expiry(node: Node) -> Expiry | None:
    """Return what `node` says, None where it has neither form."""
    if not isinstance(node, Mapping):
        day = _day(node)
        return None if day is None else Expiry(day, removes=False)
    then, day = node.get("then"), _day(node.get("at"))
    if day is None or set(node.items) != {"at", "then"}:
        return None
    return Expiry(day, removes=True) if isinstance(then, Scalar) and then.text == "remove" else None


def _day(node: Node | None) -> date | None:
    try:
        return date.fromisoformat(node.text) if isinstance(node, Scalar) else None
    except ValueError:
        return None
