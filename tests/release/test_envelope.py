import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.errors import KeystoreError, PassphraseError, ReleaseError
from dnsctl.model.release_key import public_release_key
from dnsctl.release import canonical
from dnsctl.release.envelope import (
    ensure_release_key,
    key_id,
    load_release_key,
    open_envelope,
    seal,
    unverified_payload,
)
from tests.release.releases import release_key

ONE, TWO, THREE = release_key(1), release_key(2), release_key(3)
PUBLIC = (ONE.public, TWO.public, THREE.public)


def _edited(sealed: bytes, **changes: object) -> bytes:
    return canonical.encode(json.loads(sealed) | changes)


def test_sealed_payload_opens_with_its_key() -> None:
    assert open_envelope(seal(b"payload", [ONE], "manifest"), [ONE.public], 1, "manifest") == b"payload"


def test_sealing_is_deterministic_whatever_the_order_of_keys() -> None:
    assert seal(b"p", [ONE, TWO], "manifest") == seal(b"p", [TWO, ONE, ONE], "manifest")


def test_signature_for_an_activation_is_no_signature_for_a_manifest() -> None:
    activation = seal(b"payload", [ONE], "activation")
    with pytest.raises(ReleaseError, match="where one for 'manifest' belongs"):
        open_envelope(activation, [ONE.public], 1, "manifest")
    with pytest.raises(ReleaseError, match="0 of the 1"):  # relabelled: the signature itself is bound
        open_envelope(_edited(activation, purpose="manifest"), [ONE.public], 1, "manifest")


def test_threshold_counts_distinct_known_keys_only() -> None:
    sealed = seal(b"payload", [ONE, TWO], "manifest")
    assert open_envelope(sealed, PUBLIC, 2, "manifest") == b"payload"
    with pytest.raises(ReleaseError, match="2 of the 3"):
        open_envelope(sealed, PUBLIC, 3, "manifest")
    with pytest.raises(ReleaseError, match="1 of the 2"):
        open_envelope(sealed, [ONE.public, THREE.public], 2, "manifest")


def test_one_key_signing_twice_counts_once() -> None:
    value = json.loads(seal(b"payload", [ONE], "manifest"))
    doubled = canonical.encode(value | {"signatures": value["signatures"] * 2})
    with pytest.raises(ReleaseError, match="1 of the 2"):
        open_envelope(doubled, PUBLIC, 2, "manifest")


def test_one_key_listed_twice_does_not_meet_a_threshold_of_two() -> None:
    with pytest.raises(ReleaseError, match="2 signatures are asked for of 1"):
        open_envelope(seal(b"p", [ONE], "manifest"), [ONE.public, ONE.public], 2, "manifest")


@pytest.mark.parametrize("threshold", [0, -1])
def test_threshold_that_anything_meets_is_refused(threshold: int) -> None:
    with pytest.raises(ReleaseError, match="asked for"):
        open_envelope(seal(b"p", [ONE], "manifest"), PUBLIC, threshold, "manifest")


def test_signature_under_another_keys_id_does_not_count() -> None:
    value = json.loads(seal(b"payload", [THREE], "manifest"))
    value["signatures"][0]["key"] = key_id(ONE.public)
    with pytest.raises(ReleaseError, match="0 of the 1"):
        open_envelope(canonical.encode(value), [ONE.public], 1, "manifest")


def test_changed_payload_is_refused() -> None:
    sealed = seal(b"payload", [ONE], "manifest")
    with pytest.raises(ReleaseError, match="0 of the 1"):
        open_envelope(_edited(sealed, payload="cGF5bG9hZQ=="), [ONE.public], 1, "manifest")


