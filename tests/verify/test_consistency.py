"""Verification against real servers: nothing is reported where nothing is wrong, and all that is wrong is."""

from datetime import timedelta

import dns.flags
import dns.message
import dns.rrset
import pytest

from dnsctl.demo.ports import free_port
from dnsctl.errors import RefusalRule
from dnsctl.model.fleet import Endpoint, Node
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import Type
from dnsctl.model.zone import SignedZone
from dnsctl.verify.anchor import anchors_in
from dnsctl.verify.consistency import addresses, verify_fleet
from tests.refusals import refused_by
from tests.verify.served import NOW, RECORDS, Server, image_of, serving, signed, unsigned

POLICIES = {
    "nsec": Policy(),
    "nsec3": Policy(denial="nsec3"),
    "nsec3 with opt-out": Policy(denial="nsec3", opt_out=True),
    "split keys, Ed25519": Policy(keys="ksk+zsk", algorithm=Algorithm.ED25519),
    "RSA": Policy(algorithm=Algorithm.RSASHA256),
}


@pytest.fixture
def zone(tmp_path):
    return signed(tmp_path / "keys")


@pytest.fixture
def compare(tmp_path, zone):
    """Verify a node that serves `served` against a release of `zone`; return the report."""

    def run(served: SignedZone | None = None, answering=None, **options):
        release = options.pop("release", zone)
        options = {"now": NOW, "full": True, "anchors": anchors_in(tmp_path / "keys"), **options}
        with (
            image_of(
                tmp_path / "release", *((release,) if isinstance(release, SignedZone) else release)
            ) as image,
            serving(tmp_path / "served", served or zone, answering=answering) as server,
            image.reader() as reader,
        ):
            return verify_fleet([server.node()], reader, **options)

    return run


def rules(report):
    return {fault.rule for fault in report.faults}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
@pytest.mark.parametrize("full", [True, False], ids=["full", "sampled"])
def test_nodes_that_serve_the_release_are_consistent(tmp_path, policy, full):
    zone = signed(tmp_path / "keys", policy=policy)
    with (
        image_of(tmp_path / "release", zone) as image,
        serving(tmp_path / "served", zone) as first,
        Server(image) as second,
        image.reader() as reader,
    ):
        nodes = [first.node(), second.node("ns2", "dc2")]
        report = verify_fleet(nodes, reader, now=NOW, full=full, anchors=anchors_in(tmp_path / "keys"))
    assert (report.faults, report.verdict, report.exit_code) == ((), "consistent", 0)
    assert all(each.answers > 40 and each.serials == {zone.origin: 7} for each in report.nodes)
    assert not any("DS" in note.message for note in report.notes)
    if full:  # all but the NSEC3 of the one signed cut, which no answer holds
        assert report.checked == report.rrsets - (policy.denial == "nsec3")


def test_unsigned_zone_is_consistent(compare):
    report = compare(unsigned(), release=unsigned())
    assert (report.faults, report.exit_code) == ((), 0)


def test_after_a_push_the_touched_owners_are_asked(compare, zone):
    changed = signed_like(zone, "www.example.com.", Type.A, bytes([192, 0, 2, 81]))
    report = compare(changed, full=False, touched=[from_text("www.example.com.")])
    assert [(fault.owner, fault.rdtype) for fault in report.faults] == [
        (from_text("www.example.com."), Type.A)
    ]


def test_after_a_push_removed_owners_must_be_gone(compare, zone, tmp_path):
    gone = from_text("mail.example.com.")
    shorter = signed(tmp_path / "keys", RECORDS.replace("mail MX 10 www\n", ""))
    assert compare(shorter, release=shorter, full=False, touched=[gone]).exit_code == 0
    report = compare(zone, release=shorter, full=False, touched=[gone])
    assert (gone, "NXDOMAIN", "NOERROR") in {(each.owner, each.expected, each.got) for each in report.faults}


def test_after_a_push_removed_owners_that_lead_elsewhere_now_are_no_fault(compare, tmp_path):
    """A removed name may still be answered: from a wildcard, below a cut or a DNAME, or as a non-terminal."""
    texts = ("gone.wild", "gone.sub", "gone.old", "below.nothing", "nothing", "sub", "gone.ns.plain")
    touched = [from_text(f"{each}.example.com.") for each in (*texts, "elsewhere")] + [
        from_text("example.net.")
    ]
    assert compare(full=False, touched=touched).exit_code == 0


