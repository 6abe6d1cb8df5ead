"""What a stolen certificate is good for, against real agents: the certificate, and no release key."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from dnsctl.replicate import pki, snapshot
from dnsctl.replicate.client import HEAD_LENGTH, AgentClient
from tests.replicate.control import Control, Made, new_key, text
from tests.replicate.nodes import Fleet, passphrase

_REFUSED = 403


@pytest.fixture
def served(control: Control, fleet: Fleet) -> Iterator[Made]:
    """A release that ns1 serves."""
    made = control.release({"example.com.": text(1)})
    fleet.ask("ns1", lambda client: push(client, made))
    yield made


async def push(client: AgentClient, made: Made) -> None:
    await client.put_delta(made.manifest.delta.digest, made.delta, made.sealed)
    await client.prepare(made.sealed)
    await client.activate(made.certificate)


def files(fleet: Fleet) -> dict[Path, int]:
    """Return what ns1 has stored besides its image, with sizes."""
    root = fleet.state("ns1") / "releases"
    return {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}


def put(fleet: Fleet, digest: str, head: bytes, body: bytes) -> httpx.Response:
    return fleet.raw("ns1", "PUT", f"/v1/blobs/{digest}", head + body, {HEAD_LENGTH: str(len(head))})


@pytest.mark.parametrize(
    ("method", "path", "control_may", "node_may"),
    [
        ("GET", "/v1/status", True, True),
        ("GET", "/v1/releases?after=0", True, True),
        ("GET", f"/v1/blobs/{64 * '0'}", True, True),
        ("GET", "/v1/snapshot", True, True),
        ("POST", "/v1/activate", True, True),
        ("PUT", f"/v1/blobs/{64 * '0'}", True, False),
        ("POST", "/v1/prepare", True, False),
        ("POST", "/v1/abort", True, False),
        ("POST", "/v1/follow", True, False),
        ("POST", "/v1/look", True, False),
        ("POST", "/v1/restore", True, False),
    ],
)
def test_each_role_may_do_what_it_must_and_nothing_else(
    fleet: Fleet, method: str, path: str, control_may: bool, node_may: bool
) -> None:
    pki.ensure_authority(fleet.keys, passphrase, ("former",), datetime.now(UTC))
    for who, may in (("control", control_may), ("ns2", node_may), ("former", False)):
        response = fleet.raw("ns1", method, path, who=who)
        assert (response.status_code != _REFUSED) is may, f"{who}: {response.text}"


def test_nodes_certificate_reads_what_is_published(fleet: Fleet, served: Made) -> None:
    for path in ("/v1/status?zones=1", "/v1/releases?after=0", "/v1/snapshot"):
        assert fleet.raw("ns1", "GET", path, who="ns2").status_code == 200
    found = fleet.raw("ns1", "GET", f"/v1/blobs/{served.manifest.delta.digest}", who="ns2")
    assert found.content == served.delta


def test_control_certificate_alone_releases_nothing(control: Control, fleet: Fleet, served: Made) -> None:
    ahead = control.release({"example.com.": text(2)}, adopt=False)
    forged = control.seal(ahead.manifest, ahead.delta, new_key())
    body = {"manifest": forged.sealed.decode(), "certificate": forged.certificate.decode()}
    digest = ahead.manifest.delta.digest
    assert put(fleet, digest, forged.sealed, forged.delta).status_code == 400
    for path, content in (
        ("prepare", forged.sealed),
        ("activate", forged.certificate),
        ("follow", json.dumps({"releases": [body]}).encode()),
    ):
        assert fleet.raw("ns1", "POST", f"/v1/{path}", content).status_code in (400, 409)
    head = json.dumps(body).encode()
    told = fleet.raw("ns1", "POST", "/v1/restore", head, {HEAD_LENGTH: str(len(head))})
    assert told.status_code in (400, 409)
    assert fleet.table("ns1") == (1, served.manifest.digest, served.manifest.table)


def test_control_certificate_alone_brings_no_old_release_back(
    control: Control, fleet: Fleet, served: Made
) -> None:
    second = control.release({"example.com.": text(2)})
    fleet.ask("ns1", lambda client: push(client, second))
    old = {"manifest": served.sealed.decode(), "certificate": served.certificate.decode()}
    head = json.dumps(old).encode()
    for told in (
        fleet.raw("ns1", "POST", "/v1/prepare", served.sealed),
        fleet.raw("ns1", "POST", "/v1/activate", served.certificate),
        fleet.raw("ns1", "POST", "/v1/follow", json.dumps({"releases": [old]}).encode()),
        fleet.raw("ns1", "POST", "/v1/restore", head, {HEAD_LENGTH: str(len(head))}),
    ):
        assert told.status_code == 409, told.text
    assert fleet.status("ns1").served.manifest == second.manifest.digest


def test_control_certificate_alone_stops_a_push_and_changes_nothing_that_is_served(
    control: Control, fleet: Fleet, served: Made
) -> None:
    ahead = control.release({"example.com.": text(2)})

    async def prepare(client: AgentClient) -> None:
        await client.put_delta(ahead.manifest.delta.digest, ahead.delta, ahead.sealed)
        await client.prepare(ahead.sealed)

    fleet.ask("ns1", prepare)
    body = json.dumps({"manifest": ahead.manifest.digest}).encode()
    assert fleet.raw("ns1", "POST", "/v1/abort", body).json() == {"dropped": True}
    assert fleet.status("ns1").served.manifest == served.manifest.digest
    fleet.ask("ns1", lambda client: push(client, ahead))
    assert fleet.status("ns1").served.manifest == ahead.manifest.digest


def test_release_key_alone_gets_no_answer(fleet: Fleet) -> None:
    context = ssl.create_default_context(cafile=str(fleet.keys / "pki/ca.crt"))
    with pytest.raises(httpx.TransportError), httpx.Client(verify=context) as client:
        client.post(
            f"{fleet.node('ns1').control}/v1/prepare", content=b"x", extensions={"sni_hostname": "ns1"}
        )


def test_control_certificate_alone_deletes_no_blob_that_is_served(fleet: Fleet, served: Made) -> None:
    digest = served.manifest.delta.digest
    before = files(fleet)
    parts = {"manifest": served.sealed.decode(), "certificate": served.certificate.decode()}
    body = json.dumps({**parts, "snapshot": digest})
    assert fleet.raw("ns1", "POST", "/v1/restore", body.encode()).status_code == 400
    assert fleet.raw("ns1", "DELETE", f"/v1/blobs/{digest}").status_code in (404, 405)
    assert put(fleet, digest, served.sealed, b"").status_code == 409
    assert fleet.raw("ns1", "HEAD", f"/v1/blobs/{digest}").status_code == 200
    assert files(fleet) == before


def test_control_certificate_alone_fills_no_disk(fleet: Fleet, served: Made) -> None:
    before = files(fleet)
    sent = 0

    async def junk() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(512):
            sent += 2**20
            yield bytes(2**20)

    digest = 64 * "a"
    with contextlib.suppress(httpx.TransportError):  # it may end before the answer can be read
        assert fleet.raw("ns1", "PUT", f"/v1/blobs/{digest}", junk()).status_code == 400
    assert sent < 2**29
    assert put(fleet, digest, b"no manifest", b"junk").status_code == 400
    assert put(fleet, served.manifest.delta.digest, served.sealed, served.delta).status_code == 409  # served
    assert files(fleet) == before


def test_blob_is_stored_only_where_it_is_what_the_manifest_names(
    control: Control, fleet: Fleet, served: Made
) -> None:
    before = files(fleet)
    ahead = control.release({"example.com.": text(2)})
    digest = ahead.manifest.delta.digest
    assert put(fleet, 64 * "b", ahead.sealed, ahead.delta).status_code == 409
    assert put(fleet, digest, ahead.sealed, ahead.delta[:-1] + b"?").status_code == 409
    assert put(fleet, digest, ahead.sealed, ahead.delta + b"?").status_code == 413
    assert put(fleet, digest, served.sealed, ahead.delta).status_code == 409
    assert files(fleet) == before
    assert put(fleet, digest, ahead.sealed, ahead.delta).status_code == 200
    assert sum(files(fleet).values()) == sum(before.values()) + len(ahead.delta)


def test_snapshot_is_taken_only_of_a_release_that_is_ahead_and_leaves_no_file(
    control: Control, fleet: Fleet, served: Made, tmp_path: Path
) -> None:
    path = tmp_path / "snapshot"
    with control.image.reader() as reader:
        path.write_bytes(b"".join(snapshot.encode(reader)))
    ahead = control.release({"example.com.": text(2)})
    before = files(fleet)
    refused = [served.certified, ahead.certified]  # the second: it is not a snapshot of that one
    for release in refused:
        with pytest.raises(Exception, match="ns1: "):
            fleet.ask("ns1", lambda client, release=release: client.restore(release, path))  # type: ignore[misc]  # has a default
    assert files(fleet) == before
    assert fleet.status("ns1").served.manifest == served.manifest.digest


def test_nodes_certificate_does_not_overwrite_what_status_tells_of_refusals(
    control: Control, fleet: Fleet, served: Made
) -> None:
    ahead = control.release({"example.com.": text(2)})
    assert fleet.raw("ns1", "POST", "/v1/prepare", ahead.sealed).status_code == 409  # its delta is not there
    told = fleet.status("ns1").refusal
    assert told is not None
    for body in (b"all is well", served.sealed, ahead.certificate, b"{" * 1000):
        assert fleet.raw("ns1", "POST", "/v1/activate", body, who="ns2").status_code in (400, 409)
    assert fleet.status("ns1").refusal == told
