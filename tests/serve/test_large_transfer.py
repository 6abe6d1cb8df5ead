"""Records that leave no room for a TSIG in their message are transferred all the same (RFC 8945 §5.3.1)."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.zone
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.fleet import TransferKey
from dnsctl.serve.message.tsig import Keyring
from dnsctl.serve.transport import transfer
from dnsctl.sign.signer import unsigned_zone
from tests.build import validated
from tests.node.running import READY, RunningNode, publish, running
from tests.peers import need
from tests.serve.peer_servers import running as running_peer
from tests.serve.test_signed_transfer import ENCODED, SECRET, secondary

KEY = "hmac-sha256.example"
# Octets of a message but for the rdata: header, `large.example.com.`, type, class, TTL, length
AROUND = 12 + 19 + 10
ROOM = 65_535 - AROUND  # octets of rdata
TSIG = 21 + 10 + 13 + 16 + 32  # key's name, head, algorithm's name, fixed fields, MAC


def text(octets: int) -> str:
    """Return character strings of `octets` octets of rdata."""
    whole, rest = divmod(octets, 256)
    strings = [f'"{"x" * 255}"'] * whole + ([f'"{"y" * (rest - 1)}"'] if rest else [])
    return " ".join(strings)


def zone(*sizes: int) -> str:
    """Return a zone with a record of each size among small ones."""
    lines = ["www A 192.0.2.1", "aaa A 192.0.2.2", "zzz A 192.0.2.3"]
    names = ["large", *(f"larg{chr(ord('f') + index)}" for index in range(25))]
    lines += [f"{name} TXT {text(size)}" for name, size in zip(names, sizes, strict=False)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    state = tmp_path_factory.mktemp("state")
    publish(
        state, [validated("example.com.", zone(ROOM, ROOM - 50, ROOM - 150, 30_000, ROOM - 1))], generation=7
    )
    with running(state, more={"keys": [[KEY, "hmac-sha256", SECRET]]}) as node:
        node.wait_for(READY.pattern, 60)
        yield node


@pytest.mark.peer
@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_client_verifies_a_transfer_in_which_some_messages_are_unsigned(node: RunningNode, program: str):
    command = [need(program), "@127.0.0.1", "-p", str(node.port), "-y", f"hmac-sha256:{KEY}:{ENCODED}"]
    said = subprocess.run(
        [*command, "example.com", "AXFR"], capture_output=True, text=True, check=False, timeout=60
    ).stdout
    assert len(re.findall(r"^larg\w\.example\.com\.", said, re.MULTILINE)) == 5
    assert re.search(r"^zzz\.example\.com\.", said, re.MULTILINE)
    assert not re.search(r"(?i)couldn't verify|bad signature|tsig error|failed", said), said[-800:]


def test_dnspython_verifies_it_and_holds_every_record(node: RunningNode):
    ring = dns.tsigkeyring.from_text({KEY: ("hmac-sha256", ENCODED)})
    messages = dns.query.xfr(
        "127.0.0.1", "example.com.", port=node.port, keyring=ring, keyname=KEY, relativize=False, timeout=60
    )
    found = dns.zone.from_xfr(messages, relativize=False)
    for name, size in (("large", ROOM), ("largf", ROOM - 50), ("largg", ROOM - 150), ("largi", ROOM - 1)):
        [rdata] = found.find_rdataset(f"{name}.example.com.", "TXT")
        assert sum(1 + len(each) for each in rdata.strings) == size


def knot(directory: Path, port: int, primary: int) -> list[str]:
    path = directory / "knotd.conf"
    path.write_text(f"""
server:
  listen: 127.0.0.1@{port}
  rundir: "{directory}"
database:
  storage: "{directory}"
key:
  - id: {KEY}
    algorithm: hmac-sha256
    secret: {ENCODED}
remote:
  - id: primary
    address: 127.0.0.1@{primary}
    key: {KEY}
zone:
  - domain: example.com
    master: primary
    file: "{directory}/copy"