def signed_like(zone, owner, rdtype, rdata=None, ttl=None):
    """Return `zone` with other rdata or TTL in one RRset, signatures as they were."""
    name = from_text(owner)
    node = tuple(
        each._replace(rdatas=(rdata,) if rdata is not None else each.rdatas, ttl=ttl or each.ttl)
        if each.rdtype == rdtype
        else each
        for each in zone.nodes[name]
    )
    return with_nodes(zone, {**zone.nodes, name: node})


def with_nodes(zone, nodes):
    return SignedZone(zone.origin, nodes, zone.serial, zone.signed, zone.nsec3, zone.nsec3_nodes)


def test_changed_record_is_found_with_everything_needed_to_act(compare, zone):
    report = compare(signed_like(zone, "www.example.com.", Type.A, bytes([192, 0, 2, 81])))
    assert report.exit_code == 1
    [fault] = report.faults
    assert fault.node == "ns1" and fault.address.startswith("127.0.0.1:")
    assert (fault.zone, fault.owner, fault.rdtype) == (zone.origin, from_text("www.example.com."), Type.A)
    assert (fault.expected, fault.got) == ("192.0.2.80", "192.0.2.81")
    assert report.nodes[0].faults == 1


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
def test_a_change_to_any_one_rrset_of_the_zone_is_found(tmp_path, denial):
    """Whatever is changed, glue and denial records included; only a signed cut's NSEC3 is never served."""
    zone = signed(tmp_path / "keys", policy=Policy(denial=denial))
    missed = []
    with image_of(tmp_path / "release", zone) as image, image.reader() as reader:
        for number, rrset in enumerate((*zone.rrsets(), *zone.nsec3_nodes.values())):
            nodes, hashed = dict(zone.nodes), dict(zone.nsec3_nodes)
            longer = rrset._replace(ttl=rrset.ttl + 1)
            if rrset.rdtype == Type.NSEC3:
                hashed = {digest: longer if each == rrset else each for digest, each in hashed.items()}
            else:
                nodes[rrset.owner] = tuple(longer if each == rrset else each for each in nodes[rrset.owner])
            served = SignedZone(zone.origin, nodes, zone.serial, True, zone.nsec3, hashed)
            with serving(tmp_path / str(number), served) as server:
                if verify_fleet([server.node()], reader, now=NOW, full=True).exit_code != 1:
                    missed.append((rrset.owner, rrset.rdtype))
    assert len(missed) == (denial == "nsec3") and all(rdtype == Type.NSEC3 for _, rdtype in missed)


def test_changed_ttl_is_found(compare, zone):
    report = compare(signed_like(zone, "www.example.com.", Type.A, ttl=301))
    assert [(each.rule, each.expected, each.got) for each in report.faults] == [
        ("ttl-differs", "TTL 300", "TTL 301")
    ]


def test_changed_glue_is_found(compare, zone):
    report = compare(signed_like(zone, "ns.sub.example.com.", Type.A, bytes([192, 0, 2, 1])))
    assert [(each.rule, each.expected) for each in report.faults] == [("rrset-differs", "192.0.2.99")]


def test_lost_record_is_found_by_its_absence_and_by_the_denial_chain(compare, zone, tmp_path):
    text = "\n".join(line for line in RECORDS.splitlines() if not line.startswith("mail"))
    report = compare(signed(tmp_path / "keys", text))
    assert (from_text("mail.example.com."), "rcode") in {(each.owner, each.rule) for each in report.faults}
    assert any(each.rdtype == Type.NSEC for each in report.faults)


def test_node_left_behind_shows_both_serials(compare, tmp_path):
    report = compare(signed(tmp_path / "keys", serial=6))
    assert ("serial-differs", "serial 7", "serial 6") in {
        (each.rule, each.expected, each.got) for each in report.faults
    }
    assert report.nodes[0].serials == {from_text("example.com."): 6}


def test_zone_not_served_is_one_fault_not_one_a_record(compare, zone, tmp_path):
    other = signed(tmp_path / "keys", origin="example.net.")
    report = compare(other)
    assert [(each.rule, each.expected, each.got) for each in report.faults] == [
        ("rcode", "NOERROR", "REFUSED")
    ]


