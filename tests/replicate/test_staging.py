import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dnsctl.errors import ConfigError, RefusalRule, ReleaseRefusedError
from dnsctl.image.store import Image
from dnsctl.model.name import from_text
from dnsctl.release import delta
from dnsctl.release.archive import Archive
from dnsctl.release.manifest import DeltaReference, Probe
from dnsctl.release.settings import FleetSettings, encode
from dnsctl.replicate import acceptance, snapshot
from dnsctl.replicate.staging import Notices, OwnHost, Served, Staging
from dnsctl.replicate.trust import Certified, Trust
from tests.refusals import refused_by
from tests.replicate.control import Control, Made, new_key, text

SETTINGS: FleetSettings = {"format": 1, "serve": {"cookies": False}}


class Host:
    """A node without HTTP, with a clock that stands still until told. `misfit`: why settings do not fit."""

    def __init__(self, root: Path, trust: Trust) -> None:
        self.now = 1000.0
        self.commits = 0
        self.misfit = ""
        self.asked: list[FleetSettings] = []
        self.image = Image.open(root / "image", readonly=False)
        self.staging = Staging(
            self.image,
            Archive(root / "releases"),
            trust,
            prove=acceptance.prove,
            notices=Notices(committed=self._count),
            clock=lambda: self.now,
            own=OwnHost(time.time, self._fits),
        )

    def _fits(self, settings: FleetSettings) -> None:
        self.asked.append(settings)
        if self.misfit:
            raise ConfigError(self.misfit)

    def _count(self) -> None:
        self.commits += 1

    def receive(self, made: Made) -> None:
        self.staging.archive.put(made.delta)

    def push(self, made: Made) -> None:
        self.receive(made)
        self.staging.prepare(made.sealed)
        self.staging.activate(made.certificate)

    def table(self) -> tuple[int, str, str]:
        with self.image.reader() as reader:
            return reader.generation, reader.manifest, reader.table_digest()

    def close(self) -> None:
        self.staging.close()
        self.image.close()


@pytest.fixture
def host(tmp_path: Path, control: Control) -> Iterator[Host]:
    host = Host(tmp_path / "host", control.trust)
    yield host
    host.close()


@pytest.fixture
def first(control: Control, host: Host) -> Made:
    """Generation 1, served."""
    made = control.release({"example.com.": text(1), "example.net.": text(1)})
    host.push(made)
    return made


@pytest.fixture
def second(control: Control, first: Made) -> Made:
    """Generation 2, not seen by the host."""
    return control.release({"example.com.": text(2)})


@pytest.fixture
def unchanged(host: Host, first: Made) -> Iterator[None]:
    """At the end, check that what is served is what was served."""
    before, commits = host.table(), host.commits
    yield
    assert host.table() == before
    assert host.commits == commits


def test_release_is_served_after_prepare_and_activate(control: Control, host: Host, first: Made) -> None:
    assert host.staging.served == Served(1, first.manifest.digest)
    assert host.table() == (1, first.manifest.digest, first.manifest.table)
    assert host.commits == 1
    assert host.staging.archive.latest() == 1


def test_prepared_release_is_not_yet_served(host: Host, second: Made, unchanged: None) -> None:
    host.receive(second)
    host.staging.prepare(second.sealed)
    prepared = host.staging.prepared()
    assert prepared is not None
    assert prepared[0] == second.manifest
    assert prepared[1] == 60.0


def test_prepare_and_activate_twice_are_harmless(host: Host, second: Made) -> None:
    host.receive(second)
    assert host.staging.prepare(second.sealed) == host.staging.prepare(second.sealed)
    assert host.staging.activate(second.certificate) is True
    assert host.staging.activate(second.certificate) is False


def test_removed_zone_is_gone(control: Control, host: Host, first: Made) -> None:
    host.push(control.release({}, removed=("example.net.",)))
    with host.image.reader() as reader:
        assert list(reader.apexes()) == [from_text("example.com.")]


# -- Attacks and accidents: refused, and what is served does not change -------------------------------------


def test_release_sealed_by_another_key_is_refused(
    control: Control, host: Host, second: Made, unchanged: None
) -> None:
    forged = control.seal(second.manifest, second.delta, new_key())
    host.receive(forged)
    with refused_by(RefusalRule.UNSEALED):
        host.staging.prepare(forged.sealed)


