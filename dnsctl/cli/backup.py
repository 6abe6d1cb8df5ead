"""`dnsctl backup`: repository, keys and records of this control host in one encrypted file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from dnsctl.cli import output
from dnsctl.cli.context import Context, new_passphrase
from dnsctl.cli.output.backups import contents_json, print_contents
from dnsctl.control.backup.making import make
from dnsctl.errors import BackupError
from dnsctl.sign.keystore import Keystore


def backup(context: Context, file: Path, reference: str, *, overwrite: bool, as_json: bool) -> None:
    """Write a backup to `file`, under the passphrase that `reference` names; empty: the keystore's."""
    if file.exists() and not overwrite:
        raise BackupError("is there already", where=str(file), advice="name another file, or add --overwrite")
    config = context.config()
    own = context.passphrase(config)
    given = new_passphrase(reference, context.root, "--passphrase") if reference else own
    keystore = Keystore(context.keys, lambda: own)
    made = make(context.root, config, keystore, (own, given), file, datetime.now(UTC), output.say)
    if as_json:
        told = contents_json(made.contents)
        output.json_result({"file": str(file), "octets": made.octets, **told, "notes": list(made.notes)})
    else:
        print_contents(made.contents)
        output.line(f"{output.visible(str(file))}: {made.octets} octets, encrypted, written and read again")
    for each in made.notes:
        output.say(each)