@pytest.mark.parametrize(
    "changed",
    [
        lambda sealed: sealed + b" ",
        lambda sealed: sealed.replace(b'"format":1', b'"format": 1'),
        lambda sealed: sealed.replace(b'"format":1', b'"format":1.0'),
        lambda sealed: sealed.replace(b'"format":1', b'"format":true'),
        lambda sealed: sealed.replace(b'"format":1', b'"format":2'),
        lambda sealed: sealed.replace(b'"format":1', b'"format":1,"format":1'),
        lambda sealed: sealed.replace(b'"purpose":"m', b'"purpose":"\\u006d'),
        lambda sealed: sealed.replace(b'"payload":"', b'"payload":"\\n'),
        lambda sealed: sealed.replace(b"cGF5bG9hZA==", b"cGF5bG9hZB=="),  # unused bits of base64 set
        lambda _: b"[]",
        lambda _: b"",
        lambda _: b"[" * 100_000,
        lambda _: b'{"format":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_the_canonical_form_is_refused(changed: object) -> None:
    bad = changed(seal(b"payload", [ONE], "manifest"))  # type: ignore[operator]
    with pytest.raises(ReleaseError):
        open_envelope(bad, [ONE.public], 1, "manifest")


@given(st.binary(max_size=200), st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_mutated_envelope_never_opens_to_another_payload(payload: bytes, at: int, put: bytes) -> None:
    sealed = seal(payload, [ONE], "manifest")
    mutated = sealed[:at] + put + sealed[at + len(put) :]
    try:
        assert open_envelope(mutated, [ONE.public], 1, "manifest") == payload
    except ReleaseError:
        assert mutated != sealed


@given(st.binary(max_size=300))
def test_random_octets_raise_release_errors_only(octets: bytes) -> None:
    with pytest.raises(ReleaseError):
        unverified_payload(octets, "manifest")


def test_sealing_without_a_key_is_refused() -> None:
    with pytest.raises(ReleaseError, match="no release key"):
        seal(b"p", [], "manifest")


def test_key_is_made_once_and_loads_with_its_passphrase(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    assert ensure_release_key(keys, b"secret")
    key = load_release_key(keys / "release.pem", b"secret")
    assert public_release_key((keys / "release.pub").read_bytes(), "release.pub") == key.public
    assert (keys / "release.pem").stat().st_mode & 0o777 == 0o600
    before = (keys / "release.pem").read_bytes()
    assert not ensure_release_key(keys, b"other")
    assert (keys / "release.pem").read_bytes() == before
    assert [path.name for path in keys.iterdir() if path.name.startswith(".")] == []


def test_wrong_passphrase_says_so(tmp_path: Path) -> None:
    ensure_release_key(tmp_path, b"secret")
    for wrong in (b"other", b""):
        with pytest.raises(PassphraseError, match="passphrase does not open"):
            load_release_key(tmp_path / "release.pem", wrong)


def test_empty_passphrase_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(PassphraseError):
        ensure_release_key(tmp_path, b"")
    assert list(tmp_path.iterdir()) == []


def test_lost_public_half_is_written_again(tmp_path: Path) -> None:
    ensure_release_key(tmp_path, b"secret")
    text = (tmp_path / "release.pub").read_bytes()
    (tmp_path / "release.pub").unlink()
    assert not ensure_release_key(tmp_path, b"secret")
    assert (tmp_path / "release.pub").read_bytes() == text


def test_public_half_alone_is_never_replaced(tmp_path: Path) -> None:
    ensure_release_key(tmp_path, b"secret")
    (tmp_path / "release.pem").unlink()
    with pytest.raises(KeystoreError, match=r"release\.pem is not"):
        ensure_release_key(tmp_path, b"secret")


def test_halves_of_different_pairs_are_refused(tmp_path: Path) -> None:
    ensure_release_key(tmp_path / "a", b"secret")
    ensure_release_key(tmp_path / "b", b"secret")
    (tmp_path / "a" / "release.pub").write_bytes((tmp_path / "b" / "release.pub").read_bytes())
    with pytest.raises(KeystoreError, match="not the private half"):
        load_release_key(tmp_path / "a" / "release.pem", b"secret")


def test_missing_and_unencrypted_private_halves_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="cannot be read"):
        load_release_key(tmp_path / "release.pem", b"x")
    (tmp_path / "release.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(KeystoreError, match="no encrypted PKCS#8"):
        load_release_key(tmp_path / "release.pem", b"x")
