"""The fast path gives the octets of the full path, or leaves it the query."""

import functools
import tempfile
import tracemalloc
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dns.message
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.model.name import Name, from_text, is_subdomain, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type, type_text
from dnsctl.serve.fast import bulk, known, missing, nsec_parts
from dnsctl.serve.fast.cache import AnswerCache, wire_of
from dnsctl.serve.fast.equivalent import answer_equivalent
from dnsctl.serve.fast.find import find
from dnsctl.serve.message.datagrams import BATCH
from dnsctl.serve.respond import Responder
from dnsctl.serve.transport.udp import UdpWorker
from dnsctl.serve.zone.answer import answer
from dnsctl.serve.zone.names import Zones
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.signer import sign_zone, unsigned_zone
from tests.build import validated
from tests.serve.filled import Filled, answers, assert_same
from tests.serve.paths import Paths
from tests.serve.random_zones import ELSEWHERE, questions, seeded, zone_text

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICIES = {
    "nsec": Policy(),
    "nsec3": Policy(denial="nsec3"),
    "opt-out": Policy(denial="nsec3", opt_out=True),
    "plain": None,
}
FLAT = (
    "\n".join(f"h{number} A 192.0.2.{number}" for number in range(40))
    + "\n!w TXT later\n!x TXT early\nm\\001 A 192.0.2.40\nsub NS ns.elsewhere.example.\ny TXT late\n"
)
PROVIDED = (
    ELSEWHERE
    + "".join(f"@ MX 10 mx{number}.mail.example.net.\n" for number in range(5))
    + "".join(f"h{number} PTR {name}.example.net.\n" for number in range(30) for name in ("a.b", "b", "c.b"))
    + "".join(f"x{number} MX 10 {name}.x{number}\n" for number in range(30) for name in ("a", "b", "c.b"))
)


def zones(tmp_path, label, rng):
    keystore, policy = Keystore(tmp_path / "keys", lambda: b"test"), POLICIES[label]
    texts = [FLAT, *(zone_text(rng) for _ in range(4)), PROVIDED]
    for index, text in enumerate(texts):
        zone = validated(f"z{index}.example.", text, apex=text != PROVIDED)
        if policy is None:
            yield unsigned_zone(zone, 1)
        else:
            yield sign_zone(zone, keystore.signing_keys(zone.origin, policy, NOW), policy, NOW, 1)


def equivalent(rng, zone):
    """Names without a node below each owner and each name in a record, some of one length, asked twice."""
    targets = list(zone.nodes) + [
        Name(one.rdatas[0][2:] if one.rdtype == Type.MX else one.rdatas[0])
        for rrsets in zone.nodes.values()
        for one in rrsets
        if one.rdtype in (Type.MX, Type.NS, Type.PTR, Type.CNAME)
    ]
    names = [to_text(name) for name in targets if is_subdomain(name, zone.origin)]
    names += [f"{rng.choice(('q1', 'q2', 'long-1'))}.{name}" for name in names if len(name) < 200]
    return [(rng.choice(names), rng.choice(("A", "MX", "NS", "TXT"))) for _ in range(400)]


ODD_TYPES = ("DS", "RRSIG", "ANY", "TYPE0")
PAYLOADS = (0, 512, 560, 700, 1232, 4096)  # many answers do not fit the smaller ones


@pytest.mark.parametrize("label", POLICIES)
def test_fast_path_and_full_path_say_the_same_octet_for_octet(tmp_path, label):
    rng = seeded(f"direct {label}")
    made = list(zones(tmp_path, label, rng))
    fast = 0
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(zone) for zone in made]))
        with image.reader() as reader:
            paths = Paths(reader)
            for zone in made:
                paths.full(dns.message.make_query(to_text(zone.origin), "A").to_wire())
                flat = [
                    (f"{rng.choice('!+hx')}{rng.randrange(60)}.{to_text(zone.origin)}", "A")
                    for _ in range(60)
                ]
                held = [(to_text(one.owner), type_text(one.rdtype)) for one in zone.rrsets()]
                odd = [(name, rng.choice(ODD_TYPES)) for name, _ in questions(rng, zone, 100) + held]
                for name, rdtype in questions(rng, zone, 300) + flat + held + odd + equivalent(rng, zone):
                    query = dns.message.make_query(
                        name, rdtype, want_dnssec=rng.random() < 0.7, payload=rng.choice(PAYLOADS)
                    )
                    wire = query.to_wire()
                    found = paths.fast(wire)
                    if found is not None:
                        fast += 1
                        assert found == paths.full(wire), query
    assert fast > 200


