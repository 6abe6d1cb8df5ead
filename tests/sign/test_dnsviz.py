"""Signed zones before dnsviz, which asks a server for them and judges chain, signatures and denials."""

from __future__ import annotations

import os
import random
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from dnsctl.model.policy import Algorithm, Policy
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.peers import need
from tests.sign.scenery import SERIAL, keys_for, master_text
from tests.sign.test_random_peers import drawn

pytestmark = pytest.mark.peer

# BIND serves the zone to dnsviz, and refuses owners of addresses that are not host names.
LABELS = ("a", "b", "z-z", "ns", "xn--bcher-kva", "l" * 63, "9")
WILDCARD = "*.wild TXT found\n"
FAULT = re.compile(r"\[[^.\]]\]")  # a status that is not "[.]", which is valid


def judged(text: str, directory: Path, name: str) -> str:
    """Return what dnsviz prints of `name`, whose zone example.com. it gets as a master file."""
    program = need("dnsviz")
    need("named")
    zone, anchor, probed = (directory / each for each in ("zone", "anchor", "probed"))
    zone.write_text(text)
    anchor.write_text("".join(f"{each}\n" for each in text.splitlines() if re.search(r" DNSKEY \d", each)))
    ask = (program, "probe", "-A", "-x", f"example.com+:{zone}", "-R", "A,AAAA,TXT,MX,SOA", "-o", str(probed))
    subprocess.run((*ask, name), check=True, capture_output=True, timeout=60)
    told = subprocess.run(
        (program, "print", "-t", str(anchor), "-r", str(probed)),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return told.stdout


CASES: tuple[tuple[Algorithm, Literal["nsec", "nsec3"], str], ...] = (
    (Algorithm.ECDSAP256SHA256, "nsec3", "x.wild.example.com"),
    (Algorithm.RSASHA256, "nsec3", "example.com"),
    (Algorithm.ECDSAP256SHA256, "nsec", "nothing.example.com"),
    (Algorithm.ECDSAP384SHA384, "nsec3", "nothing.example.com"),
    (Algorithm.ED25519, "nsec", "x.wild.example.com"),
    (Algorithm.ED448, "nsec3", "example.com"),
)
# dnsviz waits for 18 s each time: all cases where DNSCTL_DNSVIZ=all says so, else the first
CHOSEN = CASES if os.environ.get("DNSCTL_DNSVIZ") == "all" else CASES[:1]


@pytest.mark.parametrize(("algorithm", "denial", "name"), CHOSEN)
def test_dnsviz_finds_nothing_wrong(
    algorithm: Algorithm,
    denial: Literal["nsec", "nsec3"],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.sign.test_random_peers.LABELS", LABELS)
    told = judged(signed(algorithm, denial, name), tmp_path, name)
    assert f"DNSKEY: {int(algorithm)}/" in told
    assert not FAULT.search(told), told


def test_dnsviz_finds_a_signature_that_does_not_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.sign.test_random_peers.LABELS", LABELS)
    text = signed(*CASES[0])
    soa = re.compile(r"^(example\.com\. \d+ IN SOA \S+ \S+ \d+ )\d+", flags=re.MULTILINE)
    bogus = soa.sub(r"\g<1>7201", text)
    assert bogus != text
    assert FAULT.search(judged(bogus, tmp_path, "example.com"))


def signed(algorithm: Algorithm, denial: Literal["nsec", "nsec3"], name: str) -> str:
    """Return a random zone, signed, as a master file."""
    policy = Policy(algorithm=algorithm, denial=denial)
    zone = validated("example.com.", drawn(random.Random(f"{algorithm} {name}")) + f"\n{WILDCARD}")
    return master_text(sign_zone(zone, keys_for(zone.origin, policy), policy, datetime.now(UTC), SERIAL))
