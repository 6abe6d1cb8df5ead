"""ALIAS as people write it: octoDNS's `ALIAS`, `ANAME` of other programs, and `Route53Provider/ALIAS`.

The first two have the name of a target as their value, as CNAME has. Those of Route 53 are mappings of `name`
and `type`: the name is relative to the zone unless it ends with a dot or a `hosted-zone-id` stands beside it.
"""

from __future__ import annotations

from typing import NamedTuple

from dnsctl.load import rdata_fields
from dnsctl.load.presentation import NameReader, RdataFault, type_code
from dnsctl.load.rdata_fields import Remark
from dnsctl.load.yaml_nodes import Mapping, Node, Scalar
from dnsctl.model.alias import ADDRESSES, ALIASES, OF_ROUTE53
from dnsctl.model.name import FULL_STOPS, Name, from_text
from dnsctl.model.rrset import Type


class Target(NamedTuple):
    """Where a value leads, and for which types. No types: for none that an ALIAS can have."""

    name: Name
    types: tuple[int, ...] = ADDRESSES


def spelling(node: Node | None) -> str:
    """Return the type as messages name it, where it is an ALIAS; empty for all others."""
    text = node.text.strip() if isinstance(node, Scalar) else ""
    if text.lower() == OF_ROUTE53.lower():
        return OF_ROUTE53
    return text.upper() if text.upper() in ALIASES else ""


def target_of(spelled: str, value: Node, names: NameReader, origin: Name, remarks: list[Remark]) -> Target:
    """Return what `value` of an ALIAS leads to. Raises RdataFault or NameSyntaxError."""
    if spelled != OF_ROUTE53:
        return Target(Name(rdata_fields.to_wire(Type.CNAME, value, names, remarks)))
    if not isinstance(value, Mapping):
        raise RdataFault("is not a mapping", "write {name: www, type: A}")
    kind, written = value.get("type"), value.get("name")
    code = type_code(kind.text) if isinstance(kind, Scalar) else None
    if code is None:
        raise RdataFault("has no type", "add `type: A`")
    types = (code,) if code in ADDRESSES else ()
    text = written.text if isinstance(written, Scalar) and not written.is_null else ""
    if text.endswith(tuple(FULL_STOPS)) or value.get("hosted-zone-id") is None:
        return Target(from_text(text or "@", origin), types)
    return Target(Name(rdata_fields.to_wire(Type.CNAME, written or value, names, remarks)), types)
