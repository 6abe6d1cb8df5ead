"""SPF (RFC 7208): what receivers take for a broken record, or for none at all.

Names in zones of ours are followed; what stands elsewhere is not known, and never judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.landscape import Landscape, answered
from dnsctl.validate.rule import Fault, Scope
from dnsctl.validate.spf_terms import Term, terms_of
from dnsctl.validate.texts import Kind, is_spf, mail_texts, text_of

MAX_LOOKUPS = 10  # RFC 7208 §4.6.4
MAX_VOID = 2  # lookups without an answer, RFC 7208 §4.6.4
MAX_OCTETS = 450  # RFC 7208 §3.4
SPF_TYPE = 99  # RFC 7208 §3.1
_WANTED: dict[str, tuple[int, ...]] = {
    "a": (Type.A, Type.AAAA),
    "mx": (Type.MX,),
    "exists": (Type.A,),
    "include": (Type.TXT,),
    "redirect": (Type.TXT,),
}


def spf_several(scope: Scope) -> Iterator[Fault]:
    for one, records in mail_texts(scope).of(Kind.SPF):
        if len(records) > 1:
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} has {len(records)} SPF records: receivers discard them all",
                "join them into one `v=spf1 …` (RFC 7208 §3.2)",
            )


def spf_long(scope: Scope) -> Iterator[Fault]:
    for one, records in mail_texts(scope).of(Kind.SPF):
        longest = max(map(len, records))
        if longest > MAX_OCTETS:
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)} has {longest} octets; {MAX_OCTETS} is the safe limit",
                "move parts into records of their own and `include:` them (RFC 7208 §3.4)",
            )


def spf_syntax(scope: Scope) -> Iterator[Fault]:
    for one, record in _each(scope):
        terms = terms_of(record)
        faults = [each.fault for each in terms if each.fault]
        for name, count in Counter(each.name for each in terms if each.is_modifier).items():
            if count > 1 and name in ("redirect", "exp"):
                faults.append(f"{name}= comes twice")
        if faults:
            more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)}: {faults[0]}{more}; receivers treat it as broken",
                "correct it (RFC 7208 §4.6.1)",
            )


def spf_pass_all(scope: Scope) -> Iterator[Fault]:
    for one, record in _each(scope):
        for each in terms_of(record):
            if each.passes_all and not each.fault:
                yield Fault(
                    scope.at(one),
                    f"SPF record of {to_text(one.owner)} has {each.text}: every host may send for it",
                    "write -all or ~all, or name the networks that send",
                )


def spf_ptr(scope: Scope) -> Iterator[Fault]:
    for one, record in _each(scope):
        if any(each.name == "ptr" and not each.is_modifier for each in terms_of(record)):
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)} uses ptr, which is slow and ignored by many",
                "name the networks by ip4: and ip6: (RFC 7208 §5.5)",
            )


def spf_unreachable(scope: Scope) -> Iterator[Fault]:
    """Terms behind `all`, which matches always (RFC 7208 §5.1)."""
    for one, record in _each(scope):
        terms = terms_of(record)
        end = next((at for at, each in enumerate(terms) if each.name == "all" and not each.is_modifier), None)
        if end is None:
            continue
        behind = [each for each in terms[end + 1 :] if not each.is_modifier]
        behind += [each for each in terms if each.is_modifier and each.name == "redirect"]
        if behind:
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)} has {behind[0].text} and `all`: only `all` counts",
                "write it before `all`; leave redirect= out, or `all` (RFC 7208 §5.1, §6.1)",
            )


def spf_lookups(scope: Scope) -> Iterator[Fault]:
    for one, walk in scope.once(_walks):
        if walk.lookups > MAX_LOOKUPS:
            inside = ", with those of the records of ours that it includes" if walk.included else ""
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)} needs {walk.lookups} lookups{inside}; receivers stop at "
                f"{MAX_LOOKUPS} and treat it as broken",
                "replace include, a, mx, ptr and exists by ip4: and ip6: (RFC 7208 §4.6.4)",
            )


def spf_void_lookups(scope: Scope) -> Iterator[Fault]:
    for one, walk in scope.once(_walks):
        if len(walk.void) > MAX_VOID:
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)} makes {len(walk.void)} lookups that find nothing: "
                f"{', '.join(walk.void)}; receivers stop at {MAX_VOID} and treat it as broken",
                "remove what does not exist (RFC 7208 §4.6.4)",
            )


def spf_include_missing(scope: Scope) -> Iterator[Fault]:
    for one, walk in scope.once(_walks):
        for text, target in walk.missing:
            yield Fault(
                scope.at(one),
                f"SPF record of {to_text(one.owner)} has {text}, and {to_text(target)} has no SPF record: "
                "receivers treat both as broken",
                f"add {to_text(target)} TXT v=spf1 …, or remove the term (RFC 7208 §5.2, §6.1)",
            )


def spf_type(scope: Scope) -> Iterator[Fault]:
    for one in scope.index.authoritative(SPF_TYPE):
        text = scope.zone.get(one.owner, Type.TXT)
        if text is None or not any(is_spf(text_of(rdata)) for rdata in text.rdatas):
            yield Fault(
                scope.at(one),
                f"{to_text(one.owner)} has its SPF record in type SPF only, which receivers do not ask for",
                "write it as TXT (RFC 7208 §3.1)",
            )


def _each(scope: Scope) -> Iterator[tuple[RRset, bytes]]:
    for one, records in mail_texts(scope).of(Kind.SPF):
        for record in records:
            yield one, record


@dataclass
class _Walk:
    """What receivers look up for a record, as far as our zones tell. `missing`: terms of the record itself
    that lead to a name of ours without SPF."""

    landscape: Landscape
    lookups: int = 0
    included: int = 0
    void: list[str] = field(default_factory=list)
    missing: list[tuple[str, Name]] = field(default_factory=list)


def _walks(scope: Scope) -> list[tuple[RRset, _Walk]]:
    found = []
    for one, record in _each(scope):
        terms = terms_of(record)
        if any(each.asks for each in terms):
            walk = _Walk(scope.landscape)
            _follow(walk, one.owner, terms, own=True)
            found.append((one, walk))
    return found


def _follow(walk: _Walk, domain: Name, terms: tuple[Term, ...], *, own: bool) -> None:
    has_all = any(each.name == "all" and not each.is_modifier for each in terms)
    for each in terms:
        if each.name == "all" and not each.is_modifier:
            return  # nothing behind it is tested, and redirect= is ignored
        if each.asks and not each.is_modifier:
            _look_up(walk, domain, each, own=own)
    for each in terms:
        if each.asks and each.is_modifier and not has_all:
            _look_up(walk, domain, each, own=own)


def _look_up(walk: _Walk, domain: Name, term: Term, *, own: bool) -> None:
    walk.lookups += 1
    target = term.target if term.domain else domain
    if target is None or term.fault or term.name == "ptr" or walk.lookups > MAX_LOOKUPS + 1:
        return
    place = answered(walk.landscape, target)
    if place is None:
        return
    texts = place.get(Type.TXT)
    if not any(place.get(rdtype) for rdtype in _WANTED[term.name]):
        walk.void.append(term.text)
    if Type.TXT not in _WANTED[term.name]:
        return
    record = next(filter(is_spf, map(text_of, texts.rdatas)), None) if texts is not None else None
    if record is None:
        if own:
            walk.missing.append((term.text, target))
        return
    walk.included += 1
    _follow(walk, target, terms_of(record), own=False)
