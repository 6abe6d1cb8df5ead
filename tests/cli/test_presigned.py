"""Zones that come signed, through `check`, `plan`, `push --dry-run` and `serve --zones`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from dnsctl.model.policy import Algorithm
from dnsctl.model.rrset import Type
from tests.cli.test_serve import DNSCTL, GOOD, serving
from tests.control.operations import Operations
from tests.serve import peer_servers
from tests.sign.mutations import (
    NSEC,
    ORIGIN,
    Records,
    flipped,
    records_of,
    signed_by,
    text_of,
)
from tests.sign.scenery import signing_key
from tests.sign.test_presigned_faults import both_chains

_PATIENCE = 60.0  # seconds


def with_signatures_of_no_key() -> Records:
    records = records_of(NSEC)
    other = signing_key(ORIGIN, Algorithm.ED25519, "zsk", 7)
    for key, one in list(records.items()):
        if one.signatures:
            both = (*one.signatures, *signed_by(one, other).signatures)
            records[key] = one._replace(signatures=tuple(sorted(both)))
    return records


def bogus() -> Records:
    records = records_of(NSEC)
    flipped()(records, NSEC)
    return records


def expired() -> Records:
    return records_of(NSEC, datetime.now(UTC) - timedelta(days=30))


def line_of(text: str, start: str) -> int:
    return 1 + next(number for number, line in enumerate(text.splitlines()) if line.startswith(start))


@pytest.fixture
def repo(tmp_path: Path) -> Operations:
    operations = Operations(tmp_path / "ops")
    operations.root.mkdir()
    operations.make()
    (operations.root / "zones" / "example.com.yaml").unlink()
    return operations


def commit(repo: Operations, records: Records) -> str:
    text = text_of(records)
    repo.write("zones/example.com.zone", text)
    repo.commit("a zone that came signed")
    return text


@pytest.mark.parametrize("verb", [("check",), ("plan",), ("push", "--dry-run")])
def test_bogus_signature_is_an_error_with_its_line(repo: Operations, verb: tuple[str, ...]) -> None:
    text = commit(repo, bogus())
    told = repo.run(*verb)
    assert told.returncode == 1
    where = (
        f"zones/example.com.zone:{line_of(text, 'www.example.com. 3600 IN A ')}:1: error [signature-invalid]"
    )
    assert where in told.stdout + told.stderr
    assert "www.example.com. A: the signature by key" in told.stdout + told.stderr


@pytest.mark.parametrize("verb", [("check",), ("plan",), ("push", "--dry-run")])
@pytest.mark.parametrize("made", [with_signatures_of_no_key, lambda: both_chains(named=False)])
def test_zone_in_the_middle_of_a_roll_passes(
    repo: Operations, verb: tuple[str, ...], made: Callable[[], Records]
) -> None:
    commit(repo, made())
    told = repo.run(*verb)
    assert told.returncode == (2 if verb == ("plan",) else 0), told.stdout + told.stderr
    assert "error [" not in told.stdout + told.stderr


def test_level_of_what_is_told_with_a_warning_can_be_set(repo: Operations) -> None:
    commit(repo, with_signatures_of_no_key())
    assert "warning [signature-of-no-key]" in repo.run("check").stdout
    config = (repo.root / "dnsctl.yaml").read_text()
    checks = "zones:\n  example.com: {checks: {signature-of-no-key: 'off', signature-invalid: 'off'}}\n"
    repo.write("dnsctl.yaml", config + checks)
    told = repo.run("check").stdout
    assert "signature-of-no-key" not in told
    assert "[checks-fixed] rule signature-invalid cannot be set to off" in told


def test_rules_for_zones_that_come_signed_are_listed(repo: Operations) -> None:
    rows = {row["rule"]: row for row in repo.json("check", "--rules")["rules"]}
    assert rows["signature-invalid"]["severity"] == "error"
    assert rows["signature-invalid"]["fixed"]
    assert rows["denial-unused"]["severity"] == "warning"


# -- serve --zones ---


def ask(port: int, name: str, rdtype: str = "A") -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, want_dnssec=True)
    return dns.query.udp(query, "127.0.0.1", port=port, timeout=5)


def write(directory: Path, records: Records) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "example.com.zone").write_text(text_of(records))
    return directory


@pytest.mark.parametrize("made", [expired, bogus])
def test_zone_that_validators_refuse_is_left_out_and_the_others_are_served(
    tmp_path: Path, made: Callable[[], Records]
) -> None:
    zones = write(tmp_path / "zones", made())
    (zones / "example.org.zone").write_text(GOOD)
    with serving(zones) as node:
        node.wait_for("example.com. is left out: it has errors", _PATIENCE)
        node.wait_for("serving on", _PATIENCE)
        assert ask(node.port, "www.example.org.").answer
        assert ask(node.port, "www.example.com.").rcode() in (dns.rcode.REFUSED, dns.rcode.SERVFAIL)


def test_expired_zone_alone_ends_with_its_name_and_1(tmp_path: Path) -> None:
    zones = write(tmp_path / "zones", expired())
    done = subprocess.run(
        [DNSCTL, "serve", "--zones", str(zones), "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "error [signature-time]" in done.stderr
    assert "example.com. is left out: it has errors" in done.stderr
    assert "no zone that can be served" in done.stderr


def test_zone_between_nsec_and_nsec3_denies_by_nsec(tmp_path: Path) -> None:
    with serving(write(tmp_path / "zones", both_chains(named=False)), "--transfer", "127.0.0.1/32") as node:
        node.wait_for("serving on", _PATIENCE)
        answer = ask(node.port, "nope.example.com.")
        assert answer.rcode() == dns.rcode.NXDOMAIN
        kinds = {rrset.rdtype for rrset in answer.authority}
        assert dns.rdatatype.NSEC in kinds
        assert dns.rdatatype.NSEC3 not in kinds
        transfer = dns.query.xfr("127.0.0.1", "example.com.", port=node.port, relativize=False)
        sent = {rrset.rdtype for message in transfer for rrset in message.answer}
        assert {dns.rdatatype.NSEC, dns.rdatatype.NSEC3} <= sent


def test_zone_with_both_chains_denies_by_nsec3(tmp_path: Path) -> None:
    with serving(write(tmp_path / "zones", both_chains(named=True))) as node:
        node.wait_for("serving on", _PATIENCE)
        kinds = {rrset.rdtype for rrset in ask(node.port, "nope.example.com.").authority}
        assert dns.rdatatype.NSEC3 in kinds
        assert dns.rdatatype.NSEC not in kinds


def test_signatures_of_no_key_are_served_beside_the_others(tmp_path: Path) -> None:
    with serving(write(tmp_path / "zones", with_signatures_of_no_key())) as node:
        node.wait_for("serving on", _PATIENCE)
        answer = ask(node.port, "www.example.com.")
        (signatures,) = [rrset for rrset in answer.answer if rrset.rdtype == Type.RRSIG]
        assert {int(each.algorithm) for each in signatures} == {13, 15}


@pytest.mark.peer
@pytest.mark.parametrize("peer", [peer_servers.knot, peer_servers.nsd, peer_servers.bind])
@pytest.mark.parametrize("named", [False, True])
def test_chain_that_answers_come_from_is_the_one_that_peers_take(
    tmp_path: Path, peer: Callable[[Path, dict[str, Path]], AbstractContextManager[int]], named: bool
) -> None:
    zones = write(tmp_path / "zones", both_chains(named=named))
    (tmp_path / "peer").mkdir()
    served = {"example.com.": zones / "example.com.zone"}
    with peer(tmp_path / "peer", served) as port, serving(zones) as node:
        node.wait_for("serving on", _PATIENCE)
        ours, theirs = ask(node.port, "nope.example.com."), ask(port, "nope.example.com.")
        kinds = [{rrset.rdtype for rrset in each.authority} for each in (ours, theirs)]
        assert kinds[0] == kinds[1]
        assert (dns.rdatatype.NSEC3 in kinds[0]) == named
