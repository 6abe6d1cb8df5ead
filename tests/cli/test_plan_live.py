"""`dnsctl plan --live`: what another server serves, by a transfer or question by question."""

import contextlib
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.zone
import pytest

from dnsctl.cli.zone_import import server_named
from dnsctl.errors import ConfigError
from dnsctl.interchange import live
from dnsctl.interchange.axfr import Server
from dnsctl.model.policy import Policy
from dnsctl.model.validity import timing
from tests.cli.shell import dnsctl, repo

ZONE = """\
$TTL 300
@ SOA ns1 h 1 7200 1800 1209600 300
@ NS ns1
@ NS sub
ns1 A 192.0.2.53
www A 192.0.2.80
www A 192.0.2.81
sub NS ns.sub
ns.sub A 192.0.2.54
big TXT "x"
"""


class Primary(socketserver.ThreadingTCPServer):
    """A name server of one zone, on loopback, for the same port of UDP and TCP."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, text: str, *, transfers: bool, authority: bool = True) -> None:
        self.zone = dns.zone.from_text(text, origin="example.com.", relativize=False)
        self.transfers = transfers
        self.authority = authority
        super().__init__(("127.0.0.1", 0), _Stream)
        self.datagrams = socketserver.ThreadingUDPServer(self.server_address, _Datagram)
        self.datagrams.primary = self  # type: ignore[attr-defined]

    def answer(self, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        reply = dns.message.make_response(query)
        question = query.question[0]
        soa = self.zone.get_rrset("example.com.", "SOA")
        if question.rdtype == dns.rdatatype.AXFR:
            if not self.transfers:
                reply.set_rcode(dns.rcode.REFUSED)
                return reply.to_wire()
            others = [
                dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
                for name, rdataset in self.zone.iterate_rdatasets()
                if rdataset.rdtype != dns.rdatatype.SOA
            ]
            reply.answer = [soa, *others, soa]
            return reply.to_wire(max_size=65535, prefer_truncation=False)
        if self.authority:
            reply.flags |= dns.flags.AA
        found = self.zone.get_rrset(question.name, question.rdtype)
        if found is not None:
            section = reply.authority if question.name.to_text() == "sub.example.com." else reply.answer
            section.append(found)
        return reply.to_wire()


class _Stream(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Primary)
        wire = self.rfile.read(int.from_bytes(self.rfile.read(2), "big"))
        answer = self.server.answer(wire)
        self.wfile.write(len(answer).to_bytes(2, "big") + answer)


class _Datagram(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.server.primary.answer(self.rfile.read()))  # type: ignore[attr-defined]


@contextlib.contextmanager
def primary(text: str, *, transfers: bool, authority: bool = True) -> Iterator[str]:
    with Primary(text, transfers=transfers, authority=authority) as server, server.datagrams:
        servers = (server, server.datagrams)
        threads = [threading.Thread(target=each.serve_forever, args=(0.02,)) for each in servers]
        for each in threads:
            each.start()
        try:
            yield f"127.0.0.1@{server.server_address[1]}"
        finally:
            server.shutdown()
            server.datagrams.shutdown()
            for each in threads:
                each.join(60)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return committed(tmp_path)


def committed(directory: Path) -> Path:
    """Make an operations repo with the zone, and commit it."""
    root = repo(directory)
    (root / "zones" / "example.com.zone").write_text(ZONE)
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "zones")):
        who = ("-c", "user.name=Operator", "-c", "user.email=ops@example.net")
        subprocess.run(("git", *who, *arguments), cwd=root, check=True, capture_output=True)
    return root


OTHERS = (
    ZONE.replace("h 1 7200", "h 77 7200")
    .replace("www A 192.0.2.81\n", "www A 192.0.2.99\n")
    .replace('big TXT "x"', "only TXT there")
)


@pytest.mark.parametrize("transfers", [True, False])
def test_the_same_records_are_no_difference_whatever_the_serial(root: Path, transfers: bool) -> None:
    with primary(ZONE.replace("h 1 7200", "h 77 7200"), transfers=transfers) as server:
        told = dnsctl("plan", "--live", server, "--json", root=root)
    assert told.code == 0, told.err
    assert told.json["live"] == server
    [zone] = told.json["zones"]
    assert (zone["by"], zone["differences"]) == ("transfer" if transfers else "questions", [])
    assert zone["rrsets"] == (7 if transfers else 6), "glue cannot be asked for"


@pytest.mark.parametrize("transfers", [True, False])
def test_expire_that_signing_lowers_is_no_difference_and_any_other_is(root: Path, transfers: bool) -> None:
    served = timing(Policy(), 300).expire
    assert served < 1209600
    with primary(ZONE.replace("1209600", str(served)), transfers=transfers) as server:
        told = dnsctl("plan", "--live", server, root=root)
    assert told.code == 0, told.out
    with primary(ZONE.replace("1209600", str(served - 1)), transfers=transfers) as server:
        told = dnsctl("plan", "--live", server, root=root)
    assert told.code == 2
    assert f"+ example.com. 300 SOA ns1.example.com. h.example.com. 1 7200 1800 {served} 300" in told.out


def test_server_is_written_as_listen_is_or_with_at() -> None:
    for text, port in (("192.0.2.1", 53), ("192.0.2.1:5300", 5300), ("192.0.2.1@5300", 5300)):
        assert server_named("--live", text) == Server("192.0.2.1", port)
    for text in ("2001:db8::1@5300", "[2001:db8::1]:5300"):
        assert server_named("--live", text) == Server("2001:db8::1", 5300)
    assert server_named("--live", "2001:db8::1") == Server("2001:db8::1")
    for text in ("192.0.2.1:0", "192.0.2.1@", "192.0.2.1:", "ns1.example.com", "192.0.2.1@65536"):
        with pytest.raises(ConfigError, match="is not a server"):
            server_named("--live", text)


def test_differences_of_a_transfer_are_seen_on_both_sides(root: Path) -> None:
    with primary(OTHERS, transfers=True) as server:
        told = dnsctl("plan", "--live", server, root=root)
    assert told.code == 2
    assert told.out.splitlines() == [
        "example.com.: 3 of 7 RRsets differ",
        '  + big.example.com. 300 TXT "x"',
        '  - only.example.com. 300 TXT "there"',
        "  - www.example.com. 300 A 192.0.2.80",
        "  - www.example.com. 300 A 192.0.2.99",
        "  + www.example.com. 300 A 192.0.2.80",
        "  + www.example.com. 300 A 192.0.2.81",
    ]


def test_question_by_question_tells_what_it_cannot_see(root: Path) -> None:
    with primary(OTHERS, transfers=False) as server:
        told = dnsctl("plan", "--live", server, "--zone", "example.com", root=root)
    assert told.code == 2
    assert told.out.splitlines()[0] == (
        "example.com.: 2 of 6 RRsets differ, asked one by one: what the server alone has is not seen"
    )
    assert "only" not in told.out


def test_a_server_without_authority_and_one_that_is_not_there_are_one_line(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.3)
    with primary(ZONE, transfers=False, authority=False) as server:
        told = dnsctl("plan", "--live", server, root=root)
    assert (told.code, "not authoritative" in told.line) == (1, True)
    told = dnsctl("plan", "--live", server, root=root)
    assert (told.code, "no answer to example.com. SOA" in told.line) == (1, True)
    told = dnsctl("plan", "--live", "127.0.0.1@x", root=root)
    assert (told.code, "is not a server" in told.line) == (1, True)
    told = dnsctl("plan", "--zone", "example.com", root=root)
    assert told.code != 0
