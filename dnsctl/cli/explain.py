"""`dnsctl explain`: why a question gets its answer, explained by the code that answers it.

From the image of the last release; or unsigned, compiled from the files as they are now (`--work-tree`), or
as they were in the commit of an earlier release (`--at`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

import dns.rdatatype
import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, domain_name
from dnsctl.cli.output.aliases import alias_json, alias_line
from dnsctl.control.aliases.resolving import Targets
from dnsctl.control.aliases.telling import Told, told_of, told_of_release
from dnsctl.control.earlier import files_at
from dnsctl.control.own_image import released
from dnsctl.errors import RELEASE_FIRST, ImageError, RefusalRule
from dnsctl.explain.explanation import Explanation, compiled, explanation
from dnsctl.image.reader import Reader
from dnsctl.load.revision import Source
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.rrset import Type, type_text


def explain(
    context: Context, name: str, rdtype: str, *, work_tree: bool, at: int | None, as_json: bool
) -> None:
    """Print zone, cut, wildcard, alias chain and proof of what answers `name` and `rdtype`.

    `at`: as of the records of this generation.
    """
    wanted = _type(rdtype)
    qname = domain_name(name)
    with contextlib.ExitStack() as stack:
        if at is not None:
            source, today = stack.enter_context(files_at(context.root, at))
            opened = _from_files(context, source, load_config(source, fleet=False), qname, today)
        elif work_tree:
            opened = _from_files(context, context.work_tree(), context.config(fleet=False), qname)
        else:
            opened = _from_release(context)
        reader, aliases = stack.enter_context(opened)
        made = explanation(reader, qname, wanted)
        told = aliases(frozenset(from_text(name) for _, name, _ in made.steps))
    if at is not None:
        made = replace(made, generation=at)
    if as_json:
        output.json_result(_to_json(made) | {"aliases": [alias_json(each) for each in told]})
    else:
        _print(made, told, work_tree=work_tree, at=at)


def _type(text: str) -> int:
    try:
        return int(dns.rdatatype.from_text(text))
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        raise typer.BadParameter(f"{text} is not a type", param_hint="TYPE") from None


Aliases = Callable[[frozenset[Name]], list[Told]]  # what is told of those owners that are aliases


@contextlib.contextmanager
def _from_release(context: Context) -> Iterator[tuple[Reader, Aliases]]:
    with released(context.state) as reader:
        if reader is None:
            raise ImageError(
                "nothing is released yet",
                where=str(context.image),
                advice=f"{RELEASE_FIRST}; or add --work-tree",
                rule=RefusalRule.NOTHING_RELEASED,
            )

        def aliases(owners: frozenset[Name]) -> list[Told]:
            return told_of_release(context.state, reader.generation, owners)

        yield reader, aliases


@contextlib.contextmanager
def _from_files(
    context: Context, source: Source, config: Config, qname: Name, today: date | None = None
) -> Iterator[tuple[Reader, Aliases]]:
    """Compile the zones that could answer into a temporary image."""
    from dnsctl.publish.work_tree import NamedZoneFaultsError, zones_above  # noqa: PLC0415 - for this alone

    with output.stages() as progress:
        zones, errors, faulty = zones_above(
            source, config, qname, progress, today=today, resolve=Targets(config, context.state)
        )
    output.findings(errors, sys.stderr)
    if faulty:
        raise NamedZoneFaultsError(faulty[0])

    def aliases(owners: frozenset[Name]) -> list[Told]:
        told = (one for each in zones for one in told_of(each.zone.origin, each.aliases))
        return [one for one in told if one.owner in owners]

    with compiled(each.zone for each in zones) as reader:
        yield reader, aliases


def _to_json(made: Explanation) -> dict[str, Json]:
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


def _print(made: Explanation, told: list[Told], *, work_tree: bool, at: int | None) -> None:
    asked = f"{to_text(made.name)} {type_text(made.rdtype)}"
    if made.view is None or made.found is None:
        output.line(f"{asked}: REFUSED, no zone of ours is at or above it")
        return
    output.line(f"{asked}: {made.found.rcode.name}{_kind(made)}")
    entry = made.view.entry
    if work_tree:
        state = "work tree, unsigned"
    elif at is not None:
        state = f"the commit of generation {at}, unsigned"
    else:
        state = f"generation {made.generation}, serial {entry.serial}, "
        state += "not signed" if not entry.signed else "signed, NSEC3" if entry.nsec3 else "signed, NSEC"
    output.line(f"  zone {to_text(entry.origin)} ({state})")
    for _, _, sentence in made.steps:
        output.line(f"  {sentence}")
    for one in told:
        output.line(f"  {alias_line(one)}")
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
