"""What queries have in common besides the name, and what is known about that in one zone.

A query without its name is a *form*. For each form it is known where the RRset is in nodes with one index
(`Plan`), and what a denial answers to all names of one length (`Denial`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from dnsctl.image.fragment import Shape
from dnsctl.model.message_size import MIN_UDP_PAYLOAD
from dnsctl.model.name import MAX_LABEL, MAX_NAME
from dnsctl.model.rrset import Type
from dnsctl.serve.fast.cache import Entry
from dnsctl.serve.fast.nsec_parts import Proofs
from dnsctl.serve.message.edns import BARE_OPTS, OPT_HEAD, OPT_LENGTH, udp_limit
from dnsctl.serve.message.sections import Ends
from dnsctl.serve.zone.names import ZoneView

RARE: Final = 512  # types from here on, whose questions are all one to us: there are too many
FORM: Final = 4  # what a form counts for among the things that are remembered
_FORMS: Final = 256  # of a zone that need not be read again
_PLAIN: Final = {b"\0\1\0\0\0\0\0\0": False, b"\0\1\0\0\0\0\0\1": True}  # counts -> has an OPT record
_FULL_PATH: Final = frozenset((int(Type.OPT), *range(249, 255)))  # types that no zone answers
# Types whose answer is not just the owner's RRset, or that no owner has
ODD_TYPES: Final = frozenset((0, int(Type.RRSIG), int(Type.ANY)))
_LONGEST_FORM: Final = 25  # octets: header without id, type, class, bare OPT; nothing plain is longer
TOO_MUCH: Final = 1 << 20  # octets; more than any limit

# Where the answer stands in a node, and what goes in between: see `fragment.Shape`
Places = tuple[slice, slice, slice, bytes, bytes, bytes]
# That, header (octets 2 to 11), class for `tally`, octets of the answer without name (of a denial: too much),
# whether it is a denial.
# Bare tuples, as in `Denial`: all are unpacked for every query.
Plan = tuple[slice, slice, slice, bytes, bytes, bytes, bytes, int, int, bool]
NOTHING: Final = slice(0)
NOWHERE: Final[Places] = (NOTHING, NOTHING, NOTHING, b"", b"", b"")
FULL_PATH: Final[Plan] = (*NOWHERE, b"", 0, TOO_MUCH, False)
SEVERAL: Final[Plan] = (*NOWHERE, b"", -1, TOO_MUCH, False)  # answered from more than the node
# What denies all names of one length below the apex: SOA and what denies the wildcard; pointers to the apex
# and to what comes next; keys of the proofs in it; header and class as it is, and with one more proof. In
# `Errors` with the names that must go the full path, and with finished answers by the key of what covers the
# name: NSEC, NSEC3, or nothing.
Denial = tuple[bytes, bytes, bytes, tuple[bytes, ...], tuple[bytes, int], tuple[bytes, int]]
Errors = tuple[tuple[bytes, ...], dict[bytes, Entry], Denial]
# Equivalent names: their length and 10, key of the closest encloser, and where an NSEC tells, of the node
# before
EquivalentNames = tuple[int, bytes, bytes]
# Their answer: endings of names that have another; finished, or the octets of the name that the next closer
# name is right below, and what else there is to say
EquivalentAnswer = tuple[tuple[bytes, ...], Entry | None, int, Errors | None]


class Form(NamedTuple):
    """What a query says besides the name, with what was found out for it, and others like it, in one zone."""

    frame: bytes  # octets of the query, without id and name
    code: int  # of the type; `RARE`: that or any above, which the zone has not got where it is asked for
    dnssec: bool  # the query has DO, and the zone is signed
    opt: bytes  # the OPT record of the response
    limit: int  # octets the client takes; what is found out is the same for all limits
    plans: dict[bytes, Plan]  # by index of the node
    soas: dict[int, bytes]  # of denials, by length of the name and 10
    errors: dict[int, Errors | None]  # the same
    equivalent: dict[EquivalentNames, EquivalentAnswer | None]
    several: dict[bytes, Entry | None]  # by name, what several nodes answer: aliases, services
    cuts: dict[tuple[bytes, int], tuple[bytes, int]]  # header and class of what is cut, by flags and class
    ends: dict[bytes, Ends]  # where answers may end, by their octets behind the question


class AskedZone(Proofs):
    """One zone, and what is remembered of it.

    `stop`: where its longest label below the apex may end in a query behind its id; 0: look for a zone below.
    """

    __slots__ = ("_same", "forms", "soa_names", "stop", "view")

    def __init__(self, view: ZoneView, make_room: Callable[..., None]) -> None:
        super().__init__(view, make_room)
        self.view = view
        self.stop = 0 if view.has_zones_below else 11 + min(MAX_LABEL, MAX_NAME - 1 - len(view.origin))
        self.soa_names = tuple(bytes(name) for name in view.soa_names if name != view.origin)
        self.forms: dict[bytes, Form] = {}  # some, by `frame`
        self._same: dict[tuple[int, int, bytes], Form] = {}  # one of each that are the same to us

    def apex_pointer(self, at: int) -> bytes:
        """Return how the apex is written behind the name of a query that ends at `at`."""
        return b"\0" if len(self.origin) == 1 else pointer(at + 2 - len(self.origin))

    def new_form(self, frame: bytes) -> Form | None:
        """Read header (without id), type, class and OPT of a query; None where it is not plain."""
        has_opt = _PLAIN.get(frame[2:10])
        rest, opt = frame[10:14], frame[14:]
        if len(frame) > _LONGEST_FORM or has_opt is None or frame[0] & 0xFE or rest[2:] != b"\0\1":
            return None
        rdtype = rest[0] << 8 | rest[1]
        if rdtype in _FULL_PATH or len(opt) != (OPT_LENGTH if has_opt else 0):
            return None
        limit, do = MIN_UDP_PAYLOAD, False
        if has_opt:
            if opt[:3] != OPT_HEAD or opt[6] or opt[9] or opt[10]:
                return None
            limit = udp_limit(opt[3] << 8 | opt[4])
            do = opt[7] > 0x7F
        same = frame[0] & 1, min(rdtype, RARE), BARE_OPTS[do] if has_opt else b""
        shared = self._same.get(same)
        if shared is None:
            self._make_room(FORM)
            dnssec = do and self.view.entry.signed
            _, code, answer_opt = same
            shared = Form(frame, code, dnssec, answer_opt, limit, {}, {}, {}, {}, {}, {}, {})
            self._same[same] = shared
        form = shared._replace(frame=frame, limit=limit)
        if len(self.forms) < _FORMS and rdtype < RARE:
            self.forms[frame] = form
        return form


def places(shape: Shape, dnssec: bool) -> Places:
    """Return where an RRset stands, with RRSIGs or without."""
    rdata, times, signature, before, between, signer = shape[:6]
    if not dnssec:
        return rdata, NOTHING, NOTHING, before, b"", b""
    if not between:
        return slice(rdata.start, times.stop), NOTHING, NOTHING, before, b"", b""
    return rdata, times, signature, before, between, signer


def pointer(offset: int) -> bytes:
    """Return a compression pointer (RFC 1035 §4.1.4)."""
    return (0xC000 | offset).to_bytes(2, "big")
