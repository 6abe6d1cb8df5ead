"""The embedded default of `dnsctl serve --zones`: files of a directory, compiled into an image at once.

No fleet, no control host, no release: load, validate, sign where asked, compile, commit. A zone with errors
is left out and named. Runs in a process of its own that ends before anything is served: see `apart`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.cli import output
from dnsctl.cli.apart import Embedded
from dnsctl.cli.directory import find_config
from dnsctl.cli.passphrase import ensure_passphrase
from dnsctl.cli.presigned import taken_as_signed
from dnsctl.errors import DnsctlError, ImageError, KeystoreError, PassphraseError, SigningError
from dnsctl.image.compiler import CompiledZone, compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.load.draft import PLACEHOLDER_SERIAL
from dnsctl.load.secret import resolve
from dnsctl.load.settings.config import Config
from dnsctl.load.zones import load_directory
from dnsctl.model.finding import Severity
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.repo import KEYS, PASSPHRASE, NodeFiles
from dnsctl.model.rrset import Type
from dnsctl.model.serial import next_serial
from dnsctl.model.soa import serial_of
from dnsctl.model.zone import SignedZone, ValidatedZone, Zone
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.presigned import Taken, is_presigned
from dnsctl.sign.signer import sign_zone, unsigned_zone
from dnsctl.validate.run import validate


def compile_directory(work: Embedded) -> None:
    """Load, validate, sign and commit; print findings. Raises DnsctlError where nothing may be served."""
    found = find_config(work.directory)
    config = found[0] if found else None
    root = found[1] if found else work.directory
    loaded = load_directory(work.directory, config)
    read = {**loaded.zones, **loaded.partial}
    policies = {origin: _policy(zone, work, config) for origin, zone in read.items()}
    verdict = validate(
        loaded.zones,
        lambda origin: config.checks(origin) if config else {},
        policies.__getitem__,
        partial=loaded.partial,
        unread=loaded.unread,
    )
    taken = taken_as_signed(verdict.zones, config)
    of_taken = (each for one in taken.values() for each in one.findings)
    findings = output.by_position((*loaded.findings, *verdict.findings, *of_taken))
    output.findings(findings, sys.stderr)
    zones = {origin: zone for origin, zone in verdict.zones.items() if not _is_refused(taken.get(origin))}
    faulty = {each for each in findings if each.severity is Severity.ERROR and each.zone not in zones}
    left_out = {each.zone for each in faulty if each.zone is not None}
    files = sorted({each.position.file for each in faulty if each.zone is None})
    keystore = _keystore(work, config, root)
    with Image.open(NodeFiles(work.state).image, readonly=False) as image, image.writer() as writer:
        fresh, refused = _finish_all(zones, taken, policies, keystore, writer, work.workers)
        left_out |= refused
        _report([*map(to_text, sorted(left_out)), *files], bool(fresh), work)
        gone = [origin for origin in writer.apexes() if origin not in fresh]
        writer.apply(difference(writer, fresh.values(), gone))
        writer.set_left_out(left_out)
        writer.set_release(writer.generation + 1, "")
    counter = GenerationCounter(NodeFiles(work.state).generation)
    counter.advance()
    counter.close()


def _is_refused(taken: Taken | None) -> bool:
    return taken is not None and taken.zone is None


def _policy(zone: Zone, work: Embedded, config: Config | None) -> Policy | None:
    """Return how `zone` is signed here; None where it is not, or came signed."""
    if not work.sign or is_presigned(ValidatedZone(zone.origin, zone.nodes, zone.file)):
        return None
    return config.policy(zone.origin) if config else Policy()


def _report(left_out: list[str], any_left: bool, work: Embedded) -> None:
    """Name what is not served. Raises DnsctlError where that is all, or anything with `--strict`."""
    for name in left_out:
        output.say(f"dnsctl: {name} is left out: it has errors")
    if left_out and work.strict:
        raise DnsctlError(
            f"{output.plural(len(left_out), 'zone')} with errors",
            advice="correct them, or leave out --strict",
        )
    if not any_left:
        raise DnsctlError(
            "no zone that can be served", where=str(work.directory), advice="correct its errors"
        )


def _finish_all(
    zones: Mapping[Name, ValidatedZone],
    taken: Mapping[Name, Taken],
    policies: Mapping[Name, Policy | None],
    keystore: Keystore,
    reader: Reader,
    workers: int,
) -> tuple[dict[Name, CompiledZone], set[Name]]:
    """Return the compiled zones, and those that cannot be signed.

    Raises PassphraseError: that is a fault of none of them.
    """
    compiled: dict[Name, CompiledZone] = {}
    refused = set()
    for origin, zone in zones.items():
        if origin in taken and (signed := taken[origin].zone) is not None:
            compiled[origin] = compile_zone(signed, zone.file)
            continue
        try:
            previous = reader.signed_zone(origin) if reader.zone(origin) is not None else None
            finished = _finish(zone, policies[origin], keystore, previous, workers)
            compiled[origin] = compile_zone(finished, zone.file)
        except PassphraseError:
            raise
        except (SigningError, KeystoreError, ImageError) as error:
            output.say(f"dnsctl: {error}")
            refused.add(origin)
    return compiled, refused


def _finish(
    zone: ValidatedZone, policy: Policy | None, keystore: Keystore, previous: SignedZone | None, workers: int
) -> SignedZone:
    """Sign `zone` where it is to be. Raises SigningError."""
    now = datetime.now(UTC)
    soa = zone.get(zone.origin, Type.SOA)
    written = serial_of(soa.rdatas[0]) if soa else 0
    before = previous.serial if previous else written or None
    if policy is None:
        chosen = written not in (0, PLACEHOLDER_SERIAL)
        return unsigned_zone(zone, written if chosen else next_serial("unixtime", before, now))
    serial = next_serial(policy.serial, before, now)
    keys = keystore.signing_keys(zone.origin, policy, now)
    with output.progress() as shown:
        task = shown.add_task(f"signing {to_text(zone.origin)}", total=None)
        return sign_zone(
            zone, keys, policy, now, serial, previous, workers,
            lambda done, of: shown.update(task, completed=done, total=of),
        )  # fmt: skip


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
