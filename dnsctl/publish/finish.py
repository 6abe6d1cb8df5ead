"""From a judged zone to the zone that is served, signed where that is to be done here; and into an image.

The second half of every way to publish, one zone at a time: releases, `serve --zones`, and what
`explain --work-tree` answers from. Which keys and which serial is for the caller: a release remembers those
of the release before, and makes keys that are stored only once it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from dnsctl.errors import SigningError
from dnsctl.image.compiler import CompiledZone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Writer
from dnsctl.model.name import Name, to_text
from dnsctl.model.zone import SignedZone
from dnsctl.publish.intent import Progress, ZoneIntent, no_progress
from dnsctl.publish.presigned import telling
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.signer import sign_zone, unsigned_zone


def finish(
    wanted: ZoneIntent,
    keys: Sequence[SigningKey],
    serial: int,
    now: datetime,
    *,
    previous: SignedZone | None = None,
    came_signed: SignedZone | None = None,
    workers: int = 1,
    progress: Progress = no_progress,
) -> SignedZone:
    """Return `wanted` as it is served: signed by `keys`, unsigned, or pre-signed.

    `previous`: as it was published last; its signatures are kept where they fit. Raises SigningError.
    """
    origin = wanted.zone.origin
    if wanted.presigned:
        if came_signed is None:
            raise SigningError("is pre-signed, and its signatures were not judged", where=to_text(origin))
        return came_signed
    if wanted.policy is None:
        return unsigned_zone(wanted.zone, serial)
    stage = telling(progress, f"sign {to_text(origin)}")
    return sign_zone(wanted.zone, keys, wanted.policy, now, serial, previous, workers, stage)


def published(reader: Reader | None) -> Callable[[Name], SignedZone | None]:
    """Return what looks up a zone as it was published last, in the image that `reader` reads."""

    def before(origin: Name) -> SignedZone | None:
        if reader is None or reader.zone(origin) is None:
            return None
        return reader.signed_zone(origin)

    return before


def fill(writer: Writer, zones: Iterable[CompiledZone], gone: Iterable[Name] = ()) -> None:
    """Put `zones` into an image that belongs to no fleet, and take `gone` out of it.

    A release never comes this way: only `replicate.staging` writes into an image that a fleet serves.
    """
    writer.apply(difference(writer, zones, gone))
