"""The embedded default of `dnsctl serve --zones`: files of a directory, compiled into an image at once.

There is no fleet, no control host and no release. `publish` decides what may be served, and makes it, as for
a release; a zone with errors is left out and named. Runs in a child process that ends before anything is
served: see `apart`.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.control.passphrase import ensure_passphrase
from dnsctl.errors import DnsctlError, ImageError, KeystoreError, PassphraseError, SigningError
from dnsctl.image.compiler import CompiledZone, compile_zone
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.load.secret import resolve
from dnsctl.load.settings.config import Config
from dnsctl.load.zones import load_directory
from dnsctl.model.finding import by_position
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.repo import KEYS, PASSPHRASE, NodeFiles
from dnsctl.model.zone import SignedZone
from dnsctl.publish.finish import fill, finish, published
from dnsctl.publish.intent import Progress, ZoneIntent
from dnsctl.publish.judgement import Judged, judge, judge_signatures
from dnsctl.publish.serials import serial_alone
from dnsctl.sign.keystore import Keystore
from dnsctl.startup.apart import Embedded, Tell
from dnsctl.startup.directory import find_config


def compile_directory(work: Embedded, tell: Tell) -> None:
    """Load, judge, sign and commit; print findings. Raises DnsctlError where nothing may be served."""
    found = find_config(work.directory)
    config, root = found or (None, work.directory)
    with tell.stages() as progress:
        judged = _judged(work, config, progress)
    tell.findings(by_position(judged.findings), sys.stderr)
    left_out = {each.zone for each in judged.faults if each.zone is not None}
    files = sorted({each.position.file for each in judged.faults if each.zone is None})
    keystore = _keystore(work, config, root)
    with Image.open(NodeFiles(work.state).image, readonly=False) as image, image.writer() as writer:
        with tell.stages() as progress:
            fresh, refused = _finish_all(judged, keystore, writer, work.workers, progress)
        for error in refused.values():
            tell.say(f"dnsctl: {error}")
        left_out |= refused.keys()
        for name in (*map(to_text, sorted(left_out)), *files):
            tell.say(f"dnsctl: {name} is left out: it has errors")
        _require_enough(len(left_out) + len(files), bool(fresh), work)
        fill(writer, fresh.values(), [origin for origin in writer.apexes() if origin not in fresh])
        writer.set_left_out(left_out)
        writer.set_release(writer.generation + 1, "")
    counter = GenerationCounter(NodeFiles(work.state).generation)
    counter.advance()
    counter.close()


def _judged(work: Embedded, config: Config | None, progress: Progress) -> Judged:
    def policy(origin: Name) -> Policy | None:
        if not work.sign:
            return None
        return config.policy(origin) if config else Policy()

    loaded = load_directory(work.directory, config)
    judged = judge(loaded, policy, config.checks if config else lambda _: {}, progress)
    return judge_signatures(judged, datetime.now(UTC), len(os.sched_getaffinity(0)), progress)


def _require_enough(left_out: int, any_left: bool, work: Embedded) -> None:
    """Raise DnsctlError where nothing is left to serve, or `--strict` wants all of it."""
    if left_out and work.strict:
        zones = "1 zone" if left_out == 1 else f"{left_out} zones"
        raise DnsctlError(f"{zones} with errors", advice="correct them, or leave out --strict")
    if not any_left:
        raise DnsctlError(
            "no zone that can be served", where=str(work.directory), advice="correct its errors"
        )


def _finish_all(
    judged: Judged, keystore: Keystore, reader: Reader, workers: int, progress: Progress
) -> tuple[dict[Name, CompiledZone], dict[Name, DnsctlError]]:
    """Return the compiled zones, and why others cannot be signed.

    Raises PassphraseError: that is a fault of none of them.
    """
    made: dict[Name, CompiledZone] = {}
    refused: dict[Name, DnsctlError] = {}
    before = published(reader)
    for origin, wanted in judged.zones.items():
        try:
            signed = _finished(wanted, judged, keystore, before(origin), workers, progress)
            made[origin] = compile_zone(signed, wanted.zone.file)
        except PassphraseError:
            raise
        except (SigningError, KeystoreError, ImageError) as error:
            refused[origin] = error
    return made, refused


def _finished(
    wanted: ZoneIntent,
    judged: Judged,
    keystore: Keystore,
    previous: SignedZone | None,
    workers: int,
    progress: Progress,
) -> SignedZone:
    """Return the zone as it is served; keys that it lacks are made. Raises SigningError, KeystoreError."""
    origin, now = wanted.zone.origin, datetime.now(UTC)
    serial = serial_alone(wanted, previous.serial if previous else None, now)
    keys = keystore.signing_keys(origin, wanted.policy, now) if wanted.policy is not None else ()
    return finish(
        wanted,
        keys,
        serial,
        now,
        previous=previous,
        came_signed=judged.signed.get(origin),
        workers=workers,
        progress=progress,
    )


def _keystore(work: Embedded, config: Config | None, root: Path) -> Keystore:
    """Return the keystore: of the operations repo, in the state where it is kept, or beside the zones."""
    if config is not None:
        reference, keys = config.keystore.passphrase, root / KEYS
    else:
        root = work.state if work.keep_keys else work.directory
        reference, keys = f"file:{PASSPHRASE}", root / KEYS

    def passphrase() -> bytes:
        kind, _, path = reference.partition(":")
        if kind == "file":
            ensure_passphrase(root / path, keys)
        return resolve(reference, root)

    return Keystore(keys, passphrase)
