"""Keep a release on this host, in disk space that was reserved before the decision.

Once a release is decided, the fleet serves it, whatever happens to this host: no failure in `keep` ends a
push. What could not be kept is noted, and the next push fetches it from the archive and the nodes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from dnsctl.control.host import ControlHost, actor
from dnsctl.control.settling import stay_settled
from dnsctl.errors import DnsctlError, SystemRefusalError, worded
from dnsctl.files import durable
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.json_value import Json
from dnsctl.model.repo import Repo
from dnsctl.publish.keys import settle
from dnsctl.publish.memory import Memory
from dnsctl.publish.pipeline import Release
from dnsctl.release import delta as deltas
from dnsctl.release.archive import Archive
from dnsctl.release.manifest import Manifest
from dnsctl.release.settings import encode
from dnsctl.replicate.staging import Staging
from dnsctl.replicate.transaction import Outcome
from dnsctl.replicate.trust import Trust

_SLACK: Final = 2**18  # octets: the records, their journal, a few states of keys, directories


@contextmanager
def prepared(image: Image, archive: Archive, trust: Trust, sealed: bytes, delta: bytes) -> Iterator[Staging]:
    """Prepare a release on this host as on a node; yield a function that commits it once it is decided.

    It is applied and checked, and disk space is held for its commit where nobody else can take it. Raises
    ReleaseRefusedError, ReleaseError: nothing has changed then.
    """
    archive.put(delta)
    staging = Staging(image, archive, trust, prove=_unasked, expiry=math.inf)
    try:
        staging.prepare(sealed, source="own")
        yield staging
    finally:
        staging.close()


def _unasked(_manifest: Manifest, _reader: Reader) -> None:
    """Ask no probe: this host answers no queries, and each node asks them all."""


@contextmanager
def room_for(host: ControlHost) -> Iterator[Callable[[], None]]:
    """Reserve disk space for what is kept beside image and archive; yield what frees it for small files.

    Raises SystemRefusalError where there is not as much.
    """
    slack = Repo(host.root).state.directory / f"{durable.TEMPORARY_PREFIX}reserve"
    try:
        try:
            durable.reserve(slack, _SLACK)
        except OSError as error:
            raise SystemRefusalError.of(error) from None
        yield functools.partial(slack.unlink, missing_ok=True)
    finally:
        slack.unlink(missing_ok=True)


def keep(host: ControlHost, staging: Staging, release: Release, outcome: Outcome, action: str) -> None:
    """Adopt a release that was decided: commit it to the image, mark its keys active, record it."""
    certificate = host.archive.activation(release.generation) or b""
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("its image", lambda: _activate(staging, certificate)),
        ("the state of its keys", lambda: _settle(host, release)),
        ("the records", lambda: _record(host, release, outcome, action)),
    )
    for what, step in steps:
        try:
            step()
        except (DnsctlError, OSError) as error:
            host.notes.append(
                f"generation {release.generation} is decided, but {what} could not be kept here: "
                f"{worded(error)}; the next `dnsctl push` does so"
            )


def _activate(staging: Staging, certificate: bytes) -> None:
    try:
        staging.activate(certificate, source="own")
    finally:
        staging.close()  # what failed holds the image's one write transaction


@contextmanager
def as_kept(release: Release, image: Image) -> Iterator[Reader]:
    """Yield a reader of `release`; if it could not be kept, of a trial."""
    with image.reader() as reader:
        if reader.generation == release.generation:
            yield reader
            return
    with image.trial() as writer:
        writer.apply(deltas.decode(release.delta, release.manifest.delta.length))
        writer.set_release(
            release.generation,
            release.manifest.digest,
            release.manifest.commit,
            encode(release.manifest.settings),
        )
        yield writer


def _settle(host: ControlHost, release: Release) -> None:
    with as_kept(release, host.image) as reader:
        settle(host.keystore, reader, datetime.now(UTC), release.manifest.zones)
        if reader.manifest == release.manifest.digest:
            stay_settled(host, reader, Memory(Repo(host.root).state.memory))


def _record(host: ControlHost, release: Release, outcome: Outcome, action: str) -> None:
    host.state.record_release(release.manifest)
    details: dict[str, Json] = {"generation": release.generation, "activated": list(outcome.activated)}
    if outcome.missed:
        details["missed"] = dict(outcome.missed)
    host.state.audit(actor(), f"{action} activated", "", details, when=datetime.now(UTC))
