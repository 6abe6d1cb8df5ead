"""A migration leaves a zone and its delegation with name servers that are wrong, or that nobody can reach."""

from __future__ import annotations

import pytest

from tests.outages.conftest import Fleet

PARENT = "sub:\n- {type: NS, values: [ns1.sub.example.com., ns2.sub.example.com.]}\n"
GLUE = "ns1.sub: {type: A, value: 192.0.2.61}\nns2.sub: {type: A, value: 198.51.100.61}\n"
CHILD = """\
'': {{type: NS, values: [{0}]}}
ns1: {{type: A, value: 192.0.2.61}}
ns2: {{type: A, value: 198.51.100.61}}
"""


def test_zone_that_names_the_servers_of_the_new_provider_only_is_refused_until_that_is_meant(
    fleet: Fleet,
) -> None:
    path = fleet.repo.root / "zones/example.com.yaml"
    old, new = "[ns1.example.com., ns2.example.com.]", "[ns1.provider.example., ns2.provider.example.]"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    fleet.repo.commit("all is at the provider")
    told = fleet.refused("push").stderr
    assert "guard apex-ns: " in told and "--allow apex-ns" in told
    assert [each["guard"] for each in fleet.repo.json("plan", code=2)["guards"]] == ["apex-ns"]


@pytest.mark.parametrize(
    ("records", "rule"),
    [
        (PARENT, "glue-missing"),
        ("sub: {type: NS, values: [ns1.gone.example.com., ns2.example.net.]}\n", "ns-target-resolves"),
        (
            "sub: {type: NS, values: [www2.example.com., ns2.example.net.]}\n"
            "www2: {type: CNAME, value: www.example.com.}\n",
            "ns-target-is-alias",
        ),
    ],
)
def test_delegation_that_leads_nowhere_is_refused(fleet: Fleet, records: str, rule: str) -> None:
    fleet.commit_records(records)
    told = [fleet.refused("check").stdout, fleet.refused("push").stderr]
    assert all(f"error [{rule}]" in each for each in told), told


def test_delegation_and_child_of_ours_with_other_servers_are_told_with_both(fleet: Fleet) -> None:
    fleet.commit_records(PARENT + GLUE)
    fleet.repo.write("zones/sub.example.com.yaml", CHILD.format("ns1.sub.example.com., ns9.example.net."))
    fleet.repo.commit("half of the migration")
    told = fleet.repo.run("check").stdout
    assert "warning [delegation-differs]" in told
    assert "ns9.example.net." in told and "ns2.sub.example.com." in told
