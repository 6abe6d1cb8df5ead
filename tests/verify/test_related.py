"""Zones that are related to one another: what is right comes from all zones of the release, not from one.

Fleets are drawn at random, too; DNSCTL_FLEETS=10000 takes that many instead of a few seconds' worth.
"""

import os
import random

import dns.message
import pytest

from dnsctl.model.name import from_text, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import Type
from dnsctl.verify.anchor import anchors_in
from dnsctl.verify.client import Question
from dnsctl.verify.consistency import verify_fleet
from dnsctl.verify.expectation import Absent, Aliased, Data, Expanded, Referral
from dnsctl.verify.lookup import expected
from dnsctl.verify.released import ReleasedZone, home
from tests.reference import drawing, fleets
from tests.serve import peer_servers
from tests.serve.random_zones import master_file
from tests.verify.served import NOW, Server, image_of, node_at, signed, unsigned

FLEETS = int(os.environ.get("DNSCTL_FLEETS", "12"))
SEED = os.environ.get("DNSCTL_SEED", "related")
NSEC, NSEC3, OPT_OUT, UNSIGNED = Policy(), Policy(denial="nsec3"), Policy(denial="nsec3", opt_out=True), None
SUB = "sub NS ns1.sub\nns1.sub A 192.0.2.53\n"

SCENES = {
    "a child of ours": {"example.com.": SUB, "sub.example.com.": "www A 192.0.2.1\n"},
    "a grandchild of ours, the child is somebody else's": {
        "example.com.": SUB + "www.g.sub A 192.0.2.9\n",
        "g.sub.example.com.": "www A 192.0.2.1\n",
    },
    "a child that the parent does not delegate": {
        "example.com.": "www A 192.0.2.1\nzzz A 192.0.2.1\n",
        "sub.example.com.": "www A 192.0.2.2\n",
    },
    "a child that the parent does not delegate, and holds names of": {
        "example.com.": "sub TXT p\nwww.sub A 192.0.2.1\n*.w.sub A 192.0.2.1\nto CNAME www.sub\n",
        "sub.example.com.": "www A 192.0.2.2\n",
    },
    "a child below a wildcard of the parent": {
        "example.com.": "* TXT wild\nto CNAME x.sub\n",
        "sub.example.com.": "www A 192.0.2.2\n",
    },
    "a child below a DNAME of the parent": {
        "example.com.": "old DNAME new\nnew TXT x\nto CNAME x.sub.old\n",
        "sub.old.example.com.": "www A 192.0.2.2\n",
    },
    "a wildcard of the parent below the cut to a child": {
        "example.com.": SUB + "*.sub TXT hidden\n*.x.sub TXT hidden\n",
        "sub.example.com.": "x A 192.0.2.2\n",
    },
    "data of the parent below the child's apex": {
        "example.com.": SUB + "www.sub A 192.0.2.1\ndeep.er.sub A 192.0.2.3\n",
        "sub.example.com.": "www A 192.0.2.2\nonly TXT here\n",
    },
    "a cut that the wildcard's own NSEC3 covers": {
        "example.com.": "* CNAME to\nto A 192.0.2.1\n" + "".join(f"s{n} NS ns.s{n}\n" for n in range(12)),
        **{f"s{n}.example.com.": "" for n in range(2)},
    },
    "an empty non-terminal of the parent where a child is": {
        "example.com.": "x.y.sub A 192.0.2.1\n",
        "sub.example.com.": "",
        "y.sub.example.com.": "",
    },
    "aliases into siblings and back": {
        "a.example.": "to CNAME www.b.example.\nold DNAME b.example.\nmissing CNAME no.b.example.\n",
        "b.example.": "www CNAME x.a.example.\n*.w A 192.0.2.1\nback DNAME old.a.example.\n",
    },
    "aliases through a cut of ours, loops and chains": {
        "example.com.": SUB
        + "to CNAME www.sub\nl1 CNAME l2\nl2 CNAME l1\nself CNAME self\nd DNAME sub\nw CNAME x.d\n"
        + "".join(f"c{n} CNAME c{n + 1}\n" for n in range(1, 20))
        + "c20 A 192.0.2.1\n*.star CNAME www\nwww A 192.0.2.1\ns CNAME any.star\n",
        "sub.example.com.": "www CNAME to.example.com.\n*.w TXT wild\n",
    },
    "an alias to a name with an asterisk that another wildcard stands for": {
        "example.com.": "to CNAME *.x.wild\n*.wild TXT x\nback CNAME *.y.alias\n*.alias CNAME to\n"
    },
    "DNAMEs whose targets grow until they are too long": {
        "example.com.": f"a DNAME {'b' * 60}.a\nto CNAME x.a\nshort DNAME b.short\nwhole DNAME gone\n"
    },
    "a reverse zone with RFC 2317 children": {
        "2.0.192.in-addr.arpa.": "0/26 NS ns.example.net.\n"
        + "".join(f"{n} CNAME {n}.0/26\n" for n in range(1, 9))
        + "".join(f"{n} CNAME {n}.64-127\n" for n in range(64, 70)),
        "0/26.2.0.192.in-addr.arpa.": "1 PTR www.example.com.\n* PTR other.example.com.\n",
        "64-127.2.0.192.in-addr.arpa.": "64 PTR www.example.com.\n",
    },
    "the root, a zone at the top, and one far below": {
        ".": "example NS ns.example.\nns.example A 192.0.2.1\ncom NS ns.elsewhere.example.\n",
        "example.": "www A 192.0.2.1\na.b NS ns.a.b\nns.a.b A 192.0.2.2\n",
        "c.a.b.example.": "www A 192.0.2.1\n",
        "example.com.": "www A 192.0.2.1\n",
        "example.org.": "www A 192.0.2.1\n",
    },
}
POLICIES = {
    "nsec below nsec": (NSEC, NSEC),
    "nsec3 below opt-out": (OPT_OUT, NSEC3),
    "signed below unsigned": (UNSIGNED, NSEC3),
    "unsigned below opt-out": (OPT_OUT, UNSIGNED),
}


