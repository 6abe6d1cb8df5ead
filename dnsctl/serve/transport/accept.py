"""Take connections that the kernel has completed, a few a turn.

If none can be accepted, because descriptors or memory have run out, the listener rests for a moment, and the
owner of the connections is asked to make room: asyncio's own loop would log a traceback at each try.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

ACCEPTED: Final = 32  # connections a turn
_AGAIN: Final = 0.05  # seconds after it could not be


class Acceptor:
    """Hands each connection of `listener` to `take`, not blocking; calls `full` with what makes it stop."""

    def __init__(
        self, listener: socket.socket, take: Callable[[socket.socket], None], full: Callable[[OSError], None]
    ) -> None:
        self._listener = listener
        self._take = take
        self._full = full
        self._loop = asyncio.get_running_loop()
        self._rest: asyncio.TimerHandle | None = None
        listener.setblocking(False)

    def start(self) -> None:
        self._rest = None
        self._loop.add_reader(self._listener, self._accept)

    def stop(self) -> None:
        """Take no more; the listener stays open."""
        self._loop.remove_reader(self._listener)
        if self._rest is not None:
            self._rest.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPTED):
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # it went before it was served
            except OSError as error:
                self._full(error)
                self._loop.remove_reader(self._listener)
                self._rest = self._loop.call_later(_AGAIN, self.start)
                return
            accepted.setblocking(False)
            self._take(accepted)
