"""What the next command that writes zone files says of one that was killed."""

from __future__ import annotations

from pathlib import Path

from dnsctl.cli import output
from dnsctl.interchange.placing import take_back


def taken_back(directory: Path) -> None:
    """Undo what a killed import has left in a directory of zone files, and say so."""
    for each in take_back(directory):
        output.say(each)
