"""Whether this node can run with the settings of a release, and how it comes to run with them.

They are checked before the release is accepted in a push, and take effect once it is served: the supervisor
is asked to reload, so that a program takes over that reads them. What a node fetches from others it serves
whatever its settings are; it goes on with those it has, and says why.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from dnsctl.errors import ListenError
from dnsctl.model.fleet import NodeSettings
from dnsctl.release import reload_note
from dnsctl.release.settings import FleetSettings, digest_of

PATIENCE: Final = 90.0  # seconds that a reload may take: the trial of a program has 60
_UNKNOWN: Final = "it did not reload, and its log says why"
_PRIVILEGE: Final = (errno.EACCES, errno.EPERM)  # that a restart has, and a reload has not


@dataclass(frozen=True, slots=True)
class SettingsStatus:
    """What a node runs with: `digest`, of the release `generation` (0: its own dnsctl.yaml).

    `wanted`: digest of those in the release that it serves, empty where it has none; `fault`: why the node
    does not run with them.
    """

    digest: str
    generation: int
    wanted: str = ""
    fault: str = ""

    @property
    def is_current(self) -> bool:
        return self.wanted in ("", self.digest)

    @property
    def is_coming(self) -> bool:
        """True while the node is about to run with other settings."""
        return not self.is_current and not self.fault


def status_of(own: NodeSettings, served: int, data: bytes, age: float) -> SettingsStatus | None:
    """Return what the node runs with; None for one that cannot take other settings while it runs.

    `data`: the settings of the generation that is `served`, for `age` seconds.
    """
    found = _in_force(own, served, data)
    if found is None or found.is_current:
        return found
    fault = reload_note.reason_for(own.state, found.wanted) or (_UNKNOWN if age > PATIENCE else "")
    return replace(found, fault=fault)


def _in_force(own: NodeSettings, served: int, data: bytes) -> SettingsStatus | None:
    """Return the same, without a fault."""
    now = own.in_force
    if now is None:
        return None
    # A program that began with this generation, or with a later one that is about to be committed, has read
    # the settings from the release itself.
    wanted = now.digest if served <= now.generation else digest_of(data)
    return SettingsStatus(now.digest, now.generation, wanted)


def require_fit(settings: FleetSettings, own: NodeSettings) -> None:
    """Check that this node could run with `settings`: their form, secrets of TSIG keys, new addresses.

    Raises ConfigError, ListenError. An address that needs a privilege passes: it takes a restart.
    """
    # Here, because they take 10 MB, and most releases bring no other settings.
    from dnsctl.load.settings.released import ReleasedSettings  # noqa: PLC0415 - as above
    from dnsctl.serve.transport.listen import listen_http, try_listen  # noqa: PLC0415 - as above

    coming = ReleasedSettings.read(settings).applied_to(own)
    new = [each for each in coming.serve.listen if each not in own.serve.listen]
    try:
        try_listen(new, 1, ())
        if coming.metrics is not None and coming.metrics != own.metrics:
            listen_http(coming.metrics)[1].close()
    except ListenError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _PRIVILEGE:
            raise


class Reloads:
    """Asks for a reload where the settings of the release that is served are not in force."""

    def __init__(self, own: NodeSettings, ask: Callable[[], None] | None) -> None:
        self._own = own
        self._ask = ask

    def begun(self, served: int, data: bytes) -> None:
        """Ask when the agent begins, unless these settings were refused: a node must not reload for ever."""
        if not reload_note.reason_for(self._own.state, digest_of(data)):
            self.committed(served, data)

    def committed(self, served: int, data: bytes) -> None:
        """Ask after the generation `served` was committed; `data`: its settings, empty where it has none."""
        found = _in_force(self._own, served, data)
        if self._ask is not None and found is not None and not found.is_current:
            self._ask()
