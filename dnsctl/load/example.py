"""The example operations repo: dnsctl.yaml, zones/ and keys/README.md of this project, from one source.

A wheel carries the files as `dnsctl/_example` (see pyproject.toml); in a source checkout, and in an editable
install of one, they stand beside the package. What else lies in `keys/` there is never read.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from dnsctl.errors import ConfigError
from dnsctl.model.repo import CONFIG, KEYS_README, ZONE_SUFFIXES, ZONES

_SINGLE = (CONFIG, KEYS_README)


def example_files() -> dict[str, bytes]:
    """Return the octets of each file by its path in an operations repo. Raises ConfigError."""
    root = _root()
    found = {path: root.joinpath(*path.split("/")).read_bytes() for path in _SINGLE}
    for entry in sorted(root.joinpath(ZONES).iterdir(), key=lambda each: each.name):
        if entry.name.endswith(ZONE_SUFFIXES):
            found[f"{ZONES}/{entry.name}"] = entry.read_bytes()
    return found


def _root() -> Traversable:
    packaged = files("dnsctl").joinpath("_example")
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / CONFIG).is_file() and (checkout / ZONES).is_dir():
        return checkout
    raise ConfigError("the example files are missing", where=str(packaged), advice="install dnsctl again")
