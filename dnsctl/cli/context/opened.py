"""The control host, opened for a verb that changes what the fleet serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.cli.output.changes import errors_listed
from dnsctl.control.host import ControlHost, control_host
from dnsctl.control.renewal import released_config
from dnsctl.errors import ConfigError
from dnsctl.load.settings.config import Config


@contextmanager
def opened(context: Context, without: str, *, renewal: bool = False) -> Iterator[ControlHost]:
    """Open the control host; print its notes, and list errors of zones before the failure."""
    config = _fleet(context) if renewal else context.config()
    with (
        errors_listed(),
        control_host(context.root, config, context.passphrase(config), without) as host,
    ):
        try:
            yield host
        finally:
            for note in host.notes:
                output.say(note)


def _fleet(context: Context) -> Config:
    """Return dnsctl.yaml of the work tree, which says how to reach the fleet; if it cannot be read, that of
    the release: a renewal does not wait for a person.
    """
    try:
        return context.config()
    except ConfigError as error:
        config = released_config(context.root)
        if config is None:
            raise
        output.say(f"{error}; the dnsctl.yaml that was released last is read instead")
        return config
