"""The zones of a directory, published into an image of their own: no fleet, no release.

`serve --zones` and the library come this way. What may be served, and how it is made, is told by `judgement`
and `finish`, as for a release. A zone with errors is left out; no other is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.errors import DnsctlError, ImageError, KeystoreError, PassphraseError, SigningError
from dnsctl.image.compiler import CompiledZone, compile_zone
from dnsctl.image.reader import Reader
from dnsctl.image.store import Writer
from dnsctl.load.settings.config import Config
from dnsctl.load.zones import load_directory
from dnsctl.model.key import PublicKey
from dnsctl.model.name import Name
from dnsctl.model.policy import Policy
from dnsctl.model.processors import usable_processors
from dnsctl.publish.delegations import delegated
from dnsctl.publish.finish import fill, finish, published
from dnsctl.publish.intent import Intent, Progress, ZoneIntent, no_progress
from dnsctl.publish.judgement import Judged, judge, judge_signatures, with_parents
from dnsctl.publish.keys import ZoneKeys
from dnsctl.publish.serials import serial_alone
from dnsctl.sign.keystore import Keystore, SigningKey
from dnsctl.sign.shared_tags import refuse_shared_tags


def judge_directory(
    directory: Path, config: Config | None, now: datetime, *, sign: bool, progress: Progress = no_progress
) -> Judged:
    """Load and judge all zone files of `directory`, with the signatures of pre-signed ones.

    `config`: the dnsctl.yaml that holds for them, if any. `sign`: whether zones will be signed here, by the
    policies of `config` or the standard one. Raises ConfigError where there is no such directory.
    """

    def policy(origin: Name) -> Policy | None:
        if not sign:
            return None
        return config.policy(origin) if config else Policy()

    loaded = load_directory(directory, config)
    if config is None:
        judged = judge(loaded, policy, lambda _: {}, progress)
    else:
        judged = judge(loaded, policy, config.checks, progress, certificates_of=config.certificates)
        judged = replace(judged, zones=with_parents(judged.zones, config))
    return judge_signatures(judged, now, usable_processors(), progress)


def finish_all(
    judged: Judged, keystore: Keystore, reader: Reader, workers: int = 1, progress: Progress = no_progress
) -> tuple[dict[Name, CompiledZone], dict[Name, DnsctlError]]:
    """Return the compiled zones, and why others cannot be signed. Keys that a zone lacks are made.

    `reader` sees what was published last. Raises PassphraseError: that is not the fault of one zone.
    """
    now = datetime.now(UTC)
    made: dict[Name, CompiledZone] = {}
    keys, refused = _opened(judged, keystore, now)
    before = published(reader)
    for origin, wanted in _with_ds(judged, keystore, keys, reader, now).items():
        try:
            previous = before(origin)
            serial = serial_alone(wanted, previous.serial if previous else None, now)
            signed = finish(
                wanted,
                keys[origin],
                serial,
                now,
                previous=previous,
                came_signed=judged.signed.get(origin),
                workers=workers,
                progress=progress,
            )
            made[origin] = compile_zone(signed, wanted.zone.file)
        except (SigningError, ImageError) as error:
            refused[origin] = error
    return made, refused


def _opened(
    judged: Judged, keystore: Keystore, now: datetime
) -> tuple[dict[Name, tuple[SigningKey, ...]], dict[Name, DnsctlError]]:
    """Return the keys that sign each zone, and why others have none. Raises PassphraseError."""
    keys: dict[Name, tuple[SigningKey, ...]] = {}
    refused: dict[Name, DnsctlError] = {}
    for origin, wanted in judged.zones.items():
        try:
            policy = wanted.policy
            if policy is not None:
                refuse_shared_tags(keystore.list(origin))
            keys[origin] = keystore.signing_keys(origin, policy, now) if policy is not None else ()
        except PassphraseError:
            raise
        except (SigningError, KeystoreError) as error:
            refused[origin] = error
    return keys, refused


def _with_ds(
    judged: Judged,
    keystore: Keystore,
    keys: Mapping[Name, tuple[SigningKey, ...]],
    reader: Reader,
    now: datetime,
) -> Mapping[Name, ZoneIntent]:
    """Return the zones that have keys, with the DS of delegations between them, as in a release."""
    zones = {origin: wanted for origin, wanted in judged.zones.items() if origin in keys}
    used = {
        origin: ZoneKeys(tuple(one for one in keystore.list(origin) if one.public in _public(opened)))
        for origin, opened in keys.items()
    }
    return delegated(Intent(zones), used, {}, reader, now).zones


def _public(keys: tuple[SigningKey, ...]) -> frozenset[PublicKey]:
    return frozenset(each.public for each in keys)


def replace_all(writer: Writer, fresh: Mapping[Name, CompiledZone], left_out: Collection[Name]) -> None:
    """Make `fresh` all that the image holds, as its next generation; `left_out` is answered SERVFAIL."""
    fill(writer, fresh.values(), [origin for origin in writer.apexes() if origin not in fresh])
    writer.set_left_out(left_out)
    writer.set_release(writer.generation + 1, "")
