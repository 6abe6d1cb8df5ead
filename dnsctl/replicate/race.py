"""Ask several hosts for the same thing without waiting for the slowest.

The first host is asked; if it fails, or has not answered after a while, the next is asked as well. So a slow
host costs only that pause, and a large answer is not fetched twice without need.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from dnsctl.errors import DnsctlError, NodeUnreachableError

_Host = TypeVar("_Host")
_Result = TypeVar("_Result")


async def first_of(
    hosts: Sequence[_Host], ask: Callable[[_Host], Awaitable[_Result]], pause: float, limit: float
) -> _Result:
    """Return the first answer. `pause`: seconds until one more is asked; `limit`: until one is given up.

    Raises the last failure where all fail, NodeUnreachableError where there is nobody to ask.
    """
    waiting = list(hosts)
    asked: set[asyncio.Task[_Result]] = set()
    failure: BaseException = NodeUnreachableError("no node has it")
    try:
        while waiting or asked:
            if waiting:
                asked.add(asyncio.ensure_future(_within(limit, ask, waiting.pop(0))))
            done, asked = await asyncio.wait(
                asked, timeout=pause if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                fault = task.exception()
                if fault is None:
                    return task.result()
                if not isinstance(fault, DnsctlError):
                    raise fault
                failure = fault
        raise failure
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def _within(limit: float, ask: Callable[[_Host], Awaitable[_Result]], host: _Host) -> _Result:
    try:
        async with asyncio.timeout(limit):
            return await ask(host)
    except TimeoutError:
        raise NodeUnreachableError(f"did not answer within {limit:.0f} s") from None
