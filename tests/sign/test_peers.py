"""Our signed zones before other people's validators: ldns, BIND, and Unbound with our DS as its anchor."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.name import from_text, to_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.zone import SignedZone
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.peers import need, unbound_config
from tests.sign.scenery import NOW, SERIAL, TRAPS, ds_text, keys_for, master_text, signing_key

pytestmark = pytest.mark.peer

POLICIES = {
    f"{int(algorithm)}-{keys.replace('+', '-')}-{kind}": Policy(
        algorithm=algorithm,
        keys=cast('Literal["csk", "ksk+zsk"]', keys),
        denial="nsec" if kind == "nsec" else "nsec3",
        opt_out=kind == "opt-out",
    )
    for algorithm, keys, kind in itertools.product(
        (each for each in Algorithm if not each.is_experimental),  # no peer knows those
        ("csk", "ksk+zsk"),
        ("nsec", "nsec3", "opt-out"),
    )
}
BOGUS = "another-key"  # its anchor is the DS of a key that did not sign
ZONES = {**POLICIES, BOGUS: Policy()}
HIDDEN = (
    "below.ns.insecure",
    "under.dname",
    "secure TXT",
)  # occluded: `check` refuses them, peers do as well
TRAPS_TAKEN = "\n".join(line for line in TRAPS.splitlines() if not line.startswith(HIDDEN))


def signed(label: str, now: datetime = NOW) -> SignedZone:
    policy = ZONES[label]
    zone = validated(f"{label}.example.", TRAPS_TAKEN)
    return sign_zone(zone, keys_for(zone.origin, policy), policy, now, SERIAL)


def run(*command: str) -> None:
    told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("label", POLICIES)
def test_ldns_accepts_the_signed_zone(label: str, tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(master_text(signed(label)))
    run(need("ldns-verify-zone"), "-t", f"{NOW:%Y%m%d%H%M%S}", str(path))


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_ldns_accepts_the_digest_of_a_zone_and_refuses_it_once_a_record_differs(
    denial: Literal["nsec", "nsec3"], tmp_path: Path
) -> None:
    policy = Policy(denial=denial, zonemd="publish")
    zone = validated("example.com.", TRAPS_TAKEN)
    text = master_text(sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, SERIAL))
    path = tmp_path / "zone"
    command = [need("ldns-verify-zone"), "-Z", "-t", f"{NOW:%Y%m%d%H%M%S}", str(path)]
    path.write_text(text)
    run(*command)
    assert "ns.insecure" in text
    path.write_text(
        "\n".join(f"{line}9" if "ns.insecure" in line.split()[0] else line for line in text.splitlines())
    )
    assert subprocess.run(command, capture_output=True, timeout=20, check=False).returncode != 0


@pytest.mark.parametrize("label", POLICIES)
def test_bind_accepts_the_signed_zone(label: str, tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(master_text(signed(label, datetime.now(UTC))))  # dnssec-verify takes no time
    csk = ("-z",) if POLICIES[label].keys == "csk" else ()  # a CSK is a key that signs all, SEP or not
    run(need("dnssec-verify"), *csk, "-o", f"{label}.example.", str(path))


@pytest.mark.parametrize("origin", [".", "0/25.2.0.192.in-addr.arpa."])
@pytest.mark.parametrize("label", ["13-csk-nsec", "13-csk-nsec3"])
def test_peers_accept_the_root_and_a_classless_reverse_zone(label: str, origin: str, tmp_path: Path) -> None:
    text = (
        "@ 3600 SOA ns.example.net. hostmaster.example.net. 1 7200 1800 1209600 300\n@ NS ns.example.net.\n"
    )
    text += "1 PTR www.example.net.\na.b TXT x\ncom NS ns.example.org.\n"
    zone = validated(origin, text, apex=False)
    policy = POLICIES[label]
    made = sign_zone(zone, keys_for(zone.origin, policy), policy, datetime.now(UTC), SERIAL)
    path = tmp_path / "zone"
    path.write_text(master_text(made))
    run(need("ldns-verify-zone"), str(path))
    run(need("dnssec-verify"), "-z", "-o", origin, str(path))


@pytest.mark.parametrize("fault", ["rdata", "missing signature", "chain"])
def test_peers_refuse_a_zone_we_broke(fault: str, tmp_path: Path) -> None:
    """The tests above can fail: the same zone with one octet wrong is refused."""
    lines = master_text(signed("13-csk-nsec", datetime.now(UTC))).splitlines()
    if fault == "rdata":
        lines = [line.replace("192.0.2.25", "192.0.2.26") for line in lines]
    elif fault == "missing signature":
        lines = [line for line in lines if "RRSIG MX" not in line]
    else:
        lines = [line for line in lines if not (line.startswith("mail.") and "NSEC" in line)]
    path = tmp_path / "zone"
    path.write_text("\n".join(lines) + "\n")
    for command in (
        [need("ldns-verify-zone"), str(path)],
        [need("dnssec-verify"), "-z", "-o", "13-csk-nsec.example.", str(path)],
    ):
        assert subprocess.run(command, capture_output=True, timeout=20, check=False).returncode != 0, command


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run NSD with all the zones, and Unbound in front of it that trusts their DS; yield Unbound's port."""
    nsd, unbound = need("nsd"), need("unbound")
    directory = tmp_path_factory.mktemp("resolver")
    authoritative, port = free_port(), free_port()
    for label in ZONES:
        (directory / f"{label}.zone").write_text(master_text(signed(label)))
    (directory / "nsd.conf").write_text(_nsd(directory, authoritative))
    (directory / "unbound.conf").write_text(_unbound(directory, authoritative, port))
    with (directory / "log").open("wb") as log:
        running = [
            subprocess.Popen([nsd, "-d", "-c", str(directory / "nsd.conf")], stdout=log, stderr=log),
            subprocess.Popen([unbound, "-d", "-c", str(directory / "unbound.conf")], stdout=log, stderr=log),
        ]
        try:
            _wait(authoritative, directory)
            _wait(port, directory)
            yield port
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(60)


