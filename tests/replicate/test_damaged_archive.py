"""Archives and images of peers that are damaged: who catches up takes a snapshot, or that of another peer."""

import asyncio
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dnsctl.image.store import Image
from dnsctl.release.archive import Archive
from dnsctl.replicate import acceptance
from dnsctl.replicate.catchup import CatchUp
from dnsctl.replicate.staging import Staging
from tests.replicate.control import Control, text
from tests.replicate.nodes import Fleet
from tests.replicate.test_catchup import push
from tests.replicate.test_damaged_image import body, flip


def garbage(path: Path) -> None:
    path.write_bytes(bytes(each ^ 0x55 for each in path.read_bytes()))


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "garbage": garbage,
    "empty": lambda path: path.write_bytes(b""),
    "a directory": a_directory,
}


def damage_archive(fleet: Fleet, name: str, how: str) -> None:
    """Damage all that the node keeps of releases: deltas, manifests, certificates."""
    for path in (fleet.state(name) / "releases").rglob("*"):
        if path.is_file():
            DAMAGES[how](path)


@pytest.mark.parametrize(
    ("behind", "restarted", "how"),
    [
        ("wiped", False, "garbage"),
        ("wiped", True, "a directory"),
        ("three releases", True, "empty"),
    ],
)
def test_node_takes_a_snapshot_where_the_archive_of_its_only_peer_is_damaged(
    control: Control, fleet: Fleet, behind: str, restarted: bool, how: str
) -> None:
    releases = [control.release({"example.com.": text(number)}) for number in range(1, 6)]
    reached = {"wiped": 0, "one release": 4, "three releases": 2}[behind]
    for made in releases[:reached]:
        push(fleet, made, "ns1")
        fleet.wait_for_generation(made.manifest.generation)
    fleet.kill("ns2")
    for made in releases[reached:]:
        push(fleet, made, "ns1")
    if not reached:
        shutil.rmtree(fleet.state("ns2"))
    damage_archive(fleet, "ns1", how)
    if restarted:
        fleet.kill("ns1")
        fleet.start("ns1")

    fleet.start("ns2")

    fleet.wait_for_generation(5, "ns2")
    assert (
        fleet.table("ns2")
        == fleet.table("ns1")
        == (5, releases[-1].manifest.digest, releases[-1].manifest.table)
    )
    assert not fleet.status("ns2").silent
    following = control.release({"example.com.": text(6)})
    push(fleet, following, "ns1", "ns2")
    fleet.wait_for_generation(6)


@pytest.mark.parametrize("kind", ["manifest", "activation", "delta"])
def test_node_goes_on_and_tells_its_status_with_any_file_of_its_archive_damaged(
    control: Control, fleet: Fleet, kind: str
) -> None:
    made = control.release({"example.com.": text(1)})
    push(fleet, made, "ns1")
    fleet.wait_for_generation(1)
    archive = Archive(fleet.state("ns1") / "releases")
    path = archive.locate(made.manifest.delta.digest) if kind == "delta" else archive.path_of(1, kind)
    garbage(path)
    fleet.kill("ns1")
    fleet.start("ns1")
    status = fleet.status("ns1")
    assert (status.served.generation, status.created) == (1, made.manifest.created)
    if kind != "delta":  # the image keeps the same
        assert path.read_bytes() in (made.sealed, made.certificate)
    following = control.release({"example.com.": text(2)})
    push(fleet, following, "ns1", "ns2")
    fleet.wait_for_generation(2)


def test_damaged_snapshot_is_told_and_that_of_the_next_peer_taken(
    tmp_path: Path,
    control: Control,
    fleet: Fleet,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push(fleet, control.release({"example.net.": text(1)}), "ns1", "ns2")
    made = control.release({"example.com.": body(2)})
    push(fleet, made, "ns1", "ns2")
    flip(fleet.state("ns1") / "image/data.mdb", b"host number 7 of")
    monkeypatch.setattr(
        "dnsctl.replicate.catchup.random.sample",
        lambda holders, _: sorted(holders, key=lambda one: one.node.name),
    )

    async def catch_up(staging: Staging, writer: ThreadPoolExecutor) -> None:
        async with fleet.client("ns1") as damaged, fleet.client("ns2") as good:
            await CatchUp(staging, writer, (damaged, good)).once()

    with Image.open(tmp_path / "new/image", readonly=False) as image, ThreadPoolExecutor(1) as writer:
        staging = Staging(image, Archive(tmp_path / "new/archive"), control.trust, prove=acceptance.prove)
        asyncio.run(catch_up(staging, writer))
        with image.reader() as reader:
            assert (reader.generation, reader.table_digest()) == (2, made.manifest.table)
    assert [each for each in caplog.messages if each.startswith("the snapshot of ns1: ")]
