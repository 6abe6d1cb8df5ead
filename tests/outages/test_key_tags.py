"""Several key pairs with one key tag, of which one is published: what the others sign is valid for nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from dnsctl.model.rrset import Type, rdata_text
from dnsctl.sign.foreign import private_text
from dnsctl.sign.keyfile import KeyState, KeyTimes, file_stem, key_text
from dnsctl.sign.keystore import Keystore, SigningKey
from tests.outages.conftest import Fleet, three_keys
from tests.passphrase import PASSPHRASE
from tests.sign.mutations import NSEC as POLICY
from tests.sign.mutations import ORIGIN, Records, records_of, signed_by
from tests.sign.same_tag import new_key, put_by_hand, same_tag
from tests.sign.scenery import NOW, keys_for

ALLOWED = ("--allow", "ds-change", "--allow", "keys-missing", "--allow", "old-caches", "--reason", "we know")


def as_bind_has_it(directory: Path, key: SigningKey) -> Path:
    """Write a key as BIND does; return its private file."""
    directory.mkdir()
    stem = directory / file_stem(key.public)
    stem.with_name(stem.name + ".key").write_text(key_text(key.public, key.role, 3600, KeyTimes(NOW)))
    private = stem.with_name(stem.name + ".private")
    private.write_text(private_text.to_text(13, key.private, {}, "a key of BIND"))
    private.chmod(0o600)
    return private


@pytest.mark.parametrize("suffix", ["", "-2"], ids=["in its place", "beside it"])
@pytest.mark.parametrize(
    "command", [("push",), ("push", *ALLOWED), ("plan",)], ids=["push", "allowed", "plan"]
)
def test_pair_that_was_put_into_keys_by_hand_signs_nothing(
    fleet: Fleet, command: tuple[str, ...], suffix: str
) -> None:
    path = put_by_hand(fleet.keys, three_keys()[1], PASSPHRASE, suffix)
    fleet.commit_records("more: {type: A, value: 192.0.2.99}\n")
    told = fleet.refused(*command).stderr
    assert f"{path.name}: its key tag {three_keys()[0].public.tag} is that of" in told
    assert f"move {path.name.removesuffix('.key')}.* out of keys/" in told


@pytest.mark.parametrize("suffix", ["", "-2"], ids=["in its place", "beside it"])
def test_such_a_pair_is_told_by_status_and_by_the_verbs_on_keys(fleet: Fleet, suffix: str) -> None:
    path = put_by_hand(fleet.keys, three_keys()[1], PASSPHRASE, suffix)
    away, tag = f"move {path.name.removesuffix('.key')}.* out of keys/", str(three_keys()[0].public.tag)
    assert away in fleet.refused("status").stderr
    listed = fleet.refused("key", "list")
    assert f"example.com.\t{tag}\tcsk" in listed.stdout
    assert away in listed.stderr
    (fault,) = fleet.repo.json("key", "list", "example.com", code=1)["faults"]
    assert fault["file"] == f"keys/example.com/{path.name}"
    assert fault["advice"].startswith(away)
    for verb in (("ds", "example.com"), ("roll", "example.com", "--plan"), ("roll", "example.com")):
        assert away in fleet.refused("key", *verb).stderr
    if suffix:  # else there is but one key with that tag
        assert away in fleet.refused("key", "retire", "example.com", tag).stderr


def test_once_the_pair_is_moved_away_a_push_goes_its_way(fleet: Fleet) -> None:
    path = put_by_hand(fleet.keys, three_keys()[1], PASSPHRASE, "-2")
    for each in path.parent.glob("*-2.*"):
        each.unlink()
    assert fleet.repo.run("status").returncode == 0
    fleet.commit_records("more: {type: A, value: 192.0.2.99}\n")
    assert fleet.repo.run("push", "--dry-run").returncode == 0


def test_private_half_of_another_pair_with_the_same_tag_signs_nothing(fleet: Fleet) -> None:
    own, twin, _ = three_keys()
    path = put_by_hand(fleet.keys, twin, PASSPHRASE, "-2")
    place = fleet.keys / "example.com" / f"{file_stem(own.public)}.private.pem"
    path.with_name(path.name.replace(".key", ".private.pem")).replace(place)
    for each in path.parent.glob("*-2.*"):
        each.unlink()
    fleet.commit_records("more: {type: A, value: 192.0.2.99}\n")
    assert "the private key does not belong to the public one" in fleet.refused("push").stderr


def test_second_pair_of_one_tag_is_not_imported(fleet: Fleet, tmp_path: Path) -> None:
    own, *twins = three_keys()
    for number, twin in enumerate(twins):
        private = as_bind_has_it(tmp_path / str(number), twin)
        for option in ((), ("--active",)):
            told = fleet.refused("key", "import", "example.com", str(private), *option)
            assert f"key tag {own.public.tag} is taken" in told.stderr


def test_key_update_gives_no_tag_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, twin = same_tag(ORIGIN, "zsk")
    third = keys_for(ORIGIN, POLICY)[-1]
    keystore = Keystore(tmp_path, lambda: PASSPHRASE)
    keystore.store([new_key(tmp_path, own)])
    keystore.end(keystore.list(ORIGIN)[0], KeyState.REMOVED, NOW)  # its tag stays taken
    made = iter((twin.private, third.private))
    monkeypatch.setattr("dnsctl.sign.algorithm.ec.generate_private_key", lambda _: next(made))
    assert keystore.generate(ORIGIN, POLICY, "zsk", NOW).public == third.public


# -- Another signer's key beside ours (RFC 8901) ---


def beside_ours(fleet: Fleet, *keys: SigningKey) -> str:
    """Commit DNSKEYs of another signer; return file and line of the first."""
    config = (fleet.repo.root / "dnsctl.yaml").read_text()
    fleet.repo.write("dnsctl.yaml", config + "policies: {standard: {foreign-keys: allow}}\n")
    lines = "".join(f"  - {{type: DNSKEY, value: {rdata_text(48, each.public.rdata)}}}\n" for each in keys)
    path = fleet.repo.root / "zones/example.com.yaml"
    path.write_text(path.read_text().replace("'':\n", "'':\n" + lines, 1))
    fleet.repo.commit("another signer")
    return "zones/example.com.yaml:2:"


def test_key_of_another_signer_with_the_tag_of_ours_is_found_by_check_plan_and_push(fleet: Fleet) -> None:
    own, twin, _ = three_keys()
    place = beside_ours(fleet, twin)
    told = [fleet.refused("check").stdout, fleet.refused("plan").stderr, fleet.refused("push").stderr]
    for each in told:
        (line,) = (one for one in each.splitlines() if "dnskey-tag-shared" in one)
        assert line.startswith(place)
        assert f"key tag {own.public.tag}, and so has our {file_stem(own.public)}.key" in line
    for command in ("plan", "push"):
        error = fleet.repo.failure(command)
        assert error["rule"] == "zone-errors"
        assert [each["rule"] for each in error["findings"]] == ["dnskey-tag-shared"]


def test_two_keys_of_other_signers_with_one_tag_are_found_by_check_plan_and_push(fleet: Fleet) -> None:
    place = beside_ours(fleet, *same_tag(ORIGIN, "zsk", 3)[:2])
    for each in (fleet.refused("check").stdout, fleet.refused("plan").stderr, fleet.refused("push").stderr):
        (line,) = (one for one in each.splitlines() if "dnskey-tag-shared" in one)
        assert line.startswith(place)


def test_check_where_our_keys_are_not_finds_nothing_of_them(fleet: Fleet) -> None:
    beside_ours(fleet, three_keys()[1])
    for path in (fleet.keys / "example.com").iterdir():
        path.unlink()
    assert fleet.repo.run("check").returncode == 0


# -- A zone that somebody else signed so ---


def third_by_third(published: SigningKey, others: tuple[SigningKey, ...], *, both: bool) -> Records:
    """Return a zone whose data three keys sign in turn; `both`: the published one and another sign all."""
    records = records_of(POLICY)
    ksk = keys_for(ORIGIN, POLICY)[0]
    dnskey = records[ORIGIN, Type.DNSKEY]._replace(
        rdatas=tuple(sorted((ksk.public.rdata, published.public.rdata)))
    )
    records[ORIGIN, Type.DNSKEY] = signed_by(dnskey, ksk)
    signers = (published, *others)
    for number, (place, one) in enumerate(list(records.items())):
        if one.rdtype != Type.DNSKEY and one.signatures:
            records[place] = signed_by(one, *(signers[:2] if both else (signers[number % 3],)))
    return records


@pytest.mark.parametrize("both", [False, True], ids=["a third each", "a good one beside another"])
def test_zone_signed_by_keys_of_one_tag_with_one_published_is_refused(fleet: Fleet, *, both: bool) -> None:
    """A validator may try but a few keys and signatures, so a good signature beside bad ones is none."""
    published, *others = same_tag(ORIGIN, "zsk", 3)
    fleet.commit_presigned(third_by_third(published, tuple(others), both=both))
    assert "[signature-invalid]" in fleet.refused("check").stdout
    assert "[signature-invalid]" in fleet.refused("push").stderr
