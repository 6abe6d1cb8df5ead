"""`dnsctl explain`: why a question gets the answer it gets, told by the code that answers it.

From the image of the last release, or with `--work-tree` from the files as they are now, compiled unsigned.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset
import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.cli.judged import zones_above
from dnsctl.cli.proof import proofs, subjects
from dnsctl.cli.released import released
from dnsctl.errors import DnsctlError, ImageError
from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.name import ROOT, Name, from_text, from_wire, parent, to_text
from dnsctl.model.rrset import Type, type_text
from dnsctl.serve.respond import Responder
from dnsctl.serve.zone.answer import Answer, Step, answer
from dnsctl.serve.zone.names import Zones, ZoneView, closest_encloser, neighbours
from dnsctl.sign.signer import unsigned_zone

_SENTENCES = {
    Step.ANSWER: "{name} has what is asked for",
    Step.NO_DATA: "{name} exists, but has no such type",
    Step.EMPTY_NON_TERMINAL: "{name} has no records itself, only names below it: it exists, and is empty",
    Step.NAME_ERROR: "{name} does not exist, and no wildcard stands for it; closest encloser {encloser}",
    Step.WILDCARD: "the wildcard {name} stands for it; closest encloser {encloser}",
    Step.ALIAS: "{name} is an alias, its CNAME is followed",
    Step.DNAME: "{name} holds a DNAME: all below it is elsewhere",
    Step.REFERRAL: "{name} is a zone cut: the name servers of that zone know more",
    Step.LOOP: "{name} was there before, or too many aliases were followed: the rest is the resolver's",
    Step.OUTSIDE: "{name} is not in this zone: the resolver asks for it elsewhere",
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


def explain(context: Context, name: str, rdtype: str, *, work_tree: bool, as_json: bool) -> None:
    """Print zone, cut, wildcard, alias chain and proof of what answers `name` and `rdtype`."""
    wanted = _type(rdtype)
    qname = from_text(name, ROOT)
    opened = _from_files(context, qname) if work_tree else _from_release(context)
    with opened as reader:
        made = _explained(reader, qname, wanted)
    if as_json:
        output.json_result(_to_json(made))
    else:
        _print(made, work_tree=work_tree)


def _type(text: str) -> int:
    try:
        return int(dns.rdatatype.from_text(text))
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        raise typer.BadParameter(f"{text} is not a type", param_hint="TYPE") from None


@contextlib.contextmanager
def _from_release(context: Context) -> Iterator[Reader]:
    with released(context) as reader:
        if reader is None:
            raise ImageError(
                "nothing is released yet",
                where=str(context.image),
                advice="`dnsctl push` first, or add --work-tree",
            )
        yield reader


@contextlib.contextmanager
def _from_files(context: Context, qname: Name) -> Iterator[Reader]:
    """Compile the zones that could answer into an image that is thrown away."""
    zones = zones_above(context, qname)
    with (
        tempfile.TemporaryDirectory(prefix="dnsctl-explain-") as directory,
        Image.open(Path(directory), readonly=False) as image,
    ):
        with image.writer() as writer:
            compiled = (compile_zone(unsigned_zone(zone, 0)) for zone in zones)
            writer.apply(difference(writer, compiled, ()))
        with image.reader() as reader:
            yield reader


def _explained(reader: Reader, qname: Name, rdtype: int) -> Explanation:
    zones = Zones(reader)
    view = zones.find(qname, rdtype)
    if view is None:
        return Explanation(qname, rdtype, reader.generation)
    found = answer(reader, zones, view, qname, rdtype, signed=True)
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
        raise DnsctlError("the question cannot be answered", where=to_text(qname))
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


def _to_json(made: Explanation) -> dict[str, Any]:
    entry = made.view.entry if made.view is not None else None
    sections = made.sections or ((), (), ())
    return {
        "name": to_text(made.name),
        "type": type_text(made.rdtype),
        "generation": made.generation,
        "zone": to_text(entry.origin) if entry is not None else None,
        "serial": entry.serial if entry is not None else None,
        "signed": entry.signed if entry is not None else None,
        "rcode": made.found.rcode.name if made.found is not None else "REFUSED",
        "authoritative": made.found.authoritative if made.found is not None else False,
        "steps": [{"step": step, "name": name, "sentence": told} for step, name, told in made.steps],
        "proofs": list(made.proofs),
        "answer": list(sections[0]),
        "authority": list(sections[1]),
        "additional": list(sections[2]),
    }


def _print(made: Explanation, *, work_tree: bool) -> None:
    asked = f"{to_text(made.name)} {type_text(made.rdtype)}"
    if made.view is None or made.found is None:
        output.line(f"{asked}: REFUSED, no zone of ours is at or above it")
        return
    output.line(f"{asked}: {made.found.rcode.name}{_kind(made)}")
    entry = made.view.entry
    state = "work tree, unsigned" if work_tree else f"generation {made.generation}, serial {entry.serial}, "
    if not work_tree:
        state += "not signed" if not entry.signed else "signed, NSEC3" if entry.nsec3 else "signed, NSEC"
    output.line(f"  zone {to_text(entry.origin)} ({state})")
    for _, _, sentence in made.steps:
        output.line(f"  {sentence}")
    for proof in made.proofs:
        output.line(f"  {proof}")
    for title, lines in zip(("answer", "authority", "additional"), made.sections, strict=True):
        if lines:
            output.line(f"{title}:")
            for each in lines:
                output.line(f"  {each}")


def _kind(made: Explanation) -> str:
    if made.found is None or made.rdtype == Type.ANY:
        return ""
    if not made.found.authoritative:
        return ", a referral"
    if not made.sections[0] and made.found.rcode == 0:
        return ", no data"
    return ""
