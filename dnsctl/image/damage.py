"""The record of a damaged image: a file beside it, written when damage is found and kept until the next.

The image that replaces a damaged one grows beside it; meanwhile the old one is served, by processes that have
it open. `replace` puts the new one in its place; processes open it when the generation counter moves.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from dnsctl.files import durable
from dnsctl.model.repo import NodeFiles

_LONGEST = 1000  # characters of a reason


@dataclass(frozen=True, slots=True)
class Damage:
    """When it was found (unix seconds), what was found, and whether another image has taken its place."""

    at: int
    reason: str
    is_mended: bool


class DamageNote:
    """The file in a node's `state` directory. The inspector writes what it found, the agent what it did."""

    def __init__(self, state: Path) -> None:
        files = NodeFiles(state)
        self._path = files.damage
        self._image = files.image
        self._old = files.damaged_image
        self._new = files.new_image

    def last(self) -> Damage | None:
        """Return the last damage that was found, whether the image was replaced or not."""
        try:
            found = json.loads(self._path.read_bytes())
            return Damage(int(found["at"]), str(found["reason"]), bool(found["mended"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def reason(self) -> str:
        """Return what is wrong with the image; empty where nothing is known to be."""
        last = self.last()
        return "" if last is None or last.is_mended else last.reason

    def write(self, reason: str) -> None:
        """Note that the image is damaged. Raises OSError."""
        self._write(Damage(int(time.time()), reason[:_LONGEST], is_mended=False))

    def replacement(self) -> Path:
        """Return where to make the image that replaces the damaged one: nothing is there yet."""
        shutil.rmtree(self._new, ignore_errors=True)
        return self._new

    def replace(self) -> None:
        """Replace the damaged image by the one at `replacement`, and remove it. Raises OSError.

        A crash in between leaves no image, or an image that still counts as damaged: both are made again.
        """
        shutil.rmtree(self._old, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self._image.rename(self._old)
        self._new.rename(self._image)
        self._mended()
        shutil.rmtree(self._old, ignore_errors=True)

    def discard(self) -> None:
        """Remove the damaged image: nobody has it open, and another is made from nothing. Raises OSError."""
        if self._image.exists():
            shutil.rmtree(self._image)
        self._mended()

    def _mended(self) -> None:
        if last := self.last():
            try:
                self._write(Damage(last.at, last.reason, is_mended=True))
            except OSError:  # a full disk: rather no word of the last damage than one of a damage that is not
                self._path.unlink(missing_ok=True)

    def _write(self, damage: Damage) -> None:
        text = json.dumps({"at": damage.at, "reason": damage.reason, "mended": damage.is_mended})
        durable.write(self._path, text.encode(), 0o600)
