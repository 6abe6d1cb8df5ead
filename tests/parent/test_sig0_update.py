"""DS by update with SIG(0), at a BIND whose zone has the KEY, and where another verifier judges it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dnsctl.model.fleet import Endpoint
from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text, to_text
from dnsctl.model.policy import Algorithm
from dnsctl.parent import exchange
from dnsctl.parent.exchange import ExchangeError
from dnsctl.parent.update import replace_ds
from dnsctl.sign.sig0 import ALGORITHMS, Sig0Key
from dnsctl.sign.sig0_keys import drafted, key_record
from tests.parent.scripted import answer, serving
from tests.parent.sig0_parent import Sig0Parent, bare, sig0_parent
from tests.parent.test_update import NEW, OLD, OTHER, TEXT, ZONE, seen
from tests.parent.updates import parent, sig0_named

pytestmark = pytest.mark.peer
KEYS = {each: drafted(from_text(f"u{int(each)}.example."), each, ()) for each in ALGORITHMS}
KEY = KEYS[Algorithm.ECDSAP256SHA256]
UNGRANTED = drafted(from_text("nobody.example."), Algorithm.ED25519, ())
STRANGER = drafted(from_text("stranger.example."), Algorithm.ED25519, ())  # no KEY of it anywhere


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    known = [*KEYS.values(), UNGRANTED]
    text = TEXT + "".join(f"{key_record(each.public)}\n" for each in known)
    grants = [to_text(each.public.zone).removesuffix(".") for each in KEYS.values()]
    with parent(tmp_path_factory.mktemp("parent"), "example.", text, grants, sig0_named()) as endpoint:
        yield endpoint


@pytest.fixture
def judged() -> Iterator[Sig0Parent]:
    with sig0_parent("example.", "child.example.", KEY) as made:
        yield made


def early(by: timedelta) -> datetime:
    return datetime.now(UTC) + by


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bind_takes_updates_of_every_algorithm(bind: Endpoint, algorithm: Algorithm) -> None:
    for ds in ((OLD,), (OLD, NEW), (NEW,)):
        replace_ds(ZONE, ds, 1800, bind, KEYS[algorithm])
        assert seen(bind) == (ds, 1800)
    replace_ds(ZONE, (), 1800, bind, KEYS[algorithm])
    assert seen(bind)[0] == ()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (UNGRANTED, f"REFUSED: KEY {UNGRANTED.public.tag} of nobody.example. is there; its policy does not"),
        (STRANGER, f"SERVFAIL: it does not have KEY {STRANGER.public.tag} of stranger.example.: give its"),
        (Sig0Key(KEY.public, drafted(KEY.public.zone, Algorithm.ECDSAP256SHA256, ()).private), "is there; "),
        (
            Sig0Key(PublicKey(from_text("u15.example."), 13, 512, KEY.public.public), KEY.private),
            "SERVFAIL: it does not have KEY",
        ),
        (
            Sig0Key(PublicKey(from_text("u.test."), 13, 512, KEY.public.public), KEY.private),
            "SERVFAIL: it may not have KEY",
        ),
    ],
    ids=("no grant", "no KEY", "another private half", "another owner", "an owner elsewhere"),
)
def test_bind_refuses_a_wrong_key_and_the_message_says_what_to_look_at(
    bind: Endpoint, key: Sig0Key, said: str
) -> None:
    with pytest.raises(ExchangeError, match="answers") as refused:
        replace_ds(ZONE, (OLD,), 1800, bind, key)
    assert said in str(refused.value)
    assert seen(bind)[0] == ()


@pytest.mark.parametrize("minutes", [-6, 6])
def test_bind_refuses_what_is_signed_too_early_or_too_late_and_the_message_names_clocks(
    bind: Endpoint, minutes: int
) -> None:
    with pytest.raises(ExchangeError, match="its clock is more than 5 minutes off"):
        replace_ds(ZONE, (OLD,), 1800, bind, KEY, lambda: early(timedelta(minutes=minutes)))
    assert seen(bind)[0] == ()


def test_bind_that_has_another_zone_or_no_delegation_is_told_so(bind: Endpoint) -> None:
    with pytest.raises(ExchangeError, match="not delegated there"):
        replace_ds(OTHER, (OLD,), 1800, bind, KEY)
    with pytest.raises(ExchangeError, match="not authoritative"):
        replace_ds(from_text("child.test."), (OLD,), 1800, bind, KEY)


def test_update_is_valid_to_another_verifier_and_the_whole_ds_set_is_replaced(judged: Sig0Parent) -> None:
    replace_ds(ZONE, (OLD, NEW), 1800, judged.endpoint, KEY)
    assert len(judged.ds) == 2
    replace_ds(ZONE, (), 1800, judged.endpoint, KEY)
    assert (judged.ds, judged.verdicts) == ([], ["valid", "valid"])


def test_update_that_is_sent_again_later_is_refused(judged: Sig0Parent) -> None:
    """What somebody recorded is of no use after five minutes (RFC 2931 §3)."""
    with pytest.raises(ExchangeError, match="SERVFAIL"):
        replace_ds(ZONE, (OLD,), 1800, judged.endpoint, KEY, lambda: early(timedelta(minutes=-6)))
    assert "expired" in judged.verdicts[0]
    assert judged.ds == []


def test_key_that_the_parent_does_not_have_is_named_with_what_to_give_it(judged: Sig0Parent) -> None:
    with pytest.raises(ExchangeError, match=r"`dnsctl key export stranger\.example\. --sig0` prints"):
        replace_ds(ZONE, (OLD,), 1800, judged.endpoint, STRANGER)


def test_server_that_checks_no_sig0_is_told_as_such(judged: Sig0Parent) -> None:
    """BIND 9.18 answers REFUSED to every SIG(0), whatever KEY it has."""

    def script(query: bytes, tcp: bool) -> list[bytes]:
        is_update = query[2] >> 3 & 0xF == 5
        return [answer(bare(query), aa=False, rcode=5)] if is_update else judged.reply(query, tcp)

    with (
        serving(script) as server,
        pytest.raises(ExchangeError, match=r"BIND 9\.18 does not, since 9\.18\.28"),
    ):
        replace_ds(ZONE, (OLD,), 1800, server.endpoint, KEY)


def hostile(chance: random.Random, query: bytes, valid: bytes) -> list[bytes]:
    """Return what a hostile server may send: a damaged answer, the query, octets, nothing, a lot."""
    changed = bytearray(valid)
    for _ in range(chance.randint(1, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return [
        [bytes(changed)],
        [valid[: chance.randrange(len(valid))]],
        [chance.randbytes(chance.randrange(300))],
        [query],
        [valid + chance.randbytes(40)],
        [],
    ][chance.randrange(6)]


@pytest.mark.parametrize("seed", range(32))
def test_hostile_answer_ends_as_an_error_for_a_person_or_as_an_answer(
    seed: int, judged: Sig0Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to the question for the KEY, after a refusal. Nothing but ExchangeError comes out."""
    monkeypatch.setattr(exchange, "UDP_PATIENCE", 0.03)
    monkeypatch.setattr(exchange, "TCP_PATIENCE", 0.1)
    chance = random.Random(seed)

    def script(query: bytes, tcp: bool) -> list[bytes]:
        if query[2] >> 3 & 0xF == 5:
            return hostile(chance, query, answer(bare(query), aa=False, rcode=chance.choice((0, 2, 5, 9))))
        (valid,) = judged.reply(query, tcp)
        is_key = b"\x00\x19\x00\x01" in query
        return hostile(chance, query, valid) if is_key or seed % 4 == 0 else [valid]

    with serving(script) as server:
        try:
            replace_ds(ZONE, (OLD,), 1800, server.endpoint, KEY)
        except ExchangeError as error:
            assert str(error)
            assert "Key object" not in str(error)
