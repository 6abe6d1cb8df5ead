"""Key files as text: there and back, and never more than a KeystoreError for what else may be in them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.errors import KeystoreError, PassphraseError
from dnsctl.model.name import from_labels, from_text
from dnsctl.model.policy import Algorithm
from dnsctl.sign.keyfile import (
    KeyState,
    KeyTimes,
    RollState,
    StateFile,
    directory_name,
    key_text,
    key_ttl,
    parse_key,
    parse_private,
    private_pem,
)
from tests.sign.scenery import NOW, private_key, signing_key

KEY = signing_key(from_text("example.com."), Algorithm.ED25519, "ksk").public
STATE = StateFile.of(KEY, "ksk", KeyState.ACTIVE, KeyTimes(NOW, NOW, NOW + timedelta(hours=1), NOW))
MOMENTS = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
    lambda one: one.replace(microsecond=0, tzinfo=UTC)
)


@given(st.lists(MOMENTS, min_size=5, max_size=5), st.sampled_from(KeyState))
def test_state_file_reads_back(moments: list[datetime | None], state: KeyState) -> None:
    told = StateFile.of(KEY, "zsk", state, KeyTimes(NOW, *moments))
    assert StateFile.from_text(told.to_text(), "x") == told


@pytest.mark.parametrize(
    "roll",
    [RollState(), RollState(NOW, 12345, True, False, True), RollState(ds=True), RollState(replaces=1)],
)
def test_state_of_a_roll_reads_back_and_costs_no_line_where_there_is_none(roll: RollState) -> None:
    text = replace(STATE, roll=roll).to_text()
    assert StateFile.from_text(text, "x").roll == roll
    assert (text == STATE.to_text()) == (roll == RollState())


def test_key_file_reads_back_with_its_times_in_comments() -> None:
    text = key_text(KEY, "ksk", 3600, STATE.times)
    assert parse_key(text, "x") == KEY
    assert text.startswith(f"; This is a key-signing key, keyid {KEY.tag}, for example.com.\n")
    assert "; Activate: 20261121200000 (Sat Nov 21 20:00:00 2026)\n" in text


@pytest.mark.parametrize("label", [b"a;b", b"a\\", b"a\\;b", b";", b'"; DNSKEY', b"a b;"])
def test_key_file_of_a_name_with_a_semicolon_or_backslash_reads_back(label: bytes) -> None:
    key = replace(KEY, zone=from_labels((label, b"example")))
    text = key_text(key, "ksk", 7200, STATE.times)
    for told in (text, text.rstrip("\n") + " ; a comment\n", text.rstrip("\n") + "; one \\; more\n"):
        assert parse_key(told, "x") == key
        assert key_ttl(told) == 7200


def test_key_file_of_bind_without_ttl_and_class_in_pieces_is_read() -> None:
    record = key_text(KEY, "ksk", 3600, STATE.times).splitlines()[-1].split()
    text = f"example.com. DNSKEY {' '.join(record[4:7])} {record[7][:20]} {record[7][20:]} ; comment"
    assert parse_key(text, "x") == KEY


@settings(max_examples=300)
@given(st.data())
def test_mutated_files_raise_nothing_but_keystore_errors(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([STATE.to_text(), key_text(KEY, "ksk", 3600, STATE.times)]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    mutated = text[:start] + data.draw(st.text(max_size=8)) + text[end:]
    for parse in (parse_key, StateFile.from_text):
        with contextlib.suppress(KeystoreError):
            parse(mutated, "x")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 400), st.binary(max_size=6))
def test_mutated_private_file_raises_nothing_but_keystore_errors(start: int, octets: bytes) -> None:
    pem = private_pem(private_key(Algorithm.ED25519, 1), b"passphrase", bytes(16))
    with contextlib.suppress(KeystoreError):
        parse_private(pem[:start] + octets + pem[start + len(octets) :], b"passphrase", "x")


def test_empty_passphrase_never_encrypts() -> None:
    with pytest.raises(PassphraseError, match="empty"):
        private_pem(private_key(Algorithm.ED25519, 1), b"", bytes(16))


@given(
    st.lists(st.binary(min_size=1, max_size=20), max_size=4),
    st.lists(st.binary(min_size=1, max_size=20), max_size=4),
)
def test_directory_names_are_plain_and_differ_where_zones_differ(
    one: list[bytes], other: list[bytes]
) -> None:
    names = [from_labels(one), from_labels(other)]
    directories = [directory_name(name) for name in names]
    assert (directories[0] == directories[1]) == (names[0] == names[1])
    for directory in directories:
        assert directory not in {"", ".", ".."}
        assert not set(directory) & set("/\\\0 ")
        assert directory.isascii()


def test_state_entered_late_fills_in_what_was_passed_over() -> None:
    times = KeyTimes(NOW).entered(KeyState.ACTIVE, NOW + timedelta(hours=1))
    assert (times.generated, times.published, times.active) == (NOW, times.active, NOW + timedelta(hours=1))
    assert times.retired is None
