"""The keystore: files, modes, passphrases, tags, two writers, damage."""

import errno
import os
import re
import shutil
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dnsctl.errors import KeystoreError, PassphraseError
from dnsctl.files import durable
from dnsctl.model import pkcs8
from dnsctl.model.key import REVOKE_FLAG, PublicKey, key_tag
from dnsctl.model.name import ROOT, Name, from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.sign import keystore as keystore_module
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.keyfile import KeyState, directory_name, file_stem, revoked_tag
from dnsctl.sign.keystore import Keystore, NewKey
from tests.cli.kills import killed_at
from tests.peers import need

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
ZONE = from_text("example.com.")
ED25519 = Policy(algorithm=Algorithm.ED25519)
SPLIT = Policy(keys="ksk+zsk")


def keystore(root: Path, passphrase: bytes = b"correct horse") -> Keystore:
    return Keystore(root, lambda: passphrase)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_made_on_first_need_and_then_stay(tmp_path: Path) -> None:
    first = keystore(tmp_path / "keys").signing_keys(ZONE, Policy(), NOW)
    again = keystore(tmp_path / "keys").signing_keys(ZONE, Policy(), NOW.replace(year=2027))
    assert [one.role for one in first] == ["csk"]
    assert first[0].public.flags == 257
    assert [one.public for one in again] == [one.public for one in first]
    assert again[0].created == NOW


def test_split_policy_makes_a_ksk_and_a_zsk(tmp_path: Path) -> None:
    keys = keystore(tmp_path).signing_keys(ZONE, SPLIT, NOW)
    assert {one.role: one.public.flags for one in keys} == {"ksk": 257, "zsk": 256}


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_algorithm_survives_the_disk_and_signs_for_its_public_half(
    tmp_path: Path, algorithm: Algorithm
) -> None:
    policy = Policy(algorithm=algorithm)
    keystore(tmp_path).signing_keys(ZONE, policy, NOW)
    (key,) = keystore(tmp_path).signing_keys(ZONE, policy, NOW)
    made = scheme(algorithm)
    signature = made.signer(key.private)(b"message")
    same = made.signer(key.private)(b"message") == signature
    assert same is (algorithm is not Algorithm.MLDSA44), "deterministic, but for ML-DSA"
    assert made.checker(key.public.public)(signature, b"message")
    assert not made.checker(key.public.public)(signature, b"another")


def test_files_are_named_as_bind_names_them_and_only_the_owner_reads_secrets(tmp_path: Path) -> None:
    root = tmp_path / "keys"
    (key,) = keystore(root).signing_keys(ZONE, Policy(), NOW)
    stem = f"Kexample.com.+013+{key.public.tag:05d}"
    directory = root / "example.com"
    assert sorted(one.name for one in directory.iterdir()) == [
        f"{stem}.key", f"{stem}.private.pem", f"{stem}.state",
    ]  # fmt: skip
    assert mode(root) == mode(directory) == 0o700
    assert mode(directory / f"{stem}.private.pem") == mode(directory / f"{stem}.state") == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in (directory / f"{stem}.private.pem").read_bytes()


def test_state_file_tells_a_person_what_the_key_does_since_when(tmp_path: Path) -> None:
    keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    (stored,) = keystore(tmp_path).list(ZONE)
    text = stored.state_path.read_text()
    assert "Zone: example.com.\n" in text
    assert "State: active\n" in text
    assert "Active: 2026-11-21T20:00:00Z\n" in text
    assert "Retired: -\n" in text


@pytest.mark.peer
def test_bind_makes_our_ds_from_our_key_file(tmp_path: Path) -> None:
    keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    (stored,) = keystore(tmp_path).list(ZONE)
    told = subprocess.run(
        [need("dnssec-dsfromkey"), "-2", str(stored.path)], capture_output=True, text=True, check=True
    )
    ds = stored.public.ds()
    tag, algorithm, digest_type, digest = re.split(r" DS ", told.stdout)[1].split(None, 3)
    assert (int(tag), int(algorithm), int(digest_type)) == (stored.public.tag, 13, 2)
    assert bytes.fromhex(digest) == ds[4:]


def test_listing_needs_no_passphrase(tmp_path: Path) -> None:
    keystore(tmp_path).signing_keys(ZONE, SPLIT, NOW)

    def refuse() -> bytes:
        raise AssertionError("asked")

    listed = Keystore(tmp_path, refuse).list()
    assert [one.role for one in sorted(listed, key=lambda one: one.role)] == ["ksk", "zsk"]
    assert {one.state for one in listed} == {KeyState.ACTIVE}


