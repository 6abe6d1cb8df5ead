"""Look up what a zone of the release must answer: the algorithm of RFC 1034 §4.3.2, over released data only.

Which zone that is, `released.home` says: the nearest at or above the name, for DS the parent's. Aliases are
followed inside that zone, as name servers do; a resolver asks for what is in another one. Shares nothing with
the code that answers.
"""

from __future__ import annotations

from dnsctl.model.name import MAX_NAME, Name, ancestors, is_subdomain
from dnsctl.model.rrset import RRset, Type
from dnsctl.verify.client import Question
from dnsctl.verify.denial import Claim
from dnsctl.verify.expectation import Absent, Aliased, Data, Expanded, Expectation, Link, Referral
from dnsctl.verify.released import Node, ReleasedZone

_SURELY_FOLLOWED = 5  # aliases; no RFC says how many, and of all servers Knot gives up first
_LOOKED_AT = 64  # links: more than any server follows
_ADDRESSES = (Type.A, Type.AAAA)


def expected(zone: ReleasedZone, question: Question) -> Expectation | None:
    """Return what `zone`, where `question` belongs, must answer.

    None where no RFC says it: below a wildcard that holds NS or DNAME (RFC 4592 §4.2, §4.4).
    """
    links: list[Link] = []
    passed: set[Name] = set()
    name = question.qname
    while True:
        found = _at(zone, question._replace(qname=name))
        if not isinstance(found, Link):
            if found is None or not links:
                return found
            return Aliased(question, tuple(links), found, len(links) <= _SURELY_FOLLOWED)
        links.append(found)
        passed.add(name)
        if found.target is None or len(links) == _LOOKED_AT or found.target in passed:
            whole = found.target is None and len(links) <= _SURELY_FOLLOWED
            return Aliased(question, tuple(links), None, whole)
        ends_here = found.rrset.rdtype == Type.DNAME and question.qtype == Type.CNAME
        if ends_here or not is_subdomain(found.target, zone.origin):
            return Aliased(question, tuple(links), None, len(links) <= _SURELY_FOLLOWED)
        name = found.target


def _at(zone: ReleasedZone, question: Question) -> Expectation | Link | None:
    """Return what is found for one name, or the alias that leads on from it."""
    name = question.qname
    node = zone.node(name)
    if node is None or node.occluded or node.cut:
        hiding = _hiding(zone, name, question.qtype)
        if hiding is not None:
            return referral(zone, hiding, question) if hiding.cut else _redirected(hiding, name)
    if node is not None:
        return _of_node(node, question)
    source = zone.source_of(name)
    if source is None:
        return Absent(question, Claim.NAME)
    node = zone.node(source)
    if node is None:  # it, or the wildcard that stands for it, is an empty non-terminal
        return Absent(question, Claim.TYPE)
    return None if node.cut or node.dname else _of_node(node, question)


def _hiding(zone: ReleasedZone, name: Name, rdtype: int) -> Node | None:
    """Return the topmost cut at or above `name`, or DNAME above it. The DS at a cut is not hidden by it."""
    for above in [*reversed(ancestors(name, zone.origin)), name]:
        node = zone.node(above)
        if node is None:
            continue
        if (node.cut and not (above == name and rdtype == Type.DS)) or (node.dname and above != name):
            return node
    return None


def _of_node(node: Node, question: Question) -> Expectation | Link:
    held = node.get(question.qtype)
    if held is not None:
        return (Data if node.owner == question.qname else Expanded)(question, held)
    alias = node.get(Type.CNAME)
    if alias is not None:
        return Link(question.qname, alias, Name(alias.rdatas[0]))
    return Absent(question, Claim.TYPE)


def _redirected(node: Node, name: Name) -> Link:
    held = node.get(Type.DNAME)
    assert held is not None  # noqa: S101 - the flag says so
    target = name[: len(name) - len(node.owner)] + held.rdatas[0]
    return Link(name, held, Name(target) if len(target) <= MAX_NAME else None)


def referral(zone: ReleasedZone, cut: Node, question: Question) -> Referral:
    """Return the referral at `cut`, with the glue it needs: of name servers inside the child (RFC 9471)."""
    ns = cut.get(Type.NS)
    assert ns is not None  # noqa: S101 - the flag says so
    glue: list[RRset] = []
    for target in map(Name, ns.rdatas):
        if is_subdomain(target, cut.owner) and (found := zone.node(target)):
            glue += [one._replace(signatures=()) for one in found.rrsets if one.rdtype in _ADDRESSES]
    ds = cut.get(Type.DS) if zone.entry.signed else None
    return Referral(question, ns._replace(signatures=()), ds, tuple(glue))
