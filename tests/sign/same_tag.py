"""Keys of one zone that share a key tag, as by chance one in 65,536 pairs does; always the same keys."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from dnsctl.model.key import KeyRole, PublicKey
from dnsctl.model.name import Name
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.keyfile import (
    KeyState,
    KeyTimes,
    StateFile,
    directory_name,
    file_stem,
    flags,
    key_text,
    private_pem,
)
from dnsctl.sign.keystore import NewKey, SigningKey, StoredKey
from dnsctl.sign.passphrase import keystore_salt
from tests.sign.scenery import NOW

_TTL = 3600
_NUMBERS = (1280, 1309, 2558)  # private keys: the first three of all numbers whose tags are the same


def same_tag(origin: Name, role: KeyRole, count: int = 2) -> tuple[SigningKey, ...]:
    """Return `count` keys of one tag, three at most, with their private halves."""
    found = []
    for number in _NUMBERS[:count]:
        private = ec.derive_private_key(number, ec.SECP256R1())
        public = PublicKey(origin, 13, flags(role), scheme(13).field(private))
        found.append(SigningKey(public, role, private, NOW))
    assert len({one.public.tag for one in found}) == 1
    return tuple(found)


def new_key(keys: Path, one: SigningKey) -> NewKey:
    """Return `one` as a draft for the keystore at `keys`."""
    path = keys / directory_name(one.public.zone) / (file_stem(one.public) + ".key")
    stored = StoredKey(one.public, one.role, KeyState.GENERATED, KeyTimes(NOW), path)
    return NewKey(stored, one, _TTL)


def put_by_hand(
    keys: Path, one: SigningKey, passphrase: bytes, suffix: str = "", state: KeyState = KeyState.ACTIVE
) -> Path:
    """Write the three files of `one` as a person copies them from elsewhere; return the `.key` file."""
    stem = keys / directory_name(one.public.zone) / (file_stem(one.public) + suffix)
    times = KeyTimes(NOW).entered(state, NOW)
    private = private_pem(one.private, passphrase, keystore_salt(keys))
    for end, content in (
        (".state", StateFile.of(one.public, one.role, state, times).to_text().encode()),
        (".private.pem", private),
        (".key", key_text(one.public, one.role, _TTL, times).encode()),
    ):
        path = stem.with_name(stem.name + end)
        path.write_bytes(content)
        path.chmod(0o600)
    return stem.with_name(stem.name + ".key")
