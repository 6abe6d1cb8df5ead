"""Read a whole image and compare it with its digests: of buckets, of zones, of the table of all zones.

It decodes only the entries of zones, and memory does not grow with the image. Damage in LMDB's own pages
shows because reading fails. A damaged page can also end the process that reads it, by SIGSEGV or SIGBUS, or
make it loop for ever: `look` inspects in a child that may end so.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import signal
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from dnsctl.errors import DamagedImageError, DnsctlError
from dnsctl.image.digest import buckets_in, zone_digest
from dnsctl.image.layout import Table, ZoneEntry, apex_of, zone_prefix
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image, identity
from dnsctl.model.name import Name, to_text
from dnsctl.model.prctl import die_with_parent

_ENDS: Final = (
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGABRT,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGXCPU,
)
_TOLD: Final = 4000  # octets of what a child reports
_LONGEST: Final = 1800  # seconds of CPU time for one look: more is a circle of pages


class Depth(Enum):
    """How far a look goes: all of the image, the entries of zones, or only what opens it."""

    WHOLE = 3
    ENTRIES = 2
    OPENS = 1


# Of a generation: the digests of its manifest and table; empty where they are not known
Vouched = Callable[[int], tuple[str, str]]


def nobody_vouches(_generation: int) -> tuple[str, str]:
    return "", ""


def look(
    path: Path,
    vouched: Vouched = nobody_vouches,
    *,
    depth: Depth = Depth.WHOLE,
    begin: Callable[[], None] = lambda: None,
) -> str:
    """Return what is wrong with the image at `path`; empty where nothing is, or it was replaced meanwhile.

    `depth`: ENTRIES reads only what a server reads before any query, OPENS only what opening an image reads.
    An image of another format is not damaged, nor is one that cannot be looked at for want of descriptors.
    `begin` is called in the child.
    """
    before = identity(path)
    if before is None:
        return ""
    parent = os.getpid()
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        _examine(path, write, partial(_first_fault, vouched=vouched, depth=depth), parent, begin)
    os.close(write)
    with os.fdopen(read, "rb") as told:
        reason = told.read().decode("utf-8", "replace")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0 and -code in _ENDS:
        reason = f"reading it ends in {signal.Signals(-code).name}"
    return reason if identity(path) == before else ""


def _examine(
    path: Path, write: int, fault: Callable[[Reader], str], parent: int, begin: Callable[[], None]
) -> NoReturn:
    """Inspect the image, write what `fault` says of it to `write`, and end the process."""
    try:
        faulthandler.disable()
        die_with_parent(parent, signal.SIGKILL)  # its locks are held here as well
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (_LONGEST, hard))
        begin()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)  # what LMDB has to say of a broken invariant is said by the signal it ends with
        with Image.open(path) as image, image.reader() as reader:
            os.write(write, fault(reader).encode()[:_TOLD])
    except DamagedImageError as error:
        os.write(write, error.what.encode()[:_TOLD])
    except Exception:  # noqa: BLE001, S110 - of another format, no descriptors left: nothing is damaged
        pass
    finally:
        os._exit(0)


def _first_fault(reader: Reader, vouched: Vouched, depth: Depth) -> str:
    """Return what is wrong with what the image holds; empty where nothing is."""
    manifest = table = ""
    try:
        generation = reader.generation
        if depth is not Depth.WHOLE:
            _read_what_opens(reader)
            if depth is Depth.ENTRIES:
                _read_entries(reader)
            return ""
        with contextlib.suppress(DnsctlError):  # what the archive holds is not the image's fault
            manifest, table = vouched(generation)
        inspect(reader, manifest, table)
    except (OSError, MemoryError):
        return ""
    except DnsctlError as fault:
        return str(fault)
    except Exception as fault:  # noqa: BLE001 - whatever octets that are not ours bring about
        return f"{type(fault).__name__}: {fault}"
    return ""


def _read_what_opens(reader: Reader) -> None:
    """Read and parse the release and the journal."""
    reader.manifest, reader.left_out(), reader.changes, reader.apexes_version


def _read_entries(reader: Reader) -> None:
    """Read what is read before any query, besides: the entry of each zone."""
    for _, value in reader.zone_items():
        ZoneEntry.from_bytes(value)


def inspect(reader: Reader, manifest: str = "", table: str = "") -> None:
    """Read all that `reader` sees. Raises DamagedImageError for the first thing that is not as it should be.

    `manifest` and `table`: digests of the release that the image says it holds, where they are known.
    Other exceptions come out where damage is met on the way; all of them say the same.
    """
    if manifest and reader.manifest != manifest:
        raise DamagedImageError("the image names another manifest than its generation has")
    reader.left_out(), reader.changes, reader.apexes_version  # read and parsed
    counts = dict.fromkeys((Table.OWNERS, Table.HASHES), 0)
    for prefix, value in reader.zone_items():
        _inspect_zone(reader, prefix, ZoneEntry.from_bytes(value), counts)
    for each, count in counts.items():
        if reader.count(each) != count:
            raise DamagedImageError("nodes stand outside all zones")
    if table and reader.table_digest() != table:
        raise DamagedImageError("the table of all zones has not the digest that the manifest names")


def inspect_zone(reader: Reader, origin: Name) -> None:
    """Compare one zone with its digest. Raises DamagedImageError, and others as `inspect` does."""
    prefix = zone_prefix(origin)
    value = reader.zone_bytes(prefix)
    if value is not None:
        _inspect_zone(reader, prefix, ZoneEntry.from_bytes(value), {Table.OWNERS: 0, Table.HASHES: 0})


def _inspect_zone(reader: Reader, prefix: bytes, entry: ZoneEntry, counts: dict[Table, int]) -> None:
    if zone_prefix(entry.origin) != prefix:
        raise DamagedImageError("an entry stands under another zone's key", where=to_text(apex_of(prefix)))
    found = []
    for table in counts:
        for name, digest, count in buckets_in(prefix, reader.nodes(table, prefix)):
            found.append((table, name, digest))
            counts[table] += count
    if found != list(reader.buckets(prefix)) or zone_digest(found) != entry.digest:
        raise DamagedImageError("the zone's records do not match its digest", where=to_text(entry.origin))