def made(keys, scene, policies):
    """Return the zones of a scene: the first by the first policy, the others by the second."""
    zones = []
    for number, (origin, text) in enumerate(scene.items()):
        policy = policies[min(number, 1)]
        zones.append(unsigned(text, origin) if policy is None else signed(keys, text, origin, policy))
    return zones


@pytest.mark.parametrize("policies", POLICIES.values(), ids=POLICIES.keys())
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_related_zones_that_are_served_as_released_are_consistent(tmp_path, scene, policies):
    zones = made(tmp_path / "keys", scene, policies)
    owners = [owner for zone in zones for owner in zone.nodes]
    anchors = anchors_in(tmp_path / "keys")
    with image_of(tmp_path / "image", *zones) as image, Server(image) as server, image.reader() as reader:
        for options in (
            {"full": True},
            {"touched": owners},
            {"zones": [zones[0].origin], "touched": owners},
            {"zones": [zones[-1].origin]},
        ):
            report = verify_fleet([server.node()], reader, now=NOW, anchors=anchors, **options)
            assert "\n".join(map(str, report.faults)) == "" and report.exit_code == 0, options


EXPECTED = [
    ("a child of ours", "www.sub", Type.A, "sub.example.com.", Data),
    ("a child of ours", "no.sub", Type.A, "sub.example.com.", Absent),
    ("a child of ours", "sub", Type.NS, "sub.example.com.", Data),
    ("a child of ours", "sub", Type.DS, "example.com.", Absent),
    ("a grandchild of ours, the child is somebody else's", "x.sub", Type.A, "example.com.", Referral),
    ("a grandchild of ours, the child is somebody else's", "www.g.sub", Type.A, "g.sub.example.com.", Data),
    ("a grandchild of ours, the child is somebody else's", "g.sub", Type.DS, "example.com.", Referral),
    ("a child that the parent does not delegate", "sub", Type.DS, "example.com.", Absent),
    ("a child below a wildcard of the parent", "no.sub", Type.TXT, "sub.example.com.", Absent),
    ("a child below a wildcard of the parent", "no", Type.TXT, "example.com.", Expanded),
    ("a child below a wildcard of the parent", "sub", Type.DS, "example.com.", Absent),
    ("a child below a DNAME of the parent", "www.sub.old", Type.A, "sub.old.example.com.", Data),
    ("a child below a DNAME of the parent", "sub.old", Type.DS, "example.com.", Aliased),
    ("aliases through a cut of ours, loops and chains", "to", Type.A, "example.com.", Aliased),
]


