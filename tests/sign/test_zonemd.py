"""ZONEMD of zones that came signed (RFC 8976), made by ldns-signzone and by the RFC's own examples."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsctl.model.zone import ValidatedZone
from dnsctl.sign.presigned import take
from dnsctl.sign.zonemd import zonemd_fault
from tests.build import APEX, validated
from tests.peers import need
from tests.sign.mutations import TEXT

SIMPLE_EXAMPLE = """\
example. 86400 IN SOA ns1 admin 2018031900 1800 900 604800 86400
example. 86400 IN NS ns1.example.
example. 86400 IN NS ns2.example.
example. 86400 IN ZONEMD 2018031900 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9
 a9713b3c9ae5cc27777f98b8e730044c
ns1 3600 IN A 203.0.113.63
ns2 3600 IN AAAA 2001:db8::63
""".replace("\n a971", "a971")


def example(text: str = SIMPLE_EXAMPLE) -> ValidatedZone:
    return validated("example.", text, apex=False)


def test_digest_is_that_of_rfc_8976_appendix_a_1() -> None:
    assert zonemd_fault(example()) == ""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("203.0.113.63", "203.0.113.64", "example. ZONEMD is not the digest of the zone"),
        ("3600 IN A ", "3601 IN A ", "example. ZONEMD is not the digest of the zone"),
        ("ZONEMD 2018031900", "ZONEMD 2018031899", "is of serial 2018031899, where the zone has 2018031900"),
        ("1 1 c68090", "1 1 c68091", "example. ZONEMD is not the digest of the zone"),
    ],
)
def test_digest_that_does_not_hold_is_told(old: str, new: str, told: str) -> None:
    assert told in zonemd_fault(example(SIMPLE_EXAMPLE.replace(old, new)))


@pytest.mark.parametrize("kind", ["240 1", "1 241"])
def test_scheme_or_hash_that_is_not_known_says_nothing(kind: str) -> None:
    assert zonemd_fault(example(SIMPLE_EXAMPLE.replace("2018031900 1 1", f"2018031900 {kind}"))) == ""


@pytest.mark.peer
@pytest.mark.parametrize(
    "options", [("-z", "1:1"), ("-z", "1:2", "-n"), ("-z", "1:1", "-z", "1:2", "-n", "-p")]
)
def test_zone_with_its_digest_by_ldns_passes_until_it_is_changed(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    need("ldns-signzone")
    (tmp_path / "zone").write_text(f"$ORIGIN example.com.\n$TTL 3600\n{APEX}{TEXT}")
    key = subprocess.run(
        ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "example.com"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    subprocess.run(["ldns-signzone", *options, "-f", "signed", "zone", key], cwd=tmp_path, check=True)
    text = (tmp_path / "signed").read_text()
    assert "ZONEMD" in text
    taken = take(validated("example.com.", text, apex=False), datetime.now(UTC))
    assert taken.zone is not None, taken.findings
    glue = re.sub(r"192\.0\.2\.9\b", "192.0.2.10", text)
    assert glue != text
    changed = take(validated("example.com.", glue, apex=False), datetime.now(UTC))
    assert [each.rule for each in changed.findings] == ["zonemd-differs"]
