"""Digests as text: only what SHA-256 gives, since an archive makes paths of it."""

import hashlib

import pytest

from dnsctl.release.digest import is_digest


def test_the_digest_of_anything_is_one():
    assert is_digest(hashlib.sha256(b"anything").hexdigest())


@pytest.mark.parametrize(
    "value",
    ["", "0" * 63, "0" * 65, "0" * 63 + "\n", "A" * 64, "../" + "0" * 61, "٣" * 64, b"0" * 64, None, 0],
)
def test_anything_else_is_not(value):
    assert not is_digest(value)