def test_certificate_sealed_by_another_key_is_refused(
    control: Control, host: Host, second: Made, unchanged: None
) -> None:
    host.receive(second)
    host.staging.prepare(second.sealed)
    with refused_by(RefusalRule.UNSEALED):
        host.staging.activate(control.seal(second.manifest, second.delta, new_key()).certificate)


def test_manifest_does_not_pass_for_a_certificate(host: Host, second: Made, unchanged: None) -> None:
    host.receive(second)
    with refused_by(RefusalRule.OTHER_PURPOSE):
        host.staging.prepare(second.certificate)
    with refused_by(RefusalRule.OTHER_PURPOSE):
        host.staging.activate(second.sealed)


def test_one_signature_of_two_needed_is_refused(tmp_path: Path, control: Control, first: Made) -> None:
    careful = Host(tmp_path / "careful", Trust((control.key.public, new_key().public), 2))
    careful.receive(first)
    with refused_by(RefusalRule.UNSEALED):
        careful.staging.prepare(first.sealed)
    careful.close()


def test_replayed_old_release_is_refused(control: Control, host: Host, first: Made, second: Made) -> None:
    host.push(second)
    before = host.table()
    for replay in (host.staging.prepare, lambda sealed: host.staging.follow(first.certified)):
        with refused_by(RefusalRule.TOO_LATE):
            replay(first.sealed)
    with refused_by(RefusalRule.TOO_LATE):
        host.staging.activate(first.certificate)
    assert host.table() == before


def test_release_with_another_parent_is_refused(
    control: Control, host: Host, second: Made, unchanged: None
) -> None:
    stranger = control.altered(second, parent="ab" * 32)
    host.receive(stranger)
    with refused_by(RefusalRule.DIVERGED):
        host.staging.prepare(stranger.sealed)


def test_release_that_skips_one_is_refused(
    control: Control, host: Host, second: Made, unchanged: None
) -> None:
    third = control.release({"example.com.": text(3)})
    host.receive(third)
    with refused_by(RefusalRule.BEHIND):
        host.staging.prepare(third.sealed)


def test_release_without_its_delta_is_refused(host: Host, second: Made, unchanged: None) -> None:
    with refused_by(RefusalRule.DELTA_MISSING):
        host.staging.prepare(second.sealed)


def test_delta_damaged_on_disk_is_refused(host: Host, second: Made, unchanged: None) -> None:
    host.receive(second)
    path = host.staging.archive.locate(second.manifest.delta.digest)
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)
    with refused_by(RefusalRule.DAMAGED):
        host.staging.prepare(second.sealed)


def test_truncated_delta_under_a_true_seal_is_refused(
    control: Control, host: Host, second: Made, unchanged: None
) -> None:
    short = second.delta[:-5]
    digest = host.staging.archive.put(short)
    reference = DeltaReference(digest, len(short), second.manifest.delta.length)
    with refused_by(RefusalRule.MALFORMED):
        host.staging.prepare(control.altered(second, delta=reference).sealed)


def test_delta_that_lacks_a_record_is_refused(
    control: Control, host: Host, second: Made, unchanged: None
) -> None:
    changes = tuple(delta.decode(second.delta, second.manifest.delta.length))
    data, reference = delta.encode_with_reference(changes[1:])
    host.staging.archive.put(data)
    with refused_by(RefusalRule.ZONE_DIFFERS):
        host.staging.prepare(control.altered(second, delta=reference).sealed)


def test_delta_that_touches_a_zone_in_silence_is_refused(
    control: Control, host: Host, first: Made, unchanged: None
) -> None:
    both = control.release({"example.com.": text(2), "example.net.": text(2)}, adopt=False)
    shown = {origin: entry for origin, entry in both.manifest.zones.items() if b"com" in origin}
    host.receive(both)
    with refused_by(RefusalRule.UNLISTED_ZONE):
        host.staging.prepare(control.altered(both, zones=shown).sealed)


