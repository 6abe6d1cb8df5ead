"""Answers to equivalent names: names of one length, without a node, below one encloser.

A delegation, a wildcard or a denial gives all such names the same answer, octet for octet after the question.
The exception is an answer that depends on the name itself: a DNAME substitutes it, or a record holds it. And
one proof depends on the name or its hash, the NSEC or NSEC3 that covers it or the next closer name (RFC 5155
§7.2.1): that is left open, and comes last.
"""

from __future__ import annotations

from typing import NamedTuple

from dnsctl.image.fragment import QUESTION_AT
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name, parent
from dnsctl.serve.zone.answer import Answer, Step, answer
from dnsctl.serve.zone.names import Zones, ZoneView

_SAME_FOR_ALL = frozenset((Step.REFERRAL, Step.WILDCARD, Step.ANSWER, Step.NO_DATA, Step.NAME_ERROR))
_ENDS_OF_ALIASES = (Step.ANSWER, Step.NO_DATA, Step.OUTSIDE)  # that leave no proof of theirs open


class Equivalent(NamedTuple):
    """`odd`: endings of such names that are answered in another way, as the answer holds those names.
    `written`: all names in it, and their suffixes.

    `proved`: octets of the name right above the next closer name that is left to be covered; 0: none is.
    """

    answer: Answer
    sections: bytes
    odd: tuple[bytes, ...]
    written: frozenset[bytes]
    proved: int


def answer_equivalent(
    reader: Reader,
    zones: Zones,
    view: ZoneView,
    qname: Name,
    rdtype: int,
    *,
    do: bool,
    encloser: bytes,
    leave_open: bool,
) -> Equivalent | None:
    """Return the answer to `qname`, which has no node, if all equivalent names get the same one; else None.

    `encloser`: the key of its closest encloser; `leave_open`: what proves that the name itself is not there.
    """
    found = answer(reader, zones, view, qname, rdtype, do, leave_open=leave_open)
    steps = [trace.step for trace in found.trace]
    if found.beside or not (_SAME_FOR_ALL.issuperset(steps) or _is_alias_for_all(steps)):
        return None
    draft, next_closer = found.draft, found.proof.next_closer
    above = view.name(encloser)
    shared = QUESTION_AT + len(qname) - len(above)  # where that name begins in the question
    # An expanded wildcard is owned by the name itself; nothing else may point at what is not shared
    own = {QUESTION_AT} if Step.ANSWER in steps or Step.ALIAS in steps else set()
    if any(at < shared for at in draft.reached - own):
        return None
    behind = QUESTION_AT + len(qname)
    written = frozenset(name for name, at in draft.offsets.items() if at >= behind)
    names = [*written, *view.soa_names]
    odd = tuple(name for name in names if len(name) > len(above) and name.endswith(above))
    if qname.endswith(odd):
        return None
    proved = len(parent(next_closer)) if next_closer is not None else 0
    return Equivalent(found, b"".join(draft.parts), odd, written, proved)


def _is_alias_for_all(steps: list[Step]) -> bool:
    """True where a wildcard is an alias whose end is the same for all names."""
    return (
        len(steps) > 2
        and steps[0] is Step.WILDCARD
        and set(steps[1:-1]) == {Step.ALIAS}
        and steps[-1] in _ENDS_OF_ALIASES
    )