def test_signatures_of_a_key_that_is_not_the_zones_are_found(compare, tmp_path):
    report = compare(signed(tmp_path / "other keys"))
    assert {"rrset-differs", "signatures-differ"} <= rules(report)


def test_released_signatures_are_validated_and_not_only_compared(compare, zone):
    broken = signed_like(zone, "www.example.com.", Type.A, bytes([192, 0, 2, 81]))
    report = compare(broken, release=broken)
    assert [(each.rule, each.owner) for each in report.faults] == [
        ("signature-invalid", from_text("www.example.com."))
    ]


def test_expired_signatures_are_found_though_the_release_is_served(compare):
    report = compare(now=NOW + timedelta(days=30))
    assert [each.rule for each in report.faults] == ["chain-broken"]
    assert "expired" in report.faults[0].got and report.faults[0].node == "release"


def test_ds_of_another_key_breaks_the_chain(compare, tmp_path):
    signed(tmp_path / "other keys")
    report = compare(anchors=anchors_in(tmp_path / "other keys"))
    assert rules(report) == {"chain-broken"} and report.exit_code == 1


def test_ds_in_our_own_parent_zone_must_match(compare, tmp_path, zone):
    records = "example 300 DS 12345 13 2 " + "00" * 32 + "\nexample NS ns1\n"
    parent = signed(tmp_path / "keys", records, origin="com.")
    report = compare(release=(parent, zone), zones=[zone.origin])
    assert [(each.rule, each.expected) for each in report.faults] == [
        ("chain-broken", "a chain of trust from the DS in com.")
    ]


def test_without_any_ds_the_report_says_what_was_not_proven(compare):
    report = compare(anchors={})
    assert report.exit_code == 0 and "no DS is known" in report.notes[0].message


def flip(at: int, mask: int):
    return lambda _query, answer: answer[:at] + bytes([answer[at] ^ mask]) + answer[at + 1 :]


@pytest.mark.parametrize(
    ("answering", "rule"),
    [
        (flip(2, 0x04), "authoritative"),
        (flip(3, 0x02), "rcode"),
        (lambda _query, answer: answer + b"\0", "undecodable"),
        (lambda _query, answer: answer[:-11] if answer[-11:-8] == b"\0\0\x29" else answer, "undecodable"),
        (flip(-1, 0x01), "undecodable"),
    ],
    ids=["AA lost", "SERVFAIL", "trailing octet", "OPT cut off", "OPT of a wrong length"],
)
def test_damage_to_every_answer_is_found(compare, answering, rule):
    assert rule in rules(compare(answering=answering))


def strip_authority(_query, answer):
    message = dns.message.from_wire(answer)
    message.authority = []
    return message.to_wire()


def test_denial_without_its_proof_is_found(compare):
    assert {"rrset-missing", "proof-missing"} <= rules(compare(answering=strip_authority))


def test_answer_too_large_for_what_was_asked_is_found(tmp_path):
    zone = signed(tmp_path / "keys", policy=Policy(algorithm=Algorithm.RSASHA256))
    with (
        image_of(tmp_path / "release", zone) as image,
        Server(image, truncates=False) as server,
        image.reader() as reader,
    ):
        report = verify_fleet([server.node()], reader, now=NOW)
    assert {(each.rule, each.rdtype) for each in report.faults} == {("too-large", Type.DNSKEY)}


def adding(section, *record):
    """Return what adds a record to positive answers to NS questions."""

    def answering(_query, answer):
        message = dns.message.from_wire(answer)
        if message.question[0].rdtype == Type.NS and message.flags & dns.flags.AA:
            getattr(message, section).append(dns.rrset.from_text(*record))
        return message.to_wire()

    return answering


@pytest.fixture
def beside(tmp_path, zone):
    """Verify two nodes that serve the release, the second through `answering`; return the report."""

    def run(answering):
        with (
            image_of(tmp_path / "release", zone) as image,
            Server(image) as first,
            Server(image, answering) as second,
            image.reader() as reader,
        ):
            return verify_fleet([first.node(), second.node("ns2", "dc2")], reader, now=NOW)

    return run


def test_nodes_that_differ_where_the_release_leaves_room_are_told_apart(beside):
    report = beside(adding("authority", "example.com.", 60, "IN", "TXT", "odd"))
    assert [(each.node, each.rule, each.rdtype) for each in report.faults] == [
        ("ns2", "nodes-differ", Type.NS)
    ]
    assert report.faults[0].expected == "what ns1 answers"


