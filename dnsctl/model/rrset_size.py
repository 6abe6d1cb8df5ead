"""How large an RRset is in a message: names are compressed where they may be (RFC 1035 §4.1.4, 3597 §4)."""

from __future__ import annotations

from collections.abc import Iterator

from dnsctl.model.message_size import MAX_OFFSET
from dnsctl.model.name import Name, name_end
from dnsctl.model.rrset import COMPRESSIBLE, RRset

RECORD = 12  # octets: owner as pointer, type, class, TTL, length
BARE_HEADER = 12  # octets, RFC 1035 §4.1.1
HEADER = BARE_HEADER + 4  # octets: header, question's type and class
AROUND = HEADER + 11  # and OPT
_POINTER = 2  # octets, RFC 1035 §4.1.4


def answer_octets(one: RRset, signature: int = 0) -> int:
    """Return the size of the answer that has only this RRset, with EDNS.

    `signature`: octets of RRSIG rdata beside it, where `one` has no signatures yet.
    """
    signatures = [len(each) for each in one.signatures] or ([signature] if signature else [])
    records = sum(RECORD + len(each) for each in one.rdatas) + sum(RECORD + each for each in signatures)
    return AROUND + len(one.owner) + records - saved_by_pointers(one)


def saved_by_pointers(one: RRset) -> int:
    """Return what pointers save: each name ends at its longest suffix that stands before it, within reach."""
    if one.rdtype not in COMPRESSIBLE:
        return 0
    before, count = COMPRESSIBLE[one.rdtype]
    known = {rest for _, rest in _ends(one.owner)}
    place, saved = HEADER + len(one.owner), 0
    for rdata in one.rdatas:
        place += RECORD + before
        end = before
        for _ in range(count):
            whole = Name(rdata[end : name_end(rdata, end)])
            end += len(whole)
            kept = next((at for at, rest in _ends(whole) if rest in known), len(whole) - 1)
            if place <= MAX_OFFSET:
                known.update(rest for at, rest in _ends(whole) if at < kept)
            saved += max(0, len(whole) - kept - _POINTER)
            place += min(len(whole), kept + _POINTER)
        place += len(rdata) - end
    return saved


def _ends(name: Name) -> Iterator[tuple[int, Name]]:
    """Yield the suffixes of `name` but the root, longest first, and where each begins."""
    at = 0
    while name[at]:
        yield at, Name(name[at:])
        at += 1 + name[at]
