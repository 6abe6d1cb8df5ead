"""The image of the last release on the control host, for verbs that tell what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dnsctl.cli.context import Context
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image


@contextmanager
def released(context: Context) -> Iterator[Reader | None]:
    """Give a reader of the release; None where there is none. What a dry run leaves is empty, and none."""
    if not (context.image / "data.mdb").exists():
        yield None
        return
    with Image.open(context.image) as image, image.reader() as reader:
        yield reader if reader.generation else None
