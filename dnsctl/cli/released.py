"""The image of the last release on the control host, for verbs that tell what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dnsctl.cli.context import Context
from dnsctl.control.own_image import open_own, require_whole
from dnsctl.image.reader import Reader


@contextmanager
def released(context: Context) -> Iterator[Reader | None]:
    """Give a reader of the release; None where there is none. What a dry run leaves is empty, and none.

    Raises DamagedImageError, with the way out.
    """
    if not (context.image / "data.mdb").exists():
        yield None
        return
    require_whole(context.state, quickly=True)
    with open_own(context.state) as image, image.reader() as reader:
        yield reader if reader.generation else None
