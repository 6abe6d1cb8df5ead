"""requirements.lock: what hosts run, pinned and with hashes, is what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
ENTRY = re.compile(
    r"^([a-z0-9-]+)==(\S+)((?: ;.*?)?)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE
)


def pinned() -> dict[str, list[str]]:
    """Return each package's versions: more than one where newer ones have left older Pythons behind."""
    found: dict[str, list[str]] = {}
    for match in ENTRY.finditer(LOCK):
        found.setdefault(canonicalize_name(match[1]), []).append(match[2])
    return found


def test_every_line_of_the_lock_is_a_pinned_version_with_its_hashes() -> None:
    lines = [line for line in LOCK.splitlines() if line and line[0] not in "# "]
    assert len(lines) == sum(map(len, pinned().values())) > 15


def test_lock_has_what_pyproject_asks_for() -> None:
    versions = pinned()
    for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        wanted = Requirement(text)
        locked = versions[canonicalize_name(wanted.name)]
        assert all(each in wanted.specifier for each in locked), "run `make lock`"


def test_lock_has_what_its_packages_ask_for_in_turn() -> None:
    versions = pinned()
    waiting = [Requirement(f"{name}[dnssec]" if name == "dnspython" else name) for name in versions]
    while waiting:
        package = waiting.pop()
        assert canonicalize_name(package.name) in versions, f"{package.name} is not locked: run `make lock`"
        try:
            texts = requires(package.name) or ()
        except PackageNotFoundError:  # for another platform or version of Python
            continue
        for text in texts:
            wanted = Requirement(text)
            extras = package.extras or {""}
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": each}) for each in extras):
                assert canonicalize_name(wanted.name) in versions, f"{package.name} needs {wanted.name}"