def test_wrong_passphrase_is_refused_with_advice(tmp_path: Path) -> None:
    keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    with pytest.raises(PassphraseError, match=r"private\.pem: the passphrase does not open this key; check"):
        keystore(tmp_path, b"wrong").signing_keys(ZONE, Policy(), NOW)


def test_empty_passphrase_is_refused_before_a_key_is_made(tmp_path: Path) -> None:
    with pytest.raises(PassphraseError, match="empty"):
        keystore(tmp_path, b"").signing_keys(ZONE, Policy(), NOW)
    assert keystore(tmp_path).list() == ()


@pytest.mark.parametrize("suffix", [".key", ".state", ".private.pem"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "garbage"])
def test_damaged_file_is_named_and_never_replaced_by_a_new_key(
    tmp_path: Path, suffix: str, damage: str
) -> None:
    keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    (stored,) = keystore(tmp_path).list(ZONE)
    path = stored.path.with_name(stored.path.name.removesuffix(".key") + suffix)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\xff\0" * 40)
    before = sorted(stored.path.parent.iterdir())
    with pytest.raises(KeystoreError, match=re.escape(path.name)):
        keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    assert sorted(stored.path.parent.iterdir()) == before


def test_keys_in_the_directory_of_another_zone_are_named_and_not_believed(tmp_path: Path) -> None:
    store, other = keystore(tmp_path), from_text("example.net.")
    store.signing_keys(ZONE, Policy(), NOW)
    (mine,) = store.list(ZONE)
    shutil.copytree(mine.path.parent, tmp_path / "example.net")
    for ask in (lambda: store.list(other), store.list, lambda: store.signing_keys(other, Policy(), NOW)):
        with pytest.raises(KeystoreError, match=r"not the zone of this directory") as caught:
            ask()
        assert str(tmp_path / "example.net" / mine.path.name) in str(caught.value)
    assert [one.public for one in store.list(ZONE)] == [mine.public]


def test_private_half_of_another_key_is_refused(tmp_path: Path) -> None:
    keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    other = from_text("example.net.")
    keystore(tmp_path).signing_keys(other, Policy(), NOW)
    (mine,), (theirs,) = keystore(tmp_path).list(ZONE), keystore(tmp_path).list(other)
    mine.private_path.write_bytes(theirs.private_path.read_bytes())
    with pytest.raises(KeystoreError, match="does not belong to the public one"):
        keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)


def test_unencrypted_private_key_is_refused(tmp_path: Path) -> None:
    keystore(tmp_path).signing_keys(ZONE, ED25519, NOW)
    (stored,) = keystore(tmp_path).list(ZONE)
    private = load_pem_private_key(stored.private_path.read_bytes(), b"correct horse")
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    stored.private_path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeystoreError, match="not encrypted"):
        keystore(tmp_path).signing_keys(ZONE, ED25519, NOW)


def test_policy_that_the_keys_in_use_do_not_meet_is_refused_without_touching_them(tmp_path: Path) -> None:
    (before,) = keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    for policy in (ED25519, SPLIT):
        with pytest.raises(KeystoreError, match="needs a rollover"):
            keystore(tmp_path).signing_keys(ZONE, policy, NOW)
    (after,) = keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    assert after.public == before.public


def test_key_generated_ahead_is_the_one_taken_into_use(tmp_path: Path) -> None:
    ahead = keystore(tmp_path).generate(ZONE, Policy(), "csk", NOW)
    assert ahead.state is KeyState.GENERATED
    later = NOW.replace(day=30)
    (used,) = keystore(tmp_path).signing_keys(ZONE, Policy(), later)
    assert used.public == ahead.public
    (stored,) = keystore(tmp_path).list(ZONE)
    assert (stored.times.generated, stored.times.active) == (NOW, later)


def test_making_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    torn = keystore(tmp_path).generate(ZONE, Policy(), "csk", NOW)
    torn.private_path.unlink()
    torn.path.unlink()
    (used,) = keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)
    assert used.public != torn.public


def test_making_that_is_killed_anywhere_leaves_no_key_or_a_whole_one(tmp_path: Path) -> None:
    event, seen, hit = 0, set(), True
    while hit:
        event += 1
        root = tmp_path / str(event)
        hit = killed_at(lambda: keystore(root).generate(ZONE, ED25519, "csk", NOW), event, root)  # noqa: B023
        found = keystore(root).list(ZONE)
        assert all(one.private_path.exists() for one in found)
        seen.add(len(found))
    keystore(root).open(found[0])
    assert seen == {0, 1}