""")
    return [need("knotd"), "-c", str(path)]


@pytest.mark.peer
@pytest.mark.parametrize("program", ["nsd", "knotd"])
def test_secondary_of_another_make_takes_the_zone(tmp_path: Path, node: RunningNode, program: str):
    port = free_port()
    if program == "knotd":
        command = knot(tmp_path, port, node.port)
    else:
        command = secondary(program, tmp_path, port, node.port, ENCODED)
    with running_peer(command, port, ["example.com."], tmp_path / "log"):
        for name, size in (("largf", ROOM - 50), ("largg", ROOM - 150)):
            asked = dns.message.make_query(f"{name}.example.com.", "TXT")
            answer = dns.query.tcp(asked, "127.0.0.1", port=port, timeout=20)
            assert answer.rcode() == dns.rcode.NOERROR
            assert sum(1 + len(each) for each in answer.answer[0][0].strings) == size


@pytest.mark.peer
def test_bind_which_takes_no_unsigned_messages_takes_the_largest_record_that_has_room(tmp_path: Path):
    publish(tmp_path / "state", [validated("example.com.", zone(ROOM - TSIG, ROOM - TSIG))], generation=7)
    with running(tmp_path / "state", more={"keys": [[KEY, "hmac-sha256", SECRET]]}) as node:
        node.wait_for(READY.pattern, 60)
        port = free_port()
        command = secondary("named", tmp_path, port, node.port, ENCODED)
        with running_peer(command, port, ["example.com."], tmp_path / "log"):
            asked = dns.message.make_query("large.example.com.", "TXT")
            assert dns.query.tcp(asked, "127.0.0.1", port=port, timeout=20).answer


@pytest.mark.parametrize(
    ("size", "is_signed"), [(ROOM - TSIG, True), (ROOM - TSIG + 1, False), (ROOM, False)]
)
def test_message_is_unsigned_only_where_the_last_octet_has_no_room(
    tmp_path: Path, size: int, is_signed: bool
):
    with held(tmp_path, zone(size)) as reader:
        asked, wires = transferred(reader)
        [large] = [wire for wire in wires if len(wire) > size]
        assert bool(large[11]) is is_signed
        assert len(large) == size + AROUND + (TSIG if is_signed else 0)
        assert verify(wires, asked) == len(wires)


def test_unsigned_messages_stand_between_signed_ones_and_are_covered_by_the_next(tmp_path: Path):
    with held(tmp_path, zone(ROOM, ROOM, ROOM - 60, 100)) as reader:
        asked, wires = transferred(reader)
        signed = [wire[11] for wire in wires]  # the count of additional records
        assert signed[0] == signed[-1] == 1
        assert 0 in signed
        assert verify(wires, asked) == len(wires)
        at = signed.index(0)
        spoilt = bytearray(wires[at])
        spoilt[-1] ^= 1
        for changed in ([*wires[:at], bytes(spoilt), *wires[at + 1 :]], wires[:at] + wires[at + 1 :]):
            with pytest.raises(dns.tsig.BadSignature):
                verify(changed, asked)


def test_more_unsigned_messages_in_a_row_than_anybody_takes_end_the_transfer(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(transfer, "_MAX_UNSIGNED", 3)
    with held(tmp_path, zone(*[ROOM] * 3)) as reader:
        assert len(transferred(reader)[1]) > 3
    with held(tmp_path / "other", zone(*[ROOM] * 4)) as reader, pytest.raises(OverflowError, match="no room"):
        transferred(reader)


class held:  # noqa: N801 - a context manager
    """An image with one zone, and its reader."""

    def __init__(self, directory: Path, text_: str) -> None:
        directory.mkdir(exist_ok=True)
        self._image = Image.open(directory / "image", readonly=False)
        with self._image.writer() as writer:
            made = unsigned_zone(validated("example.com.", text_), 7)
            writer.apply(difference(writer, [compile_zone(made)]))

    def __enter__(self) -> Reader:
        self._reader = self._image.reader()
        return self._reader

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._image.close()


def transferred(reader: Reader) -> tuple[dns.message.Message, list[bytes]]:
    asked = dns.message.make_query("example.com.", "AXFR")
    asked.use_tsig(dns.tsig.Key(f"{KEY}.", SECRET.encode(), "hmac-sha256"))
    keys = Keyring([TransferKey(KEY, "hmac-sha256", SECRET.encode())])
    found = transfer.admit(asked.to_wire(), "198.51.100.1", (), keys)
    return asked, list(found.signed(transfer.messages(reader, found.message)))


def verify(wires: list[bytes], asked: dns.message.Message) -> int:
    key = dns.tsig.Key(f"{KEY}.", SECRET.encode(), "hmac-sha256")
    context = None
    for wire in wires:
        message = dns.message.from_wire(
            wire, keyring={key.name: key}, request_mac=asked.mac, tsig_ctx=context, multi=True, xfr=True
        )
        context = message.tsig_ctx
    assert message.had_tsig
    return len(wires)
