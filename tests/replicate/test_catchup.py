"""Nodes and control hosts that missed something come to what the others serve, by themselves."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dnsctl.errors import RefusalRule
from dnsctl.image.store import Image
from dnsctl.release.archive import Archive
from dnsctl.replicate import acceptance
from dnsctl.replicate.catchup import recover
from dnsctl.replicate.client import AgentClient
from dnsctl.replicate.staging import Staging
from tests.refusals import refused_by
from tests.replicate.control import Control, Made, new_key, text
from tests.replicate.nodes import Fleet


async def prepare(client: AgentClient, made: Made) -> None:
    await client.put_delta(made.manifest.delta.digest, made.delta, made.sealed)
    await client.prepare(made.sealed)


def push(fleet: Fleet, made: Made, *names: str) -> None:
    """Release to `names`; all prepare before one activates, from which the others would take it."""
    for name in names:
        fleet.ask(name, lambda client: prepare(client, made))
    for name in names:
        fleet.ask(name, lambda client: client.activate(made.certificate))


def test_certificate_that_reached_one_node_reaches_the_other(control: Control, fleet: Fleet) -> None:
    made = control.release({"example.com.": text(1)})
    for name in ("ns1", "ns2"):
        fleet.ask(name, lambda client: prepare(client, made))
    fleet.ask("ns1", lambda client: client.activate(made.certificate))  # and control is never heard of again
    fleet.wait_for_generation(1)
    assert fleet.table("ns1") == fleet.table("ns2") == (1, made.manifest.digest, made.manifest.table)


def test_node_that_missed_the_staging_fetches_all_from_its_peer(control: Control, fleet: Fleet) -> None:
    made = control.release({"example.com.": text(1)})
    push(fleet, made, "ns1")
    fleet.wait_for_generation(1, "ns2")
    assert fleet.table("ns2") == (1, made.manifest.digest, made.manifest.table)


def test_node_that_was_away_catches_up_in_order(control: Control, fleet: Fleet) -> None:
    push(fleet, control.release({"example.com.": text(1)}), "ns1")
    fleet.wait_for_generation(1)
    fleet.kill("ns2")
    for number in (2, 3, 4):
        push(fleet, control.release({"example.com.": text(number)}), "ns1")
    fleet.start("ns2")
    fleet.wait_for_generation(4, "ns2")
    assert fleet.table("ns2") == fleet.table("ns1")
    assert Archive(fleet.state("ns2") / "releases").generations() == (1, 2, 3, 4)


def test_new_node_comes_up_by_snapshot_where_the_chain_is_gone(control: Control, fleet: Fleet) -> None:
    fleet.kill("ns2")
    for number in (1, 2, 3):
        push(fleet, control.release({"example.com.": text(number)}), "ns1")
    Archive(fleet.state("ns1") / "releases").prune(1)
    fleet.start("ns2")
    fleet.wait_for_generation(3, "ns2")
    assert fleet.table("ns2") == fleet.table("ns1")
    push(fleet, control.release({"example.com.": text(4)}), "ns2")
    fleet.wait_for_generation(4)
    assert fleet.table("ns2") == fleet.table("ns1")


@pytest.mark.parametrize("what", ["00000002.manifest", "00000002.activation", "delta"])
@pytest.mark.parametrize("octet", [b"\xfa", b"x"])
def test_damaged_archive_of_the_only_peer_is_gone_round_by_a_snapshot(
    control: Control, fleet: Fleet, what: str, octet: bytes
) -> None:
    push(fleet, control.release({"example.com.": text(1)}), "ns1")
    fleet.wait_for_generation(1)
    fleet.kill("ns2")
    made = control.release({"example.com.": text(2)})
    push(fleet, made, "ns1")
    push(fleet, control.release({"example.com.": text(3)}), "ns1")
    archive = Archive(fleet.state("ns1") / "releases")
    path = archive.locate(made.manifest.delta.digest) if what == "delta" else archive.root / "releases" / what
    with path.open("r+b") as file:
        file.seek(60)
        file.write(octet)
    fleet.start("ns2")
    fleet.wait_for_generation(3, "ns2")
    assert fleet.table("ns2") == fleet.table("ns1")


def test_prepared_release_expires_without_a_certificate_and_another_push_goes_through(
    tmp_path: Path, control: Control, fleet: Fleet
) -> None:
    fleet.stop()
    short = Fleet(tmp_path / "short", control, size=1, limits=type(fleet.limits)(expiry=0.4))
    short.start_all()
    lost = control.release({"example.com.": text(1)}, adopt=False)
    short.ask("ns1", lambda client: prepare(client, lost))
    assert short.status("ns1").prepared is not None
    short.wait("ns1", lambda status: status.prepared is None)
    assert short.status("ns1").served.generation == 0
    push(short, control.release({"example.com.": text(2)}), "ns1")
    assert short.status("ns1").served.generation == 1
    short.stop()


def test_peer_with_releases_of_other_keys_is_not_believed(
    tmp_path: Path, control: Control, fleet: Fleet
) -> None:
    fleet.kill("ns2")
    impostor = Control(tmp_path / "impostor", new_key())
    forged = impostor.release({"example.com.": text(66)})
    image = Image.open(fleet.state("ns2") / "image", readonly=False)
    taken_over = Staging(
        image, Archive(fleet.state("ns2") / "releases"), impostor.trust, prove=acceptance.prove
    )  # ns2 has fallen to an attacker who has its certificate and disk, but no release key
    taken_over.archive.put(forged.delta)
    taken_over.follow(forged.certified)
    image.close()
    fleet.start("ns2")
    fleet.wait_for_generation(1, "ns2")
    asyncio.run(asyncio.sleep(1.2))  # ns1 has asked twice meanwhile
    assert fleet.status("ns1").served.generation == 0
    impostor.close()


def recovered(fleet: Fleet, control: Control, root: Path) -> tuple[int, str]:
    """Run `recover` on a control host whose state is in `root`; return generation and table."""

    async def run(staging: Staging, writer: ThreadPoolExecutor) -> None:
        async with fleet.client("ns1") as one, fleet.client("ns2") as two:
            await recover(staging, writer, (one, two))

    with Image.open(root / "image", readonly=False) as image, ThreadPoolExecutor(1) as writer:
        staging = Staging(image, Archive(root / "archive"), control.trust, prove=acceptance.prove)
        asyncio.run(run(staging, writer))
        with image.reader() as reader:
            return reader.generation, reader.table_digest()


def test_control_host_without_state_recovers_from_the_nodes(
    tmp_path: Path, control: Control, fleet: Fleet
) -> None:
    for number in (1, 2):
        made = control.release({"example.com.": text(number)})
        push(fleet, made, "ns1")
    assert recovered(fleet, control, tmp_path / "second") == (2, made.manifest.table)


def test_release_decided_here_that_reached_nobody_is_completed(
    tmp_path: Path, control: Control, fleet: Fleet
) -> None:
    made = control.release({"example.com.": text(1)})
    archive = Archive(tmp_path / "second" / "archive")
    archive.put(made.delta)
    archive.put_manifest(1, made.sealed)
    archive.put_activation(1, made.certificate)
    assert recovered(fleet, control, tmp_path / "second") == (1, made.manifest.table)


def test_release_decided_here_gives_way_loudly_to_what_the_fleet_serves(
    tmp_path: Path, control: Control, fleet: Fleet
) -> None:
    mine = control.release({"example.com.": text(1)}, adopt=False)
    archive = Archive(tmp_path / "second" / "archive")
    archive.put(mine.delta)
    archive.put_manifest(1, mine.sealed)
    archive.put_activation(1, mine.certificate)
    push(fleet, control.release({"example.com.": text(2)}), "ns1")
    with refused_by(RefusalRule.ANOTHER_RELEASE):
        recovered(fleet, control, tmp_path / "second")
