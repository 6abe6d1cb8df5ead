"""One agent as its clients see it: roles, limits, refusals. Real processes, real TLS."""

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from dnsctl.errors import ListenError, NodeUnreachableError, PkiError, RefusalRule
from dnsctl.replicate import pki
from dnsctl.replicate.agent import run_agent
from dnsctl.replicate.catchup import CatchUp
from dnsctl.replicate.client import AgentClient
from tests.refusals import refused_by
from tests.replicate.control import Control, Made, text
from tests.replicate.nodes import PATIENCE, Fleet, passphrase


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet for tests that change nothing."""
    root = tmp_path_factory.mktemp("untouched")
    control = Control(root / "control")
    fleet = Fleet(root, control)
    fleet.start("ns1")
    yield fleet
    fleet.stop()
    control.close()


async def push(client: AgentClient, made: Made) -> None:
    await client.put_delta(made.manifest.delta.digest, made.delta, made.sealed)
    await client.prepare(made.sealed)
    await client.activate(made.certificate)


def test_empty_node_says_so(untouched: Fleet) -> None:
    status = untouched.status("ns1")
    assert (status.name, status.site, status.served.generation) == ("ns1", "dc1", 0)
    assert status.prepared is None
    assert status.zones == {}


def test_pushed_release_is_shown_in_status(control: Control, fleet: Fleet) -> None:
    made = control.release({"example.com.": text(1)})
    fleet.ask("ns1", lambda client: push(client, made))
    status = fleet.status("ns1")
    assert status.served.generation == 1
    assert status.served.manifest == made.manifest.digest
    assert status.created == made.manifest.created
    assert status.zone_count == 1
    assert status.zones["example.com."].serial == 1
    assert fleet.table("ns1") == (1, made.manifest.digest, made.manifest.table)


def test_prepared_release_is_shown_and_aborted(control: Control, fleet: Fleet) -> None:
    made = control.release({"example.com.": text(1)})

    async def prepare(client: AgentClient) -> float:
        await client.put_delta(made.manifest.delta.digest, made.delta, made.sealed)
        return await client.prepare(made.sealed)

    assert 0 < fleet.ask("ns1", prepare) <= 60
    prepared = fleet.status("ns1").prepared
    assert prepared is not None
    assert prepared.manifest == made.manifest.digest
    fleet.ask("ns1", lambda client: client.abort(made.manifest.digest))
    assert fleet.status("ns1").prepared is None


def test_refusal_names_node_and_reason_and_stays_in_status(control: Control, fleet: Fleet) -> None:
    made = control.release({"example.com.": text(1)})
    with refused_by(RefusalRule.DELTA_MISSING) as caught:
        fleet.ask("ns1", lambda client: client.prepare(made.sealed))
    assert caught.value.where == "ns1"
    refusal = fleet.status("ns1").refusal
    assert refusal is not None
    assert "not in the archive" in refusal.reason
    assert refusal.rule is RefusalRule.DELTA_MISSING


def test_restarted_node_serves_what_it_served(control: Control, fleet: Fleet) -> None:
    made = control.release({"example.com.": text(1)})
    fleet.ask("ns1", lambda client: push(client, made))
    fleet.kill("ns1")
    fleet.start("ns1")
    assert fleet.status("ns1").served.manifest == made.manifest.digest


# -- Who may do what ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        lambda client, made: client.prepare(made.sealed),
        lambda client, made: client.put_delta(made.manifest.delta.digest, made.delta, made.sealed),
        lambda client, made: client.abort(made.manifest.digest),
        lambda client, made: client.restore(made.certified, Path("/dev/null")),
    ],
    ids=["prepare", "put blob", "abort", "restore"],
)
def test_node_may_not_do_what_control_does(
    control: Control, untouched: Fleet, request_: Callable[[AgentClient, Made], Awaitable[None]]
) -> None:
    made = control.release({"example.com.": text(1)})
    with refused_by(RefusalRule.NOT_PERMITTED, "ns1: ns2 "):
        untouched.ask("ns1", lambda client: request_(client, made), who="ns2")


def test_node_of_the_authority_that_is_no_peer_is_refused(fleet: Fleet) -> None:
    pki.ensure_authority(fleet.keys, passphrase, ("former",), datetime.now(UTC))
    with refused_by(RefusalRule.NOT_PERMITTED, "former "):
        fleet.ask("ns1", lambda client: client.status(), who="former")


def refused_by_tls(fleet: Fleet, certificate: Path | None, key: Path | None) -> PkiError:
    """Connect with what `pki.check` would not let pass, and return what the client makes of the alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(fleet.keys / "pki/ca.crt"))
    if certificate and key:
        context.load_cert_chain(str(certificate), str(key), password=passphrase)

    async def asked() -> None:
        async with AgentClient(fleet.node("ns1"), context, PATIENCE) as client:
            await client.status()

    with pytest.raises(PkiError) as caught:
        asyncio.run(asked())
    assert caught.value.where == "ns1"
    return caught.value


