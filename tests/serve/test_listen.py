"""What a trial of new settings does to sockets that are in use: nothing, however many more it asks for."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dnsctl.demo.ports import free_port
from dnsctl.errors import ListenError
from dnsctl.model.fleet import Endpoint
from dnsctl.serve.transport.listen import Listener, listen, try_listen

NOBODY = 65534


@pytest.fixture
def kept() -> Iterator[Listener]:
    (listener,) = listen([Endpoint("127.0.0.1", 0)], 2)
    yield listener
    listener.close()


def test_no_datagram_is_lost_while_more_workers_are_tried(kept: Listener):
    stop = threading.Event()

    def send() -> None:
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(32)]
        while not stop.is_set():
            for client in clients:
                client.sendto(b"?", (kept.endpoint.address, kept.endpoint.port))
                sent.append(1)
            time.sleep(0.001)
        for client in clients:
            client.close()

    sent: list[int] = []
    thread = threading.Thread(target=send)
    thread.start()
    tries = answerable = 0
    while len(sent) < 2000 or tries < 100:
        try_listen([kept.endpoint], 8, [kept])
        tries += 1
        answerable += sum(map(received, kept.datagrams))
    stop.set()
    thread.join()
    assert answerable + sum(map(received, kept.datagrams)) == len(sent)


def test_sockets_that_are_tried_are_closed_again(kept: Listener):
    other = Endpoint("127.0.0.1", free_port())
    before = open_files()
    try_listen([kept.endpoint, other], 3, [kept])
    assert open_files() == before
    listen([other], 1)[0].close()


def test_port_below_1024_takes_no_more_workers_without_the_privilege():
    low = below_1024()
    with pytest.raises(ListenError, match=r"UDP port \d+ needs a privilege"):
        as_nobody(lambda: try_listen([low.endpoint], 2, [low]))
    as_nobody(lambda: try_listen([low.endpoint], 1, [low]))
    low.close()


def test_sockets_of_another_user_take_no_more_workers(kept: Listener):
    if os.geteuid():
        pytest.skip("only root can become another user")
    with pytest.raises(ListenError, match=f"bound by user 0; user {NOBODY} cannot"):
        as_nobody(lambda: try_listen([kept.endpoint], 3, [kept]))
    with pytest.raises(ListenError):  # as the kernel says
        as_nobody(lambda: listen([kept.endpoint], 3, [kept]))
    as_nobody(lambda: try_listen([kept.endpoint], 2, [kept]))


def received(one: socket.socket) -> int:
    count = 0
    one.setblocking(False)
    try:
        while one.recv(16):
            count += 1
    except BlockingIOError:
        return count
    raise AssertionError("a datagram without octets")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def below_1024() -> Listener:
    """Return a listener on a port below 1024 that nothing held."""
    for port in range(1023, 512, -1):
        try:
            return listen([Endpoint("127.0.0.1", port)], 1)[0]
        except ListenError as fault:
            if "privilege" in str(fault):
                pytest.skip("only root can bind a port below 1024")
    raise AssertionError("no port below 1024 is free")


def as_nobody(work: Callable[[], object]) -> None:
    os.seteuid(NOBODY)  # which takes the privilege for low ports as well
    try:
        work()
    finally:
        os.seteuid(0)
