"""`dnsctl key import` and `key export`: keys that come from another name server, or go to one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.cli.key import key_json, keystore_of, path_of, signing_policy, with_tag
from dnsctl.control.host import locked
from dnsctl.control.own_image import served_dnskeys
from dnsctl.errors import DnsctlError, KeystoreError, SystemRefusalError
from dnsctl.files import durable, secrecy
from dnsctl.load.zone_files import known_zones
from dnsctl.model.json_value import Json
from dnsctl.model.key import ROLES, KeyRole, key_tag
from dnsctl.model.name import Name, to_text
from dnsctl.model.repo import HostFiles, Repo
from dnsctl.sign.adoption import adopted
from dnsctl.sign.foreign import bind_state, pem, private_text
from dnsctl.sign.foreign.files import keys_in
from dnsctl.sign.keyfile import KeyState, key_text, key_ttl, titled
from dnsctl.sign.keystore import Keystore, NewKey, StoredKey


def import_keys(
    context: Context, zone: str, paths: list[Path], role: str | None, *, active: bool, as_json: bool
) -> None:
    """Store the keys that `paths` name: all, or none. Of a directory, those that still are in use there."""
    config = context.config()
    name, told = zone_name(zone, known_zones(context.work_tree(), config)), _role(role)
    policy, now = signing_policy(config, name), datetime.now(UTC)
    found = [key for path in paths for key in keys_in(path, name, now)]
    several = any(path.is_dir() for path in paths)
    left = [each for each in found if each.ended] if several else []
    made = adopted([each for each in found if each not in left], name, policy, told, context.keys, now)
    store = keystore_of(context, config)
    present = [each for each in _listed(store, name, made) if each.private_path.exists()]
    whole = {each.public.rdata for each in present}
    new = [each for each in made if each.stored.public.rdata not in whole]
    if present and not new and not (active and any(each.state is KeyState.GENERATED for each in present)):
        states = " and ".join(dict.fromkeys(str(each.state) for each in present))
        raise KeystoreError(
            "is there already",
            where=path_of(present[0], context),
            advice=f"every key that is named here is in keys/, in state {states}: nothing is left to import",
        )
    if active:
        state = Repo(context.root).state
        with locked(state):  # a push would choose a key of its own meanwhile
            _refuse_beside_served(state, name, made)
            store.store(new)
            for each in _listed(store, name, made):
                if each.state is KeyState.GENERATED:  # what was lost and is here again has its state
                    store.activate(each, now)
    else:
        store.store(new)
    stored = _listed(store, name, made)
    if as_json:
        output.json_result({"keys": [key_json(each, context) for each in stored]})
    else:
        for one in stored:
            output.line(f"{path_of(one, context)}  {one.role} {one.public.tag} {one.state}")
    for other in found:
        if shared := secrecy.fault(Path(other.where).stat()):
            output.say(f"{other.where}: {shared}; who has read it can sign as you: roll to a new key")
    for other in left:
        output.say(f"{other.where}: left out, it was retired, revoked or deleted there")
    if made:
        output.say(
            "they want a backup: dnsctl backup FILE. Delete the originals when you no longer need them"
        )


def _refuse_beside_served(state: HostFiles, zone: Name, made: Sequence[NewKey]) -> None:
    """Raise KeystoreError where the zone is served signed, and not with these: they would sign nothing.

    One with the tag of a served key is left to the keystore, which tells more of it.
    """
    served = {key_tag(each): each for each in served_dnskeys(state, [zone]).get(zone, ())}
    if served and not any(each.stored.public.tag in served for each in made):
        tags = ", ".join(map(str, sorted(served)))
        raise KeystoreError(
            f"is served signed by key {tags} already: an active key beside it would sign nothing",
            where=to_text(zone),
            advice="import it without --active, and `dnsctl key roll` has it take over",
        )


def export_keys(
    context: Context,
    zone: str,
    tags: list[int],
    *,
    private: bool,
    to: Path | None,
    form: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Print public halves; with `private`, write both halves to files in `to`, once a person agrees."""
    name = zone_name(zone)
    config = context.config()
    store = keystore_of(context, config)
    chosen = _chosen(store, name, tags)
    if not private:
        if to is not None:
            raise typer.BadParameter("is for private halves: add --private", param_hint="--to")
        if as_json:
            output.json_result({"keys": [_record_json(each) for each in chosen], "files": []})
            return
        for each in chosen:
            output.line(_record(each))
        return
    if to is None:
        raise typer.BadParameter("--private needs --to DIR: private keys go to files only", param_hint="--to")
    files = _files(store, chosen, to, form)
    _refuse_present(files)
    if not yes:
        _ask(chosen, to)
    _write(files, to)
    if as_json:
        told: list[Json] = [_record_json(each) for each in chosen]
        output.json_result({"keys": told, "files": [str(path) for path in files]})
        return
    for path in files:
        output.line(output.visible(str(path)))


