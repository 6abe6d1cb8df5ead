"""A program that writes the zone file leaves out the final dots, so that the origin is appended once more."""

from __future__ import annotations

from tests.outages.conftest import Fleet

ZONE = """\
$TTL 3600
@ SOA ns1.example.com. hostmaster.example.com. 1 7200 1800 1209600 300
@ NS ns1.example.com.
@ NS ns2.example.com.
ns1.example.com. A 192.0.2.53
ns2.example.com. A 198.51.100.53
mail.example.com. A 192.0.2.25
"""
HOSTS = "".join(f"host{number}.example.com. A 192.0.2.{number}\n" for number in range(1, 31))


def test_zone_without_its_final_dots_is_told_and_refused(fleet: Fleet) -> None:
    (fleet.repo.root / "zones/example.com.yaml").unlink()
    fleet.repo.write("zones/example.com.zone", ZONE + HOSTS.replace(".com. A", ".com A"))
    fleet.repo.commit("made by a program")
    checked = fleet.repo.run("check").stdout
    assert checked.count("warning [origin-repeated]") >= 10, checked
    told = fleet.refused("push").stderr
    assert "guard deletes: " in told
    assert "warning [origin-repeated]" in fleet.repo.run("check").stdout