@pytest.mark.parametrize("label", POLICIES)
def test_batches_that_skip_the_cache_say_the_same_octet_for_octet(tmp_path, monkeypatch, label):
    """What is answered in place, by the fast path and by the full path, among messages that are cut off."""
    monkeypatch.setattr(AnswerCache, "is_skipped", lambda _: True)
    rng = seeded(f"direct batches {label}")
    made = list(zones(tmp_path, label, rng))
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(zone) for zone in made]))
        with image.reader() as reader:
            worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), Responder())
            worker.answerer.renew()
            for zone in made:
                asked = questions(rng, zone, 250)
                asked += [(name, rng.choice(ODD_TYPES)) for name, _ in questions(rng, zone, 100)]
                asked += [(f"{rng.choice('!+hx')}{rng.randrange(60)}.{to_text(zone.origin)}", "A")] * 2
                wires = [
                    dns.message.make_query(
                        name, rdtype, want_dnssec=rng.random() < 0.7, payload=rng.choice(PAYLOADS)
                    ).to_wire()
                    for name, rdtype in asked
                ]
                wires += [wire[: rng.randrange(len(wire))] for wire in wires[::10]]
                rng.shuffle(wires)
                for first in range(0, len(wires), BATCH):
                    some = wires[first : first + BATCH]
                    assert_same(reader, some, answers(worker, Filled(), some))
            assert worker.failures == 0


@pytest.mark.parametrize("label", POLICIES)
def test_random_names_of_a_large_zone_are_denied_octet_for_octet(tmp_path, monkeypatch, label):
    """Where gaps are too many to be remembered: between any two names, before the first, behind the last."""
    monkeypatch.setattr(AnswerCache, "is_skipped", lambda _: True)
    monkeypatch.setattr(nsec_parts, "_FEW", -1)
    monkeypatch.setattr(bulk, "_CHOOSE_EVERY", 1)
    rng = seeded(f"direct large {label}")
    [zone, *_] = zones(tmp_path, label, rng)
    alone = 0
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(zone)]))
        with image.reader() as reader:
            worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), Responder())
            worker.answerer.renew()
            for turn in range(20):
                names = [
                    rng.choice(("!", "!w", *"z+0hhhhnnnnssss")) + str(rng.randrange(10**4))
                    for _ in range(BATCH - 2)
                ]
                if turn % 2:  # with names that are there, and that are more than a label
                    names[60:] = [f"h{rng.randrange(40)}" for _ in names[60:70]] + names[70:]
                    names += ["a.b", r"\001x"]
                wires = [
                    dns.message.make_query(f"{name}.{to_text(zone.origin)}", "A", want_dnssec=True).to_wire()
                    for name in names
                ]
                before = missing.missing
                with monkeypatch.context() as patched:

                    def counted(*asked, find=before):
                        nonlocal alone
                        alone += 1
                        return find(*asked)

                    patched.setattr(bulk, "missing", counted)
                    assert_same(reader, wires, answers(worker, Filled(), wires))
    assert worker.failures == 0
    assert (alone < 20 * BATCH * 0.6) == (label == "nsec")


