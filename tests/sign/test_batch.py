"""Bulk signing: the same with any number of processes, and no bad signature leaves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tracemalloc
from dataclasses import replace

import pytest

from dnsctl.errors import SigningError
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import Type, rrset
from dnsctl.model.zone import ValidatedZone, nodes_of
from dnsctl.sign import batch
from dnsctl.sign.algorithm import Sign, scheme
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.sign.scenery import NOW, SERIAL, keys_for

ORIGIN = from_text("example.com.")
ED25519 = Policy(algorithm=Algorithm.ED25519, keys="ksk+zsk")


@pytest.fixture(scope="module")
def large() -> ValidatedZone:
    """A zone large enough to be worth a second process."""
    base = validated("example.com.", "")
    hosts = [
        rrset(from_text(f"h{number}.example.com."), Type.A, 300, [bytes((192, 0, 2, number % 256))])
        for number in range(1300)
    ]
    return ValidatedZone(ORIGIN, nodes_of([*base.rrsets(), *hosts]))


@pytest.mark.parametrize("policy", [Policy(), ED25519])
def test_two_processes_make_the_same_zone_as_one(large: ValidatedZone, policy: Policy) -> None:
    told: list[tuple[int, int]] = []
    keys = keys_for(ORIGIN, policy)
    one = sign_zone(large, keys, policy, NOW, SERIAL)
    two = sign_zone(large, keys, policy, NOW, SERIAL, workers=2, progress=lambda *step: told.append(step))
    assert one == two
    assert told[-1] == (len(two.nodes), len(two.nodes))
    assert len(told) > 3, "progress moves"
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert not multiprocessing.active_children()


def break_signatures(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """Let the signing of each `every`th message go wrong in one bit, as bad memory might."""
    made = scheme(15)
    count = 0

    def signer(private: object) -> Sign:
        sign = made.signer(private)  # type: ignore[arg-type]

        def sometimes_wrong(message: bytes) -> bytes:
            nonlocal count
            count += 1
            signature = bytearray(sign(message))
            signature[7] ^= count % every == 0
            return bytes(signature)

        return sometimes_wrong

    monkeypatch.setattr(batch, "scheme", lambda _: made._replace(signer=signer))


@pytest.mark.parametrize("workers", [1, 2])
def test_one_bad_signature_among_thousands_stops_the_release(
    large: ValidatedZone, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    break_signatures(monkeypatch, 1000)
    with pytest.raises(SigningError, match=r"signature over .*example\.com\. \w+ does not verify"):
        sign_zone(large, keys_for(ORIGIN, ED25519), ED25519, NOW, SERIAL, workers=workers)
    assert not multiprocessing.active_children()


def test_killed_worker_is_told_and_nothing_is_left_behind(
    large: ValidatedZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = os.getpid()
    whole = batch.signed

    def die(chunk: list[batch.Task], signatories: list[batch.Signatory]) -> list[bytes]:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(chunk, signatories)

    monkeypatch.setattr(batch, "signed", die)
    with pytest.raises(SigningError, match="a signing process was killed"):
        sign_zone(large, keys_for(ORIGIN, ED25519), ED25519, NOW, SERIAL, workers=2)
    assert not multiprocessing.active_children()


def test_failing_progress_ends_the_workers_too(large: ValidatedZone) -> None:
    def interrupt(_done: int, _count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sign_zone(large, keys_for(ORIGIN, ED25519), ED25519, NOW, SERIAL, workers=2, progress=interrupt)
    assert not multiprocessing.active_children()


def test_signing_takes_little_more_memory_than_what_comes_out(large: ValidatedZone) -> None:
    """An RRSIG of Ed25519 has 95 octets here. As objects, RRsets with one take 590, meanwhile 875."""
    policy = replace(ED25519, denial="nsec3")
    keys = keys_for(ORIGIN, policy)
    tracemalloc.start()
    try:
        signed = sign_zone(large, keys, policy, NOW, SERIAL)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    count = sum(len(one.signatures) for one in (*signed.rrsets(), *signed.nsec3_nodes.values()))
    assert held < 350 * count
    assert peak < 550 * count  # some chunks are on their way, and the chain of hashes
