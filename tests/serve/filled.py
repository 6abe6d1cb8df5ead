"""A worker whose batches are filled by hand: no sockets, no kernel."""

import socket

from dnsctl.image.reader import Reader
from dnsctl.serve.message.datagrams import Batch
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.udp import UdpWorker


class Filled(Batch):
    """A batch that receives what it is given."""

    def __init__(self, *, keep_classes: bool = False) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            super().__init__(one, keep_classes=keep_classes)

    def fill(self, wires: list[bytes]) -> int:
        """Take queries, as many as there is room for at most; return how many."""
        self.forget_tails()
        for index, wire in enumerate(wires):
            self.slots[index][: len(wire)] = wire
            self.received[index] = len(wire)
        return len(wires)


def answers(worker: UdpWorker, batch: Filled, wires: list[bytes]) -> list[bytes | None]:
    """Let `worker` answer a batch of queries."""
    silent = worker.answerer.answer(batch, batch.fill(wires), [])
    return [None if index in silent else batch.answer(index) for index in range(len(wires))]


def assert_same(reader: Reader, wires: list[bytes], found: list[bytes | None]) -> None:
    """Fail where an answer is not, octet for octet, that of the full path."""
    slow = Responder()
    for wire, answer in zip(wires, found, strict=True):
        full = slow.respond(reader, wire, stream=False)
        assert answer == (full.wire if full else None), wire
