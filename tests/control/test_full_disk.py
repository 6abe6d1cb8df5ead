"""The control host's disk fills up before, while and after a release is decided; or it cannot be written."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.control.operations import NODES, Operations, made, zone

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system: needs root")

FILLER = """
import sys, time
from pathlib import Path
root, after = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not after.exists():
    time.sleep(0.0005)
with (root / "filler").open("ab", buffering=0) as file:
    while True:
        for octets in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(bytes(octets))
            except OSError:
                pass
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 6 MiB."""
    path = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=6m", "none", str(path)), check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(("umount", "--lazy", str(path)), check=True)


@pytest.fixture(scope="module")
def repo(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """An operations repo on that disk, whose nodes are elsewhere and serve generation 1."""
    with made(disk / "ops") as operations:
        (operations.root / "state").mkdir()
        (operations.root / "state/nodes").symlink_to(tmp_path_factory.mktemp("nodes"))
        (operations.root / "log").symlink_to(tmp_path_factory.mktemp("log"))
        operations.start(*NODES)
        assert operations.run("push").returncode == 0
        yield operations


_addresses = iter(range(1, 65536))


def change(repo: Operations, new_zone: str = "") -> str:
    number = next(_addresses)
    address = f"192.0.{number // 256}.{number % 256}"
    repo.write("zones/example.com.yaml", zone(address))
    if new_zone:
        repo.write(f"zones/{new_zone}.yaml", "'': {type: NS, values: [ns1.example.com., ns2.example.com.]}\n")
    repo.commit(f"www is {address}")
    return address


def served(repo: Operations) -> set[str]:
    found = set()
    for name in NODES:
        query = dns.message.make_query("www.example.com.", "A")
        reply = dns.query.udp(query, "127.0.0.1", port=repo.ports[name][0], timeout=5)
        found |= {rdata.to_text() for rrset in reply.answer for rdata in rrset}
    return found


def fill(disk: Path, left: int) -> Path:
    """Leave `left` octets of the disk."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free - left, 1))
    return filler


def keys_and_leftovers(repo: Operations) -> set[str]:
    return {
        str(path.relative_to(repo.root))
        for path in (*(repo.root / "keys").rglob("*"), *repo.root.glob("state/**/.writing-*"))
    }


@pytest.mark.parametrize("left", [0, 8192, 65536, 131072, 196608, 393216, 524288])
def test_push_on_a_disk_that_is_almost_full_changes_nothing_or_ends_well(
    repo: Operations, disk: Path, left: int
) -> None:
    before, there = served(repo), keys_and_leftovers(repo)
    address = change(repo, f"left{left}.example.net")
    filler = fill(disk, left)
    try:
        done = repo.run("push")
    finally:
        filler.unlink()
    assert "Traceback" not in done.stderr and "bug" not in done.stderr
    if done.returncode:
        assert done.returncode == 1
        line = done.stderr.splitlines()[-1]
        assert line.startswith(f"dnsctl: {repo.root}/") and "No space left on device" in line, done.stderr
        assert served(repo) == before
        assert keys_and_leftovers(repo) == there
        assert repo.run("push").returncode == 0
    assert served(repo) == {address}
    assert repo.json("status")["generation"] == repo.generations()["ns1"] == repo.generations()["ns2"]


@pytest.mark.parametrize("kind", ["activation", "manifest"])
def test_push_whose_disk_is_filled_around_the_decision_tells_the_truth(
    repo: Operations, disk: Path, kind: str
) -> None:
    before = served(repo)
    next_one = repo.generations()["ns1"] + 1
    address = change(repo)
    fill(disk, 2**20)
    after = repo.root / f"state/archive/releases/{next_one:08}.{kind}"
    filling = subprocess.Popen(
        (sys.executable, "-c", FILLER, str(disk), str(after)), stdout=subprocess.PIPE, text=True
    )
    try:
        assert filling.stdout is not None and filling.stdout.readline() == "ready\n"
        done = repo.run("push")
    finally:
        filling.kill()
        filling.wait()
        (disk / "filler").unlink()
    assert "Traceback" not in done.stderr and "bug" not in done.stderr
    if kind == "activation":  # it is decided: both nodes serve it, and that is said
        assert done.returncode == 0, done.stderr
        assert f"Generation {next_one} is served and verified on ns1 and ns2" in done.stdout
    assert served(repo) == ({address} if done.returncode == 0 else before)
    assert repo.run("push").returncode == 0
    assert served(repo) == {address}
    assert repo.run("status").returncode == 0
    last = repo.json("push", "--dry-run")
    assert last["result"] == "nothing"


def test_readers_say_what_they_can_where_nothing_can_be_written(repo: Operations, disk: Path) -> None:
    filler = fill(disk, 0)
    try:
        for verb in ("status", "verify", "plan"):
            done = repo.run(verb)
            assert done.returncode == 0, done.stderr
    finally:
        filler.unlink()


def test_state_that_is_mounted_read_only_is_one_line(repo: Operations, disk: Path) -> None:
    before = served(repo)
    change(repo)
    subprocess.run(("mount", "-o", "remount,ro", str(disk)), check=True)
    try:
        for verb, code in (("push", 1), ("rollback", 1), ("status", 0)):
            done = repo.run(verb)
            assert done.returncode == code, done.stderr
            if code:
                assert os.strerror(errno.EROFS) in done.stderr.splitlines()[-1], done.stderr
                assert f"dnsctl: {repo.root}/" in done.stderr
    finally:
        subprocess.run(("mount", "-o", "remount,rw", str(disk)), check=True)
    assert served(repo) == before


@pytest.mark.parametrize("limit", [6, 8, 10, 13, 17])
def test_push_without_descriptors_is_one_line_and_changes_nothing(repo: Operations, limit: int) -> None:
    before = served(repo)
    change(repo)
    done = subprocess.run(
        ("prlimit", f"--nofile={limit}", sys.executable, "-m", "dnsctl", "-C", str(repo.root), "push"),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert "Traceback" not in done.stderr and "bug" not in done.stderr and "Error" not in done.stderr
    assert done.returncode == 1
    assert os.strerror(errno.EMFILE) in done.stderr.splitlines()[-1]
    assert served(repo) == before