def test_additional_data_of_the_release_is_no_fault_and_needs_no_company(beside):
    assert beside(adding("additional", "ns1.example.com.", 3600, "IN", "A", "192.0.2.53")).exit_code == 0


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (("ns1.example.com.", 60, "IN", "A", "192.0.2.53"), "192.0.2.53"),
        (("ns1.example.com.", 3600, "IN", "A", "192.0.2.54"), "192.0.2.53"),
        (("ns1.example.com.", 3600, "IN", "AAAA", "2001:db8::1"), "no such data"),
        (("ns1.example.org.", 3600, "IN", "A", "192.0.2.53"), "no such data"),
    ],
    ids=["other TTL", "other address", "type that is not there", "name that is not ours"],
)
def test_additional_data_that_the_release_does_not_have_is_found(beside, record, expected):
    faults = beside(adding("additional", *record)).faults
    assert [(each.node, each.rule, each.expected) for each in faults] == [
        ("ns2", "additional-differs", expected)
    ]


def test_dead_node_cannot_be_told_and_the_other_is_still_judged(tmp_path, zone):
    dead = Node("ns2", "dc2", (Endpoint("127.0.0.1", free_port()),), "https://127.0.0.1:1")
    with (
        image_of(tmp_path / "release", zone) as image,
        Server(image) as server,
        image.reader() as reader,
    ):
        report = verify_fleet([server.node(), dead], reader, now=NOW)
        alone = verify_fleet([dead], reader, now=NOW)
    assert (report.exit_code, report.verdict) == (2, "could not tell")
    assert [each.silent for each in report.nodes] == ["", "Connection refused"]
    assert report.nodes[0].answers > 40 and alone.exit_code == 2


def test_drift_at_one_node_weighs_more_than_silence_of_another(tmp_path, zone):
    dead = Node("ns2", "dc2", (Endpoint("127.0.0.1", free_port()),), "https://127.0.0.1:1")
    changed = signed_like(zone, "www.example.com.", Type.A, bytes([192, 0, 2, 81]))
    with (
        image_of(tmp_path / "release", zone) as image,
        serving(tmp_path / "served", changed) as server,
        image.reader() as reader,
    ):
        assert verify_fleet([server.node(), dead], reader, now=NOW).exit_code == 1


def test_lost_datagrams_are_asked_again(compare):
    seen: set[bytes] = set()

    def drops_the_first(query, answer):
        fresh = query[2:] not in seen
        seen.add(query[2:])
        return None if fresh and query[-12 - 5] % 2 else answer

    assert compare(answering=drops_the_first).exit_code == 0


def test_nothing_released_yet_is_inconclusive(tmp_path, zone):
    with image_of(tmp_path / "release", zone, generation=0) as image, image.reader() as reader:
        node = Node("ns1", "dc1", (Endpoint("127.0.0.1", 9),), "https://127.0.0.1:1")
        with refused_by(RefusalRule.NOTHING_RELEASED):
            verify_fleet([node], reader, now=NOW)


def test_zone_that_was_never_released_is_inconclusive(compare):
    with refused_by(RefusalRule.ZONE_UNKNOWN, "example.net.: "):
        compare(zones=[from_text("example.net.")])


def test_unspecified_listen_address_is_asked_at_the_agents_host():
    listen = (Endpoint("0.0.0.0", 53), Endpoint("::", 53), Endpoint("192.0.2.1", 53))  # noqa: S104 - the case
    node = Node("ns1", "dc1", listen, "https://127.0.0.1:8301")
    assert addresses(node) == (
        Endpoint("127.0.0.1", 53),
        Endpoint("127.0.0.1", 53),
        Endpoint("192.0.2.1", 53),
    )


def test_progress_counts_zones(compare):
    told: list[tuple[int, int]] = []
    compare(progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 1), (1, 1)]


def test_report_as_json_names_what_a_monitor_needs(compare, zone):
    data = compare(signed_like(zone, "www.example.com.", Type.A, bytes([192, 0, 2, 81]))).to_json()
    assert data["verdict"] == "drift" and data["generation"] == 1
    assert data["faults"][0]["owner"] == "www.example.com." and data["faults"][0]["type"] == "A"
    assert data["nodes"][0]["serials"] == {"example.com.": 7}
    assert data["nodes"][0]["nearest_expiry"].endswith("Z")
