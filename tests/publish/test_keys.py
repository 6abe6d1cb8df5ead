"""Which keys sign a release: what is served decides, and what is refused leaves nothing behind."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.errors import KeystoreError
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.publish.intent import Intent
from dnsctl.publish.keys import settle
from dnsctl.publish.pipeline import Release
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import StoredKey
from tests.publish.host import NOW, SIMPLE, STANDARD, Host, intent, name

COM = "example.com."


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _build(host: Host, wanted: Intent) -> Release:
    release = host.build(wanted, NOW + timedelta(hours=1))
    assert release is not None
    return release


def _states(host: Host) -> dict[int, KeyState]:
    return {one.public.tag: one.state for one in host.keystore.list()}


def _only(host: Host) -> StoredKey:
    (key,) = host.keystore.list()
    return key


def test_building_a_release_leaves_no_key_and_no_directory(host: Host, tmp_path: Path) -> None:
    release = _build(host, intent({COM: SIMPLE}, Policy(keys="ksk+zsk")))
    assert [one.stored.role for one in release.new_keys] == ["ksk", "zsk"]
    assert not (tmp_path / "keys").exists()


def test_keys_of_a_release_that_was_not_decided_are_taken_back_whole(host: Host, tmp_path: Path) -> None:
    ahead = host.keystore.generate(name("example.net."), STANDARD, "csk", NOW)
    release = _build(host, intent({COM: SIMPLE}))
    host.keystore.store(release.new_keys)
    assert len(host.keystore.list()) == 2
    host.keystore.discard(release.new_keys)
    assert host.keystore.list() == (ahead,)
    assert not (tmp_path / "keys" / "example.com").exists()


def test_key_that_was_called_active_meanwhile_is_not_taken_back(host: Host) -> None:
    release = _build(host, intent({COM: SIMPLE}))
    host.keystore.store(release.new_keys)
    host.keystore.activate(_only(host), NOW)
    host.keystore.discard(release.new_keys)
    assert _only(host).state is KeyState.ACTIVE


def test_key_left_by_a_push_that_was_killed_before_the_decision_is_used_by_the_next(host: Host) -> None:
    host.keystore.store(_build(host, intent({COM: SIMPLE})).new_keys)
    left = _only(host)
    assert left.state is KeyState.GENERATED
    release = host.push(intent({COM: SIMPLE}))
    assert release.new_keys == ()
    assert release.manifest.zones[name(COM)].tags == (left.public.tag,)
    assert _states(host) == {left.public.tag: KeyState.ACTIVE}


def test_key_of_a_push_that_was_killed_after_the_decision_signs_and_is_called_active(host: Host) -> None:
    host.push(intent({COM: SIMPLE}))
    key = _only(host)
    text = key.state_path.read_text()
    key.state_path.write_text(text.replace("State: active", "State: generated"))
    assert host.build(intent({COM: SIMPLE})) is None, "nothing to do: the served key signs"
    changed = _build(host, intent({COM: SIMPLE + "ftp A 192.0.2.9\n"}))
    assert (changed.new_keys, changed.guards) == ((), ())
    with host.image.reader() as reader:
        settle(host.keystore, reader, NOW)
    assert _only(host).state is KeyState.ACTIVE


def test_active_key_that_was_never_served_does_not_stand_in_the_way_of_the_true_one(
    host: Host, tmp_path: Path
) -> None:
    """A push on a host without keys made one; then keys/ came back from its copy, beside it."""
    host.push(intent({COM: SIMPLE}))
    true = _only(host)
    (stray,) = Host(tmp_path / "other").keystore.signing_keys(name(COM), STANDARD, NOW)
    for path in (tmp_path / "other" / "keys" / "example.com").iterdir():
        (true.path.parent / path.name).write_bytes(path.read_bytes())
    assert host.build(intent({COM: SIMPLE})) is None
    changed = _build(host, intent({COM: SIMPLE + "ftp A 192.0.2.9\n"}))
    assert changed.guards == ()
    assert changed.manifest.zones[name(COM)].tags == (true.public.tag,)
    assert stray.public.tag in _states(host)


def test_zone_served_signed_whose_keys_are_gone_gets_no_new_ones_unasked(host: Host) -> None:
    host.push(intent({COM: SIMPLE}))
    key = _only(host)
    for path in (key.path, key.private_path, key.state_path):
        path.unlink()
    release = _build(host, intent({COM: SIMPLE}))
    (verdict,) = release.guards
    assert verdict.guard == "keys-missing"
    assert f"key {key.public.tag}, which is not in keys/" in verdict.message
    assert "restore keys/ from its copy" in verdict.message


def test_private_half_that_is_gone_is_named_by_build_and_plan_alike(host: Host) -> None:
    host.push(intent({COM: SIMPLE}))
    path = _only(host).private_path
    path.unlink()
    with pytest.raises(KeystoreError, match=re.escape(path.name) + ": missing; restore it"):
        host.build(intent({COM: SIMPLE + "ftp A 192.0.2.9\n"}))


def test_key_of_another_algorithm_that_is_not_served_does_not_stop_a_zone(host: Host) -> None:
    host.push(intent({COM: SIMPLE}))
    host.push(intent({COM: SIMPLE}, None), NOW + timedelta(hours=1))
    release = _build(host, intent({COM: SIMPLE}, Policy(algorithm=Algorithm.ED25519)))
    assert [one.stored.public.algorithm for one in release.new_keys] == [15]
    assert release.guards == ()


def test_two_drafts_of_a_zone_never_share_a_tag(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    first = host.keystore.draft(name(COM), STANDARD, "csk", NOW)
    tags = {
        host.keystore.draft(name(COM), STANDARD, "csk", NOW, [first]).stored.public.tag for _ in range(50)
    }
    assert first.stored.public.tag not in tags


def test_draft_whose_files_another_process_wrote_is_not_overwritten(host: Host) -> None:
    draft = host.keystore.draft(name(COM), STANDARD, "csk", NOW)
    host.keystore.store([draft])
    before = draft.stored.private_path.read_bytes()
    with pytest.raises(KeystoreError, match="is there already"):
        host.keystore.store([draft])
    assert draft.stored.private_path.read_bytes() == before
