"""The same zones with Knot, NSD and BIND, the same questions: what differs, and which differences are known.

A known difference is one that docs/conformance.md explains: `KNOWN` maps its name there to who differs, and
to what tells it from a fault. Questions go over one TCP connection a peer, so that nothing is truncated.
"""

import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
from dns.rdatatype import AAAA, CNAME, NS, NSEC, NSEC3, RRSIG, A

from dnsctl.model import presentation
from dnsctl.model.name import to_text
from tests.reference import comparing, drawing
from tests.reference.resolver import Reply
from tests.serve import peer_servers

PEERS = {"Knot": peer_servers.knot, "NSD": peer_servers.nsd, "BIND": peer_servers.bind}
BASE32HEX = set(b"0123456789abcdefghijklmnopqrstuv")
ADDRESSES = (A, AAAA)


class Difference(NamedTuple):
    """One question that a peer answers otherwise."""

    peer: str
    name: str
    rdtype: str
    reply: Reply  # the reference's
    ours: dict[str, list[str]]
    theirs: dict[str, list[str]]
    parts: tuple[str, ...]  # of the answer that differ

    def __str__(self):
        lines = [f"{self.peer}: {self.name} {self.rdtype} {self.reply.kinds}"]
        for part in self.parts:
            lines.append(f"   {part} ours   {comparing.shown_all(self.ours[part])}")
            lines.append(f"   {part} theirs {comparing.shown_all(self.theirs[part])}")
        return "\n".join(lines)


def is_denial(record):
    """True for NSEC, NSEC3 and the signatures of them."""
    return record[2] in (NSEC, NSEC3) or (
        record[2] == RRSIG and int.from_bytes(record[3][:2]) in (NSEC, NSEC3)
    )


def parts(message):
    """Return what must be the same. Additional addresses count in referrals only: elsewhere a courtesy."""
    authority = comparing.records(message.authority)
    is_referral = not message.answer and any(one[2] == NS for one in authority)
    additional = [one for one in comparing.records(message.additional) if one[2] in ADDRESSES]
    return {
        "rcode": [dns.rcode.to_text(message.rcode())],
        "aa": [bool(message.flags & dns.flags.AA)],
        "answer": sorted(comparing.records(message.answer)),
        "authority": sorted(one for one in authority if not is_denial(one)),
        "denial": sorted(one for one in authority if is_denial(one)),
        "glue": sorted(additional) if is_referral else [],
    }


class Stream:
    """One TCP connection to a peer, opened again where it is closed."""

    def __init__(self, port):
        self._port = port
        self._socket = None

    def send(self, wire):
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), 10)
        self._socket.sendall(struct.pack("!H", len(wire)) + wire)

    def receive(self):
        return self._exactly(struct.unpack("!H", self._exactly(2))[0])

    def _exactly(self, count):
        found = b""
        while len(found) < count:
            more = self._socket.recv(count - len(found))
            if not more:
                raise ConnectionError
            found += more
        return found

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, wire):
        """Send a question again over a new connection."""
        self.close()
        self.send(wire)
        return self.receive()


@contextlib.contextmanager
def running(directory, zones):
    """Serve signed zones with every peer; yield name of the peer -> Stream."""
    files = {}
    for index, zone in enumerate(zones):
        path = files[to_text(zone.origin)] = directory / f"{index}.zone"
        path.write_text("".join(presentation.master_file(zone)))
    with contextlib.ExitStack() as stack:
        streams = {
            peer: Stream(stack.enter_context(start(directory, files))) for peer, start in PEERS.items()
        }
        for stream in streams.values():
            stack.callback(stream.close)
        yield streams


def answers(streams, wire):
    """Return peer -> response; the peers work side by side."""
    failed = set()
    for peer, stream in streams.items():
        try:
            stream.send(wire)
        except OSError:
            failed.add(peer)
    found = {}
    for peer, stream in streams.items():
        try:
            found[peer] = stream.ask(wire) if peer in failed else stream.receive()
        except (ConnectionError, OSError):
            found[peer] = stream.ask(wire)
    return found


class Tally:
    """What a run has seen: pairs by kind, differences by reason, sizes beside Knot's."""

    def __init__(self):
        self.kinds: Counter[Any] = Counter()
        self.known: Counter[Any] = Counter()
        self.unknown = []
        self.sizes = {}  # kind -> [answers, octets ours, octets Knot's, worst ratio, its question]

    def size(self, kind, ours, theirs, question):
        count, mine, knots, worst, where = self.sizes.get(kind, (0, 0, 0, 0.0, ""))
        if ours / theirs > worst:
            worst, where = ours / theirs, question
        self.sizes[kind] = (count + 1, mine + ours, knots + theirs, worst, where)


