"""`dnsctl key retire` and `remove`: a key that something depends on stays, unless a person insists."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsctl.model.name import from_text
from dnsctl.model.policy import Policy
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore, StoredKey
from tests.control.operations import NODES, Operations, made, zone
from tests.passphrase import PASSPHRASE

SUB = from_text("sub.example.com.")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """Two nodes that serve example.com and its child, whose DS is in it."""
    with made(tmp_path_factory.mktemp("fleet") / "ops") as operations:
        operations.write("zones/example.com.yaml", zone(more="sub: {type: NS, value: ns1.example.com.}\n"))
        operations.write("zones/sub.example.com.yaml", "'': {type: NS, value: ns1.example.com.}\n")
        operations.commit("parent and child")
        operations.start(*NODES)
        done = operations.run("push")
        assert done.returncode == 0, done.stderr
        yield operations


def keys(fleet: Operations, state: KeyState) -> list[StoredKey]:
    stored = Keystore(fleet.root / "keys", lambda: PASSPHRASE).list(SUB)
    return [each for each in stored if each.state is state]


@pytest.mark.parametrize("verb", ["retire", "remove"])
def test_key_that_is_served_and_that_a_ds_points_to_is_refused(verb: str, fleet: Operations) -> None:
    [key] = keys(fleet, KeyState.ACTIVE)
    before = {path: path.read_bytes() for path in key.path.parent.iterdir()}
    done = fleet.run("key", verb, "sub.example.com", str(key.public.tag))
    assert done.returncode == 1
    assert "sub.example.com. is served with it" in done.stderr
    assert "a DS in example.com. points to it" in done.stderr
    assert "--break-chain sub.example.com." in done.stderr
    done = fleet.run("key", verb, "sub.example.com", str(key.public.tag), "--break-chain", "example.com")
    assert done.returncode == 1
    assert {path: path.read_bytes() for path in key.path.parent.iterdir()} == before


def test_key_that_waits_is_retired_and_then_nothing_uses_it_and_removed_for_good(fleet: Operations) -> None:
    [told] = fleet.json("key", "generate", "sub.example.com")["keys"]
    tag = str(told["tag"])
    [ended] = fleet.json("key", "retire", "sub.example.com", tag)["keys"]
    assert (ended["tag"], ended["state"]) == (told["tag"], "retired")
    assert "is retired already" in fleet.run("key", "retire", "sub.example.com", tag).stderr
    [key] = keys(fleet, KeyState.RETIRED)
    assert key.private_path.exists()
    assert fleet.json("push")["result"] == "nothing"
    [ended] = fleet.json("key", "remove", "sub.example.com", tag)["keys"]
    assert ended["state"] == "removed"
    assert not key.private_path.exists()
    assert key.state_path.exists()  # its tags stay taken
    assert fleet.run("key", "remove", "sub.example.com", tag).returncode == 0  # again is harmless


def test_tag_that_no_key_has_is_named_with_those_there_are(fleet: Operations) -> None:
    [key] = keys(fleet, KeyState.ACTIVE)
    done = fleet.run("key", "retire", "sub.example.com", str((key.public.tag + 1) % 65536))
    assert done.returncode == 1
    assert "its keys are: " in done.stderr
    assert str(key.public.tag) in done.stderr.partition("its keys are: ")[2]


def test_key_in_use_stays_while_no_node_says_what_it_serves(tmp_path: Path) -> None:
    with made(tmp_path / "ops") as lonely:
        store = Keystore(lonely.root / "keys", lambda: PASSPHRASE)
        [active] = store.signing_keys(from_text("example.com."), Policy(), datetime(2026, 1, 1, tzinfo=UTC))
        assert lonely.run("key", "generate", "example.com").returncode == 0
        [waiting] = [each for each in store.list() if each.state is KeyState.GENERATED]
        done = lonely.run("key", "remove", "example.com", str(active.public.tag))
        assert done.returncode == 1
        assert "not every node could be asked" in done.stderr
        assert lonely.run("key", "remove", "example.com", str(waiting.public.tag)).returncode == 0


def test_who_names_the_zone_again_may_break_the_chain(fleet: Operations, tmp_path: Path) -> None:
    [key] = keys(fleet, KeyState.ACTIVE)
    done = fleet.run(
        "key", "retire", "sub.example.com", str(key.public.tag), "--break-chain", "sub.example.com."
    )
    assert done.returncode == 0, done.stderr
    assert "validating resolvers may have no answer" in done.stderr
    assert [each.public.tag for each in keys(fleet, KeyState.RETIRED)] == [key.public.tag]
