"""Work on many things, shared out among processes that are forked for it: results are those of one process.

Each process works on its share and sends back the results, pickled; this process has a share of its own. The
share of one that was killed, or failed, is done here. No process outlives the call.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

from dnsctl.model.prctl import die_with_parent

_T = TypeVar("_T")
_R = TypeVar("_R")


class _Helper(NamedTuple):
    """A process, and the end of the pipe that its results come through."""

    pid: int
    results: int


def shared(work: Callable[[Sequence[_T]], list[_R]], things: Sequence[_T], processes: int) -> list[_R]:
    """Return what `work` makes of `things`, one result for each, in their order.

    `work` is called once in each of up to `processes`, with a share of them; with all of them here where
    there is nothing to share. What it changes elsewhere stays in its process.
    """
    count = max(1, min(processes, len(things)))
    shares = [things[at::count] for at in range(count)]
    helpers: list[_Helper] = []
    try:
        helpers += (_helper(work, share) for share in shares[1:])
        made = [work(shares[0])]
        for helper, share in zip(helpers, shares[1:], strict=True):
            made.append(_results(helper, len(share)) or work(share))
    finally:
        for helper in helpers:
            _end(helper)
    return [made[at % count][at // count] for at in range(len(things))]


def forked(work: Callable[[], object]) -> int:
    """Fork, and return the process id. The fork does `work` and ends: with 1 where that raises, else with 0.

    It ends with this process, too. Raises OSError.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:  # whatever happens, this process must not return to the code of its parent
        die_with_parent(parent, signal.SIGKILL)
        gc.disable()  # it ends soon, and a collection copies every page that it looks at
        work()
        os._exit(0)
    finally:
        os._exit(1)


def _helper(work: Callable[[Sequence[_T]], list[_R]], share: Sequence[_T]) -> _Helper:
    reading, writing = os.pipe()

    def send() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(work(share), pipe, pickle.HIGHEST_PROTOCOL)

    pid = forked(send)  # where it fails, its parent does the work again, and meets the same
    os.close(writing)
    return _Helper(pid, reading)


def _results(helper: _Helper, count: int) -> list[_R] | None:
    """Return the results of a process, or None where it did not send all of them."""
    with suppress(EOFError, pickle.UnpicklingError), os.fdopen(os.dup(helper.results), "rb") as pipe:
        made = pickle.load(pipe)  # noqa: S301 - of our own process
        if isinstance(made, list) and len(made) == count:
            return made
    return None


def _end(helper: _Helper) -> None:
    os.close(helper.results)
    with suppress(ProcessLookupError):
        os.kill(helper.pid, signal.SIGKILL)  # it has sent what it had to send, or is not needed any more
    os.waitpid(helper.pid, 0)
