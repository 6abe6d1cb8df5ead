"""Golden zones: fixed keys and a fixed clock give fixed octets, which ldns accepts for that moment.

A difference means that releases made from the same commit differ between versions: every signature is made
anew on the next push. Where that is wanted, delete the file, run this test twice, and read the difference.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dnsctl.model.policy import Algorithm, Policy
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.peers import need
from tests.sign.scenery import NOW, SERIAL, keys_for, master_text

GOLDEN = Path(__file__).with_name("golden")
POLICIES = {
    "p256-csk-nsec": Policy(),
    "ed25519-split-nsec3": Policy(algorithm=Algorithm.ED25519, keys="ksk+zsk", denial="nsec3"),
    "p256-split-opt-out": Policy(keys="ksk+zsk", denial="nsec3", opt_out=True),
}
TEXT = r"""
www A 192.0.2.1
*.w TXT "wildcard"
deep.empty A 192.0.2.3
insecure NS ns.insecure
ns.insecure A 192.0.2.9
a\000b TXT "octet zero"
unknown TYPE65400 \# 2 abcd
"""


@pytest.mark.parametrize("label", POLICIES)
def test_signed_zone_is_the_golden_one(label: str) -> None:
    policy, path = POLICIES[label], GOLDEN / f"{label}.zone"
    zone = validated("golden.example.", TEXT)
    made = master_text(sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, SERIAL))
    if not path.exists():
        path.write_text(made)
        pytest.fail(f"{path} did not exist and was written: read it, then run again")
    assert made == path.read_text()


@pytest.mark.peer
@pytest.mark.parametrize("label", POLICIES)
def test_ldns_accepts_the_golden_zone_at_its_time(label: str) -> None:
    command = [need("ldns-verify-zone"), "-t", f"{NOW:%Y%m%d%H%M%S}", str(GOLDEN / f"{label}.zone")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