@pytest.mark.parametrize(("scene", "name", "rdtype", "zone", "kind"), EXPECTED)
def test_the_zone_nearest_above_answers(tmp_path, scene, name, rdtype, zone, kind):
    zones = made(tmp_path / "keys", SCENES[scene], (UNSIGNED, UNSIGNED))
    asked = Question(from_text(f"{name}.example.com."), rdtype)
    with image_of(tmp_path / "image", *zones) as image, image.reader() as reader:
        origin = home(reader, asked.qname, rdtype)
        assert to_text(origin) == zone
        assert type(expected(ReleasedZone(reader, reader.zone(origin)), asked)) is kind


# -- Drift among related zones ---

PARENT = SUB + "to CNAME www.sub\nwww.sub A 192.0.2.9\n*.w TXT x\n"
CHILD = "www A 192.0.2.1\nmail A 192.0.2.2\n"


def fleet(keys, parent=PARENT, child=CHILD, ds=True, others=()):
    """Return a parent that delegates to a signed child of ours, by its DS where wanted."""
    below = signed(keys, child, "sub.example.com.")
    digest = anchors_in(keys)[below.origin][0]
    text = parent + (f"sub DS \\# {len(digest)} {digest.hex()}\n" if ds else "")
    return [signed(keys, text, "example.com."), below, *others]


def found(tmp_path, release, served, **options):
    options = options or {"full": True}
    with (
        image_of(tmp_path / "release", *release) as image,
        image_of(tmp_path / "served", *served) as other,
        Server(other) as server,
        image.reader() as reader,
    ):
        return verify_fleet(
            [server.node()], reader, now=NOW, anchors=anchors_in(tmp_path / "keys"), **options
        )


def test_a_child_zone_that_a_node_lost_is_one_fault(tmp_path):
    keys = tmp_path / "keys"
    report = found(tmp_path, fleet(keys), fleet(keys)[:1])
    assert [(to_text(each.zone), each.rdtype) for each in report.faults] == [("sub.example.com.", Type.SOA)]


def test_a_child_zone_that_a_node_still_has_is_found(tmp_path):
    keys = tmp_path / "keys"
    gone = from_text("sub.example.com.")
    [fault] = found(tmp_path, fleet(keys)[:1], fleet(keys), zones=[], touched=[gone]).faults
    assert (to_text(fault.zone), fault.expected, fault.got) == ("example.com.", "NOERROR", "NXDOMAIN")


def test_a_zone_without_a_parent_of_ours_that_a_node_still_has_is_found(tmp_path):
    keys = tmp_path / "keys"
    other = signed(keys, CHILD, "example.org.")
    options = {"zones": [], "touched": [other.origin]}
    assert found(tmp_path, fleet(keys), fleet(keys), **options).exit_code == 0
    [fault] = found(tmp_path / "again", fleet(keys), fleet(keys, others=[other]), **options).faults
    assert (fault.zone, fault.expected, fault.got) == (other.origin, "REFUSED", "NOERROR")


