"""A node's disk fills up to the last page: what was prepared activates, what is refused changes nothing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.errors import ReleaseRefusedError
from dnsctl.replicate.api import Limits
from tests.replicate.control import Control, Made, text
from tests.replicate.nodes import Fleet

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts small file systems: needs root")


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    control = Control(tmp_path_factory.mktemp("control"))
    yield control
    control.close()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, control: Control) -> Iterator[Fleet]:
    """Two nodes with a disk of 4 MiB each, which serve the first release."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), control, limits=Limits(catch_up_every=60))
    disks = [fleet.state(node.name) for node in fleet.nodes]
    for disk in disks:
        disk.mkdir(parents=True)
        mounted = subprocess.run(
            ("mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)), check=False, capture_output=True
        )
        if mounted.returncode:
            pytest.skip("no file system can be mounted here")
    fleet.start_all()
    try:
        made = release(control, 100)
        for name in ("ns1", "ns2"):
            stage(fleet, name, made)
        activate(fleet, made)
        yield fleet
    finally:
        fleet.stop()
        for disk in disks:
            subprocess.run(("umount", "--lazy", str(disk)), check=True)


def release(control: Control, names: int) -> Made:
    number = control.staging.served.generation + 1
    lines = "\n".join(f'x{each:04} TXT "host {each} of {number}"' for each in range(names))
    return control.release({"example.com.": f"{text(number % 250)}{lines}\n"})


def stage(fleet: Fleet, name: str, made: Made) -> None:
    """Send a release and have it prepared. Raises ReleaseRefusedError."""
    digest = made.manifest.delta.digest
    fleet.ask(name, lambda client: client.put_delta(digest, made.delta, made.sealed))
    fleet.ask(name, lambda client: client.prepare(made.sealed))


def activate(fleet: Fleet, made: Made) -> None:
    for name in ("ns1", "ns2"):
        fleet.ask(name, lambda client: client.activate(made.certificate))
        assert fleet.status(name).served.manifest == made.manifest.digest


def fill(disk: Path, left: int = 0) -> None:
    free = shutil.disk_usage(disk).free
    with (disk / "filler").open("ab") as file:
        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size + max(free - left, 1))


def empty(fleet: Fleet) -> None:
    for node in fleet.nodes:
        (fleet.state(node.name) / "filler").unlink(missing_ok=True)


def leftovers(disk: Path) -> list[str]:
    return [str(path) for path in disk.rglob(".writing-*")]


@pytest.mark.parametrize("names", [1, 100, 700])
def test_release_that_was_prepared_activates_on_disks_that_are_full_since(
    control: Control, fleet: Fleet, names: int
) -> None:
    made = release(control, names)
    for name in ("ns1", "ns2"):
        stage(fleet, name, made)
        fill(fleet.state(name))
        assert shutil.disk_usage(fleet.state(name)).free == 0
    try:
        activate(fleet, made)
    finally:
        empty(fleet)
    assert not leftovers(fleet.state("ns1"))


@pytest.mark.parametrize("left", [0, 4096, 16384, 65536, 131072, 262144, 393216, 655360])
def test_release_on_a_disk_that_is_almost_full_is_refused_or_activates_on_both(
    control: Control, fleet: Fleet, left: int
) -> None:
    before = fleet.status("ns2").served
    made = release(control, 100)
    fill(fleet.state("ns2"), left)
    try:
        stage(fleet, "ns1", made)
        stage(fleet, "ns2", made)
    except ReleaseRefusedError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert "No space left on device; free space on that disk" in refused
        assert str(fleet.state("ns2")) in refused
        assert fleet.status("ns2").served == before
        assert leftovers(fleet.state("ns2")) == []
        fleet.ask("ns1", lambda client: client.abort(made.manifest.digest))
        empty(fleet)
        stage(fleet, "ns1", made)  # nothing is left that would hinder the next try
        stage(fleet, "ns2", made)
    fill(fleet.state("ns1"))
    fill(fleet.state("ns2"))
    try:
        activate(fleet, made)
    finally:
        empty(fleet)


def test_image_takes_no_more_of_the_disk_than_it_needs_once_it_is_committed(
    control: Control, fleet: Fleet
) -> None:
    sizes = []
    for _ in range(6):
        made = release(control, 100)
        for name in ("ns1", "ns2"):
            stage(fleet, name, made)
        activate(fleet, made)
        sizes.append((fleet.state("ns1") / "image/data.mdb").stat().st_size)
    assert sizes[-1] <= sizes[2], sizes


def test_release_that_is_aborted_gives_its_space_back(control: Control, fleet: Fleet) -> None:
    made = release(control, 700)
    free = shutil.disk_usage(fleet.state("ns1")).free
    stage(fleet, "ns1", made)
    assert shutil.disk_usage(fleet.state("ns1")).free < free - len(made.delta) - 65536
    fleet.ask("ns1", lambda client: client.abort(made.manifest.digest))
    assert shutil.disk_usage(fleet.state("ns1")).free >= free - 2 * len(made.delta) - 65536
    for name in ("ns1", "ns2"):
        stage(fleet, name, made)
    activate(fleet, made)
