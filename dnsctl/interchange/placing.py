"""Put zone files into zones/: all of them or none, and over others only where that is asked for.

Files are written and synced aside first, in a directory of zones/ that readers skip; then they are moved to
their places (`swapping`). What they replace is kept until the last one is there, and comes back if one fails,
or when `writing` locks zones/ the next time. One process at a time.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dnsctl.errors import DnsctlError, HostBusyError, RefusalRule
from dnsctl.files import durable
from dnsctl.files.lock import lock_directory, take
from dnsctl.interchange import swapping
from dnsctl.interchange.incoming import Written
from dnsctl.load.revision import WorkTree
from dnsctl.load.zone_files import zone_files
from dnsctl.model.name import to_text

PATIENCE = 60.0  # seconds that one who writes waits for another
_MANY = 64  # files: from here on all disks are synced once, and not each file


@contextlib.contextmanager
def writing(directory: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Be the only one who writes zone files of this repo while the block runs.

    What a killed process has left unfinished is undone before; `say` gets what there is to tell of that.
    `directory`: the first one of `zone-files`; it is made where it is missing. Raises HostBusyError, OSError.
    """
    durable.make_directory(directory)
    descriptor = lock_directory(directory)
    try:
        if not take(descriptor, PATIENCE):
            raise HostBusyError(
                "another process writes zone files",
                where=f"{directory}/",
                advice="wait for it, then try again",
            )
        _take_back(directory, say)
        yield
    finally:
        os.close(descriptor)


def _take_back(directory: Path, say: Callable[[str], None]) -> None:
    for aside in directory.glob(f"{durable.TEMPORARY_PREFIX}*"):
        undone, left = swapping.take_back(aside) if aside.is_dir() else ([], [])
        if undone:
            say(f"an import that was killed is taken back: {', '.join(sorted(undone))}")
        for path in left:
            say(f"{path}: changed since an import of it was killed: left as it is")
    durable.remove_unfinished(directory)


def replaced(
    tree: WorkTree, directories: tuple[str, ...], zones: Sequence[Written], *, overwrite: bool
) -> list[str]:
    """Return what `zones` take the place of: files, or directories of split zones, by path from the root.

    Raises DnsctlError where there is one, and `overwrite` does not allow it.
    """
    known = zone_files(tree, directories).zones
    found: list[str] = []
    for each in zones:
        files = known.get(each.origin)
        if files is None:
            continue
        if not overwrite:
            raise DnsctlError(
                f"zone {to_text(each.origin)} has a file already",
                where=files.path,
                advice="--overwrite replaces it; see `git diff` afterwards",
                rule=RefusalRule.ZONE_EXISTS,
            )
        for path in (*files.parts, files.path):
            parent = posixpath.dirname(path)
            found.append(parent if parent.endswith(".") and parent not in directories else path)
    return list(dict.fromkeys(found))


def place(root: Path, directory: str, zones: Sequence[Written], old: Sequence[str]) -> None:
    """Put the files of `zones` into `directory`, and take away what is at the paths `old`.

    Raises OSError; nothing has changed then. Where it is killed, `writing` undoes what was done.
    """
    into = root / directory
    aside = Path(tempfile.mkdtemp(prefix=durable.TEMPORARY_PREFIX, dir=into))
    try:
        for each in (swapping.NEW, swapping.KEPT):
            (aside / each).mkdir()
        _write(aside / swapping.NEW, zones)
        targets = [into / name for name in dict.fromkeys(each.name for each in zones)]
        swapping.swap(aside, swapping.planned(aside, targets, [root / path for path in old]))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(new: Path, zones: Sequence[Written]) -> None:
    """Write all files below `new`, and have them on the disk."""
    files = [(new / path, data) for each in zones for path, data in each.files.items()]
    mode = 0o666 & ~durable.umask()
    for path, data in files:
        path.parent.mkdir(exist_ok=True)
        with path.open("xb") as file, durable.naming(path):
            os.fchmod(file.fileno(), mode)
            file.write(data)
            if len(files) < _MANY:
                file.flush()
                os.fsync(file.fileno())
    if len(files) >= _MANY:
        os.sync()
