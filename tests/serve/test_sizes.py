"""Sizes of answers that name several hosts of one other domain: to the octet, and beside Knot's."""

import dns.message
import dns.query
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model import presentation
from dnsctl.serve.respond import Responder
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.reference.comparing import parsed, records
from tests.reference.drawing import NOW, POLICIES
from tests.serve.paths import Paths
from tests.serve.peer_servers import knot
from tests.sign.scenery import keys_for

APEX = """\
@ SOA ns1.dns.example.net. hostmaster.dns.example.net. 1 7200 1800 1209600 300
@ NS ns1.dns.example.net.
@ NS ns2.dns.example.net.
@ NS ns3.dns.example.net.
@ NS ns4.dns.example.net.
"""
TEXT = "".join(
    [f"{owner} MX 10 {host}.mail.example.net.\n" for owner in ("five", "*.five") for host in "abcde"]
    + [f"four NS ns{host}.dns.example.net.\n" for host in range(1, 5)]
    + [f"three PTR {host}.hosts.example.net.\n" for host in ("one", "two", "three")]
    + [f"inner MX 10 {host}.inner\n" for host in ("a", "b", "c.b")]
    + ["tofive CNAME five\n", "*.tofive CNAME five\n", "under DNAME five\n"]
)
QUESTIONS = [
    ("five", "MX"), ("x.five", "MX"), ("a.long.name.below.five", "MX"), ("*.five", "MX"), ("tofive", "MX"),
    ("x.tofive", "MX"), ("x.under", "MX"), ("tofive", "A"), ("tofive", "TXT"), ("four", "NS"),
    ("x.four", "A"), ("three", "PTR"), ("inner", "MX"), ("", "NS"), ("", "SOA"), ("", "A"), ("nothing", "A"),
    ("a.b.nothing", "A"), ("x.five", "A"), ("five", "ANY"), ("", "ANY"),
]  # fmt: skip


def build(origin, label):
    text, policy = "$TTL 3600\n" + APEX + TEXT, POLICIES[label]
    zone = validated(origin, text, apex=False)
    return (
        unsigned_zone(zone, 1)
        if policy is None
        else sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, 1)
    )


def ask(responder, reader, query):
    """Return the response over a stream, the same as over UDP where it fits."""
    wire = query.to_wire()
    whole = responder.respond(reader, wire, stream=True).wire
    short = Paths(reader, responder).same(wire)
    assert short == whole or short[2] & 2, query
    return whole


@pytest.fixture
def served(tmp_path):
    with Image.open(tmp_path / "image", readonly=False) as image:

        def serve(zone):
            with image.writer() as writer:
                writer.apply(list(difference(writer, [compile_zone(zone)])))
            return image.reader()

        yield serve


@pytest.mark.parametrize(("owner", "rdtype", "octets"), [("five", "MX", 138), ("three", "PTR", 106)])
def test_hosts_of_one_domain_name_it_once(served, owner, rdtype, octets):
    with served(build("a.example.", "plain")) as reader:
        query = dns.message.make_query(f"{owner}.a.example.", rdtype)
        assert len(ask(Responder(), reader, query)) == octets


@pytest.mark.peer
@pytest.mark.parametrize("label", POLICIES)
@pytest.mark.parametrize("origin", ["a.example.", "a-longer-name-than.the-other.example.net.", "."])
def test_answers_are_no_larger_than_knots(tmp_path, served, label, origin):
    zone, responder = build(origin, label), Responder()
    path = tmp_path / "zone"
    path.write_text("".join(presentation.master_file(zone)))
    with served(zone) as reader, knot(tmp_path, {origin: path}) as port:
        for name, rdtype in QUESTIONS:
            full = f"{name}.{origin}".replace("..", ".") if name else origin
            query = dns.message.make_query(full, rdtype, want_dnssec=label != "plain", payload=4096, flags=0)
            ours = ask(responder, reader, query)
            theirs = dns.query.tcp(query, "127.0.0.1", port=port, timeout=5, one_rr_per_rrset=True)
            assert sorted(records(parsed(ours).answer)) == sorted(records(theirs.answer)), (full, rdtype)
            if counts(ours) == counts(theirs.wire):
                assert len(ours) <= len(theirs.wire), (full, rdtype)


def counts(wire):
    return [int.from_bytes(wire[at : at + 2]) for at in (6, 8, 10)]
