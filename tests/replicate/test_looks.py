"""Looks at servers of parents that a real agent makes for the control host, and for nobody else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from dnsctl.errors import NodeUnreachableError, RefusalRule
from dnsctl.model.name import Name, from_text
from dnsctl.parent.errand import MAX_LOOKS, Asked, Brought, Errand
from dnsctl.parent.servers import Server
from dnsctl.replicate.client import AgentClient
from tests.parent.scripted import Script, answer, rdtype_of, serving
from tests.replicate.control import Control, text
from tests.replicate.nodes import Fleet
from tests.replicate.test_agent import push

ZONE, OTHER = from_text("example.com."), from_text("example.org.")
NOW = datetime(2026, 11, 29, tzinfo=UTC)
DS = bytes.fromhex("30390d02" + "ab" * 32)


def parent(query: bytes, _tcp: bool) -> list[bytes]:
    if rdtype_of(query) == "DS":
        return [answer(query, sections=([f"example.com. 3600 DS 12345 13 2 {'ab' * 32}"],))]
    glue = ["ns1.example.com. 900 A 192.0.2.53"]
    return [answer(query, aa=False, sections=([], ["example.com. 7200 NS ns1.example.com."], glue))]


@contextmanager
def sent(root: Path, script: Script, *, named: bool = True) -> Iterator[tuple[Fleet, Server]]:
    """Yield a node that serves ZONE, and a server of its parent, which its settings name or do not."""
    control = Control(root / "control")
    fleet = Fleet(root, control)
    with serving(script) as server:
        fleet.parents = (server.endpoint,) if named else ()
        try:
            fleet.start("ns1")
            made = control.release({"example.com.": text(1)})
            fleet.ask("ns1", lambda client: push(client, made))
            yield fleet, server
        finally:
            fleet.stop()
            control.close()


def errand(server: Server, *zones: Name, seconds: float = 60) -> Errand:
    return Errand(seconds, (Asked((server,), zones),))


def brought(fleet: Fleet, wanted: Errand) -> Brought:
    told = fleet.ask("ns1", lambda client: client.look(wanted.to_bytes(), wanted.seconds))
    return Brought.from_json(told, wanted, "dc1", NOW)


def test_node_looks_at_a_server_of_a_parent_and_says_what_it_saw(tmp_path: Path) -> None:
    with sent(tmp_path, parent) as (fleet, server):
        found = brought(fleet, errand(server, ZONE, OTHER))
    (look,) = found.looks[ZONE]
    assert (look.ds.ds, look.ds.ttl, look.ds.site) == ((DS,), 3600, "dc1")
    assert (look.delegation.ns, look.delegation.ns_ttl) == (("ns1.example.com.",), 7200)
    assert (look.delegation.glue, look.delegation.glue_ttl) == ({"ns1.example.com.": ("192.0.2.53",)}, 900)
    assert found.unknown == {OTHER}, "it asks only about zones that it serves"


def test_node_sends_nothing_to_a_port_or_a_loopback_address_that_its_settings_do_not_name(
    tmp_path: Path,
) -> None:
    asked: list[bytes] = []

    def counting(query: bytes, tcp: bool) -> list[bytes]:
        asked.append(query)
        return parent(query, tcp)

    with sent(tmp_path, counting, named=False) as (fleet, server):
        found = brought(fleet, errand(server, ZONE))
    assert (found.refused, found.looks, asked) == ({server.endpoint}, {}, [])


def test_nobody_but_the_control_host_has_a_node_look(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def counting(query: bytes, tcp: bool) -> list[bytes]:
        asked.append(query)
        return parent(query, tcp)

    with sent(tmp_path, counting) as (fleet, server):
        body = errand(server, ZONE).to_bytes()
        assert fleet.raw("ns1", "POST", "/v1/look", body, who="ns2").status_code == 403
        with pytest.raises(httpx.TransportError), httpx.Client(verify=False) as stranger:  # noqa: S501 - hostile
            stranger.post(f"{fleet.node('ns1').control}/v1/look", content=body)
    assert asked == []


def test_request_that_is_no_errand_or_too_large_a_one_is_refused(tmp_path: Path) -> None:
    with sent(tmp_path, parent) as (fleet, server):
        for body in (b"", b"{}", b"[" * 100_000, b"\xff", b'{"seconds": 1e9, "parents": []}'):
            assert fleet.raw("ns1", "POST", "/v1/look", body).status_code == 400, body[:40]
        zones = tuple(from_text(f"z{number}.example.") for number in range(MAX_LOOKS + 1))
        for body in (errand(server, *zones).to_bytes(), b" " * (4 * 2**20 + 1)):
            told = fleet.raw("ns1", "POST", "/v1/look", body)
            assert (told.status_code, told.json()["rule"]) == (413, RefusalRule.TOO_LARGE)
        assert brought(fleet, errand(server, ZONE)).looks[ZONE][0].ds.ds == (DS,)


def test_node_makes_one_look_at_a_time_also_for_those_who_went_away(tmp_path: Path) -> None:
    began, may_answer = threading.Event(), threading.Event()

    def held(query: bytes, tcp: bool) -> list[bytes]:
        began.set()
        may_answer.wait(60)
        return parent(query, tcp)

    with sent(tmp_path, held) as (fleet, server), ThreadPoolExecutor(1) as pool:
        wanted = errand(server, ZONE)

        async def leave(client: AgentClient) -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.look(wanted.to_bytes(), wanted.seconds)

        first = pool.submit(brought, fleet, wanted)
        assert began.wait(60)
        with pytest.raises(NodeUnreachableError) as caught:
            brought(fleet, wanted)
        assert caught.value.rule is RefusalRule.BUSY
        may_answer.set()
        assert ZONE in first.result().looks
        began.clear()
        may_answer.clear()
        fleet.ask("ns1", leave)
        assert began.wait(60)
        assert fleet.raw("ns1", "POST", "/v1/look", wanted.to_bytes()).status_code == 503
        may_answer.set()
        deadline = time.monotonic() + 60
        while fleet.raw("ns1", "POST", "/v1/look", wanted.to_bytes()).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_look_that_a_server_draws_out_ends_in_time_and_holds_up_no_other_request(tmp_path: Path) -> None:
    ended = threading.Event()

    def drawn_out(query: bytes, tcp: bool) -> list[bytes]:
        if tcp:
            ended.wait(60)
        return []

    with sent(tmp_path, drawn_out) as (fleet, server), ThreadPoolExecutor(1) as pool:
        wanted = errand(server, ZONE, seconds=1)
        first = pool.submit(brought, fleet, wanted)
        assert fleet.status("ns1").zone_count == 1
        (look,) = first.result().looks[ZONE]
        ended.set()
    assert (look.ds.ds, look.ds.fault) == (None, "does not answer")
