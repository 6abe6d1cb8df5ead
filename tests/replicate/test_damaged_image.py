"""Images with flipped octets, in whole nodes of real processes: found, told, and replaced from a peer."""

import contextlib
import json
import os
import random
import shutil
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from dnsctl.errors import ReleaseRefusedError
from dnsctl.image.layout import Table
from dnsctl.image.store import MAP_SIZE, Image
from dnsctl.node.inspector import look
from tests.replicate.control import Control, Made, text
from tests.replicate.nodes import Fleet
from tests.replicate.test_catchup import push


def body(generation: int) -> str:
    """Return a zone of a few pages, with one record that tells the generation."""
    lines = [f'x{number:04} TXT "host number {number} of {generation}"' for number in range(400)]
    return text(generation) + "\n".join(lines) + "\n"


@pytest.fixture
def pair(tmp_path: Path, control: Control) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, control, size=2, whole=True)
    yield fleet
    fleet.stop()


def release(fleet: Fleet, control: Control, *names: str) -> Made:
    generation = control.staging.served.generation + 1
    made = control.release({"example.com.": body(generation), "example.net.": text(generation)})
    push(fleet, made, names[0])
    fleet.wait_for_generation(generation, *names)
    return made


def data_file(fleet: Fleet, name: str) -> Path:
    return fleet.state(name) / "image/data.mdb"


def flip(path: Path, found: bytes) -> None:
    """Change one octet in every place where `found` stands: the last of it."""
    octets, at, count = path.read_bytes(), 0, 0
    with path.open("r+b") as file:
        while (at := octets.find(found, at)) >= 0:
            at += len(found)
            file.seek(at - 1)
            file.write(bytes([octets[at - 1] ^ 0x20]))
            count += 1
        file.flush()
        os.fsync(file.fileno())
    assert count, found


