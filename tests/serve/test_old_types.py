"""Types that few zones have, served: both decoders of `verify` read them, and a transfer brings them all."""

from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.masterfile import parse
from dnsctl.model.name import from_text, to_text
from dnsctl.model.zone import SignedZone, Zone
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport import transfer
from dnsctl.verify.decoders import decode
from tests.load.compiled import HEAD

ORIGIN = from_text("example.com.")
EVERY_TYPE = (Path(__file__).parents[1] / "load/inputs/every_type.zone").read_text()


@pytest.fixture
def zone() -> Zone:
    made, findings = parse((HEAD + EVERY_TYPE).encode(), "f", ORIGIN, ZoneDefaults())
    assert made is not None
    assert findings == ()
    return made


@pytest.fixture
def reader(zone: Zone, tmp_path: Path) -> Iterator[Reader]:
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            served = SignedZone(zone.origin, zone.nodes, serial=1)
            writer.apply(list(difference(writer, [compile_zone(served)])))
        with image.reader() as reader:
            yield reader


def test_each_answer_is_read_by_both_decoders(reader: Reader, zone: Zone) -> None:
    responder = Responder()
    for one in zone.rrsets():
        query = dns.message.make_query(to_text(one.owner), dns.rdatatype.RdataType.make(one.rdtype))
        response = responder.respond(reader, query.to_wire(), stream=True)
        assert response is not None
        answer = decode(response.wire)
        assert answer.decoders == 2
        found = {record.rdata for record in answer.answer if record.rdtype == one.rdtype}
        assert found == set(one.rdatas), one.rdtype


def test_transfer_brings_every_record(reader: Reader, zone: Zone) -> None:
    query = dns.message.make_query("example.com.", "AXFR").to_wire()
    found = {
        (record.owner, record.rdtype, record.rdata)
        for message in transfer.messages(reader, query)
        for record in decode(message).answer
    }
    assert found == {(one.owner, one.rdtype, rdata) for one in zone.rrsets() for rdata in one.rdatas}
