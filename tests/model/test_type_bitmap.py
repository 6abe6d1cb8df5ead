"""Type bitmaps, written and read back."""

import pytest

from dnsctl.model.type_bitmap import bitmap_types, type_bitmap


def test_bitmap_matches_the_example_of_rfc_4034() -> None:
    types = (1, 15, 46, 47, 1234)  # RFC 4034 §4.3
    assert type_bitmap(types) == bytes.fromhex("0006 40 01 00 00 00 03 04 1b" + "00" * 26 + "20")


@pytest.mark.parametrize("types", [(), (1,), (255,), (256,), (257, 65535), tuple(range(1, 600, 7)), (65280,)])
def test_bitmap_reads_back_over_all_windows(types: tuple[int, ...]) -> None:
    assert bitmap_types(type_bitmap(types)) == set(types)


@pytest.mark.parametrize("octets", [b"\0", b"\0\0", b"\0\x02\xff", b"\0\x21" + b"\1" * 33])
def test_malformed_bitmap_is_told(octets: bytes) -> None:
    with pytest.raises(ValueError, match="bitmap"):
        bitmap_types(octets)
