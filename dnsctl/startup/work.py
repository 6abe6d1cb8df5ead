"""What is to be compiled for `dnsctl serve --zones`, and who is told of it: known on both sides of the fork.

Imports nothing that loads or signs zones: `apart` is imported by the process that serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from dnsctl.model.finding import Finding
    from dnsctl.publish.intent import Progress


@dataclass(frozen=True, slots=True)
class Embedded:
    """What to compile: the zone files in `directory`, into the image of `state`; signed if `sign`."""

    directory: Path
    state: Path
    sign: bool = False
    strict: bool = False
    keep_keys: bool = False  # keys stand in the state, not beside the zones
    workers: int = 1  # processes that sign


class Tell(Protocol):
    """What shows findings and progress to a person; `dnsctl.cli.output` is one."""

    def findings(self, found: Iterable[Finding], stream: TextIO | None = None) -> None: ...

    def say(self, text: str) -> None: ...

    def stages(self) -> AbstractContextManager[Progress]: ...


Telling = Callable[[], Tell]