@pytest.mark.parametrize("count", [1, 2])
def test_disk_that_fills_up_while_a_key_is_made_leaves_nothing_of_it(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keystore(tmp_path).generate(ZONE, ED25519, "csk", NOW)
    before = sorted((tmp_path / "example.com").iterdir())
    written = []

    def full(path: Path, content: bytes, mode: int = 0o644) -> None:
        written.append(path)
        if len(written) > count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content, mode)

    write = durable.write
    monkeypatch.setattr(durable, "write", full)
    with pytest.raises(KeystoreError, match="No space left"):
        keystore(tmp_path).generate(ZONE, ED25519, "csk", NOW)
    assert sorted((tmp_path / "example.com").iterdir()) == before


def many(store: Keystore) -> list[NewKey]:
    """Return drafts of keys of so many zones that their files are not synced one by one."""
    zones = [from_text(f"zone{number}.example.") for number in range(5)]
    return [store.draft(zone, ED25519, "csk", NOW) for zone in zones]


def test_many_keys_that_are_stored_at_once_are_as_keys_that_are_stored_alone(tmp_path: Path) -> None:
    store, other = keystore(tmp_path / "many"), keystore(tmp_path / "alone")
    drafts = many(store)
    store.store(drafts)
    for each in drafts:
        other.store([replace(each, stored=replace(each.stored, path=moved(each.stored.path, tmp_path)))])
    names = sorted(each.relative_to(tmp_path / "many") for each in (tmp_path / "many").rglob("*"))
    assert names == sorted(each.relative_to(tmp_path / "alone") for each in (tmp_path / "alone").rglob("*"))
    assert len(names) == 1 + 5 * 4  # the lock; a directory and three files each
    for name in names:
        ours, theirs = tmp_path / "many" / name, tmp_path / "alone" / name
        assert mode(ours) == mode(theirs)
        if ours.is_file() and ours.suffix != ".pem":
            assert ours.read_bytes() == theirs.read_bytes()
    assert [store.open(one).public for one in store.list()] == [each.signing.public for each in drafts]
    with pytest.raises(KeystoreError, match="is there already"):
        store.store(drafts)
    store.record_all([(one, KeyState.ACTIVE, one.roll) for one in store.list()], NOW)
    assert {one.state for one in store.list()} == {KeyState.ACTIVE}
    assert b"Activate" in store.list()[0].path.read_bytes()


def moved(path: Path, root: Path) -> Path:
    return root / "alone" / path.relative_to(root / "many")


def test_storing_many_keys_that_is_killed_anywhere_leaves_whole_keys_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, seen, hit = 0, set(), True
    drafts = many(keystore(tmp_path))
    monkeypatch.setattr(pkcs8, "fresh_salt", lambda: bytes(pkcs8.SALT_LENGTH))
    keystore(tmp_path).encrypted(drafts[0].signing.private)  # derives, once for all
    while hit:
        event += 3  # of about a hundred
        root = tmp_path / "keys"
        shutil.rmtree(root, ignore_errors=True)
        there = [replace(one, stored=replace(one.stored, path=root / one.stored.path.relative_to(tmp_path)))
                 for one in drafts]  # fmt: skip
        hit = killed_at(lambda: keystore(root).store(there), event, root)  # noqa: B023
        found = keystore(root).list()
        assert all(one.private_path.exists() for one in found)
        seen.add(len(found))
    assert seen >= {0, 5}
    assert [keystore(root).open(one).public for one in found] == [one.signing.public for one in drafts]
    assert not [each for each in root.rglob("*") if each.name.startswith(durable.TEMPORARY_PREFIX)]