def test_query_that_fails_in_a_batch_costs_the_others_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(AnswerCache, "is_skipped", lambda _: True)
    with served(tmp_path, "plain", "www A 192.0.2.1\nbad A 192.0.2.2\n") as (reader, paths):
        worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), paths.responder)
        worker.answerer.renew()
        owner = worker.answerer.known.owner

        def fail(key):
            if b"bad" in key:
                raise ValueError("a node that cannot be read")
            return owner(key)

        wires = [
            dns.message.make_query(f"{name}.example.com", "A").to_wire() for name in ("www", "bad", "www")
        ]
        answers(worker, Filled(), wires)  # what they have in common is known now
        monkeypatch.setattr(worker.answerer.known, "owner", fail)
        assert_same(reader, wires, answers(worker, Filled(), wires))
    assert worker.failures == 1  # in the batch, and not again alone
    assert "a query failed on the fast path" in caplog.text


@functools.lru_cache(maxsize=8)
def _compiled(label, text):
    """Return the zone example.com, signed once for all tests that ask for the same."""
    policy, made = POLICIES[label], validated("example.com.", text)
    if policy is None:
        return compile_zone(unsigned_zone(made, 1))
    with tempfile.TemporaryDirectory() as keys:
        signing = Keystore(Path(keys), lambda: b"test").signing_keys(made.origin, policy, NOW)
    return compile_zone(sign_zone(made, signing, policy, NOW, 1))


@contextmanager
def served(tmp_path, label, text):
    """A zone example.com that was asked for before, and who answers from it."""
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            writer.apply(difference(writer, [_compiled(label, text)]))
        with image.reader() as reader:
            paths = Paths(reader)
            paths.full(dns.message.make_query("example.com", "SOA").to_wire())
            yield reader, paths


@pytest.fixture
def direct(tmp_path):
    with served(tmp_path, "plain", "www A 192.0.2.1\nd DNAME x\na.b TXT x\n*.w TXT x\n") as (
        _,
        paths,
    ):
        yield paths.fast


def plain(name=b"\3www\7example\3com\0", flags=b"\0\0", counts=b"\0\1\0\0\0\0\0\0", rest=b"\0\1\0\1"):
    return b"\0\7" + flags + counts + name + rest


def test_plain_question_takes_the_fast_path(direct):
    assert direct(plain()) is not None


def test_question_for_the_root_does_not_put_the_next_ones_on_the_full_path(direct):
    assert direct(plain(name=b"\0")) is None
    assert direct(plain()) is not None


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 12,
        plain()[:-1],
        plain() + b"\0",
        plain(flags=b"\x80\0"),
        plain(flags=b"\x28\0"),
        plain(counts=b"\0\2\0\0\0\0\0\0"),
        plain(counts=b"\0\1\0\0\0\0\0\1"),
        plain(rest=b"\0\1\0\3"),
        plain(name=b"\7example\3com\0", rest=b"\0\x2b\0\1"),
        plain(rest=b"\0\xff\0\1"),
        plain(name=b"\3www\7examp\0e\3com\0"),
        plain(name=b"\x77www\7example\3com\0"),
        plain(name=b"\xc0\x0c"),
        plain(name=b"\x46" + b"a" * 70 + b"\7example\3com\0"),
        plain(name=b"".join(b"\x3f" + b"a" * 63 for _ in range(4)) + b"\7example\3com\0"),
        plain(name=b"\3org\0"),
        plain(name=b"\1x\1d\7example\3com\0"),
        plain(name=b"\1b\7example\3com\0"),
        plain(counts=b"\0\1\0\0\0\0\0\1") + b"\0\0\x29\4\xd0\0\1\0\0\0\0",
        plain(counts=b"\0\1\0\0\0\0\0\1") + b"\0\0\x29\4\xd0\0\0\0\0\0\4\0\3\0\0",
        plain(counts=b"\0\1\0\0\0\0\0\1") + b"\1\0\x29\4\xd0\0\0\0\0\0\0",
    ],
)
def test_everything_unusual_is_left_to_the_full_path(direct, message):
    assert direct(message) is None


def test_question_for_the_owner_of_an_nsec3_leaves_no_trace_in_the_next_answer(tmp_path):
    with served(tmp_path, "nsec3", FLAT) as (reader, paths):
        nsec3s = reader.nsec3_rrsets(from_text("example.com."))
        names = [to_text(one.owner) for _, one in nsec3s] + [f"{'h' * 32}.example.com."]
        for name in names:
            wire = dns.message.make_query(name, "A", want_dnssec=True, payload=1232).to_wire()
            whole = paths.responder.respond(reader, wire, stream=True).wire
            assert paths.same(wire) == whole, name


