"""The image of the last release on the control host, for verbs that tell what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.control.host import take_over
from dnsctl.errors import DnsctlError, ReleaseRefusedError
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


def take_over_newest(context: Context) -> None:
    """Take over what the fleet serves, as a push does; where it cannot be asked, say so and go on.

    Another clone may have released since this host last did. Raises ReleaseRefusedError, as a push does,
    where the fleet's history is another than this host's.
    """
    try:
        config = context.config()
        unheard = take_over(context.root, config, context.passphrase(config))
    except ReleaseRefusedError:
        raise
    except DnsctlError as error:
        output.say(f"by what this host knows, no node was asked: {error}")
        return
    for each in unheard:
        output.say(f"not asked what is served: {each}")