def test_other_table_than_the_manifest_names_is_refused(
    control: Control, host: Host, second: Made, unchanged: None
) -> None:
    host.receive(second)
    with refused_by(RefusalRule.TABLE_DIFFERS):
        host.staging.prepare(control.altered(second, table="cd" * 32).sealed)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (Probe(from_text("www.example.com."), 1, False, 0, ("c0000201",)), "records instead of 1"),
        (Probe(from_text("www.example.com."), 1, False, 3, ()), "rcode 0, not 3"),
        (Probe(from_text("www.example.com."), 1, True, 0, ("c0000202",)), "no signatures"),
    ],
)
def test_answer_other_than_the_probe_expects_is_refused(
    control: Control, host: Host, second: Made, unchanged: None, wrong: Probe, why: str
) -> None:
    host.receive(second)
    with refused_by(RefusalRule.ANSWER_WRONG, why):
        host.staging.prepare(control.altered(second, probes=(wrong,)).sealed)


def test_certificate_for_what_is_not_prepared_is_refused(host: Host, second: Made, unchanged: None) -> None:
    host.receive(second)
    with refused_by(RefusalRule.NOT_PREPARED):
        host.staging.activate(second.certificate)


def test_second_push_is_refused_while_one_is_prepared(
    control: Control, host: Host, first: Made, unchanged: None
) -> None:
    mine = control.release({"example.com.": text(2)}, adopt=False)
    theirs = control.release({"example.com.": text(3)}, adopt=False)
    for made in (mine, theirs):
        host.receive(made)
    host.staging.prepare(mine.sealed)
    with refused_by(RefusalRule.ANOTHER_PREPARED):
        host.staging.prepare(theirs.sealed)
    host.staging.abort(mine.manifest.digest)
    host.staging.prepare(theirs.sealed)


def test_abort_of_another_release_drops_nothing(host: Host, second: Made) -> None:
    host.receive(second)
    host.staging.prepare(second.sealed)
    assert host.staging.abort("ab" * 32) is False
    assert host.staging.activate(second.certificate) is True


def test_prepared_release_expires_and_its_delta_stays(host: Host, second: Made, unchanged: None) -> None:
    host.receive(second)
    host.staging.prepare(second.sealed)
    host.now += 60
    with refused_by(RefusalRule.NOT_PREPARED):
        host.staging.activate(second.certificate)
    assert host.staging.prepared() is None
    assert host.staging.archive.has(second.manifest.delta.digest)


def test_every_refusal_keeps_its_reason(host: Host, second: Made) -> None:
    with refused_by(RefusalRule.DELTA_MISSING):
        host.staging.prepare(second.sealed)
    refusal = host.staging.refusal
    assert refusal is not None
    assert refusal.action == "prepare"
    assert "not in the archive" in refusal.reason
    assert refusal.rule is RefusalRule.DELTA_MISSING