ALIKE = """\
sub NS ns1.sub
sub NS host.lost
*.w MX 10 mail.w
*.w MX 20 mx.elsewhere.example.
deep.er A 192.0.2.1
* TXT anything
a.b A 192.0.2.2
"""


@pytest.mark.parametrize("label", POLICIES)
@pytest.mark.parametrize(
    ("name", "rdtype", "odd"),
    [
        ("x1.sub", "A", None),
        ("x1.y.sub", "A", None),
        ("xx1.sub", "A", "ns1.sub"),  # whose name stands in the referral
        ("x1.w", "MX", None),
        ("x1.y.w", "MX", None),
        ("xxx1.w", "MX", "mail.w"),  # whose name stands in the answer, as it would without the question
        ("x1.w", "A", None),
        ("x1.er", "A", None),
        ("x1.b", "A", None),
        ("x1", "TXT", None),
        ("x1", "A", None),
    ],
)
def test_equivalent_names_share_an_answer_and_odd_ones_get_their_own(tmp_path, label, name, rdtype, odd):
    with served(tmp_path, label, ALIKE) as (_, paths):
        for each in filter(None, (name, name.replace("1", "2"), odd)):
            query = dns.message.make_query(f"{each}.example.com.", rdtype, want_dnssec=True, payload=1232)
            fast = paths.fast(query.to_wire())
            if fast is None:
                assert each == odd
            else:
                assert fast == paths.full(query.to_wire())


FLOODED = (
    "".join(f"many NS ns{number}.many\nns{number}.many A 192.0.2.{number}\n" for number in range(40))
    + "www A 192.0.2.1\nchain CNAME www\n*.host CNAME www\n*.far CNAME chain\n*.out CNAME www.example.net.\n"
    + "*.self CNAME x1.self\n*.lost CNAME nowhere\n*.twice CNAME a.host\n*.big TXT "
    + " ".join(f'"{number:0250d}"' for number in range(4))
)


@pytest.mark.parametrize("label", POLICIES)
@pytest.mark.parametrize(
    ("above", "is_fast"),
    [
        ("many", True),
        ("host", True),
        ("far", True),
        ("out", True),
        ("big", True),
        ("self", False),
        ("lost", False),
        ("twice", False),
    ],
)
@pytest.mark.parametrize("payload", [0, 512, 900, 1232])
def test_random_names_cost_little_whatever_they_are_answered(tmp_path, label, above, is_fast, payload):
    """Also below a wildcard that is an alias, and where the answer does not fit."""
    with served(tmp_path, label, FLOODED) as (reader, paths):
        for number in range(5):
            more = {"payload": payload, "want_dnssec": True} if payload else {}
            wire = dns.message.make_query(f"x{number}.{above}.example.com.", "TXT", **more).to_wire()
            fast = find(paths.known, wire[2:], wire[2:].lower())
            full = paths.responder.respond(reader, wire, stream=False)
            assert (fast is not None) == is_fast or number == 1
            if fast is not None:
                _, end, _, _, class_, zone = fast
                assert wire_of(fast, wire) == full.wire
                assert paths.known.tally.class_of(wire, full.wire, end, zone, full.kind) == class_


def test_payload_sizes_share_what_is_found_out(tmp_path, monkeypatch):
    with served(tmp_path, "nsec", FLOODED) as (_, paths):
        worked_out = []

        def counted(*given, **more):
            worked_out.append(1)
            return answer_equivalent(*given, **more)

        monkeypatch.setattr(missing, "answer_equivalent", counted)
        for payload in range(512, 1233, 10):
            query = dns.message.make_query("x.many.example.com.", "A", payload=payload)
            assert paths.fast(query.to_wire())[2] & 0x02  # TC
    assert len(worked_out) <= 2  # what is found out first makes room


