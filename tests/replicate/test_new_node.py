"""A node that is new, emptied or far behind: whole nodes in real processes, asked all the while.

Each release changes a TXT record to its generation. Every answer is kept: an old generation that the node did
not serve before must not be among them, and an emptied node says nothing at all until it is current.
"""

import contextlib
import json
import random
import secrets
import shutil
import socket
import threading
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

from dnsctl.image.silence import Silence
from dnsctl.model.fleet import Endpoint, Secondary
from dnsctl.model.repo import NodeFiles
from dnsctl.release.archive import Archive
from dnsctl.replicate import catchup
from tests.node.test_notifier import Fake, says
from tests.replicate.control import Control, Made, text
from tests.replicate.nodes import Fleet
from tests.replicate.test_catchup import push
from tests.replicate.test_transaction import push as push_by_control

GENERATIONS = 12


class Watch:
    """Asks a node for its generation over and over, and keeps each answer: a generation, or an rcode."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self._told: dict[bool, list[str]] = {False: [], True: []}  # by transport, no repetition in a row
        self.count = 0
        self.streams = 0  # answers over TCP
        self._endpoint = fleet.node(name).listen[0]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(stream,)) for stream in (False, True)]

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, stream: bool) -> None:
        ask = dns.query.tcp if stream else dns.query.udp
        while not self._stop.is_set():
            query = dns.message.make_query("release.example.com.", "TXT")
            with contextlib.suppress(OSError, EOFError, dns.exception.DNSException):
                reply = ask(query, self._endpoint.address, timeout=0.05, port=self._endpoint.port)
                found = [rdata.strings[0].decode() for rrset in reply.answer for rdata in rrset]
                told = found[0] if found else dns.rcode.to_text(reply.rcode())
                self.count += 1
                self.streams += stream
                if [told] != self._told[stream][-1:]:
                    self._told[stream].append(told)
            time.sleep(0.002)

    @property
    def seen(self) -> list[str]:
        """Return what was told, in order, by the transport that was told more; no other order by the other.

        Which of two answers over UDP and TCP came first, two threads cannot say.
        """
        fewer, more = sorted(self._told.values(), key=len)
        rest = iter(more)
        assert all(told in rest for told in fewer), self._told
        return more

    def settle(self) -> None:
        """Return once twenty more answers came, and some of them over TCP."""
        enough, deadline = self.count + 20, time.monotonic() + 60
        while self.count < enough or not self.streams:
            assert time.monotonic() < deadline, f"no answers: {self.seen}"
            time.sleep(0.01)


@pytest.fixture
def whole(tmp_path: Path, control: Control) -> Iterator[Fleet]:
    """Two whole nodes that run; a third is in their settings and was never started."""
    fleet = Fleet(tmp_path, control, size=3, whole=True)
    fleet.start("ns1", "ns2")
    yield fleet
    fleet.stop()


def release_all(fleet: Fleet, control: Control, *names: str, count: int = GENERATIONS) -> Made:
    """Push `count` releases to the first of `names`; the others hear of each from it."""
    for _ in range(count):
        generation = control.staging.served.generation + 1
        made = control.release({"example.com.": text(generation)})
        push(fleet, made, names[0])
        fleet.wait_for_generation(generation, *names)
    return made


def empty(fleet: Fleet, name: str) -> None:
    shutil.rmtree(fleet.state(name))


def health(fleet: Fleet, name: str) -> tuple[int, str]:
    url = f"http://{fleet.metrics[name]}/health"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, json.load(response)["status"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["status"]


def wait_until_it_answers(fleet: Fleet, name: str, seconds: float = 60) -> None:
    fleet.wait(name, lambda status: not status.silent, seconds)


def test_emptied_node_answers_with_the_newest_generation_and_nothing_before(
    control: Control, whole: Fleet
) -> None:
    release_all(whole, control, "ns1", "ns2")
    whole.kill("ns2")
    empty(whole, "ns2")
    with Watch(whole, "ns2") as watch:
        whole.start("ns2")
        wait_until_it_answers(whole, "ns2")
        watch.settle()
    assert watch.seen == [str(GENERATIONS)]
    assert whole.table("ns2") == whole.table("ns1")


def test_image_that_is_lost_with_the_archive_still_there_comes_back_in_one_step(
    control: Control, whole: Fleet
) -> None:
    release_all(whole, control, "ns1", "ns2")
    whole.kill("ns2")
    shutil.rmtree(whole.state("ns2") / "image")
    with Watch(whole, "ns2") as watch:
        whole.start("ns2")
        wait_until_it_answers(whole, "ns2")
        watch.settle()
    assert watch.seen == [str(GENERATIONS)]


@contextlib.contextmanager
def listening(fleet: Fleet, name: str) -> Iterator[None]:
    """Accept connections to the agent of `name` and never say a word."""
    port = int(fleet.node(name).control.rpartition(":")[2])
    deadline = time.monotonic() + 60
    while True:
        try:
            server = socket.create_server(("127.0.0.1", port), backlog=64)
        except OSError:  # an agent that was killed has not ended yet
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            break
    with server:
        yield


def test_peer_that_never_answers_delays_a_new_node_by_seconds(control: Control, whole: Fleet) -> None:
    release_all(whole, control, "ns1", "ns2")
    whole.kill("ns2")
    empty(whole, "ns2")
    with listening(whole, "ns3"), Watch(whole, "ns2") as watch:
        began = time.monotonic()
        whole.start("ns2")
        wait_until_it_answers(whole, "ns2")
        took = time.monotonic() - began
        watch.settle()
    assert watch.seen == [str(GENERATIONS)]
    assert took < 5 * catchup.SURVEY_TIME


def test_new_node_takes_the_newest_of_peers_that_disagree(control: Control, whole: Fleet) -> None:
    release_all(whole, control, "ns1", "ns2", count=3)
    whole.kill("ns2")
    newest = release_all(whole, control, "ns1", count=4)  # which ns2 has not heard of
    whole.start("ns3")
    wait_until_it_answers(whole, "ns3")
    whole.kill("ns1")
    empty(whole, "ns1")
    with Watch(whole, "ns1") as watch:
        whole.start("ns1", "ns2")
        wait_until_it_answers(whole, "ns1")
        watch.settle()
    assert watch.seen == [str(newest.manifest.generation)]


def test_node_that_no_peer_tells_anything_keeps_silent_and_says_so(control: Control, whole: Fleet) -> None:
    release_all(whole, control, "ns1", "ns2", count=2)
    for name in ("ns1", "ns2"):
        whole.kill(name)
    empty(whole, "ns2")
    with Watch(whole, "ns2") as watch, listening(whole, "ns1"):  # it runs, and is not to be had
        whole.start("ns2")
        time.sleep(5)
        assert whole.status("ns2").silent
        assert health(whole, "ns2") == (503, "catching up")
        assert watch.seen == []
    with Watch(whole, "ns2") as watch:
        whole.start("ns1")
        whole.wait_for_generation(2, "ns2")
        wait_until_it_answers(whole, "ns2")
        watch.settle()
    assert watch.seen in (["2"], ["REFUSED", "2"])  # for a moment nothing may listen
    assert health(whole, "ns2") == (200, "serving")


def test_first_push_to_an_emptied_node_without_peers_shows_nothing_old(
    control: Control, whole: Fleet
) -> None:
    release_all(whole, control, "ns1", "ns2")
    whole.kill("ns1")
    whole.kill("ns2")
    empty(whole, "ns2")
    with Watch(whole, "ns2") as watch:
        whole.start("ns2")
        made = control.release({"example.com.": text(GENERATIONS + 1)}, adopt=False)
        assert push_by_control(whole, control, made, names=("ns2",)).activated == ("ns2",)
        watch.settle()
    told = [one for one in watch.seen if one != "REFUSED"]  # while no node runs that serves anything
    assert told in ([str(GENERATIONS), str(GENERATIONS + 1)], [str(GENERATIONS + 1)])


def test_control_host_feeds_a_node_that_serves_and_is_behind_in_one_step(
    control: Control, whole: Fleet
) -> None:
    release_all(whole, control, "ns1", "ns2", count=2)
    whole.kill("ns1")
    whole.kill("ns2")
    for number in range(3, GENERATIONS + 1):
        control.release({"example.com.": text(number)})
    with Watch(whole, "ns2") as watch:
        whole.start("ns2")
        watch.settle()
        made = control.release({"example.com.": text(GENERATIONS + 1)}, adopt=False)
        push_by_control(whole, control, made, names=("ns2",))
        watch.settle()
    assert watch.seen == ["2", str(GENERATIONS), str(GENERATIONS + 1)]


def test_silent_node_that_has_the_newest_release_is_told_so_by_the_next_push(
    control: Control, whole: Fleet
) -> None:
    release_all(whole, control, "ns1", "ns2", count=2)
    whole.kill("ns1")
    whole.kill("ns2")
    Silence(NodeFiles(whole.state("ns2")).silent).begin()  # killed before it knew that nothing is newer
    with Watch(whole, "ns2") as watch:
        whole.start("ns2")
        time.sleep(1)
        assert watch.seen == []
        made = control.release({"example.com.": text(3)}, adopt=False)
        push_by_control(whole, control, made, names=("ns2",))
        watch.settle()
    assert watch.seen in (["2", "3"], ["3"])


@pytest.mark.parametrize("chain", ["kept", "pruned"])
def test_node_that_was_away_for_thirty_generations_goes_on_and_then_serves_the_newest(
    control: Control, whole: Fleet, chain: str
) -> None:
    release_all(whole, control, "ns1", "ns2", count=3)
    whole.kill("ns2")
    release_all(whole, control, "ns1", count=30)
    if chain == "pruned":
        Archive(whole.state("ns1") / "releases").prune(2)
    with Watch(whole, "ns2") as watch:
        whole.start("ns2")
        whole.wait_for_generation(33, "ns2")
        watch.settle()
    assert watch.seen in (["3", "33"], ["33"])  # it may be current before the first query comes
    assert whole.table("ns2") == whole.table("ns1")


def test_fleet_without_any_release_answers_refused(tmp_path: Path, control: Control) -> None:
    fleet = Fleet(tmp_path, control, whole=True)
    with Watch(fleet, "ns1") as watch:
        fleet.start("ns1")  # and no other
        watch.settle()
        fleet.start("ns2")
        fleet.wait("ns2", lambda status: not status.silent)
        push(fleet, control.release({"example.com.": text(1)}), "ns1")
        watch.settle()
    assert watch.seen == ["REFUSED", "1"]
    fleet.stop()


@pytest.mark.parametrize("state", ["emptied", "behind"])
def test_node_killed_again_and_again_while_it_catches_up_never_shows_a_generation_between(
    control: Control, whole: Fleet, state: str
) -> None:
    release_all(whole, control, "ns1", "ns2", count=2)
    whole.kill("ns2")
    kept = whole.root / "kept"
    shutil.copytree(whole.state("ns2"), kept)
    release_all(whole, control, "ns1")
    chance = random.Random(secrets.randbits(32))
    newest = str(GENERATIONS + 2)
    with Watch(whole, "ns2") as watch:
        for _ in range(3):
            empty(whole, "ns2")
            if state == "behind":
                shutil.copytree(kept, whole.state("ns2"))
            for _ in range(4):
                whole.start("ns2", wait=False)
                time.sleep(chance.uniform(0.1, 1.0))
                whole.kill("ns2")
            whole.start("ns2")
            wait_until_it_answers(whole, "ns2")
            whole.wait_for_generation(GENERATIONS + 2, "ns2")
            watch.settle()
            whole.kill("ns2")
        whole.start("ns2")
        watch.settle()
    assert set(watch.seen) <= ({newest} if state == "emptied" else {"2", newest}), watch.seen
    assert watch.seen[-1] == newest


class Drip(threading.Thread):
    """Stands before an agent: hands on the first octets of each answer as they come, then a few a second."""

    def __init__(self, target: int, freely: int) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._target, self._freely = target, freely

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for pair in ((client, server, 1 << 30), (server, client, self._freely)):
                    threading.Thread(target=self._hand_on, args=pair, daemon=True).start()

    @staticmethod
    def _hand_on(source: socket.socket, to: socket.socket, freely: int) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(4096 if freely > 0 else 16):
                freely -= len(octets)
                to.sendall(octets)
                if freely <= 0:
                    time.sleep(0.25)
            to.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def test_snapshot_that_drips_is_taken_from_another_peer(tmp_path: Path, control: Control) -> None:
    fleet = Fleet(tmp_path, control, size=3, whole=True)
    fleet.start_all()
    filler = "".join(f"f{number} 300 TXT {secrets.token_hex(100)}\n" for number in range(2000))
    for number in range(1, 4):
        push(fleet, control.release({"example.com.": text(number) + filler}), "ns1", "ns3")
    fleet.wait_for_generation(3)
    fleet.kill("ns2")
    empty(fleet, "ns2")
    drip = Drip(int(fleet.node("ns3").control.rpartition(":")[2]), freely=40_000)
    drip.start()
    fleet.detours["ns3"] = f"https://127.0.0.1:{drip.port}"
    with Watch(fleet, "ns2") as watch:
        began = time.monotonic()
        fleet.start("ns2")
        wait_until_it_answers(fleet, "ns2")
        took = time.monotonic() - began
        watch.settle()
    drip.close()
    fleet.stop()
    assert watch.seen == ["3"]
    assert took < 20


def test_secondaries_hear_of_a_push_from_each_node_and_of_nothing_old_from_a_new_one(
    tmp_path: Path, control: Control
) -> None:
    fleet = Fleet(tmp_path, control, whole=True)
    with Fake(says(0)) as secondary:
        fleet.notify = (Secondary(Endpoint(*secondary.where)),)

        def heard(serial: int, times: int) -> None:
            deadline = time.monotonic() + 60
            while [one.answer[0][0].serial for one in secondary.came].count(serial) < times:
                assert time.monotonic() < deadline, f"{serial} was not told of"
                time.sleep(0.05)

        fleet.start_all()
        for serial in (1, 2):
            release_all(fleet, control, "ns1", "ns2", count=1)
            heard(serial, times=2)
        fleet.kill("ns2")
        empty(fleet, "ns2")
        release_all(fleet, control, "ns1", count=5)
        heard(7, times=1)
        before = len(secondary.came)
        fleet.start("ns2")
        heard(7, times=2)
        assert {one.answer[0][0].serial for one in secondary.came[before:]} == {7}
    fleet.stop()


def test_first_release_of_all_reaches_a_node_that_is_still_silent(control: Control, whole: Fleet) -> None:
    whole.kill("ns1")
    whole.kill("ns2")
    empty(whole, "ns2")
    with listening(whole, "ns1"):  # it may serve something, and is not to be had: nobody may speak for it
        whole.start("ns2")
        assert whole.status("ns2").silent
        made = control.release({"example.com.": text(1)}, adopt=False)
        with Watch(whole, "ns2") as watch:
            assert push_by_control(whole, control, made, names=("ns2",)).activated == ("ns2",)
            watch.settle()
    assert watch.seen == ["1"]
