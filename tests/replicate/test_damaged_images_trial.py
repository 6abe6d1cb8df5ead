"""Images with octets flipped at random pages, of running and of stopped nodes, one after the other.

Each is found within `BOUND` seconds, told by status, health and metrics, and replaced from the peer; the node
then says nothing that a healthy node does not say, and takes the next release with a whole image. What is
flipped while it is served may be in answers until it is found: how many is printed.
`DNSCTL_IMAGES=14` for all of them (some four minutes), `DNSCTL_SEED` for others.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.errors import NodeUnreachableError
from dnsctl.image.layout import Table
from dnsctl.node.inspector import look
from dnsctl.replicate.answers import NodeStatus
from tests.replicate.control import Control, text
from tests.replicate.nodes import Fleet
from tests.replicate.test_catchup import push
from tests.replicate.test_damaged_image import body, data_file, get

IMAGES = int(os.environ.get("DNSCTL_IMAGES", "2"))
BOUND = 60.0  # seconds; looks are 10 s apart, and machines of tests are slow
NAMES = 400


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    control = Control(tmp_path_factory.mktemp("control"))
    yield control
    control.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, control: Control) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("pair"), control, size=2, whole=True)
    fleet.start_all()
    release(fleet, control)
    yield fleet
    fleet.stop()


def release(fleet: Fleet, control: Control) -> int:
    """Have both nodes serve one more release: ns1 is given it, as often as needed; ns2 catches up."""
    generation = control.staging.served.generation + 1
    made = control.release({"example.com.": body(generation), "example.net.": text(generation % 250)})
    deadline = time.monotonic() + BOUND
    while True:
        try:
            push(fleet, made, "ns1")
            break
        except NodeUnreachableError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    fleet.wait_for_generation(generation)
    return generation


def flip(control: Control, data: Path, rng: random.Random) -> None:
    """Flip bits of what is served, wherever it stands, and a few at pages that chance says."""
    with control.image.reader() as reader:
        live = [value for _, value in (*reader.nodes(Table.OWNERS, b""), *reader.zone_items())]
    octets = bytearray(data.read_bytes())
    for value in rng.sample(live, rng.choice((1, 3, 30))):
        index, bit = rng.randrange(len(value)), 1 << rng.randrange(8)
        at, good = 0, bytes(octets)
        while (at := good.find(value, at)) >= 0:
            octets[at + index] ^= bit
            at += len(value)
    for _ in range(rng.choice((0, 2, 20))):
        page = rng.randrange(2, len(octets) // 4096)
        octets[page * 4096 + rng.randrange(4096)] ^= 1 << rng.randrange(8)
    with data.open("r+b") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def answer(fleet: Fleet, name: str, owner: str) -> list[str] | None:
    """Return the texts of an answer; None for silence, SERVFAIL and REFUSED: a resolver asks another node."""
    endpoint = fleet.node(name).listen[0]
    query = dns.message.make_query(owner, "TXT")
    try:
        reply = dns.query.udp(query, endpoint.address, timeout=0.5, port=endpoint.port)
    except (dns.exception.DNSException, OSError):
        return None
    if reply.rcode() in (dns.rcode.SERVFAIL, dns.rcode.REFUSED):
        return None
    return [rdata.to_text() for rrset in reply.answer for rdata in rrset]


def damage_since(fleet: Fleet, since: int) -> NodeStatus | None:
    """Return what the node tells once it knows of a damage; None before, and while its agent is replaced."""
    try:
        status = fleet.status("ns1")
    except NodeUnreachableError:
        return None
    return status if status.damage is not None and status.damage.at >= since else None


def health(fleet: Fleet) -> int:
    """Return the code of /health; 0 while the exporter is replaced."""
    try:
        return get(fleet, "ns1", "/health")[0]
    except OSError:
        return 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(IMAGES))
def test_damaged_image_is_found_told_mended_and_never_asked_again(
    control: Control, pair: Fleet, number: int
) -> None:
    rng = random.Random(f"{os.environ.get('DNSCTL_SEED', 'images')} {number}")
    generation = control.staging.served.generation
    right = {f"x{each:04}.example.com.": [f'"host number {each} of {generation}"'] for each in range(NAMES)}
    is_running = number % 2 == 1  # so that a node that was mended at its start is damaged again
    if not is_running:
        pair.kill("ns1")
    since, began = int(time.time()), time.monotonic()
    flip(control, data_file(pair, "ns1"), rng)
    assert look(pair.state("ns1"))
    if not is_running:
        pair.start("ns1")

    before, asked, codes = 0, 0, set[int]()
    while damage_since(pair, since) is None:
        assert time.monotonic() - began < BOUND, "nobody finds it"
        owner = rng.choice(list(right))
        before, asked = before + (answer(pair, "ns1", owner) not in (None, right[owner])), asked + 1
    took = time.monotonic() - began
    while True:
        codes.add(health(pair))
        status = damage_since(pair, since)
        if status and status.damage and status.damage.is_mended and not status.silent and health(pair) == 200:
            break
        assert time.monotonic() - began < 2 * BOUND, status
        time.sleep(0.02)
    assert 503 in codes, "health says that it serves"
    assert "dnsctl_image_damage_timestamp_seconds 1." in get(pair, "ns1", "/metrics")[1]
    for owner, wanted in right.items():
        assert answer(pair, "ns1", owner) in (wanted, None), owner
    assert pair.table("ns1") == pair.table("ns2")
    assert look(pair.state("ns1")) == ""
    release(pair, control)
    assert look(pair.state("ns1")) == ""
    assert pair.table("ns1") == pair.table("ns2")
    print(
        f"image {number} of a {'running' if is_running else 'stopped'} node: found after {took:.1f} s,"
        f" {before} of {asked} answers wrong before; {status.damage.reason}"
    )