def test_ds_is_asked_of_the_parent_where_both_zones_are_served(tmp_path):
    texts = {
        "example.com.": "sub NS ns1.sub\nsub DS 1 13 2 " + "ab" * 32 + "\n",
        "sub.example.com.": "www A 192.0.2.1\n",
    }
    with Image.open(tmp_path / "image", readonly=False) as image:
        with image.writer() as writer:
            zones = [compile_zone(unsigned_zone(validated(*one), 1)) for one in texts.items()]
            writer.apply(difference(writer, zones))
        with image.reader() as reader:
            paths, found = Paths(reader), []
            for name in ("www.sub", "sub", "nothing.sub", "sub", "x.nothing.sub", "nothing"):
                wire = dns.message.make_query(f"{name}.example.com.", "DS").to_wire()
                fast = find(paths.known, wire[2:], wire[2:].lower())
                full = paths.responder.respond(reader, wire, stream=False)
                assert fast is None or (fast[5], wire_of(fast, wire)) == (full.zone, full.wire), name
                found.append((len(dns.message.from_wire(full.wire).answer), full.zone))
    child = from_text("sub.example.com.")
    assert [count for count, _ in found] == [0, 1, 0, 1, 0, 0]
    assert [zone == child for _, zone in found] == [True, False, True, False, True, False]


@pytest.mark.parametrize("label", POLICIES)
def test_owners_of_hundreds_of_types_are_not_taken_for_each_other(tmp_path, label):
    text = "".join(
        f"many{first} TYPE{first + number} \\# 1 {first:02x}\n"
        for first in (10, 11)
        for number in range(1000, 1256)
    )
    with served(tmp_path, label, text) as (_, paths):
        for rdtype in ("TYPE1010", "TYPE1100", "TYPE1267", "TYPE9999"):
            for name in ("many10", "many11", "many11a", "many10a"):
                query = dns.message.make_query(f"{name}.example.com.", rdtype, want_dnssec=True, payload=1232)
                for _ in range(2):
                    paths.same(query.to_wire())


def test_what_is_larger_than_any_answer_is_not_remembered(tmp_path):
    big = "".join(f'*.w TXT "{number:0250d}"\n' for number in range(200))
    with served(tmp_path, "plain", big) as (_, paths):
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for length in range(1, 50):
            query = dns.message.make_query(f"{'x' * length}.w.example.com.", "TXT", payload=1232)
            assert paths.fast(query.to_wire()) == paths.full(query.to_wire())
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert after - before < 500_000


def test_proof_that_takes_the_full_path_costs_the_fast_path_no_memory(tmp_path, monkeypatch):
    """Of a gap that begins at an address below a cut, whatever is asked in it."""
    monkeypatch.setattr(known, "ENOUGH", 60)
    with served(tmp_path, "nsec", "sub NS ns.sub\nns.sub A 192.0.2.1\n") as (_, paths):
        before = None
        for number in range(100):
            query = dns.message.make_query(
                f"suc{number:03d}.example.com.", "A", want_dnssec=True, payload=1232
            )
            assert paths.fast(query.to_wire()) is not None
            now = paths.known.asked.get(b"\7example\3com\0")
            assert before in (None, now), f"forgotten at the query {number}"
            before = now


def test_what_is_kept_of_a_zone_on_the_full_path_is_bounded(tmp_path):
    with served(tmp_path, "plain", "www A 192.0.2.1\n") as (reader, _):
        zones = Zones(reader)
        view = zones.find(from_text("example.com."), Type.A)
        for length in range(1, 64):
            for signed in (False, True):
                name = Name(bytes([length]) + b"x" * length + view.origin)
                assert answer(reader, zones, view, name, Type.A, signed).draft.counts == [0, 1, 0]
        assert 0 < len(view.soa_cache) < 40


