"""The same broken zones before dnssec-verify, ldns-verify-zone and kzonecheck: who finds what.

Where all agree, so do we. `PASSED_BY` names who lets a fault pass that we refuse; what we let pass, and some
of them refuse, has a test of its own. Each is a decision, and shows here once a peer changes its mind.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsctl.model.rrset import Type
from dnsctl.sign.presigned import take
from tests.build import validated
from tests.peers import need
from tests.sign.mutations import (
    POLICIES,
    Records,
    records_of,
    signed_too,
    text_of,
    with_flags,
    with_link,
)
from tests.sign.test_presigned_faults import CHAINS, SIGNATURES, both_chains

pytestmark = pytest.mark.peer

ALL = frozenset(("bind", "ldns", "knot"))
# ldns-verify-zone does not compare bitmaps, nor look for empty non-terminals; dnssec-verify takes an insecure
# delegation without NSEC3 for opted out whatever the flag says.
PASSED_BY: dict[str, frozenset[str]] = {
    "a TTL that was raised": frozenset(("ldns",)),
    "a TTL that was lowered": frozenset(("ldns",)),
    **{fault: frozenset(("ldns",)) for fault in CHAINS if "listed" in fault or "empty" in fault},
    "a DS that is not there": frozenset(("ldns",)),
    "a type unknown to us": frozenset(("ldns",)),
    "SOA at a cut": frozenset(("ldns",)),
    "one above a wildcard left out": frozenset(("ldns",)),
    "one above a cut left out": frozenset(("ldns",)),
    "an insecure cut left out": frozenset(("bind",)),
}


def refusing(records: Records, directory: Path) -> frozenset[str]:
    """Return which peers refuse the zone."""
    path = directory / "zone"
    path.write_text(text_of(records))
    commands = {
        "bind": (need("dnssec-verify"), "-o", "example.com.", str(path)),
        "ldns": (need("ldns-verify-zone"), str(path)),
        "knot": (need("kzonecheck"), "-d", "on", "-o", "example.com.", str(path)),
    }
    return frozenset(
        peer
        for peer, command in commands.items()
        if subprocess.run(command, capture_output=True, timeout=30, check=False).returncode
    )


def is_refused_here(records: Records) -> bool:
    return take(validated("example.com.", text_of(records), apex=False), datetime.now(UTC)).zone is None


@pytest.mark.parametrize("kind", POLICIES)
def test_peers_take_the_zone_as_it_was_signed(kind: str, tmp_path: Path) -> None:
    assert refusing(records_of(POLICIES[kind]), tmp_path) == frozenset()


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("fault", [*SIGNATURES, *CHAINS])
def test_peers_refuse_what_is_refused_here(kind: str, fault: str, tmp_path: Path) -> None:
    records = records_of(POLICIES[kind])
    try:
        (SIGNATURES | CHAINS)[fault][0](records, POLICIES[kind])
    except KeyError:
        return
    assert is_refused_here(records)
    assert refusing(records, tmp_path) >= ALL - PASSED_BY.get(fault, frozenset())


def test_peers_take_a_zone_between_nsec_and_nsec3(tmp_path: Path) -> None:
    assert "ldns" not in refusing(both_chains(named=False), tmp_path)
    assert "bind" not in refusing(both_chains(named=False), tmp_path)


def test_signature_over_glue_is_refused_by_some_peers_only(tmp_path: Path) -> None:
    records = records_of(POLICIES["nsec"])
    signed_too("ns.insecure", Type.A)(records, POLICIES["nsec"])
    assert not is_refused_here(records)
    assert refusing(records, tmp_path) == {"ldns", "knot"}


def test_nsec_alone_is_let_pass_by_all_peers(tmp_path: Path) -> None:
    records = records_of(POLICIES["nsec"])
    with_link("zzz")(records, POLICIES["nsec"])
    assert not is_refused_here(records)
    assert refusing(records, tmp_path) == frozenset()


def test_opt_out_flag_over_a_full_chain_is_let_pass_by_all_peers(tmp_path: Path) -> None:
    records = records_of(POLICIES["nsec3"])
    with_flags(1)(records, POLICIES["nsec3"])
    assert not is_refused_here(records)
    assert refusing(records, tmp_path) == frozenset()


@given(
    kind=st.sampled_from(list(POLICIES)),
    rrset=st.integers(0, 1000),
    place=st.integers(2, 17),
    octet=st.integers(1, 255),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octet_of_any_signature_header_matters_to_us_as_to_bind_and_knot(
    kind: str, rrset: int, place: int, octet: int, tmp_path: Path
) -> None:
    """An octet between the algorithm and the key tag is changed, in the one signature of some RRset."""
    records = records_of(POLICIES[kind])
    signed = [key for key, one in records.items() if len(one.signatures) == 1]
    key = signed[rrset % len(signed)]
    (old,) = records[key].signatures
    new = old[:place] + bytes((old[place] ^ octet,)) + old[place + 1 :]
    records[key] = records[key]._replace(signatures=(new,))
    assert is_refused_here(records)
    assert {"bind", "knot"} & refusing(records, tmp_path)