def flip_pages(path: Path, seed: int) -> None:
    """Make the first octets of each page but the two of LMDB's own what chance says: nothing can be read."""
    rng = random.Random(seed)
    with path.open("r+b") as file:
        for page in range(2, path.stat().st_size // 4096):
            file.seek(page * 4096 + 8)
            file.write(rng.randbytes(64))


def ask(fleet: Fleet, name: str, owner: str) -> list[str]:
    """Return the texts of the answer, or its rcode; ask again while a process is being replaced."""
    endpoint = fleet.node(name).listen[0]
    deadline = time.monotonic() + 60
    while True:
        query = dns.message.make_query(owner, "TXT")
        try:
            reply = dns.query.udp(query, endpoint.address, timeout=1, port=endpoint.port)
        except dns.exception.Timeout:
            assert time.monotonic() < deadline, f"{name} says nothing"
            continue
        if reply.rcode():
            return [dns.rcode.to_text(reply.rcode())]
        return [rdata.strings[0].decode() for rrset in reply.answer for rdata in rrset]


def get(fleet: Fleet, name: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{fleet.metrics[name]}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until_mended(fleet: Fleet, name: str, generation: int) -> str:
    """Return the reason that status then tells."""
    status = fleet.wait(
        name,
        lambda told: (
            bool(told.damage and told.damage.is_mended)
            and told.served.generation == generation
            and not told.silent
        ),
        60,
    )
    assert status.damage is not None
    deadline = time.monotonic() + 60
    while get(fleet, name, "/health")[0] != 200:
        assert time.monotonic() < deadline, get(fleet, name, "/health")
        time.sleep(0.05)
    return status.damage.reason


def test_flipped_octet_of_a_running_node_is_found_told_and_mended_from_a_peer(
    control: Control, pair: Fleet
) -> None:
    pair.start_all()
    release(pair, control, "ns1", "ns2")
    good = pair.table("ns2")
    flip(data_file(pair, "ns1"), b"host number 7 of")

    reason = wait_until_mended(pair, "ns1", 1)

    assert reason == "example.com.: the zone's records do not match its digest"
    assert ask(pair, "ns1", "x0007.example.com.") == ["host number 7 of 1"]
    assert pair.table("ns1") == good
    assert "dnsctl_image_damaged 0.0" in get(pair, "ns1", "/metrics")[1]
    assert "dnsctl_image_damage_timestamp_seconds 1." in get(pair, "ns1", "/metrics")[1]
    release(pair, control, "ns1", "ns2")  # and it takes the next one
    assert ask(pair, "ns1", "x0007.example.com.") == ["host number 7 of 2"]


def test_flipped_octet_of_a_stopped_node_is_found_after_its_start(control: Control, pair: Fleet) -> None:
    pair.start_all()
    release(pair, control, "ns1", "ns2")
    pair.kill("ns1")
    flip(data_file(pair, "ns1"), b"host number 7 of")
    pair.start("ns1")

    wait_until_mended(pair, "ns1", 1)

    assert ask(pair, "ns1", "x0007.example.com.") == ["host number 7 of 1"]


@pytest.mark.parametrize("running", [True, False])
def test_pages_that_cannot_be_read_are_replaced_from_a_peer(
    control: Control, pair: Fleet, *, running: bool
) -> None:
    pair.start_all()
    release(pair, control, "ns1", "ns2")
    good = pair.table("ns2")
    if not running:
        pair.kill("ns1")
    flip_pages(data_file(pair, "ns1"), seed=11)
    if not running:
        pair.start("ns1")

    wait_until_mended(pair, "ns1", 1)

    assert ask(pair, "ns1", "x0007.example.com.") == ["host number 7 of 1"]
    assert pair.table("ns1") == good


def spoil_what_only_writers_read(path: Path, aside: Path) -> None:
    """Overwrite one page: all that is served is as it was, and no change can be made any more."""
    octets = path.read_bytes()
    for number in range(len(octets) // 4096 - 1, 1, -1):
        spoilt = octets[: number * 4096] + bytes([0xA5]) * 4096 + octets[(number + 1) * 4096 :]
        (aside / "image").mkdir(parents=True, exist_ok=True)
        (aside / "image/data.mdb").write_bytes(spoilt)
        if not look(aside) and not can_be_written(aside / "image"):
            path.write_bytes(spoilt)
            return
    pytest.fail("no page of that kind")


def can_be_written(path: Path) -> bool:
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException), Image.open(path, readonly=False) as image:
            with image.writer() as writer:
                writer.set_release(10**6, "")
            os._exit(0)
        os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def test_image_that_can_be_read_but_not_written_is_replaced_from_a_peer(
    tmp_path: Path, control: Control, pair: Fleet
) -> None:
    pair.start_all()
    for _ in range(3):
        release(pair, control, "ns1", "ns2")
    pair.kill("ns1")
    spoil_what_only_writers_read(data_file(pair, "ns1"), tmp_path / "aside")
    pair.start("ns1")
    made = control.release({"example.com.": body(4), "example.net.": text(4)})

    with pytest.raises(ReleaseRefusedError):
        push(pair, made, "ns1")
    push(pair, made, "ns2")

    assert "written" in wait_until_mended(pair, "ns1", 4)
    release(pair, control, "ns1", "ns2")


def count_pages_beyond_the_end(path: Path, number: int) -> None:
    """Have both of LMDB's meta pages say that page `number` is the last: all can be read, nothing written."""
    with path.open("r+b") as file:
        for meta in (0, 4096):
            file.seek(meta + 136)
            file.write(struct.pack("<Q", number))


@pytest.mark.parametrize(
    ("number", "running"),
    [
        (2**22, True),
        (MAP_SIZE // 4096, True),
        (MAP_SIZE // 4096 - 1, False),
        (MAP_SIZE // 4096, False),
        (2**52, False),
    ],
)
def test_image_that_counts_more_pages_than_it_has_is_replaced_from_a_peer(
    control: Control, pair: Fleet, number: int, running: bool
) -> None:
    pair.start_all()
    release(pair, control, "ns1", "ns2")
    if not running:
        pair.kill("ns1")
    count_pages_beyond_the_end(data_file(pair, "ns1"), number)
    if not running:
        pair.start("ns1")

    assert "beyond its end" in wait_until_mended(pair, "ns1", 1)
    release(pair, control, "ns1", "ns2")


@pytest.mark.parametrize("octets", [b"", b"garbage" * 1000])
def test_node_whose_image_is_no_image_starts_as_a_new_one(
    control: Control, pair: Fleet, octets: bytes
) -> None:
    pair.start_all()
    release(pair, control, "ns1", "ns2")
    pair.kill("ns1")
    data_file(pair, "ns1").write_bytes(octets)
    pair.start("ns1")

    pair.wait("ns1", lambda told: told.served.generation == 1 and not told.silent, 60)

    assert ask(pair, "ns1", "x0007.example.com.") == ["host number 7 of 1"]


@pytest.mark.parametrize("mended_by", ["a peer", "a push"])
def test_node_that_finds_no_other_serves_what_is_right_and_says_that_it_is_damaged(
    control: Control, pair: Fleet, mended_by: str
) -> None:
    pair.start("ns1")
    made = release(pair, control, "ns1")
    shutil.rmtree(pair.state("ns1") / "releases")  # or it would take from there what it served
    flip(data_file(pair, "ns1"), b"host number 7 of")

    told = pair.wait(
        "ns1",
        lambda told: bool(told.damage and not told.damage.is_mended) and not told.served.generation,
        60,
    )

    assert not told.silent
    assert ask(pair, "ns1", "release.example.net.") == ["1"]
    code, health = get(pair, "ns1", "/health")
    assert (code, json.loads(health)["status"][:14]) == (503, "image damaged:")
    assert "dnsctl_image_damaged 1.0" in get(pair, "ns1", "/metrics")[1]
    if mended_by == "a peer":
        pair.start("ns2")
    push(pair, made, "ns2" if mended_by == "a peer" else "ns1")
    wait_until_mended(pair, "ns1", 1)
    assert ask(pair, "ns1", "x0007.example.com.") == ["host number 7 of 1"]


def test_node_alone_takes_what_it_served_from_its_archive(control: Control, pair: Fleet) -> None:
    pair.start("ns1")
    release(pair, control, "ns1")
    flip(data_file(pair, "ns1"), b"host number 7 of")

    wait_until_mended(pair, "ns1", 1)

    assert ask(pair, "ns1", "x0007.example.com.") == ["host number 7 of 1"]


def test_any_octet_of_what_an_image_serves_is_missed(tmp_path: Path, control: Control) -> None:
    control.release({"example.com.": body(1), "example.net.": text(1)})
    with control.image.reader() as reader:
        values = [value for _, value in [*reader.nodes(Table.OWNERS, b""), *reader.zone_items()]]
    data = tmp_path / "state/image/data.mdb"
    data.parent.mkdir(parents=True)
    control.image._environment.copy(str(data.parent))
    assert look(data.parent.parent) == ""
    good, rng = data.read_bytes(), random.Random(3)
    for _ in range(30):
        value = rng.choice(values)
        at = good.index(value) + rng.randrange(len(value))
        damaged = bytearray(good)
        damaged[at] ^= 1 << rng.randrange(8)
        data.write_bytes(damaged)
        assert look(data.parent.parent), f"octet {at} of {value!r}"
