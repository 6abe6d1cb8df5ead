"""Secondaries hear of new serials by NOTIFY (RFC 1996): real ones transfer at once, bad ones are told of."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.tsig
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.model.zone import ValidatedZone
from tests.build import validated
from tests.node import secondaries
from tests.node.running import RunningNode, publish, running
from tests.node.secondaries import KEY, KINDS, SECRET, Primary, serial

ZONE = "example.com."
KEYS = [[KEY, "hmac-sha256", SECRET]]


def zone(number: int, origin: str = ZONE) -> ValidatedZone:
    """A zone with that serial, whose secondaries would look for a new one once a day."""
    text = f"@ 300 SOA ns1 hostmaster {number} 86400 86400 1209600 300\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n"
    return validated(origin, text + f"www 300 TXT {number}\n", apex=False)


def wait(until: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextmanager
def notifying(
    state: Path, told: list[list[Any]], address: str = "127.0.0.1", port: int = 0
) -> Iterator[RunningNode]:
    more = {"keys": KEYS, "notify": told}
    networks = ("127.0.0.0/8", "::1/128")
    with running(state, [(address, port)], transfer=networks, more=more) as node:
        yield node


@pytest.mark.parametrize("key", [False, True], ids=["plain", "tsig"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", KINDS)
def test_secondary_transfers_within_seconds_of_an_activation(
    tmp_path: Path, kind: str, address: str, key: bool
) -> None:
    root, state, port, own = tmp_path / kind, tmp_path / "node", free_port(), free_port()
    root.mkdir()
    publish(state, [zone(1)])
    command = KINDS[kind](root, port, ZONE, Primary(address, own, key))
    told = [[[address, port], KEY if key else "", []]]
    log = root / "log"
    with notifying(state, told, address, own) as node:
        node.wait_for("serving on")  # BIND, refused once, looks again when it likes
        with secondaries.running(command, log):
            wait(lambda: serial(address, port, ZONE) == 1, "the first transfer never came")
            publish(state, [zone(2)], generation=2)
            began = time.monotonic()
            try:
                wait(lambda: serial(address, port, ZONE) == 2, "the second transfer never came", 20)
            except AssertionError:
                raise AssertionError(f"{node.lines}\n{log.read_text()[-3000:]}") from None
            assert time.monotonic() - began < 20  # its own look would come a day later
            node.wait_for(r"answered NOTIFY of example\.com\. 2$")


class Fake:
    """A secondary that answers each NOTIFY as `answer` says, which may be nothing; keeps what came."""

    def __init__(self, answer: Callable[[dns.message.Message], bytes | None], family: int = socket.AF_INET):
        self.came: list[dns.message.Message] = []
        self.times: list[float] = []
        self.sources: list[str] = []
        self._answer = answer
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.where = list(self._socket.getsockname()[:2])
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Fake":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", tuple(self.where))
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        key = dns.tsig.Key(KEY, SECRET.encode(), "hmac-sha256")
        while True:
            wire, source = self._socket.recvfrom(65535)
            if not wire:
                return
            message = dns.message.from_wire(wire, keyring={key.name: key})
            self.sources.append(source[0])
            self.times.append(time.monotonic())
            self.came.append(message)
            answer = self._answer(message)
            if answer is not None:
                self._socket.sendto(answer, source)

    def zones(self) -> list[str]:
        return [message.question[0].name.to_text() for message in self.came]


def response(message: dns.message.Message, rcode: int = dns.rcode.NOERROR) -> dns.message.Message:
    made = dns.message.make_response(message)
    made.set_rcode(dns.rcode.Rcode(rcode))
    return made


def says(rcode: int) -> Callable[[dns.message.Message], bytes]:
    return lambda message: response(message, rcode).to_wire()


def nothing(_message: dns.message.Message) -> None:
    return None


def test_notify_says_what_rfc_1996_wants_and_comes_from_where_queries_are_answered(tmp_path: Path) -> None:
    publish(tmp_path, [zone(7)], generation=7)
    with Fake(says(0)) as fake, notifying(tmp_path, [[fake.where, "", []]], "127.0.0.2") as node:
        node.wait_for(r"127\.0\.0\.1:\d+ answered NOTIFY of example\.com\. 7$")
    (message,) = fake.came
    assert message.opcode() == dns.opcode.NOTIFY
    assert message.flags & 0x87B0 == dns.flags.AA
    assert [(str(one.name), one.rdtype) for one in message.question] == [(ZONE, 6)]
    assert message.answer[0][0].serial == 7
    assert fake.sources == ["127.0.0.2"]


def test_only_zones_whose_serial_changed_are_told_of_after_an_activation(tmp_path: Path) -> None:
    names = [f"z{number}.example." for number in range(5)]
    publish(tmp_path, [zone(1, name) for name in names])
    with Fake(says(0)) as fake, notifying(tmp_path, [[fake.where, "", []]]) as node:
        wait(lambda: sorted(fake.zones()) == names, "not all zones were told of after the start")
        serials = {name: 2 if name == names[3] else 1 for name in names}
        changed = [zone(serial, name) for name, serial in serials.items()]
        publish(tmp_path, changed, generation=2, serials=serials)
        node.wait_for(r"answered NOTIFY of z3\.example\. 2$")
        time.sleep(1.5)
        assert fake.zones()[5:] == [names[3]]


def test_secondary_is_told_of_its_zones_only(tmp_path: Path) -> None:
    publish(tmp_path, [zone(1, name) for name in ("a.example.", "b.example.", "a.test.")])
    with Fake(says(0)) as one, Fake(says(0)) as two:
        told = [[one.where, "", ["*.example"]], [two.where, "", ["b.example", "a.test"]]]
        with notifying(tmp_path, told):
            wait(lambda: len(one.came) + len(two.came) >= 4, "too few were told")
            time.sleep(0.5)
    assert sorted(one.zones()) == ["a.example.", "b.example."]
    assert sorted(two.zones()) == ["a.test.", "b.example."]


def test_secondary_that_is_down_is_told_again_until_it_answers(tmp_path: Path) -> None:
    publish(tmp_path, [zone(3)], generation=3)
    silent = iter([None, None])
    with (
        Fake(lambda message: next(silent, response(message).to_wire())) as fake,
        notifying(tmp_path, [[fake.where, "", []]]) as node,
    ):
        node.wait_for(r"answered NOTIFY of example\.com\. 3$")
        time.sleep(1)
    first, second = (later - earlier for earlier, later in zip(fake.times, fake.times[1:], strict=False))
    assert len(fake.came) == 3
    assert 0.8 < first < second
    assert len({message.id for message in fake.came}) == 3


def test_port_nobody_listens_on_is_tried_again(tmp_path: Path) -> None:
    publish(tmp_path, [zone(3)], generation=3)
    port = free_port()
    with notifying(tmp_path, [[["127.0.0.1", port], "", []]]) as node:
        node.wait_for("serving on")
        time.sleep(1.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
            late.bind(("127.0.0.1", port))
            late.settimeout(20)
            wire, source = late.recvfrom(65535)
            late.sendto(says(0)(dns.message.from_wire(wire)), source)
            node.wait_for(r"answered NOTIFY of example\.com\. 3$")


@pytest.mark.parametrize("rcode", ["REFUSED", "NOTAUTH", "NOTIMP", "FORMERR"])
def test_secondary_that_refuses_is_told_of_in_the_log_and_left_alone(tmp_path: Path, rcode: str) -> None:
    publish(tmp_path, [zone(3)], generation=3)
    answer = says(dns.rcode.from_text(rcode))
    with Fake(answer) as fake, notifying(tmp_path, [[fake.where, "", []]]) as node:
        node.wait_for(rf"127\.0\.0\.1:\d+ answered NOTIFY of example\.com\. 3 with {rcode}: ")
        time.sleep(2.5)
    assert len(fake.came) == 1


def test_answers_that_are_not_to_what_was_sent_count_for_nothing(tmp_path: Path) -> None:
    def forged(message: dns.message.Message) -> bytes:
        made = response(message)
        if len(fake.came) == 1:
            made.id ^= 1
        elif len(fake.came) == 2:
            made.question[0].name = dns.name.from_text("example.net.")
        elif len(fake.came) == 3:
            made.set_opcode(dns.opcode.QUERY)
        return made.to_wire() if len(fake.came) < 4 else b"\xff" * 11

    publish(tmp_path, [zone(3)], generation=3)
    fake = Fake(forged)
    with fake, notifying(tmp_path, [[fake.where, "", []]]) as node:
        wait(lambda: len(fake.came) >= 4, "it was believed")
        assert not any("answered NOTIFY" in line for line in node.lines)


def test_signed_notify_is_answered_by_a_signed_response_alone(tmp_path: Path) -> None:
    def unsigned_first(message: dns.message.Message) -> bytes:
        assert message.had_tsig
        made = response(message)
        if len(fake.came) == 1:
            made.tsig = None
        return made.to_wire()

    publish(tmp_path, [zone(3)], generation=3)
    fake = Fake(unsigned_first)
    with fake, notifying(tmp_path, [[fake.where, KEY, []]]) as node:
        node.wait_for(r"answered NOTIFY of example\.com\. 3 with NOERROR without TSIG")
        node.wait_for(r"answered NOTIFY of example\.com\. 3$")
    assert len(fake.came) == 2


def test_newer_serial_takes_the_place_of_one_that_was_not_answered(tmp_path: Path) -> None:
    publish(tmp_path, [zone(1)])
    with Fake(nothing) as fake, notifying(tmp_path, [[fake.where, "", []]]):
        wait(lambda: len(fake.came) >= 1, "nothing came")
        publish(tmp_path, [zone(2)], generation=2)
        wait(lambda: any(each.answer[0][0].serial == 2 for each in fake.came), "the new serial never came")
        seen = len(fake.came)
        wait(lambda: len(fake.came) >= seen + 2, "it was not sent again")
        assert {each.answer[0][0].serial for each in fake.came[seen:]} == {2}


def test_thousand_zones_are_told_of_at_a_bounded_rate_and_in_few_lines(tmp_path: Path) -> None:
    publish(tmp_path, [zone(1, f"z{number}.example.") for number in range(300)])
    with Fake(says(0)) as fake, notifying(tmp_path, [[fake.where, "", []]]) as node:
        wait(lambda: len(set(fake.zones())) == 300, "not all were told")
        assert fake.times[-1] - fake.times[0] > 2.5  # 100 a second
        node.wait_for(r"answered NOTIFY: \d+ more in 10 s")
        assert sum("answered NOTIFY of" in line for line in node.lines) <= 150


def test_secondary_that_is_silent_gets_no_more_than_the_rate_with_all_that_is_sent_again(
    tmp_path: Path,
) -> None:
    publish(tmp_path, [zone(1, f"z{number}.example.") for number in range(300)])
    with Fake(nothing) as fake, notifying(tmp_path, [[fake.where, "", []]]):
        wait(lambda: len(fake.came) >= 500, "it was not sent again")
    assert len(set(fake.zones())) == 300
    assert len(fake.came) <= 110 * (fake.times[-1] - fake.times[0]) + 20


def test_ipv6_secondary_of_a_node_on_every_address(tmp_path: Path) -> None:
    publish(tmp_path, [zone(3)], generation=3)
    fake = Fake(says(0), socket.AF_INET6)
    with fake, notifying(tmp_path, [[fake.where, "", []]], "::") as node:
        node.wait_for(r"\[::1\]:\d+ answered NOTIFY of example\.com\. 3$")
