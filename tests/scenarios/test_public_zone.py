"""A zone of over 1,000 records as octoDNS users have it: loads unchanged, and both sites serve all of it."""

import time

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from tests.scenarios.fleet import ask, deployed
from tests.scenarios.octodns_zone import generate


@pytest.fixture(scope="module")
def generated():
    return generate()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, generated):
    with deployed(tmp_path_factory.mktemp("public"), generated.text) as stage:
        yield stage


def canonical(rdtype, texts):
    kind = dns.rdatatype.from_text(rdtype)
    return {dns.rdata.from_text(dns.rdataclass.IN, kind, text).to_digestable() for text in texts}


def test_every_record_is_answered_by_both_nodes(fleet, generated):
    assert generated.records > 1000
    for (relative, rdtype), (ttl, expected) in generated.rrsets.items():
        owner = f"{relative}.example.com." if relative else "example.com."
        for node in fleet.fleet:
            answer = ask(fleet, node, owner, rdtype)
            section = answer.authority if (relative, rdtype) == ("away", "NS") else answer.answer
            kind = dns.rdatatype.from_text(rdtype)
            found = [each for each in section if each.rdtype == kind]
            assert len(found) == 1, f"{owner} {rdtype} at {node}: {answer}"
            assert found[0].name == dns.name.from_text(owner)
            assert (found[0].ttl, {each.to_digestable() for each in found[0]}) == (
                ttl,
                canonical(rdtype, expected),
            ), f"{owner} {rdtype} at {node}"


def test_verification_of_every_rrset_agrees(fleet, generated):
    began = time.monotonic()
    ran = fleet.run("verify", "--full")
    assert any(line.startswith("consistent: generation 1") for line in ran.lines), ran.lines
    assert time.monotonic() - began < 15