def _listed(store: Keystore, zone: Name, made: Sequence[NewKey]) -> list[StoredKey]:
    """Return what the keystore has of the keys that were made."""
    by_public = {each.public.rdata: each for each in store.list(zone)}
    found = (by_public.get(each.stored.public.rdata) for each in made)
    return [each for each in found if each is not None]


def _role(text: str | None) -> KeyRole | None:
    for each in ROLES:
        if text == each:
            return each
    if text is not None:
        raise typer.BadParameter(f"{text} is not a role: write csk, ksk or zsk", param_hint="--role")
    return None


def _chosen(store: Keystore, zone: Name, tags: list[int]) -> list[StoredKey]:
    stored = store.list(zone)
    for tag in tags:
        with_tag(stored, zone, tag)
    chosen = [
        each for each in stored if (each.public.tag in tags if tags else each.state is not KeyState.REMOVED)
    ]
    if not chosen:
        raise KeystoreError("has no keys", where=to_text(zone), advice="see `dnsctl key list`")
    return chosen


def _public_text(key: StoredKey) -> str:
    return key_text(key.public, key.role, key_ttl(key.path.read_text("utf-8", "replace")), key.times)


def _record(key: StoredKey) -> str:
    """Return the DNSKEY in presentation form: the last line of its file."""
    return _public_text(key).rstrip("\n").rsplit("\n", 1)[-1]


def _record_json(key: StoredKey) -> dict[str, Json]:
    return {"zone": to_text(key.public.zone), "tag": key.public.tag, "record": _record(key)}


def _files(store: Keystore, chosen: list[StoredKey], to: Path, form: str) -> dict[Path, bytes]:
    """Return what is written, by path: of each key the private half, then the public one."""
    files: dict[Path, bytes] = {}
    for each in chosen:
        signing = store.open(each)
        private = signing.private
        stem = each.path.name.removesuffix(".key")
        if form == "pem":
            files[to / f"{stem}.pem"] = pem.to_octets(private)
        else:
            text = private_text.to_text(each.public.algorithm, private, titled(each.times), stem)
            files[to / f"{stem}.private"] = text.encode()
            if state := bind_state.to_text(each, signing):
                files[to / f"{stem}.state"] = state.encode()
        files[to / f"{stem}.key"] = _public_text(each).encode()
    return files


def _refuse_present(files: dict[Path, bytes]) -> None:
    for path in files:
        if path.exists():
            raise KeystoreError("is there already", where=str(path), advice="export to another directory")


def _ask(chosen: list[StoredKey], to: Path) -> None:
    """Go on if a person at a terminal says yes. Raises DnsctlError."""
    tags = ", ".join(str(each.public.tag) for each in chosen)
    what = f"private keys {tags} would be written to {to}, NOT encrypted: who reads them can sign as you"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise KeystoreError(what, advice="if that is meant, add --yes")
    if not typer.confirm(f"{what}. Go on?", err=True):
        raise KeystoreError("nothing was written", where=str(to))


def _write(files: dict[Path, bytes], to: Path) -> None:
    """Write all files, or leave none."""
    written: list[Path] = []
    try:
        durable.make_directory(to, 0o700)
        for path, octets in files.items():
            if not durable.create(path, octets, 0o600):
                raise KeystoreError("is there already", where=str(path), advice="export to another directory")
            written.append(path)
    except (OSError, DnsctlError) as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise (SystemRefusalError.of(error, to) if isinstance(error, OSError) else error) from None
