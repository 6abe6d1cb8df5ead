"""Zone transfers: complete, consistent, compressed, and only for those allowed."""

import ipaddress
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.zone
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.rrset import rdata_text
from dnsctl.model.zone import SignedZone
from dnsctl.serve.message.tsig import is_within
from dnsctl.serve.transport import transfer
from tests.build import validated
from tests.node.running import publish, running
from tests.peers import need

TEXT = """\
www A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::1
@ MX 10 mail
@ TXT "v=spf1 -all"
mail A 192.0.2.3
sub NS ns.sub
ns.sub A 192.0.2.4
below.sub TXT "occluded"
alias CNAME www.example.org.
*.wild TXT "any"
_sip._tcp SRV 0 0 5060 www
odd\\000label TXT "zero"
unknown TYPE65400 \\# 3 010203
four NS ns1.dns.example.net.
four NS ns2.dns.example.net.
four NS dns.example.net.
*.five MX 10 a.mail.example.net.
*.five MX 10 b.mail.example.net.
three PTR one.hosts.example.net.
three PTR two.hosts.example.net.
""" + "\n".join(
    [f'host{number} TXT "{number:06d}{"x" * 200}"' for number in range(500)]
    + [f"large MX {number} mx{number}.mail.example.net." for number in range(1200)]
)
ORIGIN = b"\7example\3com\0"


def signed(text: str = TEXT, serial: int = 1) -> SignedZone:
    made = validated("example.com.", text)
    return SignedZone(made.origin, made.nodes, serial=serial)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(list(difference(writer, [compile_zone(signed())])))
        with image.reader() as reader:
            yield reader


def records(zone: SignedZone) -> list[tuple[str, int, str]]:
    return sorted(
        (dns.name.from_wire(one.owner, 0)[0].to_text(), one.rdtype, rdata_text(one.rdtype, rdata))
        for one in zone.rrsets()
        for rdata in one.rdatas
    )


def received(messages: list[dns.message.Message]) -> list[tuple[str, int, str]]:
    return [
        (rrset.name.to_text(), int(rrset.rdtype), rdata.to_text())
        for message in messages
        for rrset in message.answer
        for rdata in rrset
    ]


def parsed(wires: Iterator[bytes]) -> list[dns.message.Message]:
    return [dns.message.from_wire(wire, one_rr_per_rrset=True) for wire in wires]


def query(rdtype: str = "AXFR", name: str = "example.com", **more: object) -> dns.message.Message:
    return dns.message.make_query(name, rdtype, **more)  # type: ignore[arg-type]


def test_transfer_holds_every_record_once_between_two_soas(reader: Reader):
    found = received(parsed(transfer.messages(reader, query().to_wire())))
    assert found[0][1] == found[-1][1] == dns.rdatatype.SOA
    assert found[0] == found[-1]
    assert sorted(found[:-1]) == records(signed())


def test_messages_are_filled_and_within_bounds(reader: Reader):
    wires = list(transfer.messages(reader, query().to_wire()))
    assert len(wires) > 3
    assert all(len(wire) <= transfer.MESSAGE_SIZE for wire in wires)
    assert all(len(wire) > transfer.MESSAGE_SIZE - 1000 for wire in wires[:-1])


def test_question_and_edns_stand_in_the_first_message_only(reader: Reader):
    messages = parsed(transfer.messages(reader, query(use_edns=0).to_wire()))
    assert [len(message.question) for message in messages] == [1] + [0] * (len(messages) - 1)
    assert [message.edns for message in messages] == [0] + [-1] * (len(messages) - 1)
    assert {message.id for message in messages} == {messages[0].id}


def test_names_are_compressed(reader: Reader):
    wires = list(transfer.messages(reader, query().to_wire()))
    plain = sum(len(message.to_wire(max_size=65535)) for message in parsed(iter(wires)))
    assert sum(map(len, wires)) <= plain * 1.01  # dnspython compresses all it may


def test_case_of_the_question_is_echoed(reader: Reader):
    asked = query(name="ExAmPlE.CoM").to_wire()
    first = next(transfer.messages(reader, asked))
    assert first[12:29] == asked[12:29]


@pytest.mark.parametrize(
    ("name", "rcode"), [("example.net", "NOTAUTH"), ("www.example.com", "NOTAUTH"), ("com", "NOTAUTH")]
)
def test_transfer_of_what_is_no_zone_here_says_so(reader: Reader, name: str, rcode: str):
    (message,) = parsed(transfer.messages(reader, query(name=name).to_wire()))
    assert message.rcode() == dns.rcode.from_text(rcode)