def compare(served, streams, rng, asked, tally):
    """Ask us and the peers; note each difference, known or not, in `tally`."""
    for name, rdtype in asked:
        edns = {"want_dnssec": rng.random() < 0.8, "payload": 1232} if rng.random() < 0.95 else {}
        query = dns.message.make_query(name, rdtype, flags=0, **edns)
        reply = served.reference(query)
        wire = served.ask(query)
        ours = parts(comparing.parsed(wire))
        tally.kinds[reply.kinds[-1]] += 1
        said = answers(streams, query.to_wire())
        differences = []
        for peer, octets in said.items():
            theirs = parts(comparing.parsed(octets))
            if differing := tuple(part for part in ours if ours[part] != theirs[part]):
                differences.append((peer, theirs, differing))
            elif peer == "Knot" and octets[6:12] == wire[6:12] and not name.startswith("*"):  # a fair pair
                tally.size(reply.kinds[-1], len(wire), len(octets), f"{name} {rdtype} {dict(edns)}")
        for peer, theirs, differing in differences:
            note(tally, Difference(peer, name, rdtype, reply, ours, theirs, differing))


def note(tally, difference):
    for reason, (peers, explains) in KNOWN.items():
        if difference.peer in peers and explains(difference):
            tally.known[f"{difference.peer}: {reason}"] += 1
            return
    tally.unknown.append(difference)


def one_rrset(difference):
    """RFC 8482 §4.1: to ANY, and by §7 to RRSIG, one RRset is an answer."""
    return difference.rdtype in ("ANY", "RRSIG")


def alias_of_type(difference):
    """RFC 1034 §4.3.2 step 3a, RFC 6840 §4.3: an alias is followed for every type that is not beside it."""
    return difference.rdtype in ("NSEC", "NSEC3", "NSEC3PARAM") and (
        "alias" in difference.reply.kinds or any(one[2] == CNAME for one in difference.theirs["answer"])
    )


def goes_round(difference):
    """Aliases through one place twice, or many of them: no RFC says how often they are followed."""
    places = difference.reply.places
    return "loop" in difference.reply.kinds or len(places) > 4 or len(places) != len(set(places))


def sibling_glue(difference):
    """RFC 9471 §2.2: ours adds all addresses of name servers that the zone knows."""
    theirs = difference.theirs["glue"]
    return difference.parts == ("glue",) and all(one in difference.ours["glue"] for one in theirs)


def nsec_at_cut(difference):
    """RFC 1034 §4.3.2 step 3b, RFC 4035 §3.1.4.1: only DS is answered at a cut."""
    return difference.rdtype == "NSEC" and "referral" in difference.reply.kinds


def is_only(difference, *parts):
    return set(difference.parts) <= set(parts)


def fewer(difference):
    """True where the peer's proof is part of ours."""
    return all(one in difference.ours["denial"] for one in difference.theirs["denial"])


def more(difference):
    """True where ours is part of the peer's."""
    return all(one in difference.theirs["denial"] for one in difference.ours["denial"])


def wildcard_proof_left_out(difference):
    """RFC 4035 §3.1.3.3, §3.1.3.4, RFC 5155 §7.2.5, §7.2.6: a wildcard's answer comes with proof."""
    through = {"wildcard", "wildcard no data"} & set(difference.reply.kinds) or difference.reply.places
    return bool(through) and is_only(difference, "denial") and fewer(difference)


def hash_taken_for_a_name(difference):
    """RFC 5155 §7.2.8: the owner of an NSEC3 is not a name of the zone, and encloses none."""
    labels = dns.name.from_text(difference.name).labels
    return any(len(label) == 32 and set(label.lower()) <= BASE32HEX for label in labels)


def proof_too_large(difference):
    """RFC 4035 §3.1.3, RFC 5155 §7.2: the records named there, and no more."""
    return is_only(difference, "denial") and more(difference)


def proof_of_nsd(difference):
    """RFC 4035 §3.1.3.2, RFC 5155 §7.2.1: what stands before the wildcard, which can be below another name.

    Ours is the reference's and satisfies `verify`: that is tested where the reference is.
    """
    return is_only(difference, "denial")


