"""What a push keeps on its own host, the way that nodes do, and what a kill in between leaves."""

import asyncio
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from dnsctl.control.keeping import as_kept, prepared
from dnsctl.errors import RefusalRule
from dnsctl.image.store import Image
from dnsctl.model.rrset import Type
from dnsctl.publish.pipeline import Release, certify
from dnsctl.release.archive import Archive
from dnsctl.release.envelope import open_envelope
from dnsctl.release.manifest import Manifest
from dnsctl.replicate import acceptance
from dnsctl.replicate.catchup import recover
from dnsctl.replicate.staging import Staging
from dnsctl.replicate.trust import Trust
from tests.publish.host import NOW, SIMPLE, TRUST, Host, adopt, intent, name
from tests.refusals import refused_by
from tests.release.kills import run_and_kill
from tests.release.releases import release_key

TWO = {"example.com.": SIMPLE, "example.org.": SIMPLE}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def built(host: Host, zones: dict[str, str]) -> Release:
    release = host.build(intent(zones, None))
    assert release is not None
    return release


def recovered(image: Image, archive: Archive, trust: Trust = TRUST) -> int:
    """Do what every push does first, where no node is ahead of this host; return how many releases came."""

    async def run(staging: Staging, writer: ThreadPoolExecutor) -> int:
        return await recover(staging, writer, ())

    with ThreadPoolExecutor(1) as writer:
        staging = Staging(image, archive, trust, prove=acceptance.prove)
        return asyncio.run(run(staging, writer))


@contextmanager
def empty(directory: Path) -> Iterator[Image]:
    with Image.open(directory, readonly=False) as image:
        yield image


def state(image: Image) -> tuple[int, str, str]:
    with image.reader() as reader:
        return reader.generation, reader.manifest, reader.table_digest()


def test_release_that_is_prepared_and_not_decided_changes_nothing(host: Host):
    host.push(intent(TWO, None))
    before = host.table()
    release = built(host, {"example.com.": "a A 192.0.2.1\n"})
    with prepared(host.image, host.archive, TRUST, release.sealed, release.delta):
        assert host.table() == before
    assert host.table() == before
    assert recovered(host.image, host.archive) == 0
    assert host.table() == before


def test_release_that_does_not_follow_the_image_is_refused(host: Host):
    host.push(intent(TWO, None))
    one, other = (built(host, {"example.com.": f"{each} A 192.0.2.1\n"}) for each in "ab")
    adopt(one, certify(one.manifest, host.keys, NOW), host.image, host.archive)
    before = host.table()
    with (
        refused_by(RefusalRule.TOO_LATE),
        prepared(host.image, host.archive, TRUST, other.sealed, other.delta),
    ):
        pass
    with refused_by(RefusalRule.ANOTHER_RELEASE):
        host.archive.put_manifest(other.generation, other.sealed)
    assert host.table() == before


def test_release_of_another_key_is_not_prepared(host: Host):
    release = built(host, TWO)
    trust = Trust((release_key(9).public,), 1)
    with (
        refused_by(RefusalRule.UNSEALED),
        prepared(host.image, host.archive, trust, release.sealed, release.delta),
    ):
        pass
    assert host.table()[0] == 0


def test_release_that_could_not_be_kept_is_read_all_the_same(host: Host):
    release = built(host, TWO)
    with as_kept(release, host.image) as reader:
        assert reader.generation == 1
        assert reader.table_digest() == release.manifest.table
    assert host.table()[0] == 0


def test_image_is_rebuilt_from_the_archive(host: Host, tmp_path: Path):
    host.push(intent(TWO, None))
    host.push(intent(TWO | {"example.org.": "a A 192.0.2.1\n"}, None))
    host.push(intent({"example.org.": "a A 192.0.2.1\n"}, None))
    with empty(tmp_path / "again") as image:
        assert recovered(image, host.archive) == 3
        assert state(image) == host.table()
        assert recovered(image, host.archive) == 0


def test_archive_with_releases_of_another_key_is_not_taken(host: Host, tmp_path: Path):
    host.push(intent(TWO, None))
    with empty(tmp_path / "again") as image:
        assert recovered(image, host.archive, Trust((release_key(9).public,), 1)) == 0
        assert state(image)[0] == 0


def test_damaged_delta_in_the_archive_changes_nothing(host: Host, tmp_path: Path):
    release = host.push(intent(TWO, None))
    host.archive.locate(release.manifest.delta.digest).write_bytes(release.delta[:-1])
    with empty(tmp_path / "again") as image:
        assert recovered(image, host.archive) == 0
        with image.reader() as reader:
            assert (reader.generation, list(reader.apexes())) == (0, [])


WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
from tests.publish.host import NOW, Host, intent
host = Host(Path(sys.argv[1]))
generation = host.table()[0]
print("ready", flush=True)
while True:
    generation += 1
    zones = {"example.com.": f"a{generation} A 192.0.2.1\\n"}
    host.push(intent(zones, None), NOW + timedelta(seconds=generation))
"""


def test_push_killed_at_any_moment_is_completed_by_the_recovery_of_the_next(tmp_path: Path):
    dice, reached = random.Random(11), 0
    deadline = time.monotonic() + 60
    rounds = 0
    while rounds < 10 or not reached:  # a busy machine needs longer until anything is there
        assert time.monotonic() < deadline
        run_and_kill(WRITER, tmp_path, dice.uniform(0.0, 0.2 + 0.05 * rounds))
        host = Host(tmp_path)
        generation = host.table()[0]
        latest = host.archive.latest() or 0
        assert latest - generation in (0, 1)
        assert recovered(host.image, host.archive) == latest - generation
        assert latest >= reached
        if latest:
            sealed = host.archive.manifest(latest)
            assert sealed is not None
            manifest = Manifest.from_bytes(open_envelope(sealed, [release_key().public], 1, "manifest"))
            assert host.table() == (latest, manifest.digest, manifest.table)
            assert host.zone("example.com.").get(name(f"a{latest}.example.com."), Type.A) is not None
        host.image.close()
        reached = latest
        rounds += 1
