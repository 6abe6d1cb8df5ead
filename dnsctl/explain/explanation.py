"""Which zone answers a question, and how, explained by the code that answers it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.explain.proof import proofs, subjects
from dnsctl.image.compiler import compile_zone
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.name import Name, from_wire, parent, to_text
from dnsctl.model.rrset import Type
from dnsctl.model.zone import ValidatedZone
from dnsctl.publish.finish import fill
from dnsctl.serve.respond import Responder
from dnsctl.serve.zone.answer import Answer, Step, answer
from dnsctl.serve.zone.names import Zones, ZoneView, closest_encloser, neighbours
from dnsctl.sign.signer import unsigned_zone

_SENTENCES = {
    Step.ANSWER: "{name} has the type that is asked for",
    Step.NO_DATA: "{name} exists, but has no such type",
    Step.EMPTY_NON_TERMINAL: "{name} has no records, only names below it: it is an empty non-terminal",
    Step.NAME_ERROR: "{name} does not exist, and no wildcard matches it; closest encloser {encloser}",
    Step.WILDCARD: "the wildcard {name} matches it; closest encloser {encloser}",
    Step.ALIAS: "{name} is an alias: its CNAME is followed",
    Step.DNAME: "{name} has a DNAME: all names below it are redirected",
    Step.REFERRAL: "{name} is a zone cut: ask the name servers of that zone",
    Step.LOOP: "{name} was followed before, or there are too many aliases: the resolver has to go on",
    Step.OUTSIDE: "{name} is not in this zone: the resolver asks elsewhere",
}


@dataclass(frozen=True)
class Explanation:
    """What was asked, which zone answered and how; `found` is None where no zone of ours does."""

    name: Name
    rdtype: int
    generation: int
    view: ZoneView | None = None
    found: Answer | None = None
    sections: tuple[tuple[str, ...], ...] = ()
    proofs: tuple[str, ...] = ()
    steps: tuple[tuple[str, str, str], ...] = ()  # step, name, sentence


@contextlib.contextmanager
def compiled(zones: Iterable[ValidatedZone]) -> Iterator[Reader]:
    """Yield a reader of `zones`, unsigned, in a temporary image."""
    with (
        tempfile.TemporaryDirectory(prefix="dnsctl-explain-") as directory,
        Image.open(Path(directory), readonly=False) as image,
    ):
        with image.writer() as writer:
            fill(writer, (compile_zone(unsigned_zone(zone, 0)) for zone in zones))
        with image.reader() as reader:
            yield reader


def explanation(reader: Reader, qname: Name, rdtype: int) -> Explanation:
    """Return what answers `qname` and `rdtype` from what `reader` reads, and why."""
    zones = Zones(reader)
    view = zones.find(qname, rdtype)
    if view is None:
        return Explanation(qname, rdtype, reader.generation)
    found = answer(reader, zones, view, qname, rdtype, do=True)
    sections = _sections(reader, qname, rdtype)
    steps = list(_steps(reader, view, qname, found, sections[0]))
    return Explanation(
        qname,
        rdtype,
        reader.generation,
        view,
        found,
        tuple(tuple(line for each in section for line in each.to_text().split("\n")) for section in sections),
        tuple(proofs(sections[1], subjects(steps, rdtype), view.entry)),
        tuple(_told(step, name, encloser) for step, name, _, encloser in steps),
    )


def _sections(reader: Reader, qname: Name, rdtype: int) -> list[list[dns.rrset.RRset]]:
    """Return answer, authority and additional as a client with DO would get them over TCP."""
    query = dns.message.make_query(
        to_text(qname), dns.rdatatype.RdataType.make(rdtype), want_dnssec=True, id=0
    )
    response = Responder().respond(reader, query.to_wire(), stream=True)
    if response is None:
        raise DnsctlError("the question cannot be answered", where=to_text(qname), rule=RefusalRule.NO_ANSWER)
    message = dns.message.from_wire(response.wire)
    return [message.answer, message.authority, message.additional]


def _steps(
    reader: Reader, view: ZoneView, qname: Name, found: Answer, section: list[dns.rrset.RRset]
) -> Iterator[tuple[Step, Name, Name, Name]]:
    """Yield (step, its name, the name that was looked for then, closest encloser) for each step."""
    targets = {
        from_wire(each.name.to_digestable()): from_wire(each[0].target.to_digestable())
        for each in section
        if int(each.rdtype) == Type.CNAME
    }
    wanted = qname
    for step, name in found.trace:
        encloser = view.origin
        if step is Step.WILDCARD:
            encloser = parent(name)
        elif step is Step.NAME_ERROR:
            key = view.key(name)
            encloser = view.name(closest_encloser(key, neighbours(reader, key)))
        yield step, name, wanted, encloser
        if step in (Step.ALIAS, Step.DNAME):
            wanted = targets.get(wanted, wanted)


def _told(step: Step, name: Name, encloser: Name) -> tuple[str, str, str]:
    sentence = _SENTENCES[step].format(name=to_text(name), encloser=to_text(encloser))
    return step.name.lower().replace("_", "-"), to_text(name), sentence
