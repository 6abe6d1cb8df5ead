"""Additional data that need not fit: fast paths, batches and caches say what the full path does."""

import random
from contextlib import contextmanager
from typing import Any

import dns.flags
import dns.message
import dns.query
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.serve.fast.cache import AnswerCache
from dnsctl.serve.message.datagrams import BATCH
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.udp import UdpWorker
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.serve import peer_servers
from tests.serve.filled import Filled, answers, assert_same
from tests.serve.paths import Paths
from tests.serve.random_zones import master_file
from tests.serve.test_fast import NOW, POLICIES
from tests.sign.scenery import keys_for

PAYLOADS = (0, 512, 520, 600, 700, 900, 1100, 1232, 4096)


def zone_text(rng: random.Random) -> str:
    """Return a zone whose referrals and services lead inside, beside, to each other, and to other zones."""
    hosts = [f"h{index}" for index in range(12)] + [f"h{index}.cut{index % 4}" for index in range(12)]
    lines = []
    for host in hosts:
        lines += [f"{host} A 192.0.2.{index}" for index in range(rng.randint(0, 3))]
        lines += [f"{host} AAAA 2001:db8::{index}" for index in range(rng.randint(0, 3))]
    for index in range(8):
        names = rng.sample([*hosts, "h1.example.net.", "ns.example.org."], rng.randint(1, 16))
        lines += [f"cut{index} NS {name}" for name in names]
        if rng.random() < 0.3:
            lines.append(f"cut{index} DS {index + 1} 13 2 {'ab' * 32}")
    inside = [*hosts, *(f"s{index}" for index in range(12)), ".", "x.w", "nothing"]
    for index in range(12):
        kind = rng.choice(("HTTPS", "SVCB"))
        if rng.random() < 0.3:
            lines.append(f"s{index} {kind} 0 {rng.choice(inside)}")
        else:
            targets = [*inside, "h1.example.net."] if index % 3 == 0 else inside
            lines += [
                f"s{index} {kind} {n + 1} {target} alpn=h2" for n, target in enumerate(rng.sample(targets, 4))
            ]
        lines += [f"s{index} A 192.0.2.{n}" for n in range(rng.randint(0, 2))]
    lines += [
        "*.w HTTPS 1 . alpn=h2",
        "*.w A 192.0.2.1",
        "*.v HTTPS 1 h1 alpn=h2",
        "*.u HTTPS 1 h1.example.net.",
    ]
    lines += [f"a{index} CNAME s{index}" for index in range(12)]
    lines += ["*.a CNAME s1", "*.c CNAME x.cut1", "toc CNAME y.cut2"]
    return "\n".join(lines) + "\n"


@contextmanager
def served(tmp_path, label: str, seed: str):
    """Serve random zones; yield reader, and queries for all there is in them."""
    rng, policy = random.Random(seed), POLICIES[label]
    texts = {f"z{index}.example.": zone_text(rng) for index in range(2)}
    texts["example.net."] = "h1 A 192.0.2.77\nh1 AAAA 2001:db8::77\nh1 HTTPS 1 .\n"
    zones = [validated(*one) for one in texts.items()]
    made = [
        unsigned_zone(zone, 1)
        if policy is None
        else sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, 1)
        for zone in zones
    ]
    owners = [f"{kind}{n}" for n in range(12) for kind in "sa"]
    owners += [f"{below}cut{n}" for n in range(8) for below in ("", "x.", "long-one.", "a.b.")]
    owners += ["x.w", "longer.w", "x.v", "x.u", "x.a", "y.a", "x.c", "toc"]
    names = [f"{owner}.z{zone}.example." for zone in range(2) for owner in owners]
    wires = []
    for name in names:
        for _ in range(6):
            payload, rdtype = rng.choice(PAYLOADS), rng.choice(("HTTPS", "HTTPS", "SVCB", "A", "TYPE65400"))
            more: dict[str, Any] = {"payload": payload, "want_dnssec": rng.random() < 0.5} if payload else {}
            wires.append(dns.message.make_query(name, rdtype, **more).to_wire())
    rng.shuffle(wires)
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, map(compile_zone, made)))
        with image.reader() as reader:
            yield image, reader, wires


@pytest.mark.parametrize("label", POLICIES)
@pytest.mark.parametrize("seed", ["one", "two", "three"])
def test_fast_path_says_what_the_full_path_does_octet_for_octet(tmp_path, label, seed):
    with served(tmp_path, label, f"{label} {seed}") as (_, reader, wires):
        paths, fast, cut = Paths(reader), 0, 0
        for wire in wires * 2:
            found, slow = paths.fast(wire), paths.full(wire)
            if found is not None:
                fast += 1
                assert found == slow, dns.message.from_wire(wire)
            whole = paths.responder.respond(reader, wire, stream=True).wire
            cut += len(slow) < len(whole) and not slow[2] & 0x02
        assert fast > len(wires) / 2
        assert cut > 10


