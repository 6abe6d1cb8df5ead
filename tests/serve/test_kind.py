"""What an answer says goes with it: to the fast path, into the cache, and to each place of a batch."""

import dns.message
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.serve.message.datagrams import BATCH
from dnsctl.serve.message.kind import Kind
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.udp import UdpWorker
from dnsctl.sign.signer import unsigned_zone
from tests.build import validated
from tests.serve.filled import Filled

ZONE = (
    "www A 192.0.2.1\nalias CNAME www\ntosub CNAME x.sub\nd DNAME other\n*.wild TXT found\n*.away CNAME www\n"
    "sub NS ns.sub\nns.sub A 192.0.2.2\ngone CNAME nothing\n"
    + "".join(f'big TXT "{number:0200d}"\n*.large TXT "{number:0200d}"\n' for number in range(9))
    + "".join(f"wide NS ns{number}.wide\nns{number}.wide A 192.0.2.1\n" for number in range(60))
)
KINDS = {
    "www A": Kind.DATA,
    "alias A": Kind.DATA,
    "tosub A": Kind.DATA,
    "gone A": Kind.DATA,
    "big TXT": Kind.DATA,
    "x.wild TXT": Kind.SYNTHESIZED,
    "x.away A": Kind.SYNTHESIZED,
    "x.d A": Kind.SYNTHESIZED,
    "x.large TXT": Kind.SYNTHESIZED,
    "www MX": Kind.NODATA,
    "x.wild A": Kind.NODATA,
    "nothing A": Kind.NXDOMAIN,
    "a.b.nothing A": Kind.NXDOMAIN,
    "x.sub A": Kind.REFERRAL,
    "x.wide A": Kind.REFERRAL,
    "www.example.org. A": Kind.OTHER,
}


def query(case: str) -> bytes:
    name, rdtype = case.split()
    return dns.message.make_query(name if name[-1] == "." else f"{name}.example.com.", rdtype).to_wire()


@pytest.fixture
def worker(tmp_path):
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            zone = unsigned_zone(validated("example.com.", ZONE), 1)
            writer.apply(difference(writer, [compile_zone(zone)]))
        with image.reader() as reader:
            yield UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), Responder())


def kinds(worker: UdpWorker, cases: list[str]) -> list[Kind]:
    """Return what the answers of a batch are said to say."""
    batch = Filled(keep_classes=True)
    worker.answerer.answer(batch, batch.fill([query(case) for case in cases]), [])
    return [worker.answerer.tally.kind_of(batch.class_of(index))[0] for index in range(len(cases))]


def test_kind_is_the_same_on_the_full_path_the_fast_path_and_from_the_cache(worker):
    worker.answerer.renew()
    for _ in range(4):  # worked out, learned by the fast path, kept, found in the cache
        assert dict(zip(KINDS, kinds(worker, list(KINDS)), strict=True)) == KINDS


def test_answers_from_gaps_have_their_kind_among_others(worker):
    worker.answerer.renew()
    for turn in range(6):
        cases = [f"q{turn}{number:04d} A" for number in range(BATCH - len(KINDS))]
        found = kinds(worker, [*cases, *KINDS])
        assert found == [Kind.NXDOMAIN] * len(cases) + list(KINDS.values())
