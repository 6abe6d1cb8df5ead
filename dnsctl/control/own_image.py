"""The control host's own image: checked before anything is built on it, and fetched again if damaged.

A release is the difference to this image, and a renewal signs what it holds: an octet that a disk flipped
would be signed. So before a command builds on it, or compares nodes with it, a child reads all of it (damaged
pages can end their reader). Nothing is lost with it: the nodes have the same, sealed by the release keys.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator

from dnsctl.errors import DamagedImageError, DnsctlError, ImageError, SystemRefusalError
from dnsctl.image.inspection import look
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.name import Name
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import Type
from dnsctl.release.archive import Archive
from dnsctl.replicate.trust import Trust

NOTHING_LOST = "nothing is lost by that: the next `dnsctl push` takes it from the nodes"
_QUICKLY_READ = 64 * 2**20  # octets: about a second


def damage(state: HostFiles, trust: Trust | None = None, *, whole: bool = True) -> str:
    """Return what is wrong with the image; empty where nothing is, or there is none.

    `trust`: the keys by which the archive vouches for what the image must be. Not `whole`: see only whether
    it can be opened and names its release.
    """
    archive = Archive(state.archive)

    def vouched(generation: int) -> tuple[str, str]:
        sealed = archive.manifest(generation) if trust is not None and generation else None
        if trust is None or sealed is None:
            return "", ""
        manifest = trust.manifest(sealed)
        return manifest.digest, manifest.table

    try:
        return look(state.image, vouched, whole=whole)
    except OSError as error:
        raise SystemRefusalError.of(error, state.image) from None


def require_whole(state: HostFiles, *, quickly: bool = False) -> None:
    """Raise DamagedImageError, with advice, where the image is damaged. For those who only read.

    `quickly`: for what is to be answered at once, of a large image only what opens it.
    """
    whole = not (quickly and _size(state) > _QUICKLY_READ)
    if reason := damage(state, whole=whole):
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


def remove_damaged(state: HostFiles, trust: Trust) -> str:
    """Remove the image if it is damaged; return why, or empty. For the holder of the lock."""
    path = state.image
    reason = damage(state, trust)
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