@pytest.mark.parametrize("is_skipped", [False, True], ids=["cached", "past the cache"])
@pytest.mark.parametrize("label", POLICIES)
def test_batches_say_what_the_long_way_does_octet_for_octet(tmp_path, monkeypatch, label, is_skipped):
    monkeypatch.setattr(AnswerCache, "is_skipped", lambda _: is_skipped)
    with served(tmp_path, label, f"batches {label}") as (_, reader, wires):
        worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), Responder())
        worker.answerer.renew()
        for _ in range(3):
            for first in range(0, len(wires), BATCH):
                some = wires[first : first + BATCH]
                assert_same(reader, some, answers(worker, Filled(), some))
        assert worker.failures == 0


@pytest.mark.parametrize("label", POLICIES)
def test_floods_below_a_cut_are_cut_for_each_as_by_the_long_way(tmp_path, label):
    """Also where gaps of random names are answered by the batch."""
    with served(tmp_path, label, f"floods {label}") as (_, reader, _):
        worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), Responder())
        worker.answerer.renew()
        for round_ in range(12):
            for payload in (512, 600, 1232):
                wires = [
                    dns.message.make_query(
                        f"x{round_:02}{index:02}.cut{round_ % 3}.z0.example.", "A", payload=payload
                    ).to_wire()
                    for index in range(BATCH)
                ]
                assert_same(reader, wires, answers(worker, Filled(), wires))


def test_answer_with_data_of_another_zone_is_forgotten_when_that_changes(tmp_path):
    with served(tmp_path, "plain", "changes") as (image, _, _), image.reader() as reader:
        with image.writer() as writer:
            own = unsigned_zone(
                validated("example.com.", "www HTTPS 1 h1.example.net.\n*.w HTTPS 1 h1.example.net.\n"), 1
            )
            writer.apply(difference(writer, [compile_zone(own)]))
        counter = GenerationCounter(tmp_path / "generation")
        worker = UdpWorker([], reader, counter, Responder())
        counter.advance()
        worker.answerer.renew()
        for number in (1, 2, 3):
            with image.writer() as writer:
                other = unsigned_zone(validated("example.net.", f"h1 A 192.0.2.{number}\n"), number + 1)
                writer.apply(difference(writer, [compile_zone(other)]))
            counter.advance()
            worker.answerer.renew()
            for name in ("www", "x.w", "y.w"):
                wire = dns.message.make_query(f"{name}.example.com.", "HTTPS").to_wire()
                for _ in range(4):
                    [found] = answers(worker, Filled(), [wire])
                    [address] = dns.message.from_wire(found).additional
                    assert address[0].address == f"192.0.2.{number}"


@pytest.mark.peer
@pytest.mark.parametrize("label", ["plain", "nsec", "nsec3"])
def test_services_carry_what_knot_has_them_carry_in_no_more_octets(tmp_path, label):
    policy = POLICIES[label]
    text = (
        "www A 192.0.2.1\nwww AAAA 2001:db8::1\nwww HTTPS 1 . alpn=h2\nfour A 192.0.2.4\n@ HTTPS 0 www\n"
        "lone HTTPS 1 four alpn=h2\ntwo HTTPS 1 www alpn=h2\ntwo HTTPS 2 four alpn=h2\n"
        "svc SVCB 1 www alpn=h2\n"
        "a.long-name-below HTTPS 1 www alpn=h2\nalias CNAME two\ngone HTTPS 1 nothing\n"
        "out HTTPS 1 www.example.org.\n"
        + "".join(
            f"many HTTPS {n + 1} m{n} alpn=h2\nm{n} A 192.0.2.{n}\nm{n} AAAA 2001:db8::{n}\n"
            for n in range(9)
        )
    )
    zone = validated("example.com.", text)
    made = (
        unsigned_zone(zone, 1)
        if policy is None
        else sign_zone(zone, keys_for(zone.origin, policy), policy, NOW, 1)
    )
    path = tmp_path / "zone"
    path.write_text(master_file(made))
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(made)]))
        with image.reader() as reader, peer_servers.knot(tmp_path, {"example.com.": path}) as port:
            for owner in (
                "",
                "lone.",
                "two.",
                "a.long-name-below.",
                "alias.",
                "gone.",
                "out.",
                "many.",
                "svc.",
            ):
                rdtype = "SVCB" if owner == "svc." else "HTTPS"
                for payload, do in ((512, False), (1232, False), (1232, True), (4096, False)):
                    query = dns.message.make_query(
                        f"{owner}example.com.", rdtype, payload=payload, want_dnssec=do, use_edns=0
                    )
                    theirs = dns.query.udp(query, "127.0.0.1", port=port, timeout=5)
                    ours = dns.message.from_wire(Paths(reader).same(query.to_wire()))
                    if owner != "many.":  # of which all does not fit
                        assert _told(ours) == _told(theirs), owner
                    assert len(ours.wire) <= (len(theirs.wire) if owner != "many." else payload), owner
                    assert not ours.flags & dns.flags.TC


def _told(message):
    return sorted((str(one.name), int(one.rdtype), str(rdata)) for one in message.additional for rdata in one)
