"""Canonical form of every type before BIND and ldns: names in mixed case, by name and as RFC 3597 has it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.masterfile import parse
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.presentation import master_file
from dnsctl.model.zone import ValidatedZone
from dnsctl.sign.signer import sign_zone
from tests.load.compiled import HEAD
from tests.peers import need
from tests.sign.scenery import SERIAL, keys_for

pytestmark = pytest.mark.peer
TESTS = Path(__file__).parents[1]
CASE = TESTS / "cases/zones/c12-canonical-form-of-old-types/can.example.zone"
OLD_DNSSEC = ("SIG", "NXT", "KEY", "DS", "ZONEMD", "CSYNC")  # BIND takes them for signs of another signer
LDNS_MISREADS = ("TYPE23", "TYPE40")  # NSAP-PTR and SINK: it has another form of its own for them
EVERY_TYPE = "\n".join(
    line
    for line in (TESTS / "load/inputs/every_type.zone").read_text().splitlines()
    if line.split()[1] not in OLD_DNSSEC
)


def run(*command: str, directory: Path) -> None:
    told = subprocess.run(
        [need(command[0]), *command[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def generic(text: str) -> str:
    """Return records in RFC 3597 spelling, with the names in the case in which they are written."""
    zone, findings = parse(text.encode(), "f", from_text("example.com."), ZoneDefaults())
    assert zone is not None
    assert findings == ()
    return "\n".join(
        rf"{to_text(one.owner)} {one.ttl} TYPE{one.rdtype} \# {len(rdata)} {_upper(rdata).hex()}"
        for one in zone.rrsets()
        if one.rdtype in (7, 8, 9, 14, 17, 18, 21, 26, 36, 38)
        for rdata in one.rdatas
    )


def _upper(rdata: bytes) -> bytes:
    """Return rdata with its names, which are `…example.com.`, in upper case."""
    return rdata.replace(b"\7example\3com", b"\7EXAMPLE\3Com")


@pytest.mark.parametrize("spelling", ["by name", "generic", "case"])
def test_zone_signed_here_is_accepted_by_bind_and_ldns(spelling: str, tmp_path: Path) -> None:
    origin = from_text("can.example." if spelling == "case" else "example.com.")
    text = {"by name": EVERY_TYPE, "generic": generic(HEAD + EVERY_TYPE), "case": CASE.read_text()}[spelling]
    policy = Policy()
    signed = sign_zone(_zone(origin, text), keys_for(origin, policy), policy, datetime.now(UTC), SERIAL)
    file = tmp_path / "zone"
    file.write_text("".join(master_file(signed)))
    run("dnssec-verify", "-q", "-z", "-o", to_text(origin), str(file), directory=tmp_path)
    file.write_text("".join(line for line in master_file(signed) if line.split()[3] not in LDNS_MISREADS))
    run("ldns-verify-zone", str(file), directory=tmp_path)


def _zone(origin: Name, text: str) -> ValidatedZone:
    zone, findings = parse((text if " SOA " in text else HEAD + text).encode(), "f", origin, ZoneDefaults())
    assert zone is not None
    assert findings == ()
    return ValidatedZone(zone.origin, zone.nodes, zone.file)


def test_zone_signed_by_bind_keeps_its_signatures_through_load_and_export(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text(HEAD + EVERY_TYPE + "\n")
    made = subprocess.run(
        [need("dnssec-keygen"), "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "example.com"],
        capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path,
    )  # fmt: skip
    key = made.stdout.strip()
    signer = ("dnssec-signzone", "-q", "-S", "-z", "-O", "full", "-o", "example.com", "-f", "signed")
    run(*signer, "plain", key, directory=tmp_path)
    zone, findings = parse((tmp_path / "signed").read_bytes(), "f", from_text("example.com."), ZoneDefaults())
    assert findings == ()
    assert zone is not None
    (tmp_path / "exported").write_text("".join(master_file(zone)))
    run("dnssec-verify", "-q", "-z", "-o", "example.com", "exported", directory=tmp_path)