def test_ixfr_of_the_current_serial_gets_the_soa_alone(reader: Reader):
    for serial in (1, 2):
        asked = query("IXFR")
        asked.authority.append(dns.rrset.from_text("example.com.", 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
        (message,) = parsed(transfer.messages(reader, asked.to_wire()))
        assert [one.rdtype for one in message.answer] == [dns.rdatatype.SOA]


def test_ixfr_of_an_older_serial_gets_the_whole_zone(reader: Reader):
    asked = query("IXFR")
    asked.authority.append(dns.rrset.from_text("example.com.", 0, "IN", "SOA", ". . 0 0 0 0 0"))
    messages = parsed(transfer.messages(reader, asked.to_wire()))
    assert sorted(received(messages)[:-1]) == records(signed())


@pytest.mark.parametrize(
    "message",
    [
        query("IXFR").to_wire(),  # without the SOA that says what is held
        query().to_wire()[:-1],
        query().to_wire()[:20],
        b"id" + bytes(10),
        query().to_wire() + b"\0",
    ],
    ids=["IXFR without SOA", "octet lost", "cut off", "no question", "octet too many"],
)
def test_malformed_transfer_query_gets_one_message(reader: Reader, message: bytes):
    wires = list(transfer.messages(reader, message))
    assert len(wires) == 1
    assert wires[0][3] & 0x0F == dns.rcode.FORMERR


def test_record_that_fits_no_message_breaks_the_transfer_off(tmp_path: Path):
    huge = " ".join(['"' + "x" * 255 + '"'] * 255)
    with Image.open(tmp_path / "huge", readonly=False) as image, image.writer() as writer:
        writer.apply(
            list(
                difference(writer, [compile_zone(signed(f"{'y' * 63}.{'z' * 63} TXT {huge} {'w' * 100}\n"))])
            )
        )
        with pytest.raises(OverflowError):
            list(transfer.messages(writer, query().to_wire()))


@pytest.mark.parametrize(
    ("address", "networks", "allowed"),
    [
        ("192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.3.7", ["192.0.2.0/24"], False),
        ("192.0.2.7", [], False),
        ("2001:db8::1", ["192.0.2.0/24", "2001:db8::/32"], True),
        ("::ffff:192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.2.7", ["2001:db8::/32"], False),
    ],
)
def test_transfers_are_allowed_by_address(address: str, networks: list[str], allowed: bool):
    assert is_within(address, [ipaddress.ip_network(one) for one in networks]) is allowed


def test_transfer_stays_on_its_generation_while_another_is_activated(tmp_path: Path):
    with Image.open(tmp_path / "image", readonly=False) as image:
        publish(tmp_path, [validated("example.com.", TEXT)], image=image)
        with image.reader() as reader:
            wires = transfer.messages(reader, query().to_wire())
            first = next(wires)
            publish(tmp_path, [validated("example.com.", "www A 192.0.2.99")], generation=2, image=image)
            found = received(parsed(iter([first, *wires])))
    assert sorted(found[:-1]) == records(signed())


@pytest.mark.peer
@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_peer_receives_the_zone_over_tcp(tmp_path: Path, program: str):
    path = need(program)
    publish(tmp_path, [validated("example.com.", TEXT)])
    with running(tmp_path, transfer=("127.0.0.1/32",)) as node:
        text = subprocess.run(
            [path, "@127.0.0.1", "-p", str(node.port), "example.com", "AXFR", "+noall", "+answer"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
    zone = dns.zone.from_text(text, origin="example.com.", relativize=False)
    found = sorted(
        (name.to_text(), int(rdata.rdtype), rdata.to_text()) for name, _ttl, rdata in zone.iterate_rdatas()
    )
    assert found == records(signed())


def test_transfer_over_tcp_leaves_the_connection_usable(tmp_path: Path):
    publish(tmp_path, [validated("example.com.", TEXT)])
    with running(tmp_path, transfer=("127.0.0.1/32",)) as node:
        import socket

        with socket.create_connection(("127.0.0.1", node.port), timeout=5) as stream:
            for asked in (query(), query("A", "www.example.com"), query()):
                wire = asked.to_wire()
                stream.sendall(struct.pack("!H", len(wire)) + wire)
            file = stream.makefile("rb")
            soas = answers = 0
            while soas < 4:
                (length,) = struct.unpack("!H", file.read(2))
                message = dns.message.from_wire(file.read(length), one_rr_per_rrset=True)
                soas += sum(one.rdtype == dns.rdatatype.SOA for one in message.answer)
                answers += bool(message.question and message.question[0].rdtype == dns.rdatatype.A)
            assert answers == 1
