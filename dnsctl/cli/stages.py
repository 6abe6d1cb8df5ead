"""Progress of the stages on a terminal: one bar a stage, gone when all is done; elsewhere nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dnsctl.cli import output
from dnsctl.publish.intent import Progress, no_progress


@contextmanager
def stages() -> Iterator[Progress]:
    """Give a callable (stage, done, total) that draws while the block runs."""
    if not output.draws(sys.stderr):
        yield no_progress
        return
    with output.progress() as bars:
        drawn: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in drawn:
                drawn[stage] = bars.add_task(output.visible(stage), total=total)
            bars.update(drawn[stage], completed=done, total=total)

        yield tell
