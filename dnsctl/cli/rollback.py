"""`dnsctl rollback`: publish an earlier release's records again, as a new generation with higher serials.

Goes the same way as a push, and ends with the same exit codes.
"""

from __future__ import annotations

import time
from dataclasses import replace

from dnsctl.cli.context import Context
from dnsctl.cli.context.opened import opened
from dnsctl.cli.output.ended import finish, told
from dnsctl.cli.output.leaving import shown
from dnsctl.control.push import Request, check_request
from dnsctl.control.push import rollback as roll_back


def rollback(context: Context, generation: int | None, request: Request, *, as_json: bool) -> None:
    """Release the records of `generation` again; print how it ended, and exit with its code."""
    check_request(request)
    started = time.monotonic()
    with opened(context, request.without, newest=request.dry_run) as host, told() as progress:
        if not as_json:
            request = replace(request, shows=shown(host))
        result = roll_back(host, generation, request, progress)
        result = replace(result, notes=tuple(host.notes))
    finish(result, time.monotonic() - started, as_json=as_json)
