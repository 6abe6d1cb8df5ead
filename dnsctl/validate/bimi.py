"""BIMI: where a mailbox provider finds the logo of a domain.

The form is of draft-brand-indicators-for-message-identification.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from dnsctl.model.name import to_text
from dnsctl.validate.rule import Fault, Scope
from dnsctl.validate.tag_list import parse, shown
from dnsctl.validate.texts import Kind, mail_texts

_KNOWN = ("v", "l", "a", "e", "s", "avp", "lps")


def bimi_syntax(scope: Scope) -> Iterator[Fault]:
    for one, records in mail_texts(scope).of(Kind.BIMI):
        for record in records:
            if faults := bimi_faults(record):
                message = f"BIMI record {to_text(one.owner)}: {'; '.join(faults)}"
                yield Fault(
                    scope.at(one), message, "write v=BIMI1; l=https://…/logo.svg; a=…, or l=; for none"
                )


@lru_cache(1024)
def bimi_faults(record: bytes) -> tuple[str, ...]:
    """Return what is wrong with a BIMI record. Empty `l=` and `a=` decline; `a=self` was
    a way to say the same in early drafts."""
    tags = parse(record, "BIMI1")
    faults = [*tags.faults, *tags.unknown(_KNOWN)]
    if "l" not in tags.values:
        faults.append("it has no l=, where the logo is")
    for tag in ("l", "a"):
        value = tags.values.get(tag, "")
        if value and (tag, value) != ("a", "self") and not value.lower().startswith("https://"):
            faults.append(f"{tag}={shown(value)} is not an https: URL")
    return tuple(faults)
