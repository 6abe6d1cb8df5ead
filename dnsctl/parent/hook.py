"""A command of the operator's that gives the DS to the parent: a registrar's API, mostly.

It gets the whole DS RRset on standard input, a record a line in presentation form, nothing where there is to
be none; and the zone's name in DNSCTL_ZONE and for `{zone}` in its arguments. No shell reads them. Its exit
code says how it went: 0: done or accepted; 75 (EX_TEMPFAIL of sysexits.h): try again; all others: refused.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import Type, rdata_text

TEMPORARY = 75  # EX_TEMPFAIL
_SHOWN = 4096  # octets of what it printed
Outcome = Literal["done", "later", "refused"]


class HookResult(NamedTuple):
    """How a command ended, and the end of what it printed; `reason`: where it did not do it."""

    outcome: Outcome
    printed: str
    reason: str = ""


def run_hook(
    command: Sequence[str],
    zone: Name,
    ds: Iterable[bytes],
    ttl: int,
    patience: timedelta,
    directory: Path,
    environment: Mapping[str, str],
) -> HookResult:
    """Run `command` in `directory`. After `patience`, or its end, all of its process group is ended.

    What it started in a session of its own (`setsid`) goes on.
    """
    name = to_text(zone)
    told = "".join(f"{name} {ttl} IN DS {rdata_text(Type.DS, each)}\n" for each in ds)
    arguments = [each.replace("{zone}", name) for each in command]
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**environment, "DNSCTL_ZONE": name},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: nothing that the system can be asked to start
            reason = error.strerror if isinstance(error, OSError) else None
            return HookResult("refused", "", f"{_printable(arguments[0])}: {reason or error}")
        try:
            with contextlib.suppress(BrokenPipeError):  # it need not read it
                process.communicate(told.encode(), timeout=patience.total_seconds())
            reason, code = "", process.wait()
        except subprocess.TimeoutExpired:
            reason, code = f"{arguments[0]}: no end after {patience.total_seconds():g} s", TEMPORARY
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # what it left behind as well
            process.wait()
        printed = _end_of(output.fileno())
    if code == 0:
        return HookResult("done", printed)
    reason = reason or f"{arguments[0]}: {_ended(code)}"
    return HookResult("later" if code == TEMPORARY else "refused", printed, reason)


def _ended(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"


def _end_of(descriptor: int) -> str:
    """Return the last of what was printed, without what a terminal would act on."""
    length = os.fstat(descriptor).st_size
    octets = os.pread(descriptor, _SHOWN, max(0, length - _SHOWN))
    return _printable(octets.decode("utf-8", "replace").strip())


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in text)
