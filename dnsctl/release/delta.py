"""A delta: the changes of the image from a release's parent to the release, as one compressed file.

`DNSd`, an octet with the format of the image whose nodes it carries, then one zlib stream of records: table
(1 octet), kind (0 deleted, 1 put), length of the key (2 octets), length of the value (4 octets, or 0),
key, value; integers big-endian. The last record is an end mark, 0xFF, with the number of records (8 octets),
and nothing follows it: so a truncated delta is not taken for a short one. A delta is named by the SHA-256 of
its octets as shipped.

`decode` takes hostile bytes: it holds one record and one chunk at a time, never decompresses past `limit`,
and raises nothing but ReleaseError. What the changes mean is not known here.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from dnsctl.errors import RefusalRule, ReleaseError
from dnsctl.image.difference import Change
from dnsctl.image.layout import FORMAT, Table
from dnsctl.release.manifest import DeltaReference

MAGIC: Final = b"DNSd"
MAX_KEY: Final = 511  # octets, LMDB's limit
MAX_VALUE: Final = 64 * 2**20  # octets: an owner with very many RRsets of the largest size
_HEADER = MAGIC + bytes([FORMAT])
_RECORD = struct.Struct("!BBHI")
_END = struct.Struct("!BQ")
_END_MARK = 0xFF
_DELETED, _PUT = 0, 1
_CHUNK = 256 * 1024  # octets decompressed at a time
_LEVEL = 1  # signatures do not compress, names do at any level; level 6 takes five times as long
_TABLES = frozenset(int(table) for table in Table)


def encode(changes: Iterable[Change]) -> bytes:
    """Return the delta of `changes`, in their order. Raises ReleaseError where one cannot be expressed."""
    return b"".join(encode_parts(changes))


def encode_with_reference(changes: Iterable[Change]) -> tuple[bytes, DeltaReference]:
    """Return the delta and what a manifest says of it."""
    tally = _Tally()
    data = b"".join(encode_parts(changes, tally))
    return data, DeltaReference(hashlib.sha256(data).hexdigest(), len(data), tally.length)


class _Tally:
    length = 0  # octets before compression


def encode_parts(changes: Iterable[Change], tally: _Tally | None = None) -> Iterator[bytes]:
    """Yield the delta of `changes` a part at a time, for what is too large to hold. Raises ReleaseError."""
    compressor = zlib.compressobj(_LEVEL)
    tally = tally or _Tally()
    yield _HEADER
    pending = bytearray()
    count = 0
    for change in changes:
        value = b"" if change.value is None else change.value
        if len(change.key) > MAX_KEY or len(value) > MAX_VALUE:
            raise ReleaseError(f"a change of {len(change.key)} + {len(value)} octets does not fit in a delta")
        kind = _DELETED if change.value is None else _PUT
        pending += _RECORD.pack(change.table, kind, len(change.key), len(value))
        pending += change.key
        pending += value
        count += 1
        if len(pending) >= _CHUNK:
            tally.length += len(pending)
            yield compressor.compress(bytes(pending))
            pending.clear()
    pending += _END.pack(_END_MARK, count)
    tally.length += len(pending)
    yield compressor.compress(bytes(pending))
    yield compressor.flush()


def check_reference(data: bytes, reference: DeltaReference) -> None:
    """Raise ReleaseError unless `data` is the delta that `reference` names."""
    if len(data) != reference.size or hashlib.sha256(data).hexdigest() != reference.digest:
        raise ReleaseError(
            f"delta of {len(data)} octets is not the one its manifest names", rule=RefusalRule.DELTA_DIFFERS
        )


def decode(data: bytes, limit: int) -> Iterator[Change]:
    """Yield the changes of a delta; at most `limit` octets are decompressed (its reference's `length`).

    Lazy: what is yielded before a fault is found has been yielded. Raises ReleaseError.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise ReleaseError("not a delta: it does not begin as one")
    if data[: len(_HEADER)] != _HEADER:
        raise ReleaseError(
            f"delta of a format other than {FORMAT}",
            advice="it was made by another version of dnsctl: run the same one everywhere",
        )
    stream = _Stream(memoryview(data)[len(_HEADER) :], limit)
    count = 0
    while (first := stream.take(1)[0]) != _END_MARK:
        if first not in _TABLES:
            raise ReleaseError(f"delta has a record for an unknown table {first}")
        table, kind, key_length, value_length = _RECORD.unpack(bytes([first]) + stream.take(_RECORD.size - 1))
        if kind not in (_DELETED, _PUT) or (kind == _DELETED and value_length):
            raise ReleaseError("delta has a record of an unknown kind")
        if key_length > MAX_KEY or value_length > MAX_VALUE:
            raise ReleaseError(f"delta has a record of {key_length} + {value_length} octets")
        key = stream.take(key_length)
        value = stream.take(value_length)
        count += 1
        yield Change(Table(table), key, value if kind == _PUT else None)
    (told,) = struct.unpack("!Q", stream.take(_END.size - 1))
    if told != count:
        raise ReleaseError(f"delta holds {count} records and says {told}")
    stream.finish()


class _Stream:
    """Octets of a zlib stream, decompressed a chunk at a time and never more than `limit` in all."""

    def __init__(self, data: memoryview, limit: int) -> None:
        self._inflate = zlib.decompressobj()
        self._data = data
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0
        self._fed = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` octets. Raises ReleaseError where there are fewer."""
        if len(self._buffer) - self._start < count:
            del self._buffer[: self._start]
            self._start = 0
            while len(self._buffer) < count:
                self._fill()
        taken = bytes(self._buffer[self._start : self._start + count])
        self._start += count
        return taken

    def finish(self) -> None:
        """Raise ReleaseError unless everything has been taken and the checksum was right."""
        while not self._inflate.eof and len(self._buffer) == self._start:
            self._fill()
        if len(self._buffer) > self._start or self._inflate.unused_data or self._fed < len(self._data):
            raise ReleaseError("delta continues after its end")

    def _fill(self) -> None:
        """Decompress one more chunk; at least one octet of input or output moves, or it raises."""
        if self._inflate.eof:
            raise ReleaseError("delta is truncated")
        source = self._inflate.unconsumed_tail
        if not source:
            source = bytes(self._data[self._fed : self._fed + _CHUNK])
            self._fed += len(source)
        try:
            got = self._inflate.decompress(source, max(1, min(_CHUNK, self._limit + 1)))
        except zlib.error as error:
            raise ReleaseError(f"delta is damaged: {error}") from None
        if not source and not got and not self._inflate.eof:
            raise ReleaseError("delta is truncated")
        self._limit -= len(got)
        if self._limit < 0:
            raise ReleaseError("delta is larger than its manifest says")
        self._buffer += got
