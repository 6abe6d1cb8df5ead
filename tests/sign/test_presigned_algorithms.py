"""Zones signed by dnssec-signzone with each algorithm that is checked here, also those not signed with."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from dnsctl.model.zone import ValidatedZone
from dnsctl.sign.algorithm import KeyFieldError, checker
from dnsctl.sign.presigned import take
from tests.build import APEX, validated
from tests.peers import need

pytestmark = pytest.mark.peer

ALGORITHMS = {
    "RSASHA1": 5,
    "NSEC3RSASHA1": 7,
    "RSASHA256": 8,
    "RSASHA512": 10,
    "ECDSAP256SHA256": 13,
    "ECDSAP384SHA384": 14,
    "ED25519": 15,
    "ED448": 16,
}


@cache
def signed(algorithm: str, directory: Path) -> str:
    (directory / "zone").write_text(f"$ORIGIN example.com.\n$TTL 3600\n{APEX}www A 192.0.2.1\n")
    for flags in ((), ("-f", "KSK")):
        subprocess.run(
            [need("dnssec-keygen"), "-a", algorithm, "-b", "1024", *flags, "example.com"]
            if "RSA" in algorithm
            else [need("dnssec-keygen"), "-a", algorithm, *flags, "example.com"],
            cwd=directory,
            check=True,
            capture_output=True,
        )
    nsec3 = () if algorithm == "RSASHA1" else ("-3", "-", "-H", "0")
    command = [
        need("dnssec-signzone"),
        "-S",
        "-O",
        "full",
        *nsec3,
        "-o",
        "example.com",
        "-f",
        "signed",
        "zone",
    ]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return (directory / "signed").read_text()


def zone(text: str) -> ValidatedZone:
    return validated("example.com.", text, apex=False)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_zone_is_verified_and_one_octet_that_differs_is_found(algorithm: str, tmp_path: Path) -> None:
    text = signed(algorithm, tmp_path)
    assert f"DNSKEY\t257 3 {ALGORITHMS[algorithm]} " in text
    assert take(zone(text), datetime.now(UTC)).findings == ()
    changed = re.sub(r"192\.0\.2\.1\b", "192.0.2.2", text)
    (told,) = take(zone(changed), datetime.now(UTC)).findings
    assert told.rule == "signature-invalid"
    assert "www.example.com. A: the signature by key" in told.message


@pytest.mark.parametrize("number", ALGORITHMS.values())
def test_key_field_that_holds_no_key_is_told(number: int) -> None:
    for field in (b"", b"\0", b"\1\3", b"\0\0\0", b"\xff" * 3, b"\1\1" + bytes(64)):
        with pytest.raises(KeyFieldError):
            checker(number, field)


@pytest.mark.parametrize("number", ALGORITHMS.values())
def test_signature_of_any_length_is_no_more_than_invalid(number: int, tmp_path: Path) -> None:
    name = next(each for each, which in ALGORITHMS.items() if which == number)
    found = zone(signed(name, tmp_path)).get(zone(signed(name, tmp_path)).origin, 48)
    assert found is not None
    check = checker(number, found.rdatas[0][4:])
    assert check is not None
    for length in (0, 1, 20, 63, 64, 65, 95, 96, 97, 113, 114, 115, 127, 128, 129, 600):
        for octet in (b"\0", b"\xff", b"\1"):
            assert not check(octet * length, b"message")
