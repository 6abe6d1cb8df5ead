"""DMARC policies (RFC 7489 §6.3, §6.4; RFC 9091): what receivers would ignore."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from dnsctl.model.name import to_text
from dnsctl.validate.rule import Fault, Scope
from dnsctl.validate.tag_list import TagList, parse, shown
from dnsctl.validate.texts import Kind, mail_texts

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
