"""The control host's own image: checked before anything is built on it, and fetched again if damaged.

A release is the difference to this image, and a renewal signs what it holds: an octet that a disk flipped
would be signed. So before a command builds on it, or compares nodes with it, a child reads all of it (damaged
pages can end their reader), unless nobody wrote to the file since that was done last, less than a day ago.
Nothing is lost with it: the nodes have the same, sealed by the release keys.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator

from dnsctl.errors import DamagedImageError, DnsctlError, ImageError, SystemRefusalError
from dnsctl.image.inspection import Depth, inspect_zone, look
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.name import Name
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import Type
from dnsctl.release.archive import Archive
from dnsctl.replicate.trust import Trust

NOTHING_LOST = "nothing is lost by that: the next `dnsctl push` takes it from the nodes"
_EVERY = 86400  # seconds: a disk may damage a file that nobody writes to, so it is read again after these
_SOON_READ = 10_000  # owners of a zone: some 20 ms
_QUICKLY_READ = 64 * 2**20  # octets: about a second


def damage(state: HostFiles, trust: Trust | None = None, *, depth: Depth = Depth.WHOLE) -> str:
    """Return what is wrong with the image; empty where nothing is, or there is none.

    `trust`: the keys by which the archive vouches for what the image must be.
    """
    archive = Archive(state.archive)

    def vouched(generation: int) -> tuple[str, str]:
        sealed = archive.manifest(generation) if trust is not None and generation else None
        if trust is None or sealed is None:
            return "", ""
        manifest = trust.manifest(sealed)
        return manifest.digest, manifest.table

    try:
        before = _file(state)
        reason = look(state.image, vouched, depth=depth)
        if depth is Depth.WHOLE and not reason and trust is not None and before == _file(state):
            _note(state, int(time.time()), before)
    except OSError as error:
        raise SystemRefusalError.of(error, state.image) from None
    return reason


def damage_since(state: HostFiles, trust: Trust | None) -> str:
    """Do as `damage`, but read all of the image only where that was not done for a day, or the file changed.

    What was read lately comes from the kernel's memory: to read it again says nothing of the disk.
    """
    at = _looked(state)
    is_lately = at is not None and 0 <= time.time() - at < _EVERY
    return damage(state, trust, depth=Depth.OPENS if is_lately else Depth.WHOLE)


def require_right(state: HostFiles, reader: Reader, zones: Iterable[Name]) -> None:
    """Compare `zones` with their digests before anything is made of them, very large ones excepted.

    Raises DamagedImageError: the next command reads all of the image.
    """
    try:
        for origin in zones:
            entry = reader.zone(origin)
            if entry is not None and entry.owners <= _SOON_READ:
                inspect_zone(reader, origin)
    except (DamagedImageError, LookupError, ValueError) as fault:
        with contextlib.suppress(OSError):
            state.looked.unlink()
        raise DamagedImageError(
            f"is damaged: {fault}",
            where=str(state.image),
            advice="run the command again: it fetches another image from the nodes",
        ) from None


@contextlib.contextmanager
def own_writes(state: HostFiles) -> Iterator[None]:
    """Let what the block writes to the image count as looked at: what a release touches is digested then."""
    at, before = _looked(state), _file(state)
    try:
        yield
    finally:
        after = _file(state)
        if at is not None and after is not None and before is not None and after[:2] == before[:2]:
            _note(state, at, after)


def _file(state: HostFiles) -> tuple[int, ...] | None:
    """Return what changes with the image's file; None where there is none."""
    try:
        told = (state.image / "data.mdb").stat()
    except OSError:
        return None
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns


def _looked(state: HostFiles) -> int | None:
    """Return when all of the image was read, and found right, in unix seconds; None: the file has changed."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads(state.looked.read_bytes())
        if told["file"] == list(_file(state) or ()):
            return int(told["at"])
    return None


def _note(state: HostFiles, at: int, file: tuple[int, ...] | None) -> None:
    """Note when all of the image was read. What cannot be noted is read again."""
    with contextlib.suppress(OSError):
        state.looked.write_text(json.dumps({"at": at, "file": file}))


def require_whole(state: HostFiles, *, quickly: bool = False, lately: bool = False) -> None:
    """Raise DamagedImageError, with advice, where the image is damaged. For those who only read.

    `quickly`: for what is to be answered at once, only the entries of zones of a large image. `lately`: as
    `damage_since`.
    """
    depth = Depth.ENTRIES if quickly and _size(state) > _QUICKLY_READ else Depth.WHOLE
    if reason := damage_since(state, None) if lately else damage(state, depth=depth):
        raise DamagedImageError(
            f"is damaged: {reason}",
            where=str(state.image),
            advice=f"remove that directory; {NOTHING_LOST}",
        )


def _size(state: HostFiles) -> int:
    try:
        return (state.image / "data.mdb").stat().st_size
    except OSError:
        return 0


def remove_damaged(state: HostFiles, trust: Trust, *, whole: bool = True) -> str:
    """Remove the image if it is damaged; return why, or empty. For the holder of the lock.

    `whole`: read all of it, whenever that was done last.
    """
    path = state.image
    reason = damage(state, trust) if whole else damage_since(state, trust)
    if not reason:
        return ""
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise SystemRefusalError(
            f"is damaged ({reason}) and cannot be removed: {error.strerror}",
            where=str(path),
            advice=f"remove that directory; {NOTHING_LOST}",
        ) from None
    return f"{path}: was damaged ({reason}), and is made again from what nodes and archive hold"


@contextlib.contextmanager
def released(state: HostFiles) -> Iterator[Reader | None]:
    """Yield a reader of the last release; None if there is none. The empty image of a dry run is none.

    Raises DamagedImageError, with the way out.
    """
    if not is_there(state):
        yield None
        return
    require_whole(state, quickly=True)
    with open_own(state) as image, image.reader() as reader:
        yield reader if reader.generation else None


def served_dnskeys(state: HostFiles, zones: Iterable[Name]) -> dict[Name, tuple[bytes, ...]]:
    """Return the DNSKEY rdatas that each of `zones` is served with, as far as this host can tell."""
    found: dict[Name, tuple[bytes, ...]] = {}
    with contextlib.suppress(DnsctlError), released(state) as reader:
        for origin in zones:
            if reader is not None and reader.zone(origin) is not None:
                dnskey = reader.get(origin, Type.DNSKEY, origin)
                found[origin] = dnskey.rdatas if dnskey is not None else ()
    return found


def is_served_unsigned(state: HostFiles, zone: Name) -> bool:
    """True where `zone` is served, and not signed, as far as this host can tell."""
    with contextlib.suppress(DnsctlError), released(state) as reader:
        entry = reader.zone(zone) if reader is not None else None
        return entry is not None and not entry.signed
    return False


def is_there(state: HostFiles) -> bool:
    return (state.image / "data.mdb").exists()


def open_own(state: HostFiles, *, readonly: bool = True) -> Image:
    """Open the image. Raises ImageError, with the way out."""
    try:
        return Image.open(state.image, readonly=readonly)
    except ImageError as error:
        advice = error.advice or "remove that directory"
        if "format" not in error.what:
            error.advice = f"{advice}, or remove it" if error.advice else advice
            error.advice += f"; {NOTHING_LOST}"
        raise


def generation_of(state: HostFiles) -> int:
    """Return the generation that the image holds; 0 where there is none, or it is damaged."""
    if not is_there(state):
        return 0
    with contextlib.suppress(DnsctlError), open_own(state) as image, image.reader() as reader:
        return reader.generation
    return 0
