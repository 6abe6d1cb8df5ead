"""Put zone files into zones/: all of them or none, and over others only where that is asked for.

Files are written and synced aside first, in a directory of zones/ that readers skip; then they are moved to
their places. What they replace is kept until the last one is there, and comes back if one of them fails.
One process at a time: `writing` locks zones/.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dnsctl.errors import DnsctlError, HostBusyError, RefusalRule
from dnsctl.files import durable
from dnsctl.files.lock import lock_directory, take
from dnsctl.interchange.incoming import Written
from dnsctl.load.revision import WorkTree
from dnsctl.load.zone_files import zone_files
from dnsctl.model.name import to_text
from dnsctl.model.repo import ZONES

PATIENCE = 60.0  # seconds that one who writes waits for another
_MANY = 64  # files: from here on all disks are synced once, and not each file


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Be the only one of `import`, `fmt`, `set` and `unset` while the block runs. Raises HostBusyError."""
    directory = root / ZONES
    durable.make_directory(directory)
    descriptor = lock_directory(directory)
    try:
        if not take(descriptor, PATIENCE):
            raise HostBusyError(
                "another process writes zone files", where=f"{ZONES}/", advice="wait for it, then try again"
            )
        yield
    finally:
        os.close(descriptor)


def replaced(tree: WorkTree, zones: Sequence[Written], *, overwrite: bool) -> list[str]:
    """Return the names in zones/ that `zones` take the place of: files, or directories of split zones.

    Raises DnsctlError where there is one, and `overwrite` does not allow it.
    """
    known = zone_files(tree).zones
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
        found += [path.removeprefix(f"{ZONES}/").split("/", 1)[0] for path in (*files.parts, files.path)]
    return list(dict.fromkeys(found))


def place(root: Path, zones: Sequence[Written], old: Sequence[str]) -> None:
    """Put the files of `zones` into zones/, and take `old` away. Raises OSError; nothing has changed then."""
    directory = root / ZONES
    aside = Path(tempfile.mkdtemp(prefix=durable.TEMPORARY_PREFIX, dir=directory))
    try:
        new, kept = aside / "new", aside / "old"
        new.mkdir()
        kept.mkdir()
        _write(new, zones)
        _swap(directory, new, kept, old)
        durable.sync_directory(directory)
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


def _swap(directory: Path, new: Path, kept: Path, old: Sequence[str]) -> None:
    """Move `old` to `kept` and what is in `new` to `directory`; take every step back where one fails."""
    names = sorted(each.name for each in new.iterdir())
    back: list[tuple[Path, Path]] = []
    try:
        for name in names:
            target = directory / name
            if name in old and target.is_file() and (new / name).is_file():
                (kept / name).hardlink_to(target)  # so that a reader finds the old file or the new one
                (new / name).replace(target)
                back.append((kept / name, target))
                continue
            if name in old:
                target.rename(kept / name)
                back.append((kept / name, target))
            elif target.exists() or target.is_symlink():  # which a rename would replace
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
            (new / name).rename(target)
            back.append((target, new / name))
        for name in old:
            if name not in names:
                (directory / name).rename(kept / name)
                back.append((kept / name, directory / name))
    except BaseException:
        for source, target in reversed(back):
            source.replace(target)
        raise
