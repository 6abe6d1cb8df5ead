"""The embedded default of `dnsctl serve --zones`: files of a directory, compiled into an image at once.

There is no fleet, no control host and no release. `publish` decides what may be served, and makes it, as for
a release; a zone with errors is left out and named. Runs in a child process that ends before anything is
served: see `apart`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from dnsctl.errors import DnsctlError, RefusalRule, ZoneFaultsError
from dnsctl.image.generation import GenerationCounter
from dnsctl.image.store import Image
from dnsctl.load.secret import resolve
from dnsctl.load.settings.config import Config
from dnsctl.model.finding import by_position
from dnsctl.model.name import to_text
from dnsctl.model.repo import KEYS, PASSPHRASE, NodeFiles
from dnsctl.publish.directory import finish_all, judge_directory, replace_all
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.passphrase import ensure_passphrase
from dnsctl.startup.directory import find_config
from dnsctl.startup.work import Embedded, Tell


def compile_directory(work: Embedded, tell: Tell) -> None:
    """Load, judge, sign and commit; print findings. Raises DnsctlError where nothing may be served."""
    found = find_config(work.directory)
    config, root = found or (None, work.directory)
    with tell.stages() as progress:
        judged = judge_directory(work.directory, config, datetime.now(UTC), sign=work.sign, progress=progress)
    tell.findings(by_position(judged.findings), sys.stderr)
    left_out = {each.zone for each in judged.faults if each.zone is not None}
    files = sorted({each.position.file for each in judged.faults if each.zone is None})
    keystore = _keystore(work, config, root)
    with Image.open(NodeFiles(work.state).image, readonly=False) as image, image.writer() as writer:
        with tell.stages() as progress:
            fresh, refused = finish_all(judged, keystore, writer, work.workers, progress)
        for error in refused.values():
            tell.say(f"dnsctl: {error}")
        left_out |= refused.keys()
        for name in (*map(to_text, sorted(left_out)), *files):
            tell.say(f"dnsctl: {name} is left out: it has errors")
        _require_enough(len(left_out) + len(files), bool(fresh), work)
        replace_all(writer, fresh, left_out)
    counter = GenerationCounter(NodeFiles(work.state).generation)
    counter.advance()
    counter.close()


def _require_enough(left_out: int, any_left: bool, work: Embedded) -> None:
    """Raise DnsctlError where nothing is left to serve, or `--strict` wants all of it."""
    if left_out and work.strict:
        zones = "1 zone" if left_out == 1 else f"{left_out} zones"
        raise ZoneFaultsError(f"{zones} with errors", advice="correct them, or leave out --strict")
    if not any_left:
        raise DnsctlError(
            "no zone that can be served",
            where=str(work.directory),
            advice="correct its errors",
            rule=RefusalRule.NO_ZONES,
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
