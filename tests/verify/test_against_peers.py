"""Knot and NSD serve our signed zones: verification finds no fault in servers that we did not write."""

import random

import pytest

from dnsctl.model.fleet import Endpoint, Node
from dnsctl.model.name import to_text
from dnsctl.model.policy import Policy
from dnsctl.verify.anchor import anchors_in
from dnsctl.verify.consistency import verify_fleet
from tests.serve import peer_servers
from tests.serve.random_zones import master_file, zone_text
from tests.verify.served import NOW, RECORDS, image_of, signed, unsigned

POLICIES = (Policy(), Policy(denial="nsec3"), Policy(denial="nsec3", opt_out=True))


@pytest.mark.peer
@pytest.mark.parametrize("peer", [peer_servers.knot, peer_servers.nsd], ids=["Knot", "NSD"])
def test_another_implementation_with_our_zones_is_consistent(tmp_path, peer):
    zones = [
        *(signed(tmp_path / "keys", origin=f"z{n}.example.", policy=each) for n, each in enumerate(POLICIES)),
        *(
            signed(tmp_path / "keys", zone_text(random.Random(n)), f"r{n}.example.", each)
            for n, each in enumerate(POLICIES * 2)
        ),
        unsigned(RECORDS, "plain.example."),
    ]
    files = {}
    for zone in zones:
        files[to_text(zone.origin)] = tmp_path / f"{to_text(zone.origin)}zone"
        files[to_text(zone.origin)].write_text(master_file(zone))
    with (
        peer(tmp_path, files) as port,
        image_of(tmp_path / "release", *zones) as image,
        image.reader() as reader,
    ):
        node = Node("ns1", "dc1", (Endpoint("127.0.0.1", port),), "https://127.0.0.1:1")
        report = verify_fleet([node], reader, now=NOW, full=True, anchors=anchors_in(tmp_path / "keys"))
    assert "\n".join(str(each) for each in report.faults) == ""
    assert report.exit_code == 0 and report.checked > 150
