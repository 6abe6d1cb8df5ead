"""Answers by the batch from gaps: octet for octet those of the full path, and only where they are known."""

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast

import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.fleet import RateLimit
from dnsctl.model.name import Name, from_text
from dnsctl.model.policy import Policy
from dnsctl.serve.fast import intervals
from dnsctl.serve.fast.columns import Asked
from dnsctl.serve.fast.intervals import FEW, number, spans
from dnsctl.serve.message.datagrams import BATCH, Batch
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.rate_limit import FlowTable, RateLimiter, truncated
from dnsctl.serve.transport.udp import UdpWorker
from dnsctl.serve.zone.names import ZoneView
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.serve.filled import Filled, answers, assert_same
from tests.serve.random_zones import seeded, zone_text
from tests.serve.test_udp import a_socket

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
POLICIES = {
    "nsec": Policy(),
    "nsec3": Policy(denial="nsec3"),
    "opt-out": Policy(denial="nsec3", opt_out=True),
    "plain": None,
}
ZONE = """\
ab A 192.0.2.1
abcdefgh A 192.0.2.2
abcdefghij A 192.0.2.3
a.ent TXT "below an empty non-terminal"
m\\000x A 192.0.2.4
m\\001 A 192.0.2.5
m\\001\\000y A 192.0.2.6
*.wild TXT "found"
x.wild TXT "beside a wildcard"
sub NS ns.sub
sub NS sub.sub
sub DS 12345 13 2 abababababababababababababababababababababababababababababababab
ns.sub A 192.0.2.7
open NS ns.elsewhere.example.
d DNAME ab
deep.er.still A 192.0.2.8
\\255\\255\\255\\255\\255\\255\\255\\255z A 192.0.2.9
"""
# fmt: off
LABELS = [
    b"ab", b"abc", b"a", b"abcdefgh", b"abcdefg", b"abcdefgi", b"abcdefghi", b"abcdefghijk", b"ent",
    b"hostmaster", b"ns", b"sub", b"sube", b"m", b"m\0", b"m\0x", b"m\0y", b"m\1",
    b"m\1\0", b"m\1\1x", b"m\2", b"\0", b"\1", b"wild",
    b"*", b"d", b"open", b"\xff" * 8, b"\xff" * 9, b"\xff" * 63, b"z" * 63, b"[`{@", b"AB", b"k" * 32, b"x",
]
# fmt: on
PARENTS = [b"", b"\4wild", b"\3sub", b"\4open", b"\2er\5still", b"\3ent", b"\1d", b"\4none", b"\2ab"]


def signed(tmp_path, label, zone):
    policy = POLICIES[label]
    if policy is None:
        return unsigned_zone(zone, 1)
    keystore = Keystore(tmp_path / "keys", lambda: b"test")
    return sign_zone(zone, keystore.signing_keys(zone.origin, policy, NOW), policy, NOW, 1)


@contextmanager
def serving(tmp_path, zones):
    """A worker and its image, which holds `zones`."""
    with Image.open(tmp_path / "image", readonly=False) as image:
        publish(image, zones)
        with image.reader() as reader:
            worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), Responder())
            worker.answerer.renew()
            yield worker, image


def advance(worker, directory):
    """Tell the worker that there is a new generation, and let it see that."""
    GenerationCounter(directory / "generation").advance()
    worker.answerer.renew()


def publish(image, zones):
    with image.writer() as writer:
        writer.apply(difference(writer, [compile_zone(zone) for zone in zones]))


def random_label(rng):
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(LABELS)
    if kind < 0.4:
        return rng.randbytes(rng.randint(1, 12))
    length = rng.randint(6, 8) if kind < 0.95 else rng.randint(1, 63)
    return bytes(rng.choice(b"abcdehmnorswxyzABMX0-") for _ in range(length))


