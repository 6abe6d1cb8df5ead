"""Other signers' DNSKEYs in zone files (RFC 8901) that a key tag does not tell from our own keys.

Which keys are ours stands in the keystore, so that rules about zone files alone cannot know: those find two
DNSKEYs of one file (`validate.dnssec`), by the same rule id. `check`, `plan` and `push` ask here. Reads the
public side of the keystore, of zones only that have another signer's key.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from dnsctl.errors import KeystoreError
from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.key import key_tag
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import Type
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import ZoneIntent
from dnsctl.validate.dnssec import TAG_SHARED

if TYPE_CHECKING:
    from dnsctl.sign.keystore import Keystore, StoredKey


def shared_with_ours(
    zones: Mapping[Name, ZoneIntent], keys_of: Callable[[Name], Iterable[StoredKey]]
) -> Iterator[Finding]:
    """Yield other signers' keys with the algorithm and tag of a key of ours. A renewal has none.

    `keys_of` lists those in the keystore; it is asked for zones with another signer's keys alone.
    """
    for origin, wanted in zones.items():
        if wanted.policy is None or wanted.source or wanted.zone.get(origin, Type.DNSKEY) is None:
            continue
        stored: Iterable[StoredKey] = ()
        with contextlib.suppress(KeystoreError):  # reported where keys are chosen
            stored = keys_of(origin)
        yield from _shared(wanted, stored)


def refuse_shared_with_ours(zones: Mapping[Name, ZoneIntent], keystore: Keystore) -> None:
    """Raise ZonesWithErrorsError where `shared_with_ours` finds something."""
    if found := tuple(shared_with_ours(zones, keystore.list)):
        raise ZonesWithErrorsError(found)


def _shared(wanted: ZoneIntent, stored: Iterable[StoredKey]) -> Iterator[Finding]:
    from dnsctl.sign.keyfile import KeyState  # noqa: PLC0415 - for zones with another signer's keys alone

    zone = wanted.zone
    dnskey = zone.get(zone.origin, Type.DNSKEY)
    if dnskey is None:
        return
    others = {(rdata[3], key_tag(rdata)): rdata for rdata in dnskey.rdatas}
    for one in stored:
        algorithm, tag = one.public.algorithm, one.public.tag
        works = one.state is not KeyState.REMOVED and not one.roll.ended
        if works and others.get((algorithm, tag), one.public.rdata) != one.public.rdata:
            yield Finding(
                TAG_SHARED,
                Severity.ERROR,
                dnskey.position or Position(zone.file),
                f"another signer's DNSKEY of {to_text(zone.origin)} has algorithm {algorithm} and key tag"
                f" {tag}, and so has our {one.path.name}: validators take one for the other",
                "have its signer make another key, or let another key take the place of ours first",
                zone.origin,
            )