def test_archive_that_cannot_be_written_refuses_and_keeps_serving(
    host: Host, second: Made, unchanged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.receive(second)

    def full(path: Path, data: bytes, mode: int = 0o644, reserved: Path | None = None) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dnsctl.files.durable.write", full)
    with refused_by(RefusalRule.SYSTEM):
        host.staging.prepare(second.sealed)
    assert host.staging.prepared() is None


# -- Chains and snapshots -----------------------------------------------------------------------------------


def test_certified_chain_is_followed_in_order(control: Control, host: Host, first: Made) -> None:
    for number in (2, 3, 4):
        made = control.release({"example.com.": text(number)})
        host.receive(made)
        assert host.staging.follow(made.certified) is True
        assert host.staging.follow(made.certified) is False
    assert host.table() == (4, made.manifest.digest, made.manifest.table)


def test_decided_release_displaces_what_is_prepared(control: Control, host: Host, first: Made) -> None:
    mine = control.release({"example.com.": text(2)}, adopt=False)
    decided = control.release({"example.com.": text(3)}, adopt=False)
    for made in (mine, decided):
        host.receive(made)
    host.staging.prepare(mine.sealed)
    assert host.staging.follow(decided.certified) is True
    assert host.staging.served.manifest == decided.manifest.digest


def test_certificate_of_another_release_does_not_activate_this_one(
    control: Control, host: Host, first: Made, unchanged: None
) -> None:
    mine = control.release({"example.com.": text(2)}, adopt=False)
    other = control.release({"example.com.": text(3)}, adopt=False)
    host.receive(mine)
    with refused_by(RefusalRule.OTHER_CERTIFICATE):
        host.staging.follow(Certified(mine.sealed, other.certificate))


def test_death_between_certificate_and_commit_is_finished_at_the_next_start(
    tmp_path: Path, control: Control, host: Host, second: Made
) -> None:
    host.receive(second)
    host.staging.archive.put_manifest(2, second.sealed)
    host.staging.archive.put_activation(2, second.certificate)
    assert host.staging.served.generation == 1
    assert host.staging.resume() == 1
    assert host.table() == (2, second.manifest.digest, second.manifest.table)


def write_snapshot(image: Image, path: Path) -> Path:
    with image.reader() as reader, path.open("wb") as file:
        file.writelines(snapshot.encode(reader))
    return path


def test_snapshot_brings_an_empty_node_up(tmp_path: Path, control: Control, second: Made) -> None:
    path = write_snapshot(control.image, tmp_path / "snapshot")
    fresh = Host(tmp_path / "fresh", control.trust)
    fresh.receive(second)
    fresh.staging.restore(second.certified, snapshot.decode(path))
    assert fresh.table() == (2, second.manifest.digest, second.manifest.table)
    third = control.release({"example.net.": text(3)})
    fresh.push(third)
    assert fresh.table() == (3, third.manifest.digest, third.manifest.table)
    fresh.close()


def test_snapshot_replaces_zones_that_are_gone(
    tmp_path: Path, control: Control, host: Host, first: Made
) -> None:
    control.release({"example.org.": text(2)}, removed=("example.net.",))
    third = control.release({"example.com.": text(3)})
    path = write_snapshot(control.image, tmp_path / "snapshot")
    host.receive(third)
    host.staging.restore(third.certified, snapshot.decode(path))
    assert host.table() == (3, third.manifest.digest, third.manifest.table)


def test_snapshot_of_something_else_is_refused(
    tmp_path: Path, control: Control, host: Host, second: Made, unchanged: None
) -> None:
    path = write_snapshot(host.image, tmp_path / "snapshot")  # of generation 1
    host.receive(second)
    with refused_by(RefusalRule.ZONE_DIFFERS):
        host.staging.restore(second.certified, snapshot.decode(path))


def test_truncated_snapshot_is_refused(
    tmp_path: Path, control: Control, host: Host, second: Made, unchanged: None
) -> None:
    path = write_snapshot(control.image, tmp_path / "snapshot")
    host.receive(second)
    for length in (0, 3, 20, path.stat().st_size - 1):
        short = tmp_path / f"short{length}"
        short.write_bytes(path.read_bytes()[:length])
        with pytest.raises(ReleaseRefusedError):
            host.staging.restore(second.certified, snapshot.decode(short))


def test_older_snapshot_is_refused(
    tmp_path: Path, control: Control, host: Host, first: Made, second: Made
) -> None:
    path = write_snapshot(host.image, tmp_path / "snapshot")
    host.push(second)
    with refused_by(RefusalRule.TOO_LATE):
        host.staging.restore(first.certified, snapshot.decode(path))


def test_settings_of_a_release_are_kept_with_it(control: Control, host: Host, first: Made) -> None:
    with_settings = control.altered(control.release({}, adopt=False), settings=SETTINGS)
    host.push(with_settings)
    assert host.staging.settings == encode(SETTINGS)
    control.adopt(with_settings)
    host.push(control.altered(control.release({"example.com.": text(2)}, adopt=False), settings=SETTINGS))
    assert host.asked == [SETTINGS]  # the same are not asked for again


def test_settings_that_do_not_fit_are_refused_in_a_push_and_stop_no_catch_up(
    control: Control, host: Host, first: Made
) -> None:
    made = control.altered(control.release({"example.com.": text(2)}, adopt=False), settings=SETTINGS)
    host.receive(made)
    host.misfit = "an address is taken"
    with refused_by(RefusalRule.CONFIG, "an address is taken"):
        host.staging.prepare(made.sealed)
    assert host.staging.served.generation == 1 and host.staging.prepared() is None
    assert host.staging.follow(made.certified)
    assert (host.staging.served.generation, host.staging.settings) == (2, encode(SETTINGS))


def test_settings_that_the_release_keys_did_not_sign_are_refused(
    control: Control, host: Host, first: Made, unchanged: None
) -> None:
    made = control.release({"example.com.": text(2)})
    host.receive(made)
    forged = control.seal(replace(made.manifest, settings=SETTINGS), made.delta, key=new_key())
    with refused_by(RefusalRule.UNSEALED):
        host.staging.prepare(forged.sealed)
    with refused_by(RefusalRule.UNSEALED):
        host.staging.follow(forged.certified)
    assert host.asked == [] and host.staging.settings == b""
