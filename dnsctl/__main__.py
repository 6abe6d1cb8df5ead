"""The `dnsctl` script, and `python -m dnsctl`: Ctrl-C ends it without a traceback, however early it comes.

While modules are loaded SIGINT has its default action, which ends the process at once; then it is
`KeyboardInterrupt`, which `dnsctl.cli.main.told` answers with one line and its exit code.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dnsctl.startup.work import Tell

# What a command loads stays until it ends, and looking for garbage in it takes an eighth of its start
_COLLECTED_AFTER: Final = (400_000, 20, 100)


def _work(descriptor: str) -> Callable[[], int]:
    """Return how to do what the command line asks for, or what was left to do when this was started again."""
    if descriptor:
        from dnsctl.startup.anew import serve_handed  # noqa: PLC0415 - without what reads command lines

        gc.enable()  # a node runs for months
        return lambda: _told(lambda: serve_handed(descriptor, _output))
    from dnsctl.cli.main import run  # noqa: PLC0415 - this is what takes long

    gc.set_threshold(*_COLLECTED_AFTER)
    gc.enable()
    return lambda: run(sys.argv[1:], sys.orig_argv)


def _told(work: Callable[[], None]) -> int:
    """Do `work` for `dnsctl serve`; return its exit code, having said what ended it."""
    try:
        work()
    except BaseException as fault:  # noqa: BLE001 - told, and made an exit code of
        try:
            from dnsctl.cli.main import told  # noqa: PLC0415 - with all that was left behind
        except (OSError, ImportError):  # whom we became may not read it: --user, capabilities given up
            _say(f"serve: {fault}")
            return 1
        return told(fault, "serve")
    return 0


def _output() -> Tell:
    """Return who prints what is found in zone files, in the process that reads them."""
    from dnsctl.cli import output  # noqa: PLC0415 - in that process only

    output.prepare()
    return output


def main() -> None:
    """Run the command line and exit with its code."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so below nohup
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        _main(interruptible)
    except (OSError, ImportError, MemoryError) as error:
        sys.exit(_unloaded(error))


def _unloaded(error: Exception) -> int:
    """Say in one line why no module can be loaded that says more: mostly no descriptor is left."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    where = getattr(error, "filename", None)
    _say(f"{f'{where}: ' if where else ''}{reason}; dnsctl cannot be loaded")
    return 1


def _say(line: str) -> None:
    os.write(2, f"dnsctl: {line}\n".encode("utf-8", "replace"))


def _main(interruptible: bool) -> None:
    gc.disable()  # until all is loaded
    from dnsctl.model.prctl import forbid_core_dumps  # noqa: PLC0415 - as all else, while Ctrl-C ends us

    forbid_core_dumps()
    from dnsctl.cli import INTERRUPTED  # noqa: PLC0415 - as above
    from dnsctl.startup import HANDED  # noqa: PLC0415 - as above

    work = _work(os.environ.pop(HANDED, ""))
    try:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = work()
    except KeyboardInterrupt:  # just before, or just after
        code = INTERRUPTED
    # Else a verb wants it otherwise, to the end
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.freeze()  # the process ends: Python need not look for garbage in what it gives back anyway
    sys.exit(code)


if __name__ == "__main__":
    main()