def test_expired_client_certificate_is_refused_in_plain_words(fleet: Fleet) -> None:
    (fleet.keys / "pki/control.crt").unlink()
    long_ago = datetime.now(UTC) - pki.LEAF_LIFETIME - timedelta(days=1)
    pki.ensure_authority(fleet.keys, passphrase, (), long_ago)
    with pytest.raises(PkiError, match=r"control\.crt: expired on .*`dnsctl init`"):
        fleet.client("ns1")
    told = refused_by_tls(fleet, fleet.keys / "pki/control.crt", fleet.keys / "pki/control.pem")
    assert "our certificate has expired" in told.what


def test_client_of_another_authority_is_refused_in_plain_words(untouched: Fleet, tmp_path: Path) -> None:
    other = tmp_path / "other"
    pki.ensure_authority(other, passphrase, (), datetime.now(UTC))
    told = refused_by_tls(untouched, other / "pki/control.crt", other / "pki/control.pem")
    assert "same ca.crt" in told.advice


def test_client_without_certificate_is_refused_in_plain_words(untouched: Fleet) -> None:
    assert "demands a client certificate" in refused_by_tls(untouched, None, None).what


def test_node_that_is_down_is_named_with_its_address(control: Control, fleet: Fleet) -> None:
    fleet.kill("ns2")
    with pytest.raises(NodeUnreachableError, match=r"ns2: cannot be reached .* at https://127\.0\.0\.1:"):
        fleet.status("ns2")


# -- Bodies that are not what they should be ----------------------------------------------------------------


def raw(fleet: Fleet, method: str, path: str, body: bytes = b"") -> httpx.Response:
    return fleet.raw("ns1", method, path, body)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/blobs/..%2f..%2fimage%2fdata.mdb", b"", 404),
        ("GET", "/v1/blobs/xyz", b"", 400),
        ("PUT", "/v1/blobs/xyz", b"data", 400),
        ("GET", "/v1/releases?after=-1", b"", 400),
        ("GET", "/v1/releases?after=99999999999999999999", b"", 400),
        ("GET", "/v1/nothing", b"", 404),
        ("POST", "/v1/prepare", b"", 409),
        ("POST", "/v1/prepare", b"\x00\xff" * 50, 409),
        ("POST", "/v1/activate", b"[" * 10000, 409),
        ("POST", "/v1/activate", b"x" * 100_000, 413),
        ("POST", "/v1/abort", b"[]", 400),
        ("POST", "/v1/abort", b'{"manifest": 1}', 400),
        ("POST", "/v1/restore", b'{"manifest": "x", "certificate": "y", "snapshot": "../../x"}', 400),
    ],
)
def test_nonsense_gets_an_answer_that_says_what(
    untouched: Fleet, method: str, path: str, body: bytes, status: int
) -> None:
    response = raw(untouched, method, path, body)
    assert response.status_code == status, response.text
    assert response.json()["what"]
    assert untouched.status("ns1").served.generation == 0


def test_taken_control_port_is_named(untouched: Fleet) -> None:
    settings = untouched.settings("ns1")
    with pytest.raises(ListenError, match=r"https://127\.0\.0\.1:\d+: cannot be bound: .*in use"):
        run_agent(settings)


def test_agent_without_its_certificate_says_how_to_get_one(fleet: Fleet) -> None:
    (fleet.keys / "pki/ns2.crt").unlink()
    with pytest.raises(PkiError, match=r"ns2\.crt: is missing; .*dnsctl init"):
        run_agent(fleet.settings("ns2"))


def test_agent_whose_background_work_fails_ends_for_the_supervisor_to_see(
    untouched: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: CatchUp) -> int:
        raise RuntimeError("the map is gone")

    monkeypatch.setattr(CatchUp, "once", broken)
    with pytest.raises(RuntimeError, match="the map is gone"):
        run_agent(untouched.settings("ns2"))


def test_agent_says_each_second_that_its_loop_turns(untouched: Fleet) -> None:
    beats: list[float] = []
    stop = threading.Event()

    def alive() -> None:
        beats.append(time.monotonic())
        if len(beats) == 3:
            stop.set()

    run_agent(untouched.settings("ns2"), stop, alive=alive)
    assert len(beats) >= 3
    assert 1 <= beats[2] - beats[1] < 5  # the first is before anything is begun
