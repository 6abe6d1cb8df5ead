"""The same work for many things, shared out among forks of this process, a group at a time.

A fork begins with all that is in memory, keys included, so nothing is sent to it. It does its share of one
group, writes the results into memory that it shares with this process, and ends; meanwhile the next group is
read. So forks copy little of this process's memory, and their copies of keys are soon gone. They ignore
Ctrl-C, and end with this process.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Generic, TypeVar

from dnsctl.errors import SystemRefusalError
from dnsctl.model.sharing import forked

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def shared_out(
    groups: Iterable[Sequence[_In]], work: Callable[[_In], _Out], processes: int
) -> Iterator[list[_Out]]:
    """Yield what `work` makes of each group, in order. What it raises is raised here.

    What comes out must be such that it can be pickled, and must hold no secret. No fork is left when the
    generator ends or is closed. Raises SystemRefusalError where a fork was killed.
    """
    with ExitStack() as stack:
        before: tuple[int, list[_Fork[_In, _Out]]] | None = None
        for group in groups:
            forks = [stack.enter_context(_Fork(group[at::processes], work)) for at in range(processes)]
            if before is not None:
                yield _gathered(*before)
            before = len(group), forks
        if before is not None:
            yield _gathered(*before)


def _gathered(count: int, forks: Sequence[_Fork[_In, _Out]]) -> list[_Out]:
    made = [fork.results() for fork in forks]
    return [made[at % len(made)][at // len(made)] for at in range(count)]


class _Fork(Generic[_In, _Out]):
    """A fork that works on `share`. A context manager, which ends it."""

    def __init__(self, share: Sequence[_In], work: Callable[[_In], _Out]) -> None:
        self._file = os.fdopen(os.memfd_create("dnsctl results"), "w+b")
        try:
            self._pid = forked(partial(self._write, share, work))
        except OSError as error:
            self._file.close()
            raise SystemRefusalError.of(error) from None

    def _write(self, share: Sequence[_In], work: Callable[[_In], _Out]) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            made: list[_Out] | Exception = [work(one) for one in share]
        except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
            made = error
        pickle.dump(made, self._file, pickle.HIGHEST_PROTOCOL)
        self._file.flush()

    def results(self) -> list[_Out]:
        """Wait for the end; return what was made of the share."""
        status = os.waitpid(self._pid, 0)[1]
        self._pid = 0
        if status:
            raise SystemRefusalError(
                "a process that signs zones was killed", advice="check the memory, try again"
            )
        self._file.seek(0)
        made: list[_Out] | Exception = pickle.load(self._file)  # noqa: S301 - of our own fork
        self._file.close()
        if isinstance(made, Exception):
            raise made
        return made

    def __enter__(self) -> _Fork[_In, _Out]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
        self._file.close()