@pytest.mark.parametrize("fault", ["write", "sync"])
def test_disk_that_fills_up_while_many_keys_are_stored_leaves_none_of_them(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, count = keystore(tmp_path), 0
    store.generate(ZONE, ED25519, "csk", NOW)
    before = sorted(tmp_path.rglob("*"))
    name = {"write": "_write_unsynced", "sync": "_sync_file_system"}[fault]
    whole = getattr(durable, name)

    def full(path: Path, *rest: object, **options: object) -> object:
        nonlocal count
        count += 1
        if count == {"write": 9, "sync": 3}[fault]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return whole(path, *rest, **options)

    monkeypatch.setattr(durable, name, full)
    with pytest.raises(KeystoreError, match="No space left"):
        store.store(many(store))
    assert sorted(tmp_path.rglob("*")) == before


def test_taken_tag_is_not_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = keystore(tmp_path).generate(ZONE, ED25519, "csk", NOW)
    made = scheme(15)
    fresh = ed25519.Ed25519PrivateKey.generate()
    queue = [_private_of(first.private_path), fresh]  # the first one offered has the tags of the key in use
    asked: list[int] = []

    def generate() -> ed25519.Ed25519PrivateKey:
        asked.append(1)
        return queue.pop(0)

    monkeypatch.setattr(keystore_module, "scheme", lambda _: made._replace(generate=generate))
    second = keystore(tmp_path).generate(ZONE, ED25519, "csk", NOW)
    assert len(asked) == 2
    assert second.public.public == made.field(fresh)


def test_revoked_tag_is_the_tag_under_the_revoke_flag(tmp_path: Path) -> None:
    public = keystore(tmp_path).generate(ZONE, ED25519, "csk", NOW).public
    assert revoked_tag(public) == key_tag(
        PublicKey(ZONE, 15, public.flags | REVOKE_FLAG, public.public).rdata
    )


def _private_of(path: Path) -> ed25519.Ed25519PrivateKey:
    private = load_pem_private_key(path.read_bytes(), b"correct horse")
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    return private


def test_key_of_a_zone_with_a_semicolon_in_its_name_is_found_again(tmp_path: Path) -> None:
    zone = from_text(r"a\;b.example.")
    made = keystore(tmp_path).generate(zone, Policy(), "csk", NOW)
    assert keystore(tmp_path).list() == keystore(tmp_path).list(zone) == (made,)


def test_many_writers_at_once_make_one_key(tmp_path: Path) -> None:
    def sign(_: int) -> int:
        return keystore(tmp_path).signing_keys(ZONE, Policy(), NOW)[0].public.tag

    with ThreadPoolExecutor(8) as pool:
        tags = set(pool.map(sign, range(16)))
    assert len(tags) == 1
    assert len(keystore(tmp_path).list(ZONE)) == 1


def test_writer_that_never_ends_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(keystore_module, "_LOCK_PATIENCE", 0.05)
    handle = os.open(tmp_path / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(KeystoreError, match="another process"):
            keystore(tmp_path).generate(ZONE, Policy(), "csk", NOW)
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    ("zone", "directory", "stem"),
    [
        (ROOT, "@", "K.+015+"),
        (from_text("0/25.0.192.arpa."), "0%2F25.0.192.arpa", "K0%2F25.0.192.arpa.+"),
        (from_text(r"a\000b.example."), "a%00b.example", "Ka%00b.example.+"),
        (from_text(r"\.\..example."), "%2E%2E.example", "K%2E%2E.example.+"),
        (from_text(r"\@."), "%40", "K%40.+"),
        (from_text(r"100%.example."), "100%25.example", "K100%25.example.+"),
    ],
)  # fmt: skip
def test_odd_zone_name_has_a_safe_and_distinct_path(
    tmp_path: Path, zone: Name, directory: str, stem: str
) -> None:
    (key,) = keystore(tmp_path).signing_keys(zone, ED25519, NOW)
    assert directory_name(zone) == directory
    assert file_stem(key.public).startswith(stem)
    (stored,) = keystore(tmp_path).list(zone)
    assert stored.path.parent == tmp_path / directory
    assert stored.public == key.public, "the zone's name comes back from the file"
    assert keystore(tmp_path).list() == (stored,)


def test_longest_zone_names_of_odd_octets_fit_and_stay_apart(tmp_path: Path) -> None:
    zones = [
        Name((b"\x3f" + b"\xff" * 62 + bytes([end])) + (b"\x3e" + b"\xfe" * 62) * 3 + b"\0") for end in (1, 2)
    ]
    names = [directory_name(zone) for zone in zones]
    assert names[0] != names[1]
    for zone in zones:
        keystore(tmp_path).signing_keys(zone, ED25519, NOW)
        assert len(keystore(tmp_path).list(zone)) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_keystore_is_told_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(KeystoreError, match="cannot be written"):
        keystore(tmp_path / "keys").generate(ZONE, Policy(), "csk", NOW)


def test_keystore_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(KeystoreError, match="cannot be written"):
        keystore(tmp_path / "keys").generate(ZONE, Policy(), "csk", NOW)
