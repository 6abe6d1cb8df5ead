"""`dnsctl restore`: a control host from a backup, or what is in one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.cli.output.backups import contents_json, print_contents
from dnsctl.control.backup.restoring import contents_of, require_backup
from dnsctl.control.backup.restoring import restore as restored
from dnsctl.errors import PassphraseError
from dnsctl.load.secret import resolve


def restore(
    context: Context,
    file: Path,
    directory: Path | None,
    reference: str,
    *,
    listed: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Restore the backup in `file` to `directory`, or list it. `reference`: the passphrase it is under."""
    require_backup(file)  # before a passphrase is typed
    passphrase = _passphrase(reference)
    if listed:
        contents = contents_of(file, passphrase)
        if as_json:
            output.json_result({"file": str(file), **contents_json(contents)})
        else:
            print_contents(contents)
        return
    done = restored(file, passphrase, directory or context.root, datetime.now(UTC), overwrite=overwrite)
    if as_json:
        output.json_result(
            {
                "file": str(file),
                "root": str(done.root),
                "replaced": str(done.replaced) if done.replaced else None,
                **contents_json(done.contents),
            }
        )
    else:
        print_contents(done.contents)
        output.line(f"{output.visible(str(done.root))}: restored")
    if done.replaced:
        output.say(f"keys/ of before is kept in {done.replaced}")
    if done.other_release_key:
        output.say(
            "warning: its release key is not the one of before, and nodes that trust that take no release;"
            " if it is a backup of another fleet, remove keys/ and put the one of before back in its place"
        )
    if done.contents.remotes:
        output.say("what was committed since: git pull")
    output.say(f"then: dnsctl -C {done.root} push, which takes from the nodes what was released since")


def _passphrase(reference: str) -> bytes:
    """Return the passphrase of the backup. Raises PassphraseError, with the option that names it."""
    try:
        return resolve(reference, Path(), given="--passphrase")
    except PassphraseError as error:
        error.advice = "name it with --passphrase: env:NAME, file:PATH, credential:NAME or prompt"
        raise