def _nsd(directory: Path, port: int) -> str:
    text = f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  database: ""
  zonesdir: "{directory}"
  pidfile: "{directory}/nsd.pid"
  xfrdfile: "{directory}/xfrd.state"
  zonelistfile: "{directory}/zone.list"
  xfrdir: "{directory}"
  server-count: 1
remote-control:
  control-enable: no
"""
    return text + "".join(
        f"zone:\n  name: {label}.example.\n  zonefile: {label}.zone\n" for label in POLICIES
    )


def _unbound(directory: Path, authoritative: int, port: int) -> str:
    anchors = [
        ds_text(keys_for(from_text(f"{label}.example."), policy)[0]) for label, policy in POLICIES.items()
    ]
    other = signing_key(from_text(f"{BOGUS}.example."), Algorithm.ECDSAP256SHA256, "csk", 9)
    anchors.append(ds_text(other))
    settings = [f'val-override-date: "{NOW:%Y%m%d%H%M%S}"', *(f'trust-anchor: "{one}"' for one in anchors)]
    text = unbound_config(directory, port, settings)
    return text + "".join(
        f"stub-zone:\n  name: {label}.example.\n  stub-addr: 127.0.0.1@{authoritative}\n"
        for label in POLICIES
    )


def _wait(port: int, directory: Path) -> None:
    deadline = time.monotonic() + 60
    query = dns.message.make_query("version.server.", "TXT", "CH")
    while time.monotonic() < deadline:
        try:
            dns.query.udp(query, "127.0.0.1", port=port, timeout=0.2)
        except (dns.exception.Timeout, OSError):
            continue
        return
    raise AssertionError((directory / "log").read_text())


QUESTIONS = (  # owner, type, response code, answers expected
    ("@", "SOA", "NOERROR", True),
    ("@", "DNSKEY", "NOERROR", True),
    ("@", "CDS", "NOERROR", True),
    ("www", "A", "NOERROR", True),
    ("www", "MX", "NOERROR", False),
    ("alias", "AAAA", "NOERROR", True),
    ("nothing.w", "TXT", "NOERROR", True),
    ("nothing.w", "A", "NOERROR", False),
    ("at-the-apex", "TXT", "NOERROR", True),
    ("two.labels", "TXT", "NOERROR", True),
    ("nothing.www", "A", "NXDOMAIN", False),
    ("empty.non.terminals", "A", "NOERROR", False),
    ("x.empty.non.terminals", "A", "NXDOMAIN", False),
    ("secure", "DS", "NOERROR", True),
    ("dname", "DNAME", "NOERROR", True),
    ("unknown", "TYPE65400", "NOERROR", True),
    ("unknown", "CAA", "NOERROR", True),
    ("unknown", "TYPE65401", "NOERROR", False),
    (r"a\000b", "TXT", "NOERROR", True),
    (r"a\000b", "A", "NOERROR", False),
    (r"do\.t", "TXT", "NOERROR", True),
    ("long", "TXT", "NOERROR", True),
    ("upper", "A", "NOERROR", True),
    ("_sip._tcp", "SRV", "NOERROR", True),
    ("svc", "HTTPS", "NOERROR", True),
)


@pytest.mark.parametrize("label", POLICIES)
def test_unbound_validates_answers_and_denials_from_our_ds(label: str, resolver: int) -> None:
    for owner, rdtype, rcode, answered in QUESTIONS:
        name = to_text(from_text(owner, from_text(f"{label}.example.")))
        response = ask(resolver, name, rdtype)
        told = (name, rdtype, dns.rcode.to_text(response.rcode()), bool(response.answer))
        assert told == (name, rdtype, rcode, answered)
        assert response.flags & dns.flags.AD or _covered_by_opt_out(label, owner, rcode), told


@pytest.mark.parametrize("label", POLICIES)
def test_unbound_takes_the_insecure_delegation_for_insecure(label: str, resolver: int) -> None:
    response = ask(resolver, f"insecure.{label}.example.", "DS")
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    secure = bool(response.flags & dns.flags.AD)
    assert secure != label.endswith("opt-out")  # an opt-out span proves less (RFC 5155 §9.2)


def test_unbound_refuses_a_zone_whose_ds_is_of_another_key(resolver: int) -> None:
    assert ask(resolver, f"www.{BOGUS}.example.", "A").rcode() == dns.rcode.SERVFAIL


def _covered_by_opt_out(label: str, owner: str, rcode: str) -> bool:
    """A name error or a wildcard out of an opt-out span is not secure (RFC 5155 §9.2), but no failure."""
    return label.endswith("opt-out") and (
        rcode == "NXDOMAIN" or owner in {"nothing.w", "at-the-apex", "two.labels"}
    )


def ask(port: int, name: str, rdtype: str) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, use_edns=0, want_dnssec=True, payload=4096)
    return dns.query.udp(query, "127.0.0.1", port=port, timeout=5)
