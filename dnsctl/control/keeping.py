"""Keep a release on this host, in disk space that was reserved before the decision.

Once a release is decided, the fleet serves it, whatever happens to this host: no failure in `keep` ends a
push. What could not be kept is noted, and the next push fetches it from the archive and the nodes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from dnsctl.control.host import ControlHost, actor
from dnsctl.errors import DnsctlError, SystemRefusalError, worded
from dnsctl.files import durable
from dnsctl.model.repo import Repo
from dnsctl.publish.keys import settle
from dnsctl.publish.pipeline import Release, adopt, as_adopted
from dnsctl.replicate.transaction import Outcome

_SLACK: Final = 2**18  # octets: the records, their journal, a few states of keys, directories


@contextmanager
def room_for(host: ControlHost, release: Release) -> Iterator[Callable[[], None]]:
    """Hold the disk space that keeping `release` will take; yield what frees it for small files.

    That of the image is held in its own file, where nobody else can take it. Raises SystemRefusalError where
    there is not as much: nothing has changed then.
    """
    slack = Repo(host.root).state.directory / f"{durable.TEMPORARY_PREFIX}reserve"
    try:
        try:
            host.image.reserve(release.room)
            host.archive.reserve()
            durable.reserve(slack, _SLACK)
        except OSError as error:
            raise SystemRefusalError.of(error) from None
        yield functools.partial(slack.unlink, missing_ok=True)
    finally:
        slack.unlink(missing_ok=True)
        host.archive.give_back()
        host.image.give_back()


def keep(host: ControlHost, release: Release, outcome: Outcome, action: str) -> None:
    """Make a release that was decided this host's own: in image and archive, its keys in use, recorded."""
    certificate = host.archive.activation(release.generation) or b""
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("its image", lambda: adopt(release, certificate, host.image, host.archive)),
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


def _settle(host: ControlHost, release: Release) -> None:
    with as_adopted(release, host.image) as reader:
        settle(host.keystore, reader, datetime.now(UTC), release.manifest.zones)


def _record(host: ControlHost, release: Release, outcome: Outcome, action: str) -> None:
    now, generation = datetime.now(UTC), release.generation
    host.state.record_release(release.manifest)
    for node in outcome.activated:
        host.state.record_activation(node, generation, now)
    details: dict[str, Any] = {"generation": generation, "activated": list(outcome.activated)}
    if outcome.missed:
        details["missed"] = dict(outcome.missed)
    host.state.audit(actor(), f"{action} activated", "", details, when=now)