@pytest.mark.parametrize(
    ("parent", "child", "ds", "owner", "rdtype"),
    [
        (PARENT, CHILD, False, "sub.example.com.", Type.DS),
        (PARENT.replace("sub NS ns1.sub", "sub NS ns2.sub"), CHILD, True, "sub.example.com.", Type.NS),
        (PARENT.replace("192.0.2.53", "192.0.2.54"), CHILD, True, "ns1.sub.example.com.", Type.A),
        (PARENT, CHILD.replace("192.0.2.1", "192.0.2.9"), True, "www.sub.example.com.", Type.A),
        (PARENT, CHILD.replace("mail A 192.0.2.2\n", ""), True, "mail.sub.example.com.", Type.A),
        (PARENT.replace("CNAME www.sub", "CNAME x.sub"), CHILD, True, "to.example.com.", Type.CNAME),
    ],
    ids=["DS dropped", "other NS at the cut", "other glue", "parent's old data", "name lost", "other alias"],
)
def test_drift_at_either_side_of_a_cut_is_found(tmp_path, parent, child, ds, owner, rdtype):
    keys = tmp_path / "keys"
    report = found(tmp_path, fleet(keys), fleet(keys, parent, child, ds))
    assert (from_text(owner), rdtype) in {(each.owner, each.rdtype) for each in report.faults}


def test_a_touched_name_of_the_parent_is_asked_of_the_child_that_did_not_change(tmp_path):
    keys = tmp_path / "keys"
    parent, child = fleet(keys)
    options = {"zones": [parent.origin], "touched": [from_text("www.sub.example.com.")]}
    assert found(tmp_path, [parent, child], [parent, child], **options).exit_code == 0
    served = fleet(keys, child=CHILD.replace("192.0.2.1", "192.0.2.9"))
    report = found(tmp_path / "again", [parent, child], served, **options)
    assert {(to_text(each.zone), to_text(each.owner)) for each in report.faults} == {
        ("sub.example.com.", "www.sub.example.com.")
    }


def test_an_end_of_an_alias_that_is_served_wrongly_is_found(tmp_path):
    keys = tmp_path / "keys"
    zones = fleet(keys)

    def without_referral(_query, answer):
        message = dns.message.from_wire(answer)
        if message.question[0].name.labels[0] == b"to" and message.question[0].rdtype == Type.A:
            message.authority = []
        return message.to_wire()

    with (
        image_of(tmp_path / "release", *zones) as image,
        Server(image, without_referral) as server,
        image.reader() as reader,
    ):
        report = verify_fleet([server.node()], reader, now=NOW, anchors=anchors_in(keys))
    assert (from_text("sub.example.com."), Type.NS) in {(one.owner, one.rdtype) for one in report.faults}


# -- Chains of trust ---


def test_a_ds_in_an_unsigned_parent_says_nothing_about_the_child(tmp_path):
    text = SUB + f"sub DS 1 13 2 {'00' * 32}\n"
    zones = [unsigned(text, "example.com."), unsigned("", "sub.example.com.")]
    assert found(tmp_path, zones, zones).faults == ()


def test_a_ds_below_a_cut_to_somebody_else_says_nothing_about_the_grandchild(tmp_path):
    text = SUB + f"g.sub NS ns.g.sub\ng.sub DS 1 13 2 {'00' * 32}\n"
    zones = [signed(tmp_path / "keys", text), signed(tmp_path / "keys", "", "g.sub.example.com.")]
    assert found(tmp_path, zones, zones).faults == ()


def test_a_ds_of_a_signed_parent_of_ours_whose_child_is_not_signed_breaks_the_chain(tmp_path):
    text = SUB + f"sub DS 1 13 2 {'00' * 32}\n"
    zones = [signed(tmp_path / "keys", text), unsigned("", "sub.example.com.")]
    assert [each.rule for each in found(tmp_path, zones, zones).faults] == ["chain-broken"]


# -- Fleets drawn at random ---


