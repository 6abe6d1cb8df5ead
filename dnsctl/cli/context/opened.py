"""The control host, opened for a verb that changes what the fleet serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.cli.output.changes import errors_listed
from dnsctl.control.host import ControlHost, control_host
from dnsctl.control.newest import take_over_newest
from dnsctl.control.released import fleet_config
from dnsctl.errors import DnsctlError


@contextmanager
def opened(
    context: Context, without: str, *, renewal: bool = False, newest: bool = False, wait: bool = False
) -> Iterator[ControlHost]:
    """Open the control host; print its notes, and list findings in zones before the failure.

    `newest`: fetch what the fleet serves before. `wait`: until no other push runs. A `renewal` signs what the
    image holds, and has all of it read.
    """
    unheard: list[str] = []
    with errors_listed(), ExitStack() as stack:
        try:
            if newest:
                take_over_newest(context.root, unheard.append)
            config = fleet_config(context.root, output.say) if renewal else context.config()
            passphrase = context.passphrase(config)
            host = stack.enter_context(
                control_host(
                    context.root,
                    config,
                    passphrase,
                    without,
                    tell=output.say,
                    wait=wait,
                    whole=renewal,
                )
            )
        except DnsctlError as error:  # said once, as what ends the command
            _say(each for each in unheard if str(error) not in each)
            raise
        _say(unheard)
        try:
            yield host
        finally:
            _say(host.notes)


def _say(lines: Iterable[str]) -> None:
    for each in lines:
        output.say(each)