def query(name, rdtype=1, *, flags=1, opt=b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"):
    head = b"id" + bytes((flags, 0)) + b"\0\1\0\0\0\0\0" + (b"\1" if opt else b"\0")
    return head + name + rdtype.to_bytes(2, "big") + b"\0\1" + opt


def wire_name(label, above):
    return bytes((len(label),)) + label + above


def random_case(rng, name):
    return bytes(octet ^ 0x20 if 97 <= octet <= 122 and rng.random() < 0.3 else octet for octet in name)


def compare(worker, wires):
    """Ask a batch by both paths; return how many answers were from gaps."""
    batch = Filled()
    assert_same(worker.answerer.reader, wires, answers(worker, batch, wires))
    return sum(batch.has_tail(index) for index in range(len(wires)))


@pytest.mark.parametrize(
    ("label", "want_dnssec"), [*((label, True) for label in POLICIES), ("opt-out", False)]
)
def test_gaps_and_full_path_say_the_same_octet_for_octet(tmp_path, label, want_dnssec):
    rng = seeded(f"gaps {label}")
    made = [signed(tmp_path, label, validated("z0.example.", ZONE))]
    made.append(signed(tmp_path, label, validated("z1.example.", zone_text(rng))))
    made.append(signed(tmp_path, label, validated("z2.example.", ZONE + '* TXT "all"\n')))
    from_gaps = dict.fromkeys(PARENTS, 0)
    with serving(tmp_path, made) as (worker, _):
        for above in PARENTS:
            for zone in made:
                worker.answerer.known.intervals.pause = 0  # there may be another table
                form = {"rdtype": rng.choice((1, 16)), "flags": rng.choice((0, 1))}
                form |= {} if want_dnssec else {"opt": b""}
                for _ in range(5):
                    names = [wire_name(random_label(rng), above + zone.origin) for _ in range(BATCH)]
                    wires = [query(random_case(rng, name), **form) for name in names]
                    from_gaps[above] += compare(worker, wires[: rng.randint(FEW, BATCH)])
        assert worker.failures == 0
        assert worker.answerer.tally.missed > sum(from_gaps.values())
    assert {above for above, count in from_gaps.items() if count > 50} == (
        UNDER_CUTS if label == "opt-out" and want_dnssec else EVERYWHERE
    )


# Names above that exist, and do not hand on their names as a DNAME does
EVERYWHERE = {b"", b"\4wild", b"\3sub", b"\4open", b"\2er\5still", b"\3ent", b"\2ab"}
UNDER_CUTS = {b"\3sub", b"\4open"}  # with opt-out, other names whose hash is covered may exist


def flood(rng, count=BATCH, above=b"\2z0\7example\0", rdtype=1):
    return [query(wire_name(b"q%07x" % rng.getrandbits(28), above), rdtype) for _ in range(count)]


@pytest.fixture
def flooded(tmp_path):
    """A worker that has learned what it says to random names, and its image."""
    rng = seeded("flooded")
    with serving(tmp_path, [signed(tmp_path, "nsec", validated("z0.example.", ZONE))]) as (worker, image):
        for _ in range(3):
            compare(worker, flood(rng))
        assert compare(worker, flood(rng)) == BATCH
        yield worker, image, rng, tmp_path


def test_change_of_the_zone_is_seen_at_once(flooded):
    worker, image, rng, tmp_path = flooded
    publish(image, [signed(tmp_path, "nsec", validated("z0.example.", ZONE + "q8 A 192.0.2.10\n"))])
    advance(worker, tmp_path)
    assert compare(worker, flood(rng)) == 0
    for _ in range(70):
        worker.answerer.known.intervals.teach(BATCH)
    for _ in range(10):
        compare(worker, flood(rng))
    assert compare(worker, flood(rng)) > BATCH - 8  # all but what begins like the new name


def test_zone_that_comes_below_is_answered_from_at_once(flooded):
    worker, image, rng, tmp_path = flooded
    publish(image, [signed(tmp_path, "nsec", validated("q1234567.z0.example.", "www A 192.0.2.1\n"))])
    advance(worker, tmp_path)
    apex = query(wire_name(b"q1234567", b"\2z0\7example\0"))
    for _ in range(70):
        compare(worker, [apex, *flood(rng, BATCH - 1)])


def test_other_zones_keep_their_gaps(tmp_path):
    rng = seeded("other zones")
    zones = [validated(f"z{number}.example.", ZONE) for number in (0, 1)]
    with serving(tmp_path, [signed(tmp_path, "nsec", zone) for zone in zones]) as (worker, image):
        for _ in range(3):
            compare(worker, flood(rng))
        publish(image, [signed(tmp_path, "nsec", validated("z1.example.", ZONE + "q8 A 192.0.2.10\n"))])
        advance(worker, tmp_path)
        assert compare(worker, flood(rng)) == BATCH


def test_hostile_datagrams_leave_the_others_answered(flooded):
    worker, _, rng, _ = flooded
    good = flood(rng, 40)
    whole = good[0]
    hostile = [
        b"",
        whole[:12],
        whole[:30],
        whole + b"\0",
        whole[:12] + b"\xc0" + whole[13:],
        whole[:12] + b"\x09" + whole[13:],
        whole[:12] + b"\x7f" + whole[13:],
        b"id\x81" + whole[3:],
        b"id\x01\0\0\2" + whole[6:],
        whole[:-11] + b"\1" + whole[-10:],
        whole.replace(b"\2z0", b"\2z9"),
        whole[:11] + b"\0" + whole[12:],
        whole.replace(b"\0\1\0\1\0", b"\0\1\0\3\0"),
    ]
    assert compare(worker, [*hostile, *good]) == len(good)
    assert compare(worker, good[: FEW - 1]) == 0  # not worth it
    assert worker.failures == 0


def test_steady_questions_among_random_ones_stay_in_the_cache(flooded):
    worker, _, rng, _ = flooded
    steady = [query(wire_name(label, b"\2z0\7example\0")) for label in (b"ab", b"abcdefgh")]
    for _ in range(3):
        compare(worker, [*steady, *flood(rng, BATCH - 2)])
    worker.answerer.tally.missed = 0
    assert compare(worker, [*steady, *flood(rng, BATCH - 2)]) == BATCH - 2
    assert worker.answerer.tally.missed == BATCH - 2


def test_answers_from_gaps_are_counted_as_those_of_the_other_steps(flooded):
    worker, _, rng, _ = flooded
    before = list(worker.answerer.tally.counts)
    compare(worker, flood(rng))
    grown = [now - then for now, then in zip(worker.answerer.tally.counts, before, strict=True)]
    assert sorted(grown)[-1] == sum(grown) == BATCH


def test_rate_limit_sees_answers_from_gaps_whole(flooded):
    worker, _, rng, _ = flooded
    batch, wires = Filled(keep_classes=True), flood(rng)
    limiter = RateLimiter(RateLimit(rate=10, slip=2), FlowTable(64), worker.answerer.tally)
    silent = worker.answerer.answer(batch, batch.fill(wires), [])
    whole = [batch.answer(index) for index in range(BATCH)]
    silent = limiter.apply(batch, BATCH, silent, [])
    left = [batch.answer(index) for index in range(BATCH)]
    assert [index for index in range(BATCH) if index in silent or left[index] != whole[index]] == list(
        range(10, BATCH)
    )
    slipped = [index for index in range(10, BATCH) if index not in silent]
    assert len(slipped) == (BATCH - 10) // 2
    assert all(left[index] == truncated(whole[index]) for index in slipped)


def test_answers_leave_in_two_parts_over_a_socket(flooded):
    """The kernel joins what stands in the slot and what stands elsewhere; the next batch is whole again."""
    worker, _, rng, _ = flooded
    with a_socket() as server, a_socket() as client:
        batch = Batch(server)
        for wires in (flood(rng), [query(b"\2ab\2z0\7example\0")] * BATCH, flood(rng)):
            for wire in wires:
                client.sendto(wire, server.getsockname())
            worker.turn(batch, batch.receive(wait=True))
            full = [Responder().respond(worker.answerer.reader, wire, stream=False).wire for wire in wires]
            assert [client.recv(4096) for _ in wires] == full


def test_what_answers_point_to_stays_until_they_are_sent(flooded):
    worker, _, rng, _ = flooded
    batch, wires = Filled(), flood(rng)
    worker.answerer.answer(batch, batch.fill(wires), [])
    worker.answerer.known.intervals.forget()
    worker.answerer.known.forget()
    other = [bytes((number % 256,)) * (size + 1) for number in range(2000) for size in (300, 400, 500)]
    assert_same(worker.answerer.reader, wires, [batch.answer(index) for index in range(len(wires))])
    assert len(other) == 6000
    assert len(worker.answerer.known.intervals.gone) == 1
    worker.answerer.answer(Filled(), 0, [])
    assert not worker.answerer.known.intervals.gone


def test_memory_stays_bounded_whatever_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(intervals, "MAX_ANSWERS", 200)
    monkeypatch.setattr(intervals, "MAX_GAPS", 20)
    rng = seeded("bounded")
    text = "".join(f"{chr(97 + number)} A 192.0.2.1\n" for number in range(26))
    with serving(tmp_path, [signed(tmp_path, "nsec", validated("z0.example.", text))]) as (worker, _):
        seen = 0
        for turn in range(60):
            rdtype = 1 + turn // 8 % 7
            worker.answerer.known.intervals.pause = 0
            names = [wire_name(rng.randbytes(rng.randint(2, 40)), b"\2z0\7example\0") for _ in range(BATCH)]
            seen += compare(worker, [query(name, rdtype) for name in names])
            tables = worker.answerer.known.intervals.tables
            assert len(tables) <= intervals.MAX_TABLES
            assert all(len(table) <= 20 for table in tables)
            assert len(worker.answerer.known.intervals.finished) <= 200
        assert seen > 500


@pytest.mark.parametrize(
    ("low", "high", "odd", "found"),
    [
        (b"b\0", b"d\0", [], [(b"b", b"d")]),
        (b"b\0", b"d\0x\0", [], [(b"b", b"d")]),
        (b"b\0x\0", b"d\0", [b"\1c"], [(b"b", b"c"), (b"c", b"d")]),
        (b"b\0", b"d\0", [b"\1x", b"\1c\1c"], [(b"b", b"d")]),
        (b"", b"d\0", [], [(b"", b"d")]),
        (b"abcdefgh\0", b"abcdefghi\0", [], []),
        (b"m\1\1x\0", b"m\1\2\0", [], [(b"m\0x", b"m\1")]),
    ],
)
def test_span_is_what_the_first_octets_of_labels_tell(low, high, odd, found):
    origin, prefix = from_text("z.example."), b"prefix\0"

    class View:
        def key(self, name):
            assert name == origin
            return prefix

    asked = Asked(cast(ZoneView, View()), bytes(14), bytes(10) + b"\1q" + origin, 12 + len(origin))
    names = [Name(name + origin) for name in odd]
    assert list(spans(asked, prefix + low, prefix + high, names)) == [
        (number(one), number(other)) for one, other in found
    ]


def test_span_of_hashes_has_no_names_that_are_odd():
    origin = from_text("z.example.")
    hashed = {b"\1c" + origin: b"\x50" * 20}
    asked = Asked(None, bytes(14), bytes(10) + b"\1q" + origin, 12 + len(origin), hashed.__getitem__)
    low, middle, high = b"\x40" * 20, b"\x50" * 20, b"\x60" * 20
    assert list(spans(asked, low, high, hashed)) == [
        (number(low), number(middle)),
        (number(middle), number(high)),
    ]
    assert list(spans(asked, low, b"", [])) == [(number(low), (1 << 64) - 1)]
