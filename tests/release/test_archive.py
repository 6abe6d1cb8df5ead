import random
import time
from pathlib import Path

import pytest

from dnsctl.errors import ReleaseError
from dnsctl.release import delta
from dnsctl.release.archive import Archive
from dnsctl.release.envelope import seal
from dnsctl.release.manifest import Manifest
from tests.release.kills import run_and_kill
from tests.release.releases import manifest, release_key, sealed, sealed_certificate


def _release(archive: Archive, generation: int, *, activate: bool = True, salt: str = "") -> Manifest:
    data, reference = delta.encode_with_reference([])
    data += f"{generation}{salt}".encode()  # an object of its own; the archive does not look inside
    one = manifest(
        generation,
        delta=reference.__class__(archive.put(data), len(data), reference.length),
        created=generation,
    )
    archive.put_manifest(generation, sealed(one))
    if activate:
        archive.put_activation(generation, sealed_certificate(one))
    return one


def test_object_comes_back_by_its_digest(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    digest = archive.put(b"octets")
    assert archive.get(digest) == b"octets"
    assert (tmp_path / "objects" / digest[:2] / digest[2:]).read_bytes() == b"octets"
    assert archive.put(b"octets") == digest


def test_flipped_bit_is_found_and_mended_by_the_next_put(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    digest = archive.put(b"octets")
    (tmp_path / "objects" / digest[:2] / digest[2:]).write_bytes(b"octetz")
    with pytest.raises(ReleaseError, match="no longer matches"):
        archive.get(digest)
    assert not archive.has(digest)
    archive.put(b"octets")
    assert archive.get(digest) == b"octets"


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "ab" * 31 + "/x", "AB" * 32, "ab" * 33])
def test_what_is_no_digest_reaches_no_file(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ReleaseError, match="is not a digest"):
        Archive(tmp_path).get(digest)


def test_empty_archive_has_nothing_and_is_not_made_by_asking(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    assert (archive.latest(), archive.generations(), archive.manifest(1)) == (None, (), None)
    assert archive.prune(3) == 0
    assert not (tmp_path / "archive").exists()


def test_staged_release_is_not_the_latest_until_activated(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    _release(archive, 1)
    two = _release(archive, 2, activate=False)
    assert archive.latest() == 1
    archive.put_activation(2, sealed_certificate(two))
    assert archive.latest() == 2
    assert archive.generations() == (1, 2)


def test_staged_release_may_be_replaced_and_an_activated_one_never(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    _release(archive, 1, activate=False)
    other = _release(archive, 1, salt="other")
    assert archive.manifest(1) == sealed(other)
    with pytest.raises(ReleaseError, match="never replaced"):
        _release(archive, 1, salt="third", activate=False)
    assert archive.manifest(1) == sealed(other)


def test_activation_needs_the_manifest_it_names_and_its_delta(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    one = manifest(5)
    with pytest.raises(ReleaseError, match="no manifest to activate"):
        archive.put_activation(5, sealed_certificate(one))
    archive.put_manifest(5, sealed(one))
    with pytest.raises(ReleaseError, match="delta of generation 5 is missing"):
        archive.put_activation(5, sealed_certificate(one))
    with pytest.raises(ReleaseError, match="activates another manifest"):
        archive.put_activation(5, sealed_certificate(manifest(5, created=1)))
    assert archive.latest() is None


def test_manifest_under_another_generation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="another generation"):
        Archive(tmp_path).put_manifest(2, sealed(manifest(3)))
    with pytest.raises(ReleaseError):
        Archive(tmp_path).put_manifest(2, seal(b"{}", [release_key()], "manifest"))
    assert list(tmp_path.iterdir()) == []


def test_damaged_manifest_is_replaced_by_the_one_that_was_activated(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    one = _release(archive, 1)
    path = tmp_path / "releases" / "00000001.manifest"
    path.write_bytes(b"damaged")
    archive.put_manifest(1, sealed(one))
    assert archive.manifest(1) == sealed(one)


def test_pruning_keeps_the_last_releases_what_is_staged_and_their_deltas(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    stale = _release(archive, 1, activate=False)
    made = [_release(archive, generation) for generation in range(2, 7)]
    staged = _release(archive, 7, activate=False)
    assert archive.prune(2) > 0
    assert archive.generations() == (5, 6)
    kept = {made[-1].delta.digest, made[-2].delta.digest, staged.delta.digest}
    assert {path.parent.name + path.name for path in (tmp_path / "objects").glob("??/*")} == kept
    assert archive.manifest(7) == sealed(staged)
    assert archive.manifest(1) is None
    assert not archive.has(stale.delta.digest)
    assert archive.prune(2) == 0


def test_pruning_everything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="at least the last"):
        Archive(tmp_path).prune(0)


def test_full_disk_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "objects").write_bytes(b"")  # a file where a directory must go: writing fails as root too
    with pytest.raises(ReleaseError, match="cannot be written"):
        Archive(tmp_path).put(b"octets")


WRITER = """
import sys
from pathlib import Path
from tests.release.test_archive import _release
from dnsctl.release.archive import Archive
archive = Archive(Path(sys.argv[1]))
print("ready", flush=True)
generation = archive.latest() or 0
while True:
    generation += 1
    _release(archive, generation, activate=False, salt="first")
    _release(archive, generation)
    archive.prune(3)
"""


def test_archive_killed_at_any_moment_stays_whole(tmp_path: Path) -> None:
    archive, dice, reached = Archive(tmp_path), random.Random(7), 0
    deadline = time.monotonic() + 8
    rounds = 0
    while not reached or (rounds < 12 and time.monotonic() < deadline):  # on a busy machine, few come far
        run_and_kill(WRITER, tmp_path, dice.uniform(0.0, 0.12))
        for generation in archive.generations():
            one = Manifest.from_bytes(_payload(archive.manifest(generation)))
            assert archive.has(one.delta.digest)
            assert archive.activation(generation) == sealed_certificate(one)
        assert (archive.latest() or 0) >= reached
        reached = archive.latest() or 0
        rounds += 1


def _payload(octets: bytes | None) -> bytes:
    from dnsctl.release.envelope import open_envelope

    assert octets is not None
    return open_envelope(octets, [release_key().public], 1, "manifest")
