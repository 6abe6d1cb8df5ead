"""Which keys of a keystore a tag does not tell apart, and which files are to be moved away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dnsctl.errors import SigningError
from dnsctl.model.key import KeyUse, PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.sign.keyfile import KeyState, RollState, revoked_tag
from dnsctl.sign.keystore import Keystore, SigningKey, StoredKey
from dnsctl.sign.shared_tags import shared_tags
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.sign.same_tag import new_key, same_tag
from tests.sign.scenery import NOW, SERIAL, signing_key

ORIGIN = from_text("example.com.")


def stored(one: SigningKey, state: KeyState = KeyState.ACTIVE, suffix: str = "") -> StoredKey:
    made = new_key(Path("keys"), one).stored
    return replace(made, state=state, path=made.path.with_name(made.path.stem + suffix + ".key"))


def told(*keys: StoredKey, served: tuple[SigningKey, ...] = ()) -> list[tuple[str, str, str]]:
    found = shared_tags(keys, [one.public.rdata for one in served])
    return [(Path(each.where).name, each.what, each.advice) for each in found]


def test_keys_of_different_tags_are_well() -> None:
    one, other = (signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk", seed) for seed in (1, 2))
    assert told(stored(one), stored(other), served=(one,)) == []


def test_of_two_keys_with_one_tag_the_one_that_is_not_served_is_to_be_moved_away() -> None:
    own, twin = same_tag(ORIGIN, "csk")
    for keys in ((stored(own), stored(twin, suffix="-2")), (stored(twin), stored(own, suffix="-2"))):
        ((file, what, advice),) = told(*keys, served=(own,))
        moved = next(each for each in keys if each.public == twin.public)
        assert file == moved.path.name
        assert f"its key tag {own.public.tag} is that of" in what
        assert advice == f"move {moved.path.name.removesuffix('.key')}.* out of keys/"


def test_where_nothing_is_served_a_person_is_told_both_files() -> None:
    own, twin = same_tag(ORIGIN, "csk")
    ((file, _, advice),) = told(stored(own), stored(twin, suffix="-2"))
    assert file == f"{stored(twin, suffix='-2').path.name}"
    assert stored(own).path.name.removesuffix("key") in advice


def test_key_with_the_tag_of_one_that_was_removed_is_named() -> None:
    own, twin = same_tag(ORIGIN, "csk")
    ((file, _, _),) = told(stored(own, KeyState.REMOVED), stored(twin, suffix="-2"))
    assert file == stored(twin, suffix="-2").path.name


def test_key_whose_tag_is_that_of_a_served_key_which_is_gone_is_named() -> None:
    own, twin = same_tag(ORIGIN, "csk")
    ((file, what, advice),) = told(stored(twin), served=(own,))
    assert file == stored(twin).path.name
    assert "another key, which the zone is served with" in what
    assert "restore the key that is served" in advice


def test_key_that_is_out_of_use_may_have_the_tag_of_another_signers_key() -> None:
    own, twin = same_tag(ORIGIN, "csk")
    assert told(stored(twin, KeyState.REMOVED), served=(own,)) == []
    assert told(replace(stored(twin, KeyState.RETIRED), roll=RollState(ended=True)), served=(own,)) == []


def test_copy_of_a_key_under_another_name_is_named() -> None:
    own, _ = same_tag(ORIGIN, "csk")
    ((file, what, _),) = told(stored(own), stored(own, suffix="-copy"), served=(own,))
    assert file == stored(own, suffix="-copy").path.name
    assert "once more" in what


def _revoked_twin(own: PublicKey) -> PublicKey:
    """Return a key whose tag is the one that `own` has once it is revoked (RFC 4034 Appendix B: a sum)."""
    field = bytearray(own.public)
    add = (revoked_tag(own) - own.tag) % 65535  # of a sum that wraps with its carry
    for place in range(0, len(field), 2):
        word = int.from_bytes(field[place : place + 2], "big")
        if word + add < 65536:
            field[place : place + 2] = (word + add).to_bytes(2, "big")
            return PublicKey(own.zone, own.algorithm, own.flags, bytes(field))
    raise AssertionError("no word to add to")


def test_tag_that_a_key_has_once_it_is_revoked_counts_as_well() -> None:
    own = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk")
    twin = replace(own, public=_revoked_twin(own.public))
    assert twin.public.tag == revoked_tag(own.public) != own.public.tag
    ((_, what, _),) = told(stored(own), stored(twin), served=(own,))
    assert "once a key is revoked" in what


def test_keys_in_use_that_share_a_tag_over_two_algorithms_are_left_to_a_roll() -> None:
    own = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk")
    add = own.public.algorithm - 15  # the algorithm is in the tag's sum
    word = int.from_bytes(own.public.public[:2], "big") + add
    other = PublicKey(ORIGIN, 15, 257, word.to_bytes(2, "big") + own.public.public[2:])
    assert other.tag == own.public.tag
    twin = replace(own, public=other)
    assert told(stored(own), stored(twin), served=(own, twin)) == []
    assert len(told(stored(own), stored(twin), served=(own,))) == 1


def test_no_key_is_made_with_the_tag_of_another_signer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, twin = same_tag(ORIGIN, "csk")
    third = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "csk")
    made = iter((twin.private, third.private))
    monkeypatch.setattr("dnsctl.sign.algorithm.ec.generate_private_key", lambda _: next(made))
    keystore = Keystore(tmp_path / "keys", lambda: b"passphrase")
    draft = keystore.draft(ORIGIN, Policy(), "csk", NOW, others=[own.public.rdata])
    assert draft.stored.public == third.public


ZONE = validated("example.com.", "www A 192.0.2.1\n")


def test_key_that_is_not_published_does_not_sign_beside_one_of_its_tag() -> None:
    own, twin = same_tag(ORIGIN, "csk")
    with pytest.raises(SigningError, match="share key tag"):
        sign_zone(ZONE, (own, replace(twin, use=KeyUse(signs_data=True))), Policy(), NOW, SERIAL)


def test_zone_whose_data_only_an_unpublished_key_would_sign_is_not_signed() -> None:
    ksk = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "ksk", 1)
    zsk = signing_key(ORIGIN, Algorithm.ECDSAP256SHA256, "zsk", 2)
    with pytest.raises(SigningError, match="no key that signs its data is in its DNSKEY RRset"):
        sign_zone(ZONE, (ksk, replace(zsk, use=KeyUse(signs_data=True))), Policy(keys="ksk+zsk"), NOW, SERIAL)
