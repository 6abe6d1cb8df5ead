"""`dnsctl push`: the whole way of a change, with progress; ends verified, or rolled back.

Exit codes: 0 served everywhere (or nothing to do), 1 refused or rolled back, 3 some nodes not reached.
"""

from __future__ import annotations

import time
from dataclasses import replace

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.cli.context.opened import opened
from dnsctl.cli.output.ended import finish, told
from dnsctl.cli.output.leaving import shown
from dnsctl.control.concerns import of_ends
from dnsctl.control.push import Request, check_request, renew
from dnsctl.control.push import push as push_through


def push(context: Context, request: Request, *, renewal: bool, as_json: bool) -> None:
    """Release what `request` says, or renew signatures; print how it ended, and exit with its code."""
    check_request(request)
    started = time.monotonic()
    newest = request.dry_run
    with opened(context, request.without, renewal=renewal, newest=newest) as host, told() as progress:
        if not as_json:
            request = replace(request, shows=shown(host))
        result = renew(host, request, progress) if renewal else push_through(host, request, progress)
        with host.image.reader() as reader:
            for each in of_ends(reader, host.keystore, time.time()):
                output.say(f"warning: {each.about}: {each.message}")
        result = replace(result, notes=tuple(host.notes))
    finish(result, time.monotonic() - started, as_json=as_json)
