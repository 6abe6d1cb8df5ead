import hashlib
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.errors import ReleaseError
from dnsctl.image.difference import Change
from dnsctl.image.layout import FORMAT, Table
from dnsctl.release import delta
from dnsctl.release.manifest import DeltaReference

HEADER = b"DNSd" + bytes([FORMAT])
LIMIT = 2**20
CHANGES = st.lists(
    st.builds(Change, st.sampled_from(Table), st.binary(max_size=511), st.none() | st.binary(max_size=300)),
    max_size=20,
)
SOME = [
    Change(Table.OWNERS, b"com\0example\0\0www\0", b"\0" * 100),
    Change(Table.HASHES, b"h", b""),
    Change(Table.ZONES, b"com\0example\0", None),
]


def _stream(records: bytes) -> bytes:
    return HEADER + zlib.compress(records)


@given(CHANGES)
def test_changes_survive_the_delta(changes: list[Change]) -> None:
    data, reference = delta.encode_with_reference(changes)
    assert list(delta.decode(data, reference.length)) == changes
    assert data == delta.encode(changes)
    delta.check_reference(data, reference)


def test_many_changes_stream_through_in_pieces() -> None:
    changes = [
        Change(Table.OWNERS, n.to_bytes(4, "big"), hashlib.sha512(n.to_bytes(4, "big")).digest() * 8)
        for n in range(5000)
    ]
    data, reference = delta.encode_with_reference(changes)
    assert reference.length > 2**21
    assert list(delta.decode(data, reference.length)) == changes


def test_delta_that_is_not_the_one_named_is_refused() -> None:
    data, reference = delta.encode_with_reference(SOME)
    with pytest.raises(ReleaseError, match="not the one"):
        delta.check_reference(data + b"\0", reference)
    with pytest.raises(ReleaseError, match="not the one"):
        delta.check_reference(data, DeltaReference("00" * 32, reference.size, reference.length))


def test_delta_larger_than_told_is_refused() -> None:
    data, reference = delta.encode_with_reference(SOME)
    for limit in (reference.length - 1, 1, 0, -1):
        with pytest.raises(ReleaseError):
            list(delta.decode(data, limit))


def test_bomb_is_refused_without_the_memory_it_asks_for() -> None:
    bomb = _stream(b"\2\1" + (5).to_bytes(2, "big") + (2**26).to_bytes(4, "big") + b"\0" * 2**26)
    assert len(bomb) < 2**17
    tracemalloc.start()
    try:
        with pytest.raises(ReleaseError, match="larger than"):
            list(delta.decode(bomb, LIMIT))
        assert tracemalloc.get_traced_memory()[1] < 8 * LIMIT
    finally:
        tracemalloc.stop()


def test_every_truncation_is_refused() -> None:
    data, reference = delta.encode_with_reference(SOME)
    for end in range(len(data)):
        with pytest.raises(ReleaseError):
            list(delta.decode(data[:end], reference.length))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"DNSd",
        b"DNSd\1" + zlib.compress(b"\xff" + b"\0" * 8),
        b"DNSx\1" + zlib.compress(b"\xff" + b"\0" * 8),
        HEADER + b"\0" * 40,
        _stream(b""),
        _stream(b"\xff"),
        _stream(b"\xff" + b"\0" * 7 + b"\1"),  # says one record, has none
        _stream(b"\xff" + b"\0" * 9),  # an octet after the end
        _stream(b"\xff" + b"\0" * 8) + b"\0",  # an octet after the stream
        _stream(b"\0\1\0\0\0\0\0\0"),  # unknown table
        _stream(b"\7\1\0\0\0\0\0\0"),
        _stream(b"\1\2\0\0\0\0\0\0"),  # unknown kind
        _stream(b"\1\0\0\0\0\0\0\1x"),  # deleted with a value
        _stream(b"\1\1\2\0\0\0\0\0" + b"k" * 512),  # key too long
        _stream(b"\1\1\0\0\xff\xff\xff\xff"),  # value too long
    ],
)
def test_malformed_delta_is_refused(bad: bytes) -> None:
    with pytest.raises(ReleaseError):
        list(delta.decode(bad, LIMIT))


def test_change_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ReleaseError, match="does not fit"):
        delta.encode([Change(Table.OWNERS, b"k" * 512, b"")])


@given(st.binary(max_size=300))
def test_random_octets_raise_release_errors_only(octets: bytes) -> None:
    for data in (octets, HEADER + octets, _stream(octets)):
        try:
            list(delta.decode(data, LIMIT))
        except ReleaseError:
            continue
        assert data != octets


@given(CHANGES, st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_mutated_delta_raises_release_errors_only(changes: list[Change], at: int, put: bytes) -> None:
    data, reference = delta.encode_with_reference(changes)
    mutated = data[:at] + put + data[at + len(put) :]
    try:
        assert list(delta.decode(mutated, reference.length)) == changes
    except ReleaseError:
        assert mutated != data
