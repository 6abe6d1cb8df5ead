"""DMARC policies (RFC 7489 §6.3, §6.4; RFC 9091): what receivers would ignore.

Reports to another organization need its consent (§7.1). Our zones tell which names are of one organization:
nothing here reads a list of public suffixes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from dnsctl.errors import NameSyntaxError
from dnsctl.model.name import MAX_NAME, Name, from_text, is_subdomain, label_count, parent, to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.landscape import Landscape, Standing, answered
from dnsctl.validate.rule import Fault, Scope
from dnsctl.validate.tag_list import TagList, parse, shown
from dnsctl.validate.texts import Kind, mail_texts, text_of

_POLICIES = ("none", "quarantine", "reject")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "p": _POLICIES,
    "sp": _POLICIES,
    "np": _POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
}
_KNOWN = (*_CHOICES, "v", "pct", "ri", "fo", "rf", "rua", "ruf")
_FAILURES = re.compile(r"[01ds](?:\s*:\s*[01ds])*", re.IGNORECASE)
_CONSENT = b"\x07_report\x06_dmarc"  # RFC 7489 §7.1
_MAILBOX = re.compile(r"mailto:[^@\s]+@[^@\s!]+(?:![0-9]+[kmgt]?)?", re.IGNORECASE)


def dmarc_syntax(scope: Scope) -> Iterator[Fault]:
    for one, records in mail_texts(scope).of(Kind.DMARC):
        for record in records:
            if faults := dmarc_faults(record):
                yield Fault(
                    scope.at(one),
                    f"DMARC record {to_text(one.owner)}: {'; '.join(faults)}",
                    "write v=DMARC1; p=reject; rua=mailto:… (RFC 7489 §6.3)",
                )


@lru_cache(1024)
def dmarc_faults(record: bytes) -> tuple[str, ...]:
    """Return what is wrong with a DMARC record."""
    tags = parse(record, "DMARC1")
    return (*tags.faults, *_policy(tags), *_fields(tags.values), *tags.unknown(_KNOWN))


def _policy(tags: TagList) -> Iterator[str]:
    names = list(tags.values)
    if "p" not in names:
        yield "it has no p=, the policy"
    elif names[:2] != ["v", "p"] and names[:1] == ["v"]:
        yield "p= does not follow v=DMARC1 at once"


def _fields(values: Mapping[str, str]) -> Iterator[str]:
    for tag, choices in _CHOICES.items():
        if tag in values and values[tag].lower() not in choices:
            yield f"{tag}={shown(values[tag])} is none of {', '.join(choices)}"
    if not values.get("pct", "0").isdecimal() or int(values.get("pct", "0")) > 100:
        yield f"pct={shown(values['pct'])} is not a number from 0 to 100"
    if not values.get("ri", "0").isdecimal():
        yield f"ri={shown(values['ri'])} is not a number of seconds"
    if "fo" in values and not _FAILURES.fullmatch(values["fo"]):
        yield f"fo={shown(values['fo'])} is not made of 0, 1, d and s"
    for tag in ("rua", "ruf"):
        for each in values[tag].split(",") if tag in values else ():
            address = each.strip()
            if not _MAILBOX.fullmatch(address) and not address.lower().startswith(("http:", "https:")):
                yield f"{tag}={shown(address)} is not mailto: and an address"


def dmarc_report_refused(scope: Scope) -> Iterator[Fault]:
    """Receivers send no report to a domain of another organization without a record there."""
    for one, consent, domain, accepted in scope.once(_reports):
        if accepted is False:
            yield Fault(
                scope.at(one),
                f"DMARC record {to_text(one.owner)} sends reports to {to_text(domain)}, and "
                f"{to_text(consent)} does not accept them: receivers send none",
                f'add {to_text(consent)} TXT "v=DMARC1" (RFC 7489 §7.1)',
            )


def dmarc_report_elsewhere(scope: Scope) -> Iterator[Fault]:
    for one, consent, domain, accepted in scope.once(_reports):
        if accepted is None:
            yield Fault(
                scope.at(one),
                f"DMARC record {to_text(one.owner)} sends reports to {to_text(domain)}, which is not ours",
                f'see that {to_text(consent)} has TXT "v=DMARC1": without it receivers send none '
                "(RFC 7489 §7.1)",
            )


_Report = tuple[RRset, Name, Name, bool | None]  # record; where consent stands; domain; whether it is there


def _reports(scope: Scope) -> tuple[_Report, ...]:
    """Return which reports another organization gets; the last is None where it is not ours."""
    found: list[_Report] = []
    for one, records in mail_texts(scope).of(Kind.DMARC):
        policy = parent(one.owner)
        domains = dict.fromkeys(each for record in records for each in _destinations(record))
        for domain in domains:
            consent = Name(policy[:-1] + _CONSENT + domain)
            if len(consent) > MAX_NAME or _is_one_organization(scope.landscape, policy, domain):
                continue
            accepted = _accepts(scope.landscape, consent)
            if accepted is not None or not _is_unread(scope.landscape, consent):
                found.append((one, consent, domain, accepted))
    return tuple(found)


@lru_cache(1024)
def _destinations(record: bytes) -> tuple[Name, ...]:
    """Return the domains that a record sends reports to by mail."""
    values = parse(record, "DMARC1").values
    addresses = [each.strip() for tag in ("rua", "ruf") for each in values.get(tag, "").split(",")]
    found = []
    for each in addresses:
        if _MAILBOX.fullmatch(each):
            try:
                found.append(from_text(each.rpartition("@")[2].partition("!")[0].rstrip(".") + "."))
            except NameSyntaxError:
                continue
    return tuple(found)


def _is_one_organization(landscape: Landscape, policy: Name, domain: Name) -> bool:
    if is_subdomain(policy, domain) or is_subdomain(domain, policy):
        return True
    ours = _topmost(landscape, policy)
    return ours is not None and ours == _topmost(landscape, domain)


def _topmost(landscape: Landscape, name: Name) -> Name | None:
    """Return our uppermost zone above `name`, below the top-level domains."""
    found = None
    above = landscape.neighbour(name)
    while above is not None and label_count(above.origin) > 1:
        found = above.origin
        above = landscape.neighbour(found, strictly=True)
    return found


def _is_unread(landscape: Landscape, name: Name) -> bool:
    zone = landscape.neighbour(name)
    return zone is not None and zone.partial


def _accepts(landscape: Landscape, consent: Name) -> bool | None:
    place = answered(landscape, consent)
    if place is None:
        return None
    if place.standing is not Standing.PRESENT or (texts := place.get(Type.TXT)) is None:
        return False
    return any(text_of(rdata).lower().startswith(Kind.DMARC.start) for rdata in texts.rdatas)
