"""A validating Unbound in front of `dnsctl serve --zones … --sign`: every kind of answer is secure."""

from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.control.aliases.asking import Asked
from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import from_text, to_text
from dnsctl.model.rrset import Type
from tests.cli.test_serve import serving
from tests.peers import need, unbound_config
from tests.serve.peer_servers import running

pytestmark = pytest.mark.peer
ZONE = f"""\
$TTL 1h
@ SOA ns1 hostmaster 2026112101 2h 30m 14d 5m
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 198.51.100.53
www A 192.0.2.1
alias CNAME www
chain CNAME alias
dangling CNAME nowhere
*.wild TXT "wildcard"
*.walias CNAME www
deep.below.empty A 192.0.2.2
old DNAME new
www.new A 192.0.2.3
insecure NS ns.elsewhere.test.
large TXT "{"x" * 250}" "{"y" * 250}" "{"z" * 250}" "{"a" * 250}" "{"b" * 250}"
unknown TYPE65400 \\# 2 abcd
mb MB Mail.Example.NET.
mg TYPE8 \\# 18 044D61696C074578616D706C65034E455400
minfo TYPE14 \\# 6 014100014200
px PX 10 A.Example.NET. B.Example.NET.
rt RT 10 A.Example.NET.
lp LP 10 A.Example.NET.
ptr NSAP-PTR A.Example.NET.
svcb SVCB 1 A.Example.NET. alpn=h2
"""
SECURE = (  # owner, type, response code, records in the answer section
    ("@", "SOA", "NOERROR", 1),
    ("@", "DNSKEY", "NOERROR", 1),
    ("www", "A", "NOERROR", 1),
    ("WwW", "AAAA", "NOERROR", 0),
    ("chain", "A", "NOERROR", 3),
    ("chain", "MX", "NOERROR", 2),
    ("dangling", "A", "NXDOMAIN", 1),
    ("x.y.wild", "TXT", "NOERROR", 1),
    ("x.wild", "A", "NOERROR", 0),
    ("x.walias", "A", "NOERROR", 2),
    ("below.empty", "A", "NOERROR", 0),
    ("nowhere", "A", "NXDOMAIN", 0),
    ("x.deep.below.empty", "A", "NXDOMAIN", 0),
    ("www.old", "A", "NOERROR", 3),
    ("nowhere.old", "A", "NXDOMAIN", 2),
    ("old", "A", "NOERROR", 0),
    ("insecure", "DS", "NOERROR", 0),
    ("large", "TXT", "NOERROR", 1),
    ("unknown", "TYPE65400", "NOERROR", 1),
    ("mb", "MB", "NOERROR", 1),
    ("mg", "MG", "NOERROR", 1),
    ("minfo", "MINFO", "NOERROR", 1),
    ("px", "PX", "NOERROR", 1),
    ("rt", "RT", "NOERROR", 1),
    ("lp", "LP", "NOERROR", 1),
    ("ptr", "NSAP-PTR", "NOERROR", 1),
    ("svcb", "SVCB", "NOERROR", 1),
)


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Yield the port of an Unbound that trusts the key of the zone that we serve."""
    program, directory, port = need("unbound"), tmp_path_factory.mktemp("resolver"), free_port()
    zones = directory / "zones"
    zones.mkdir()
    (zones / "example.test.zone").write_text(ZONE)
    with serving(zones, "--sign", "--state", str(directory / "state")) as node:
        query = dns.message.make_query("example.test.", "DNSKEY", use_edns=0)
        keys = dns.query.udp(query, "127.0.0.1", port=node.port, timeout=5).answer[0]
        config = directory / "unbound.conf"
        config.write_text(configuration(directory, port, node.port, [key.to_text() for key in keys]))
        with running([program, "-d", "-c", str(config)], port, ["example.test."], directory / "log"):
            yield port


def configuration(directory: Path, port: int, authority: int, keys: list[str]) -> str:
    settings = [
        'local-zone: "test." nodefault',
        *(f'trust-anchor: "example.test. DNSKEY {key}"' for key in keys),
    ]
    return (
        unbound_config(directory, port, settings)
        + f"""stub-zone:
  name: example.test.
  stub-addr: 127.0.0.1@{authority}
"""
    )


def test_every_kind_of_answer_is_secure(resolver: int) -> None:
    for owner, rdtype, rcode, answers in SECURE:
        name = "example.test." if owner == "@" else f"{owner}.example.test."
        query = dns.message.make_query(name, rdtype, use_edns=0, want_dnssec=False, payload=1232)
        query.flags |= dns.flags.AD
        message, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=resolver, timeout=10)
        told = (owner, rdtype, dns.rcode.to_text(message.rcode()), len(message.answer))
        assert told == (owner, rdtype, rcode, answers)
        assert message.flags & dns.flags.AD, told


def test_targets_of_aliases_are_validated_by_it_and_denials_are_told(resolver: int) -> None:
    asked = Asked([Endpoint("127.0.0.1", resolver)], trust_ad=True)
    chain, dangling = from_text("chain.example.test."), from_text("dangling.example.test.")
    replies = asked([chain, dangling])
    addresses, denial = replies[chain][Type.A], replies[dangling][Type.A]
    assert (addresses.kind, addresses.rdatas, addresses.validated) == ("found", (b"\xc0\x00\x02\x01",), True)
    assert [to_text(each).split(".")[0] for each in addresses.path] == ["chain", "alias", "www"]
    assert (replies[chain][Type.AAAA].kind, replies[chain][Type.AAAA].validated) == ("denied", True)
    assert (denial.kind, denial.fault) == ("denied", "nowhere.example.test. does not exist")
