"""Files of a configuration that include others: read within bounds, and never one within itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.interchange.elsewhere import Place

MAX_CONFIG = 64 * 2**20  # octets of a configuration, all files together
MAX_DEPTH = 16  # of files that include files
MAX_FILES = 10_000


class IncludingFiles:
    """The files of one configuration, read from `place` as they include each other."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._open: list[str] = []
        self._octets = 0
        self._files = 0

    @contextmanager
    def text(self, path: str) -> Iterator[str]:
        """Yield the text of a file; what the block reads is included by it. Raises DnsctlError."""
        if path in self._open:
            raise config_fault(path, "includes itself", "break the circle")
        data = self.place.read(path, MAX_CONFIG)
        self._octets += len(data)
        self._files += 1
        if len(self._open) >= MAX_DEPTH or self._octets > MAX_CONFIG or self._files > MAX_FILES:
            raise config_fault(path, f"over {MAX_DEPTH} files deep, or too much in all", "include less")
        self._open.append(path)
        try:
            yield data.decode("utf-8", "surrogateescape")
        finally:
            self._open.pop()


def config_fault(where: str, what: str, advice: str) -> DnsctlError:
    """Return the error of a configuration that cannot be taken."""
    return DnsctlError(what, where=where, advice=advice, rule=RefusalRule.IMPORT)
