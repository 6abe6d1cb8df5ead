"""Updates with SIG(0) in a round of asking: what the answer is worth, and a key that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.opcode
import pytest

from dnsctl.control.in_step import AGAIN, Asking, keep_in_step, require_update_keys
from dnsctl.control.observations import Observed, recall
from dnsctl.control.observing import Round
from dnsctl.errors import KeystoreError, PassphraseError
from dnsctl.load.settings.config import Config
from dnsctl.model.fleet import Endpoint
from dnsctl.model.observation import DsMemory, ParentView
from dnsctl.model.policy import Algorithm
from dnsctl.model.repo import Repo
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.sig0_keys import StoredSig0Key, drafted, store
from tests.parent.scripted import answer, serving
from tests.parent.sig0_parent import bare, sig0_parent
from tests.publish.host import SIMPLE, Host, intent, name

pytestmark = pytest.mark.peer
PASSPHRASE = b"correct horse battery staple"
ZONE, OTHER, NAME = name("child.example."), name("other.example."), name("updates.example.")
KEY = drafted(NAME, Algorithm.ED25519, ())
NOW = datetime.now(UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    host = Host(tmp_path / "state")
    host.push(intent({"child.example.": SIMPLE, "other.example.": SIMPLE}))
    return tmp_path


@pytest.fixture
def stored(root: Path) -> Iterator[StoredSig0Key]:
    yield store(Keystore(root / "keys", lambda: PASSPHRASE), KEY, NOW)


def settings(server: Endpoint, tag: int | None = None) -> Config:
    """Return settings by which one zone's parent takes updates with SIG(0); the other's has a command."""
    sig0 = {"name": "updates.example."} | ({} if tag is None else {"tag": tag})
    parents = {
        "bind": {"servers": str(server), "ds": "update", "server": str(server), "sig0": sig0},
        "hook": {"servers": str(server), "ds": "hook", "command": ["/bin/true"]},
    }
    zones = {"child.example": {"parent": "bind"}, "other.example": {"parent": "hook"}}
    return Config.model_validate({"version": 1, "parents": parents, "zones": zones})


def asked(root: Path, server: Endpoint, now: datetime = NOW, tag: int | None = None) -> Asking:
    """Go round once, with parents that have no DS."""
    memory = DsMemory().after([ParentView("ns", "", now, (), 300)], now)
    state = Repo(root).state
    seen = {zone: Observed(ds=memory, asked=recall(state, zone).asked) for zone in (ZONE, OTHER)}
    found = Round(seen, {})
    return keep_in_step(root, settings(server, tag), found, now, lambda _: None, passphrase=PASSPHRASE)


def test_parent_that_only_says_that_it_took_an_update_is_asked_again(
    root: Path, stored: StoredSig0Key
) -> None:
    """An answer to SIG(0) is not signed, so anybody on the way can say NOERROR."""
    got: list[bytes] = []
    with sig0_parent("example.", "child.example.", KEY) as registry:

        def liar(query: bytes, tcp: bool) -> list[bytes]:
            if query[2] >> 3 & 0xF != dns.opcode.UPDATE:
                return registry.reply(query, tcp)
            got.append(query)
            return [answer(bare(query), aa=False)]

        with serving(liar) as server:
            told = dict(asked(root, server.endpoint).asked)[ZONE]
            assert (told.outcome, len(got)) == ("done", 1)
            asked(root, server.endpoint, NOW + timedelta(hours=1))
            assert len(got) == 1
            asked(root, server.endpoint, NOW + AGAIN["done"])
    assert len(got) == 2


def shared(stored: StoredSig0Key) -> None:
    stored.private_path.chmod(0o644)


def damaged(stored: StoredSig0Key) -> None:
    stored.private_path.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")


def lost(stored: StoredSig0Key) -> None:
    stored.private_path.unlink()


def away(stored: StoredSig0Key) -> None:
    stored.path.unlink()


def exchanged(stored: StoredSig0Key) -> None:
    stored.private_path.unlink()
    other = drafted(NAME, Algorithm.ED25519, ())
    keystore = Keystore(stored.path.parents[2], lambda: PASSPHRASE)
    stored.private_path.write_bytes(keystore.encrypted(other.private))
    stored.private_path.chmod(0o600)


def doubled(stored: StoredSig0Key) -> None:
    keystore = Keystore(stored.path.parents[2], lambda: PASSPHRASE)
    store(keystore, drafted(NAME, Algorithm.ED25519, ()), NOW)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lost, "private.pem: missing; restore it from a backup"),
        (shared, "its mode 0644 opens it to every user of this host; chmod 600"),
        (damaged, "damaged or no PKCS#8 key"),
        (
            away,
            "no key for SIG(0) of updates.example.; make one: `dnsctl key generate updates.example. --sig0`",
        ),
        (exchanged, "the private key does not belong to the public one"),
        (doubled, "say which signs updates: `sig0: {name: NAME, tag: TAG}`"),
    ],
)
def test_key_that_cannot_be_used_is_named_and_the_parents_of_other_zones_are_asked(
    root: Path, stored: StoredSig0Key, spoil: Callable[[StoredSig0Key], None], said: str
) -> None:
    spoil(stored)
    with sig0_parent("example.", "child.example.", KEY) as registry:
        told = dict(asked(root, registry.endpoint).asked)
        assert said in told[ZONE].message
        assert told[ZONE].outcome == "later"
        assert told[OTHER].outcome == "done"
        assert registry.updates == []
    with pytest.raises(KeystoreError) as alarm:
        require_update_keys(root, settings(registry.endpoint), (ZONE, OTHER), PASSPHRASE)
    assert said in str(alarm.value)
    require_update_keys(root, settings(registry.endpoint), (OTHER,), PASSPHRASE)


def test_key_that_opens_and_a_wrong_passphrase_are_told_apart(root: Path, stored: StoredSig0Key) -> None:
    config = settings(Endpoint("192.0.2.1", 53))
    require_update_keys(root, config, (ZONE, OTHER), PASSPHRASE)
    with pytest.raises(PassphraseError, match="does not open this key"):
        require_update_keys(root, config, (ZONE,), b"another")


def test_one_of_several_keys_is_taken_by_its_tag(root: Path, stored: StoredSig0Key) -> None:
    doubled(stored)
    with sig0_parent("example.", "child.example.", KEY) as registry:
        told = dict(asked(root, registry.endpoint, tag=stored.public.tag).asked)
        assert (told[ZONE].outcome, registry.verdicts) == ("done", ["valid"])


def test_wrong_tag_is_told_those_there_are(root: Path, stored: StoredSig0Key) -> None:
    tag = (stored.public.tag + 1) % 65536
    told = dict(asked(root, Endpoint("192.0.2.1", 53), tag=tag).asked)[ZONE]
    assert f"no key with tag {tag}; its keys are: {stored.public.tag}" in told.message
