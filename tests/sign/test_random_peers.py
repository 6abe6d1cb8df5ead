"""Random zones, signed with every algorithm and denial, before the validators of ldns, BIND and Knot."""

from __future__ import annotations

import os
import random
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

pytestmark = pytest.mark.peer

COUNT = int(os.environ.get("DNSCTL_RANDOM_ZONES", "2"))  # of each algorithm and denial
DENIALS: tuple[Literal["nsec", "nsec3", "opt-out"], ...] = ("nsec", "nsec3", "opt-out")
LABELS = ("a", "b", "z-z", "*", "ns", r"\000", r"\001", r"d\.t", r"\255", "xn--bcher-kva", "l" * 63, "9")
DATA = (
    "A 192.0.2.{n}",
    "AAAA 2001:db8::{n}",
    "MX {n} mail.example.net.",
    'TXT "{n}" "' + "t" * 255 + '"',
    "CAA 0 issue ca{n}.example.net",
    "TYPE65400 \\# 2 00{n:02x}",
    "SRV 0 {n} 443 www.example.net.",
    "SVCB 1 . port={n}",
)


def drawn(rng: random.Random) -> str:
    """Return the records of a zone: data, wildcards, cuts with and without DS and glue, aliases."""
    owners = {
        ".".join(rng.choices(LABELS, k=rng.randint(1, 3))): rng.choice(
            ("data", "data", "data", "cut", "alias")
        )
        for _ in range(rng.randint(0, 40))
    }
    above = {owner for owner, kind in owners.items() if kind == "cut"}
    lines: list[str] = []
    for owner, kind in owners.items():
        if any(owner.endswith(f".{cut}") for cut in above) or (kind == "cut" and "*" in owner):
            continue
        n = rng.randint(1, 250)
        if kind == "alias":
            lines.append(f"{owner} CNAME target{n}.example.net.")
        elif kind == "cut":
            lines += [f"{owner} NS ns.{owner}", f"ns.{owner} A 192.0.2.{n}"]
            if rng.random() < 0.5:
                lines.append(f"{owner} DS {n} 13 2 {rng.randbytes(32).hex()}")
        else:
            lines += [f"{owner} {each.format(n=n)}" for each in rng.sample(DATA, rng.randint(1, 4))]
    return "\n".join(lines)


def refusals(text: str, directory: Path, origin: str, *, csk: bool) -> dict[str, str]:
    """Return what each validator that refuses a zone says."""
    path = directory / "zone"
    path.write_text(text)
    commands = {
        "ldns": (need("ldns-verify-zone"), str(path)),
        "BIND": (need("dnssec-verify"), *(("-z",) if csk else ()), "-o", origin, str(path)),
        "Knot": (need("kzonecheck"), "-d", "on", "-o", origin, str(path)),
    }
    told = {
        name: subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        for name, command in commands.items()
    }
    return {name: each.stdout + each.stderr for name, each in told.items() if each.returncode}


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("algorithm", [each for each in Algorithm if not each.is_experimental])
def test_random_zones_are_accepted_by_three_validators(
    algorithm: Algorithm, denial: Literal["nsec", "nsec3", "opt-out"], tmp_path: Path
) -> None:
    rng = random.Random(f"{algorithm} {denial}")
    for number in range(COUNT):
        policy = Policy(
            algorithm=algorithm,
            keys=rng.choice(("csk", "ksk+zsk")),
            denial="nsec" if denial == "nsec" else "nsec3",
            opt_out=denial == "opt-out",
            # ldns 1.8.3 never ends on a ZONEMD where opt-out leaves an empty non-terminal without NSEC3
            zonemd="off" if denial == "opt-out" else rng.choice(("publish", "off")),
        )
        records = drawn(rng)
        zone = validated("example.com.", records)
        signed = sign_zone(zone, keys_for(zone.origin, policy), policy, datetime.now(UTC), SERIAL)
        found = refusals(master_text(signed), tmp_path, "example.com.", csk=policy.keys == "csk")
        assert not found, (number, policy, records)
