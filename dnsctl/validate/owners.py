"""Judge a few owners of a large zone, among all of its names: what the rules find in them, and in no other.

The caller sees to it that no other name of the zone leads to these owners where that matters (`is_local`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from dnsctl.model.finding import Finding, Level
from dnsctl.model.name import Name, label_count, labels
from dnsctl.model.overlay import Node, Overlay
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type
from dnsctl.model.zone import Zone
from dnsctl.validate.index import Focused, index_of
from dnsctl.validate.landscape import Answer, Landscape, Question
from dnsctl.validate.reach import APEX, OF_ZONE, OWNER, SUMMED
from dnsctl.validate.rule import Scope
from dnsctl.validate.rules import RULES
from dnsctl.validate.run import judge_rules

_PLAIN = frozenset((Type.A, Type.AAAA, Type.TXT, Type.MX))
_KNOWN = APEX | OF_ZONE | OWNER | SUMMED
_ADDRESSES = frozenset((Type.A, Type.AAAA))
_BY_ADDRESS = (Type.PTR, Type.SVCB, Type.HTTPS)  # rules compare these with addresses of their targets


class Judged(NamedTuple):
    """What rules found in the owners, and what they asked of other zones."""

    findings: tuple[Finding, ...]
    asked: Mapping[Question, Answer]


def is_local(before: Node, after: Node, zone: Zone) -> bool:
    """True where nothing that rules find elsewhere in the zone can depend on this change of an owner.

    Types stay, and addresses are all that changes; nothing in the zone is compared with these.
    """
    same = {each.rdtype: each for each in before}
    if same.keys() != {each.rdtype for each in after} or any(zone.facts.types.get(t) for t in _BY_ADDRESS):
        return False
    changed = (each for each in after if each.rdatas != same[each.rdtype].rdatas)
    return all(each.rdtype in _ADDRESSES for each in changed)


def is_plain(owner: Name, node: Node, origin: Name) -> bool:
    """True for what rules see only at its own owner, and where its name is spelt out."""
    above = label_count(origin)
    own = labels(owner)[: -above or None]
    named = all(each.replace(b"-", b"").isalnum() and each[:4] != b"xn--" for each in own)
    return bool(own) and named and b"mta-sts" not in own and all(each.rdtype in _PLAIN for each in node)


def judge_owners(
    zone: Zone, levels: Mapping[str, Level], policy: Policy | None, landscape: Landscape
) -> Judged | None:
    """Judge the owners that `zone`, an `Overlay`, changes; None where a rule looks at more than these.

    `landscape`: all zones at hand, this one included. Its largest TTL stays, and most of its owners.
    """
    nodes = zone.nodes
    assert isinstance(nodes, Overlay)  # noqa: S101 - else the zone is judged as a whole
    if any(rule.name not in _KNOWN for rule in RULES):
        return None
    focus = replace(zone, nodes=Focused(nodes, nodes.changed, nodes.facts))
    here = landscape.seen_from(zone.origin, index_of(focus))
    scope = Scope(focus, here.index(zone.origin), here, policy)
    found = tuple(judge_rules(scope, levels, (rule for rule in RULES if rule.name in OWNER | SUMMED)))
    if any(each.rule in SUMMED for each in found):
        return None
    return Judged(found, here.asked)
