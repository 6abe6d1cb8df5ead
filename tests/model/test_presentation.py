"""Exported master files: read back the same by dnspython, accepted by BIND, ldns and NSD."""

import subprocess
from pathlib import Path

import dns.zone
import pytest

from dnsctl.model.name import Name, from_text, from_wire
from dnsctl.model.policy import Policy
from dnsctl.model.presentation import lines, master_file, records
from dnsctl.model.rrset import Type, rrset
from dnsctl.model.zone import SignedZone
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.peers import need
from tests.sign.scenery import NOW, SERIAL, keys_for

TEXT = r"""
www A 192.0.2.80
www AAAA 2001:db8::80
@ MX 10 mail
mail A 192.0.2.25
@ TXT "v=spf1 mx -all" "second \"string\"; with \\ signs" "\000\255"
*.wild A 192.0.2.1
odd\.dot\\slash\032space TXT "x"
alias CNAME www
old DNAME example.net.
_imaps._tcp SRV 0 1 993 mail
@ CAA 0 issue "ca.example.net"
@ HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.80
_25._tcp.mail TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
sub NS ns.sub
ns.sub A 192.0.2.9
x NAPTR 1 2 "S" "SIP+D2U" "" _sip._udp
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
sshfp SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
unknown TYPE65400 \# 3 abcdef
nothing TYPE65401 \# 0
resinfo TYPE261 \# 5 0471 6e61 6d
"""


def signed(denial: str) -> SignedZone:
    policy = Policy(denial="nsec3" if denial == "nsec3" else "nsec")
    zone = validated("example.com.", TEXT)
    return sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, SERIAL)


def wire_records(zone: dns.zone.Zone) -> set[tuple[bytes, int, int, bytes]]:
    return {
        (bytes(from_wire(name.to_wire())), int(rdataset.rdtype), rdataset.ttl, rdata.to_digestable())
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
    }


def own_records(zone: SignedZone) -> set[tuple[bytes, int, int, bytes]]:
    found = set()
    for one in (*zone.rrsets(), *zone.nsec3_nodes.values()):
        found |= {(bytes(one.owner), one.rdtype, one.ttl, rdata) for rdata in one.rdatas}
        found |= {(bytes(one.owner), int(Type.RRSIG), one.ttl, rdata) for rdata in one.signatures}
    return found


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_master_file_is_read_back_the_same(denial: str):
    zone = signed(denial)
    text = "".join(master_file(zone))
    read = dns.zone.from_text(text, origin="example.com.", relativize=False)
    assert wire_records(read) == own_records(zone)


def test_soa_is_first_and_each_record_has_a_line_of_its_own():
    zone = signed("nsec")
    written = list(master_file(zone))
    assert written[0].startswith("example.com. 3600 IN SOA ns1.example.com.")
    assert all(line.count("\n") == 1 and line.endswith("\n") for line in written)
    assert len(written) == len(own_records(zone))


def test_rrsets_without_a_soa_are_written_in_their_order():
    owners = [from_text(text) for text in ("example.com.", "a.example.com.", "b.example.com.")]
    given = [rrset(owner, Type.A, 60, [b"\xc0\0\2\1"]) for owner in owners]
    assert [line.split()[0] for line in lines(given)] == ["example.com.", "a.example.com.", "b.example.com."]


def test_type_a_peer_may_not_know_is_written_without_its_mnemonic():
    one = rrset(from_text("r.example.com."), 261, 60, [b"\4qnam"])
    assert list(records(one)) == ["r.example.com. 60 IN TYPE261 \\# 5 04716e616d\n"]


def test_names_with_dots_spaces_and_octets_in_a_label_are_escaped():
    owner = Name(b"\4a.\xff \7example\3com\0")
    assert next(records(rrset(owner, Type.A, 1, [b"\xc0\0\2\1"]))) == (
        "a\\.\\255\\032.example.com. 1 IN A 192.0.2.1\n"
    )


@pytest.mark.peer
@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_peers_accept_the_exported_zone(tmp_path: Path, denial: str):
    file = tmp_path / "example.com.zone"
    file.write_text("".join(master_file(signed(denial))))
    moment = NOW.strftime("%Y%m%d%H%M%S")
    for command in (
        (need("named-checkzone"), "-q", "-i", "local", "example.com", str(file)),
        (need("ldns-verify-zone"), "-t", moment, str(file)),
        (need("nsd-checkzone"), "example.com", str(file)),
    ):
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert told.returncode == 0, (command, told.stdout, told.stderr)
