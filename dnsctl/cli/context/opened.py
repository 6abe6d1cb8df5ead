"""The control host, opened for a verb that changes what the fleet serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.cli.output.changes import errors_listed
from dnsctl.control.host import ControlHost, control_host
from dnsctl.control.renewal import fleet_config


@contextmanager
def opened(context: Context, without: str, *, renewal: bool = False) -> Iterator[ControlHost]:
    """Open the control host; print its notes, and list errors of zones before the failure."""
    config = fleet_config(context.root, output.say) if renewal else context.config()
    with (
        errors_listed(),
        control_host(context.root, config, context.passphrase(config), without, tell=output.say) as host,
    ):
        try:
            yield host
        finally:
            for note in host.notes:
                output.say(note)
