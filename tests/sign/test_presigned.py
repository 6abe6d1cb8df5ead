"""Zones that come signed by another signer: taken as they are, or refused with what is missing."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.errors import SigningError
from dnsctl.model.name import from_text
from dnsctl.model.nsec3 import nsec3_hash
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type
from dnsctl.model.zone import ValidatedZone, is_presigned
from dnsctl.sign.signer import earliest_expiry, sign_zone
from tests.build import APEX, validated
from tests.peers import need
from tests.presigned import presigned_zone
from tests.sign.scenery import NOW, SERIAL, TRAPS, keys_for, master_text

ORIGIN = from_text("example.com.")
POLICIES = [
    Policy(),
    Policy(denial="nsec3"),
    Policy(denial="nsec3", opt_out=True),
    Policy(keys="ksk+zsk"),
]


def reread(policy: Policy) -> tuple[ValidatedZone, object]:
    made = sign_zone(validated("example.com.", TRAPS), keys_for(ORIGIN, policy), policy, NOW, SERIAL)
    return validated("example.com.", master_text(made), apex=False), made


def without_position(nodes: object) -> dict[object, object]:
    assert isinstance(nodes, Mapping)
    return {
        owner: tuple(one._replace(position=None) for one in node) if not isinstance(node, RRset)
        else node._replace(position=None)
        for owner, node in nodes.items()
    }  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES)
def test_signed_zone_read_from_its_master_file_is_the_same_zone(policy: Policy) -> None:
    zone, made = reread(policy)
    assert is_presigned(zone)
    again = presigned_zone(zone, NOW)
    assert again.serial == SERIAL
    assert again.nsec3 == made.nsec3  # type: ignore[attr-defined]
    assert without_position(again.nodes) == without_position(made.nodes)  # type: ignore[attr-defined]
    assert without_position(again.nsec3_nodes) == without_position(made.nsec3_nodes)  # type: ignore[attr-defined]
    assert earliest_expiry(again) == earliest_expiry(made)  # type: ignore[arg-type]


def test_unsigned_zone_is_told_apart() -> None:
    assert not is_presigned(validated("example.com.", TRAPS))


def signed_by_ldns(directory: Path, *options: str) -> ValidatedZone:
    need("ldns-signzone")
    text = APEX + "www A 192.0.2.1\na.b A 192.0.2.2\n*.w TXT x\nsub NS ns.example.net.\n"
    (directory / "zone").write_text(
        "$ORIGIN example.com.\n$TTL 3600\n" + text.replace("ns1 hostmaster", "ns1 hm", 1)
    )
    made = subprocess.run(
        ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "example.com"],
        cwd=directory, capture_output=True, text=True, check=True,
    )  # fmt: skip
    subprocess.run(
        ["ldns-signzone", *options, "-f", "signed", "zone", made.stdout.strip()], cwd=directory, check=True
    )
    return validated("example.com.", (directory / "signed").read_text(), apex=False)


@pytest.mark.peer
@pytest.mark.parametrize("options", [(), ("-n",), ("-n", "-p"), ("-n", "-t", "5", "-s", "beef")])
def test_zone_signed_by_ldns_is_taken_with_its_parameters(options: tuple[str, ...], tmp_path: Path) -> None:
    zone = presigned_zone(signed_by_ldns(tmp_path, *options))
    assert zone.signed
    assert (zone.nsec3 is not None) == bool(options)
    if zone.nsec3 is not None:
        assert zone.nsec3.opt_out == ("-p" in options)
        assert zone.nsec3.salt == (b"\xbe\xef" if "-s" in options else b"")
        assert zone.nsec3.iterations == (5 if "-t" in options else zone.nsec3.iterations)
        assert not any(one.rdtype == Type.NSEC3 for one in zone.rrsets())


@pytest.mark.peer
def test_more_iterations_than_may_be_are_refused_and_never_cut(tmp_path: Path) -> None:
    (tmp_path / "most").mkdir()
    most = presigned_zone(signed_by_ldns(tmp_path / "most", "-n", "-t", "500"))
    assert most.nsec3 is not None
    assert nsec3_hash(ORIGIN, most.nsec3.salt, most.nsec3.iterations) in most.nsec3_nodes
    with pytest.raises(SigningError, match="NSEC3 with 501 iterations, where 500 are the most"):
        presigned_zone(signed_by_ldns(tmp_path, "-n", "-t", "501"))


def drop(rdtype: int, owner: str = "@") -> Callable[[ValidatedZone], ValidatedZone]:
    def broken(zone: ValidatedZone) -> ValidatedZone:
        name = from_text(owner, ORIGIN)
        node = tuple(one for one in zone.nodes[name] if one.rdtype != rdtype)
        nodes = {each: (node if each == name else kept) for each, kept in zone.nodes.items()}
        return dataclasses.replace(zone, nodes={each: kept for each, kept in nodes.items() if kept})

    return broken


def bare(owner: str, rdtype: int) -> Callable[[ValidatedZone], ValidatedZone]:
    def broken(zone: ValidatedZone) -> ValidatedZone:
        name = from_text(owner, ORIGIN)
        node = tuple(one._replace(signatures=()) if one.rdtype == rdtype else one for one in zone.nodes[name])
        return dataclasses.replace(zone, nodes={**zone.nodes, name: node})

    return broken


@pytest.mark.parametrize(
    ("policy", "broken", "told"),
    [
        (Policy(), drop(Type.DNSKEY), "no DNSKEY at the apex"),
        (Policy(), bare("www", Type.A), "www.example.com. A has no signature"),
        (Policy(), bare("secure", Type.DS), "secure.example.com. DS has no signature"),
        (Policy(), drop(Type.NSEC, "www"), "www.example.com. has no NSEC"),
        (Policy(), drop(Type.MX, "*.w"), "the NSEC of *.w.example.com. is wrong about MX"),
        (Policy(denial="nsec3"), drop(Type.NSEC3PARAM), "has no NSEC"),
        (Policy(denial="nsec3"), drop(Type.MX, "*.w"), "the NSEC3 of *.w.example.com. is wrong about MX"),
    ],
)
def test_incomplete_zone_is_refused_with_what_is_missing(
    policy: Policy, broken: Callable[[ValidatedZone], ValidatedZone], told: str
) -> None:
    zone, _ = reread(policy)
    with pytest.raises(SigningError, match=re.escape(told)):
        presigned_zone(broken(zone))


def test_missing_nsec3_is_told() -> None:
    zone, _ = reread(Policy(denial="nsec3"))
    hashes = [owner for owner, node in zone.nodes.items() if any(one.rdtype == Type.NSEC3 for one in node)]
    nodes = {owner: node for owner, node in zone.nodes.items() if owner != hashes[3]}
    with pytest.raises(SigningError, match="NSEC3 does not lead to the next"):
        presigned_zone(dataclasses.replace(zone, nodes=nodes))


def test_added_owner_outside_the_chain_is_told() -> None:
    zone, _ = reread(Policy())
    text = master_text_with(zone, "new.example.com. 300 IN A 192.0.2.77")
    with pytest.raises(SigningError, match=r"new\.example\.com\. A has no signature"):
        presigned_zone(text)


def master_text_with(zone: ValidatedZone, line: str) -> ValidatedZone:
    made = sign_zone(validated("example.com.", TRAPS), keys_for(ORIGIN, Policy()), Policy(), NOW, SERIAL)
    assert zone.origin == ORIGIN
    return validated("example.com.", master_text(made) + line + "\n", apex=False)


def test_expired_signatures_are_refused_once_the_time_is_told() -> None:
    zone, _ = reread(Policy())
    late = NOW + timedelta(days=15)
    assert presigned_zone(zone).signed
    with pytest.raises(SigningError, match=r"only expired signatures .*, and \d\d more; sign the zone again"):
        presigned_zone(zone, late)


def test_signature_of_a_key_that_is_not_published_does_not_count() -> None:
    zone, _ = reread(Policy())
    other = keys_for(ORIGIN, Policy(keys="ksk+zsk"))[1].public
    node = tuple(
        one._replace(rdatas=(other.rdata,)) if one.rdtype == Type.DNSKEY else one
        for one in zone.nodes[ORIGIN]
    )
    with pytest.raises(SigningError, match="no signature of a published DNSKEY"):
        presigned_zone(dataclasses.replace(zone, nodes={**zone.nodes, ORIGIN: node}))
