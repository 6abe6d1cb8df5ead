"""Processes that sign or verify for this one: begun, fed with chunks, and ended (see `process`)."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from dnsctl.errors import SigningError
from dnsctl.sign import frames
from dnsctl.sign.chunks import InvalidSignatureError
from dnsctl.sign.process import DONE, INVALID

PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; from dnsctl.sign.process import serve; serve(int(sys.argv[1]))"
)
_ENDING = 5.0  # seconds that a process which closed its socket may take to end
_AHEAD = 3  # chunks on their way for each process: bounds memory, keeps all busy
_Chunk = TypeVar("_Chunk")


class SigningProcess:
    """One process. A context manager: nothing is left of it, nor of its keys, when the block ends."""

    def __init__(self, first: Sequence[bytes]) -> None:
        """Begin it; `first`: its first frame. Raises SigningError where there can be no further process."""
        self.stream, theirs = socket.socketpair()
        self.waiting: deque[int] = deque()  # numbers of the chunks that it has
        where = str(Path(__file__).parents[2])  # where an installation has no path, but a hook
        paths = [each or str(Path.cwd()) for each in (*sys.path, where)]
        try:
            with theirs:
                self._process = subprocess.Popen(
                    (sys.executable, "-I", "-S", "-c", PROGRAM, str(os.getpid()), *paths),
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    process_group=0,  # a terminal's Ctrl-C is for us
                )
        except OSError as error:
            self.stream.close()
            raise SigningError(
                f"a signing process cannot be started: {error.strerror}", advice="check the memory, try again"
            ) from None
        octets = frames.frame(first)
        try:
            self.stream.sendall(octets)
        except OSError:
            raise self.lost() from None
        finally:
            octets[:] = bytes(len(octets))  # there may be keys in it

    def __enter__(self) -> SigningProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self.stream.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def receive(self) -> list[bytes]:
        """Return the results of the next chunk. Raises InvalidSignatureError, SigningError."""
        try:
            what, *results = frames.receive(self.stream)
        except (EOFError, OSError):
            raise self.lost() from None
        if what == DONE:
            return results
        if what == INVALID:
            raise InvalidSignatureError(int.from_bytes(results[0], "big"), results[1])
        raise SigningError(
            f"a signing process failed: {results[0].decode()}", advice="this is a fault of dnsctl, report it"
        )

    def lost(self) -> SigningError:
        """End the process, which does not answer, and return the error that says so."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING)
        code = self._process.returncode
        self.__exit__(None, None, None)
        if code is not None and code > 0:
            return SigningError(
                f"a signing process ended with exit code {code}", advice="see what it printed"
            )
        return SigningError("a signing process was killed", advice="check the memory, try again")


def side_by_side(
    chunks: Iterator[_Chunk], encoded: Callable[[_Chunk], list[bytes]], count: int, first: Sequence[bytes]
) -> Generator[list[bytes], None, None]:
    """Yield the results for each of `chunks`, in order, made by `count` processes that `first` sets up.

    Raises InvalidSignatureError, and SigningError where a process is lost. No process is left then, nor when
    the generator is closed.
    """
    with ExitStack() as stack:
        crew = _Crew([stack.enter_context(SigningProcess(first)) for _ in range(count)])
        for number, chunk in enumerate(chunks):
            crew.give(number, encoded(chunk))
            yield from crew.ready()
        yield from crew.rest()


class _Crew:
    """Processes, the chunks that they have, and results that came before those of an earlier chunk."""

    def __init__(self, crew: Sequence[SigningProcess]) -> None:
        self._crew = {one.stream.fileno(): one for one in crew}
        self._most = _AHEAD * len(crew)
        self._found: dict[int, list[bytes]] = {}
        self._next = 0

    def give(self, number: int, chunk: Sequence[bytes]) -> None:
        """Send a chunk to the process with the fewest; take results meanwhile, lest both ends wait."""
        while number - self._next >= self._most and self._next not in self._found:
            self._take()
        chosen = min(self._crew.values(), key=lambda each: len(each.waiting))
        chosen.waiting.append(number)
        unsent = memoryview(frames.frame(chunk))
        while unsent:
            if self._take(chosen):
                try:
                    unsent = unsent[chosen.stream.send(unsent, socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise chosen.lost() from None

    def ready(self) -> Iterator[list[bytes]]:
        while (found := self._found.pop(self._next, None)) is not None:
            self._next += 1
            yield found

    def rest(self) -> Iterator[list[bytes]]:
        while any(each.waiting for each in self._crew.values()):
            self._take()
            yield from self.ready()

    def _take(self, feeding: SigningProcess | None = None) -> bool:
        """Wait until a result can be taken, or `feeding` be sent to; return whether it can. Take results."""
        poll = select.poll()
        for number, each in self._crew.items():
            poll.register(number, select.POLLIN | (select.POLLOUT if each is feeding else 0))
        can_send = False
        for number, events in poll.poll():
            chosen = self._crew[number]
            if events & ~select.POLLOUT:
                results = chosen.receive()
                self._found[chosen.waiting.popleft()] = results
            can_send |= chosen is feeding and bool(events & select.POLLOUT)
        return can_send