OPTIONS = {
    "unknown": b"\xfd\xe9\0\3abc",
    "empty": b"\xfd\xe9\0\0",
    "subnet and padding": b"\0\x08\0\x07\0\1\x18\0\xc0\0\2" + b"\0\x0c\0\4\0\0\0\0",
    "keepalive": b"\0\x0b\0\0",
    "nsid": b"\0\3\0\0",
    "unknown and expire": b"\xfd\xe9\0\0\0\x09\0\0",
    "zoneversion": b"\0\x13\0\0",
    "malformed zoneversion": b"\0\x13\0\1x",
    "cookie": b"\0\x0a\0\x0812345678",
    "malformed cookie": b"\0\x0a\0\x07" + b"1234567",
    "two cookies": b"\0\x0a\0\x0812345678" * 2,
    "cut off": b"\xfd\xe9\0\4abc",
    "a head cut off": b"\xfd\xe9\0",
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_change_nothing_unless_they_are_to_be_answered(tmp_path, options):
    """Without secrets there are no cookies: those are ignored as well, unless malformed."""
    opt = b"\0\0\x29\x04\xd0\0\0\x80\0" + len(options).to_bytes(2, "big") + options
    names = (b"\3www\7example\3com\0", b"\2no\7example\3com\0", b"\3www\7example\3net\0")
    wires = [b"id\1\0\0\1\0\0\0\0\0\1" + name + b"\0\1\0\1" + opt for name in names]
    wires += [wire + b"x" for wire in wires] + [wires[0][:11] + b"\2" + wires[0][12:]]
    wires += [wires[0].replace(b"\0\0\x29", octets) for octets in (b"\0\0\x28", b"\1\0\x29", b"\xc0\0\x29")]
    with served(tmp_path, "nsec", "www A 192.0.2.1\n") as (reader, paths):
        worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), paths.responder)
        worker.answerer.renew()
        for _ in range(3):
            assert_same(reader, wires, answers(worker, Filled(), wires))
        assert worker.failures == 0


def test_deep_names_in_all_gaps_share_what_was_learned_once(tmp_path, monkeypatch):
    learned = []

    def counted(*given, **named):
        learned.append(given)
        return answer_equivalent(*given, **named)

    monkeypatch.setattr(missing, "answer_equivalent", counted)
    text = "".join(f"h{number:02d} A 192.0.2.1\n" for number in range(60)) + "a.h07 A 192.0.2.2\n"
    with served(tmp_path, "nsec", text) as (reader, paths):
        worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), paths.responder)
        worker.answerer.renew()
        for names in (
            [f"x.h{number:02d}x" for number in range(60)],
            [f"x.h{number:02d}" for number in range(60)],
        ):
            wires = [
                dns.message.make_query(f"{name}.example.com", "A", want_dnssec=True).to_wire()
                for name in names
            ]
            assert_same(reader, wires, answers(worker, Filled(), wires))
    assert len(learned) < 5 + 60  # once for names below none, then by name above


@pytest.mark.parametrize("label", POLICIES)
def test_rare_types_are_answered_the_same_but_where_a_node_has_one(tmp_path, label):
    text = """\
www A 192.0.2.1
alias CNAME www
loop CNAME loop
out CNAME www.example.net.
gone CNAME nothing
odd TYPE65400 \\# 1 00
toodd CNAME odd
*.wild CNAME www
*.wildodd TYPE65400 \\# 1 00
tosub CNAME x.sub
sub NS ns.example.net.
d DNAME www
tod CNAME x.d
"""
    owners = [
        "www",
        "alias",
        "loop",
        "out",
        "gone",
        "odd",
        "toodd",
        "x.wild",
        "x.wildodd",
        "tosub",
        "sub",
        "tod",
        "no",
    ]
    with served(tmp_path, label, text) as (reader, paths):
        worker = UdpWorker([], reader, GenerationCounter(tmp_path / "generation"), paths.responder)
        worker.answerer.renew()
        for _ in range(2):
            for rdtype in ("TYPE600", "TYPE65400", "TYPE512", "TYPE65000", "TYPE511"):
                wires = [
                    dns.message.make_query(f"{name}.example.com", rdtype, want_dnssec=True).to_wire()
                    for name in owners
                ]
                assert_same(reader, wires, answers(worker, Filled(), wires))
        assert worker.failures == 0