def glue_of_the_parent(difference):
    """RFC 1034 §4.2.1: glue is not data of the zone below, though a name of the parent stands there."""
    return f"ns.{drawing.CHILD}." in difference.name.lower()


def gave_up(difference):
    """RFC 5155 §7.2.2: Knot says no more than the RCODE where opt-out leaves an encloser without NSEC3."""
    return difference.theirs["rcode"] == ["NXDOMAIN"] and not difference.theirs["authority"]


def wildcard_not_denied(difference):
    """RFC 5155 §7.1, §7.2.2: opt-out leaves the encloser without NSEC3; a wildcard stands where one has it.

    Nothing denies that wildcard: ours sends the NSEC3 before its hash, BIND the one that matches.
    """
    nsec3 = {one[0].labels[0].lower(): one[3] for one in difference.theirs["denial"] if one[2] == NSEC3}
    if difference.reply.kinds[-1] != "name error" or not is_only(difference, "denial") or not nsec3:
        return False
    rdata = next(iter(nsec3.values()))
    iterations, salt = int.from_bytes(rdata[2:4]), rdata[5 : 5 + rdata[4]]
    labels = dns.name.from_text(difference.name).labels
    wildcards = [dns.name.Name([b"*", *labels[at:]]) for at in range(1, len(labels))]
    return any(dns.dnssec.nsec3_hash(one, salt, iterations, 1).lower().encode() in nsec3 for one in wildcards)


def covers_another(difference):
    """RFC 4035 §3.1.3.3: with a wildcard's answer goes the NSEC that covers the name asked for."""
    name = dns.name.from_text(difference.name)
    spans = [
        (one[0], dns.name.from_wire(one[3], 0)[0]) for one in difference.theirs["denial"] if one[2] == NSEC
    ]
    return (
        difference.reply.kinds == ["wildcard"]
        and is_only(difference, "denial")
        and not any(owner < name and (name < following or following <= owner) for owner, following in spans)
    )


def sent_twice(difference):
    """RFC 2181 §5: two records are never the same; a DNAME is not sent again where its alias ends at it."""
    return all(set(difference.ours[part]) == set(difference.theirs[part]) for part in difference.parts)


def left_the_zone(difference):
    """RFC 1034 §4.3.2 step 3a: at the target of an alias the zone is looked for again; ours stays in it."""
    return difference.rdtype == "DS" and "alias" in difference.reply.kinds


def address_from_a_wildcard(difference):
    """RFC 9471 §2.1: the address that a wildcard gives a name server is ours to answer, and no glue."""
    ours = difference.ours["glue"]
    return difference.parts == ("glue",) and all(one in difference.theirs["glue"] for one in ours)


def zero_octet(difference):
    """RFC 4034 §6.1: the octet 0x00 in a label sorts before all others, and is none of them."""
    if "\\000" in difference.name:
        return True
    owners = {one[0] for side in (difference.ours, difference.theirs) for one in side["denial"]}
    return is_only(difference, "denial") and any(b"\0" in label for owner in owners for label in owner.labels)


KNOWN: dict[str, tuple[tuple[str, ...], Callable[[Difference], bool]]] = {
    "one RRset for ANY": (("Knot", "NSD", "BIND"), one_rrset),
    "types that only DNSSEC makes, at an alias": (("Knot", "NSD", "BIND"), alias_of_type),
    "loops of aliases": (("Knot", "NSD", "BIND"), goes_round),
    "NSEC at a cut": (("BIND",), nsec_at_cut),
    "sibling glue": (("Knot", "NSD", "BIND"), sibling_glue),
    "an address from a wildcard sent as glue": (("Knot", "NSD"), address_from_a_wildcard),
    "proof of a wildcard left out": (("Knot", "BIND"), wildcard_proof_left_out),
    "the owner of an NSEC3 taken for a name": (("NSD",), hash_taken_for_a_name),
    "more proof than is asked for": (("NSD", "BIND"), proof_too_large),
    "the wrong NSEC before a wildcard": (("NSD",), proof_of_nsd),
    "the parent's glue taken for a name of the child": (("NSD",), glue_of_the_parent),
    "zero octets in labels": (("Knot",), zero_octet),
    "a name error without proof": (("Knot",), gave_up),
    "a wildcard above an encloser without NSEC3": (("BIND",), wildcard_not_denied),
    "an NSEC that does not cover the name": (("BIND",), covers_another),
    "one record twice": (("Knot",), sent_twice),
    "an alias to the zone's own DS": (("NSD", "BIND"), left_the_zone),
}
