"""Answers signed with ML-DSA-44 from a real node: truncated over UDP, whole and valid over TCP."""

from collections.abc import Iterator

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.node
import dns.query
import dns.rcode
import dns.rdataset
import dns.rdatatype
import pytest

from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.node.running import publish, running
from tests.sign.scenery import NOW, keys_for

CSK, SPLIT, ROLLED = "csk.example.", "split.example.", "rolled.example."
ZONE = "www A 192.0.2.1\n*.wild TXT found\nalias CNAME www\nsub NS ns.elsewhere.example.\n"
POLICIES = {
    CSK: (Policy(algorithm=Algorithm.MLDSA44),),
    SPLIT: (Policy(algorithm=Algorithm.MLDSA44, keys="ksk+zsk", denial="nsec3"),),
    ROLLED: (Policy(), Policy(algorithm=Algorithm.MLDSA44)),
}
QUESTIONS = (  # owner, type, response code, section that is to be signed
    ("", "SOA", "NOERROR", "answer"),
    ("", "DNSKEY", "NOERROR", "answer"),
    ("www", "A", "NOERROR", "answer"),
    ("alias", "A", "NOERROR", "answer"),
    ("x.wild", "TXT", "NOERROR", "answer"),
    ("www", "MX", "NOERROR", "authority"),
    ("nothing", "A", "NXDOMAIN", "authority"),
    ("x.sub", "A", "NOERROR", "authority"),
)
UDP = 1232  # octets, RFC 9715


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Yield the port of a node with a zone of each kind."""
    state, zones = tmp_path_factory.mktemp("mldsa"), []
    for origin, policies in POLICIES.items():
        zone = validated(origin, ZONE)
        keys = [key for policy in policies for key in keys_for(from_text(origin), policy)]
        zones.append(sign_zone(zone, keys, policies[0], NOW, 1))
    publish(state, zones)
    with running(state) as node:
        yield node.port


def ask(port: int, name: str, rdtype: str, *, tcp: bool = False, dnssec: bool = True) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, want_dnssec=dnssec, use_edns=0, payload=UDP)
    how = dns.query.tcp if tcp else dns.query.udp
    return how(query, "127.0.0.1", port=port, timeout=5)


def keys_of(port: int, origin: str) -> dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset]:
    answer = ask(port, origin, "DNSKEY", tcp=True).answer
    return {dns.name.from_text(origin): next(one for one in answer if one.rdtype == dns.rdatatype.DNSKEY)}


@pytest.mark.parametrize("origin", POLICIES)
@pytest.mark.parametrize(("owner", "rdtype", "rcode", "section"), QUESTIONS)
def test_signed_answer_is_truncated_over_udp_and_whole_over_tcp(
    port: int, origin: str, owner: str, rdtype: str, rcode: str, section: str
) -> None:
    name = f"{owner}.{origin}" if owner else origin
    short = ask(port, name, rdtype)
    assert short.flags & dns.flags.TC
    assert len(short.wire or b"") <= UDP
    assert dns.rcode.to_text(short.rcode()) == rcode
    whole = ask(port, name, rdtype, tcp=True)
    assert not whole.flags & dns.flags.TC
    assert (len(whole.wire or b"") > UDP, dns.rcode.to_text(whole.rcode())) == (True, rcode)
    signed = [*whole.answer, *whole.authority]
    found = {(one.name, one.covers): one for one in signed if one.rdtype == dns.rdatatype.RRSIG}
    assert found
    assert any(one.rdtype == dns.rdatatype.RRSIG for one in getattr(whole, section))
    keys, algorithms = keys_of(port, origin), sorted({int(each.algorithm) for each in POLICIES[origin]})
    for one in signed:
        if one.rdtype == dns.rdatatype.RRSIG or (one.rdtype == dns.rdatatype.NS and owner == "x.sub"):
            continue
        signatures = found[one.name, one.rdtype]
        assert sorted({int(each.algorithm) for each in signatures}) == algorithms
        for each in signatures:
            dns.dnssec.validate_rrsig(one, each, keys, now=NOW.timestamp())


@pytest.mark.parametrize(("origin", "tags"), [(CSK, 1), (SPLIT, 2), (ROLLED, 2)])
def test_dnskeys_without_their_signatures_are_truncated_too(port: int, origin: str, tags: int) -> None:
    """One key of 1,316 octets is more than UDP takes."""
    assert ask(port, origin, "DNSKEY", dnssec=False).flags & dns.flags.TC
    (found,) = ask(port, origin, "DNSKEY", tcp=True, dnssec=False).answer
    assert len(found) == tags


@pytest.mark.parametrize("origin", POLICIES)
def test_answer_to_who_asks_for_no_signatures_fits_udp(port: int, origin: str) -> None:
    told = ask(port, f"www.{origin}", "A", dnssec=False)
    assert not told.flags & dns.flags.TC
    assert [one.rdtype for one in told.answer] == [dns.rdatatype.A]


@pytest.mark.parametrize("origin", POLICIES)
def test_forged_signature_is_found_out(port: int, origin: str) -> None:
    """What checks the answers above does not accept just anything."""
    answer = ask(port, f"www.{origin}", "A", tcp=True).answer
    address, signatures = answer
    keys = keys_of(port, origin)
    for each in signatures:
        octets = bytes([each.signature[0] ^ 1]) + each.signature[1:]
        with pytest.raises(dns.exception.ValidationFailure):
            dns.dnssec.validate_rrsig(address, each.replace(signature=octets), keys, now=NOW.timestamp())
