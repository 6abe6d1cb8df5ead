"""Bulk signing: the same with any number of processes, and no bad signature leaves."""

from __future__ import annotations

import signal
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dnsctl.errors import SigningError
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import Type, rrset
from dnsctl.model.zone import ValidatedZone, nodes_of
from dnsctl.sign import chunks, frames, process, processes
from dnsctl.sign.algorithm import scheme
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.sign import bad_memory
from tests.sign.scenery import NOW, SERIAL, keys_for

pytestmark = pytest.mark.usefixtures("no_process_left")
ORIGIN = from_text("example.com.")
ED25519 = Policy(algorithm=Algorithm.ED25519, keys="ksk+zsk")


@pytest.fixture(scope="module")
def large() -> ValidatedZone:
    """A zone large enough to be worth a second process."""
    base = validated("example.com.", "")
    hosts = [
        rrset(from_text(f"h{number}.example.com."), Type.A, 300, [bytes((192, 0, 2, number % 256))])
        for number in range(1600)
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


@pytest.mark.parametrize("workers", [1, 2])
def test_one_bad_signature_among_thousands_stops_the_release(
    large: ValidatedZone, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(processes, "PROGRAM", bad_memory.bad_program())
    if workers == 1:
        monkeypatch.setattr(chunks, "scheme", bad_memory.bad_scheme)
    with pytest.raises(SigningError, match=r"signature over .*example\.com\. \w+ does not verify"):
        sign_zone(large, keys_for(ORIGIN, ED25519), ED25519, NOW, SERIAL, workers=workers)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (bad_memory.dying_program(), "a signing process was killed; check the memory"),
        ("raise SystemExit(3)", "a signing process ended with exit code 3"),
        (
            bad_memory.program_with("import dnsctl.sign.process as w; w.signed = None; "),
            "a signing process failed: TypeError",
        ),
    ],
    ids=["killed", "does not begin", "fault of ours"],
)
def test_lost_process_is_told_and_nothing_is_left_behind(
    large: ValidatedZone, monkeypatch: pytest.MonkeyPatch, program: str, told: str
) -> None:
    monkeypatch.setattr(processes, "PROGRAM", program)
    with pytest.raises(SigningError, match=told):
        sign_zone(large, keys_for(ORIGIN, ED25519), ED25519, NOW, SERIAL, workers=2)


def test_process_that_signs_dumps_no_core_and_ends_with_its_parent() -> None:
    """Before it is sent a key: it says so of itself, in the place of the first frame."""
    probe = (
        "import ctypes, os, resource, signal; from dnsctl.sign import frames, process; "
        "n = ctypes.c_int(); "
        "libc = ctypes.CDLL(None); "
        "process._begun = lambda s: (libc.prctl(2, ctypes.byref(n)), frames.send(s, [process.FAULT, repr(("
        "libc.prctl(3), resource.getrlimit(resource.RLIMIT_CORE), n.value, os.getpgrp() == os.getpid()"
        ")).encode()]), exit(0)); "
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "PROGRAM", bad_memory.program_with(probe))
        with processes.SigningProcess([b"sign"]) as begun, pytest.raises(SigningError) as told:
            begun.receive()
    assert f"(0, (0, 0), {int(signal.SIGKILL)}, True)" in str(told.value)


def test_keys_cross_in_memory_and_no_argument_or_environment_holds_them() -> None:
    keys = keys_for(ORIGIN, Policy())
    first = [process.SIGN]
    for key in keys:
        first += process.key_parts(key.public.algorithm, 18, key.public.public, key.private)
    with processes.SigningProcess(first) as begun:
        begun.stream.sendall(frames.frame(process.task_parts([(0, b"octets to sign" * 3)])))
        (made,) = begun.receive()
        told = b"".join(Path(f"/proc/{begun.pid}/{what}").read_bytes() for what in ("cmdline", "environ"))
        held = [int(each.name) for each in Path(f"/proc/{begun.pid}/fd").iterdir()]
    assert scheme(13).checker(keys[0].public.public)(made[18:], b"octets to sign" * 3)
    private = keys[0].private
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    secret = private.private_numbers().private_value.to_bytes(32, "big")
    assert secret in first[4]
    assert secret not in told
    assert sorted(held) == [0, 1, 2], "nothing of ours is open there but the socket"


def test_failing_progress_ends_the_workers_too(large: ValidatedZone) -> None:
    def interrupt(_done: int, _count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sign_zone(large, keys_for(ORIGIN, ED25519), ED25519, NOW, SERIAL, workers=2, progress=interrupt)


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
