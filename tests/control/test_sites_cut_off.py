"""Which silence of a parent's servers has the control host stand in for a site."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

import pytest

from dnsctl.control.sites import SiteLook
from dnsctl.demo.ports import free_port
from dnsctl.model.fleet import Endpoint
from dnsctl.model.name import Name
from dnsctl.model.observation import DsMemory, ParentView
from dnsctl.parent import exchange
from dnsctl.parent.errand import Asked, Brought, Errand
from dnsctl.parent.exchange import NO_WAY
from dnsctl.parent.looking import Look, look, look_at_all
from dnsctl.parent.servers import Server
from dnsctl.rollover.caches import Observations
from tests.parent.scripted import answer, serving
from tests.publish.host import NOW, name

ZONES = tuple(name(f"z{number}.example.") for number in range(6))
SOA = "example. 60 SOA ns. hostmaster. 1 7200 1800 1209600 300"


def honest(query: bytes, _tcp: bool) -> list[bytes]:
    return [answer(query, sections=([], [SOA]))]


def nonsense(query: bytes, _tcp: bool) -> list[bytes]:
    return [answer(query, rcode=5)]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server that is silent be waited for a tenth of a second."""
    monkeypatch.setattr(exchange, "UDP_PATIENCE", 0.03)


@pytest.fixture
def here() -> Iterator[Look]:
    """Yield what the control host is told."""
    with serving(honest) as server:
        yield look(server, ZONES[0], NOW)


def silent() -> Server:
    return Server("silent.", Endpoint("127.0.0.1", free_port()))


def brought(servers: Sequence[Server], zones: Sequence[Name] = ZONES) -> SiteLook:
    """Return what a node sees, sent as it sends it."""
    errand = Errand(10, (Asked(tuple(servers), tuple(zones)),))
    found = Brought(
        {zone: tuple(told) for zone, told in look_at_all([(zone, servers) for zone in zones], NOW)}
    )
    return SiteLook("dc1", Brought.from_json(_sent(found), errand, "dc1", NOW), node="ns1")


def _sent(found: Brought) -> dict[str, object]:
    told: dict[str, object] = json.loads(found.to_bytes())
    return told


def saying(fault: str, zone: Name = ZONES[0]) -> SiteLook:
    """Return what a node sees of one server that has that fault."""
    found = look(silent(), zone, NOW)
    return SiteLook("dc1", Brought({zone: (found._replace(ds=ParentView("s", "dc1", NOW, None, 0, fault)),)}))


def test_control_host_stands_in_for_every_zone_of_a_parent_that_does_not_answer_a_site(here: Look) -> None:
    servers = (silent(), silent())
    site = brought(servers)
    for zone in ZONES:  # those that the silent server was not asked for again, too
        counts = site.beside(zone, [here])
        assert (counts.views(zone, NOW), counts.delegations(zone)) == ((), ())
        assert (
            counts.stand_in
            == f"ns1 gets no answer from {min(servers)} (and 1 more): let it send questions there"
        )
        assert not site.sees(zone)


def test_roll_need_not_wait_for_a_site_that_no_server_answers(here: Look) -> None:
    site = brought((silent(),), ZONES[:1]).beside(ZONES[0], [here])
    memory = DsMemory().after([here.ds, *site.views(ZONES[0], NOW)], NOW)
    assert memory.began == NOW
    assert not Observations(ds=memory).unseen_ds(NOW)


def test_site_is_silent_where_the_control_host_sees_nothing_either() -> None:
    site = brought((silent(),), ZONES[:1])
    assert site.beside(ZONES[0], [look(silent(), ZONES[0], NOW)]) is site
    (view,) = site.views(ZONES[0], NOW)
    assert view.ds is None


@pytest.mark.parametrize("script", [honest, nonsense])
def test_site_counts_where_one_server_answers_it_whatever_that_says(here: Look, script: object) -> None:
    with serving(script) as server:  # type: ignore[arg-type]
        site = brought((silent(), server))
    for zone in ZONES:
        assert site.beside(zone, [here]) is site
        assert len(site.views(zone, NOW)) == 2
        assert site.sees(zone)


def test_server_that_answered_for_one_zone_is_within_reach_for_all(here: Look) -> None:
    def once(query: bytes, tcp: bool) -> list[bytes]:
        return nonsense(query, tcp) if b"\x02z0" in query else []

    with serving(once, streams=False) as server:
        site = brought((server,))
    assert all(site.beside(zone, [here]) is site for zone in ZONES)


@pytest.mark.parametrize("number", sorted(NO_WAY))
def test_address_without_a_route_is_as_one_that_is_silent(here: Look, number: int) -> None:
    assert saying(os.strerror(number)).beside(ZONES[0], [here]).stand_in


@pytest.mark.parametrize(
    "fault", ["", "answers REFUSED", "malformed answer: FormError", "of a later version"]
)
def test_fault_that_is_not_known_as_silence_is_an_answer(here: Look, fault: str) -> None:
    site = saying(fault)
    assert site.beside(ZONES[0], [here]) is site


def test_site_without_a_node_and_zone_that_a_node_does_not_serve_stay_silent(here: Look) -> None:
    for site in (
        SiteLook("dc1", fault="no node can look"),
        SiteLook("dc1", Brought({}, unknown=frozenset(ZONES))),
    ):
        (view,) = site.beside(ZONES[0], [here]).views(ZONES[0], NOW)
        assert (view.server, view.ds) == ("", None)
        assert not site.sees(ZONES[0])
