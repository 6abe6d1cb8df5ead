"""Names that differ by a hyphen or an underscore only, and most likely were meant to be one."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.rule import Fault, Scope

_HYPHEN, _UNDERSCORE = b"-_"
_SWAPPED = bytes.maketrans(b"-_", b"_-")


def name_lookalike(scope: Scope) -> Iterator[Fault]:
    """A name beside one without the hyphen; not where one leads to the other, or both have the same data."""
    nodes = scope.zone.nodes
    for owner, node in nodes.items():
        if _HYPHEN not in owner and _UNDERSCORE not in owner:
            continue
        length = owner[0]
        label = owner[1 : 1 + length]
        if b"-" not in label and b"_" not in label[1:]:
            continue
        if label[:1] == b"_" or label[:4] == b"xn--":
            continue  # a name of a protocol, or letters in another form
        above = owner[1 + length :]
        for other in (label.translate(None, b"-_"), label.translate(_SWAPPED)):
            twin = Name(bytes((len(other),)) + other + above)
            found = nodes.get(twin)
            if found is None or (len(other) == length and owner > twin) or _one(owner, node, twin, found):
                continue
            yield Fault(
                scope.at(node[0]),
                f"{to_text(owner)} and {to_text(twin)} ({scope.at(found[0])}) differ by a hyphen or "
                "underscore",
                "if one name is meant, keep that one, or make the other its alias",
            )


def _one(owner: Name, node: tuple[RRset, ...], twin: Name, other: tuple[RRset, ...]) -> bool:
    """True where both names are meant: the same data, or one the alias of the other."""
    if [(each.rdtype, each.rdatas) for each in node] == [(each.rdtype, each.rdatas) for each in other]:
        return True
    leads = {rdata for each in (*node, *other) if each.rdtype == Type.CNAME for rdata in each.rdatas}
    return owner in leads or twin in leads