def verified(directory, fleet, served, **options):
    with image_of(directory, *served) as image, Server(image) as server, image.reader() as reader:
        return verify_fleet(
            [server.node()], reader, now=drawing.NOW, anchors=fleets.anchors(fleet), **options
        )


def depth(rng, served):
    """Return how a fleet is verified: everything, a sample, right after a push of it, some zones of it."""
    zones = {"zones": [rng.choice(served).origin]}
    owners = [owner for zone in served for owner in zone.nodes]
    return rng.choice([{"full": True}, {}, {"touched": owners}, zones, {"touched": owners, **zones}])


@pytest.mark.timeout(36000)
def test_drawn_fleets_are_consistent(tmp_path):
    answers, wrong = 0, []
    for number in range(FLEETS):
        rng = random.Random(f"{SEED} {number}")
        drawn = fleets.drawn(rng, rng.choice([3, 3, 9]))
        zones = fleets.signed(drawn)
        report = verified(tmp_path / str(number), drawn, zones, **depth(rng, zones))
        answers += report.nodes[0].answers
        wrong += [f"{SEED} {number}: {each}" for each in report.faults[:3]]
        wrong += [f"{SEED} {number}: {each.silent}" for each in report.silent]
    print(f"\n{FLEETS} fleets, {answers} answers")
    assert not wrong, "\n".join(wrong[:20])


def test_a_step_of_a_drawn_fleet_that_a_node_missed_is_found(tmp_path):
    """Full verification finds whatever differs, be it in one zone or in which zones there are."""
    for number in range(max(FLEETS // 4, 4)):
        rng = random.Random(f"{SEED} drift {number}")
        before = fleets.drawn(rng)
        after = fleets.changed(rng, before)
        old, new = fleets.signed(before), fleets.signed(after, serial=2)
        gone = [one.origin for one in old if one.origin not in {each.origin for each in new}]
        with (
            image_of(tmp_path / f"{number}-old", *old) as served,
            image_of(tmp_path / f"{number}-new", *new) as release,
            Server(served) as server,
            release.reader() as reader,
        ):
            report = verify_fleet(
                [server.node()], reader, now=NOW, full=True, touched=gone, anchors=fleets.anchors(after)
            )
        assert report.exit_code == 1, (number, before, after)


def by_knot(directory, zones, anchors):
    """Return what verification has against Knot with `zones`."""
    directory.mkdir()
    files = {to_text(zone.origin): directory / f"{at}.zone" for at, zone in enumerate(zones)}
    for zone in zones:
        files[to_text(zone.origin)].write_text(master_file(zone))
    with (
        peer_servers.knot(directory, files) as port,
        image_of(directory / "image", *zones) as image,
        image.reader() as reader,
    ):
        return verify_fleet([node_at(port)], reader, now=drawing.NOW, full=True, anchors=anchors).faults


@pytest.mark.peer
def test_knot_with_drawn_fleets_is_consistent(tmp_path):
    """NSD goes on from an alias into another zone, where Knot and we leave that to the resolver."""
    for number in range(4):
        drawn = fleets.drawn(random.Random(f"{SEED} peer {number}"))
        found = by_knot(tmp_path / str(number), fleets.signed(drawn), fleets.anchors(drawn))
        assert "\n".join(f"{number} {each}" for each in found) == ""


KNOT_LEAVES_OUT_A_PROOF = "an alias to a name with an asterisk that another wildcard stands for"


@pytest.mark.peer
@pytest.mark.parametrize("scene", sorted(SCENES.keys() - {KNOT_LEAVES_OUT_A_PROOF}))
def test_knot_with_the_same_related_zones_is_consistent(tmp_path, scene):
    zones = made(tmp_path / "keys", SCENES[scene], POLICIES["nsec below nsec"])
    found = by_knot(tmp_path / "knot", zones, anchors_in(tmp_path / "keys"))
    assert "\n".join(map(str, found)) == ""
