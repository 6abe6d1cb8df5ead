"""`dnsctl key retire`, `key remove`, `key passphrase`: keys that are used no more, and another passphrase."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, new_passphrase, zone_name
from dnsctl.cli.key import check_named_again, key_json, keystore_of, path_of, with_tag
from dnsctl.control.bonds import bonds
from dnsctl.control.host import locked
from dnsctl.control.newest import take_over_newest
from dnsctl.control.observations import recall
from dnsctl.control.own_image import released
from dnsctl.control.rotation import finish, passphrase_file, rotate
from dnsctl.errors import KeystoreError
from dnsctl.model.name import to_text
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import StoredKey

_OCTETS = 32  # random
_IN_USE = frozenset({KeyState.PUBLISHED, KeyState.READY, KeyState.ACTIVE})


def retire(context: Context, zone: str, tag: int, broken: str | None, *, as_json: bool) -> None:
    """Call a key retired: nothing signs with it any more, and nothing takes it into use."""
    _end(context, zone, tag, broken, KeyState.RETIRED, as_json=as_json)


def remove(context: Context, zone: str, tag: int, broken: str | None, *, as_json: bool) -> None:
    """Delete the private half of a key. Its tag stays taken."""
    _end(context, zone, tag, broken, KeyState.REMOVED, as_json=as_json)


def passphrase(context: Context, reference: str, *, as_json: bool) -> None:
    """Encrypt every private key under another passphrase: what `reference` names, or a random one."""
    config = context.config()
    file = passphrase_file(context.root, config)
    if not reference and file is None:
        raise typer.BadParameter(
            f"the passphrase comes from {config.keystore.passphrase}: name the new one, such as --new prompt",
            param_hint="--new",
        )
    if finish(context.root, config):
        output.say(f"{file}: a change of passphrase that was interrupted is complete")
    old = context.passphrase(config)
    if reference:
        new = new_passphrase(reference, context.root, "--new")
    else:
        new = secrets.token_urlsafe(_OCTETS).encode()
    done = rotate(context.root, config, old, new, output.say)
    if as_json:
        output.json_result({"keys": done.keys, "file": str(done.file) if done.file else None})
    else:
        output.line(f"{output.plural(done.keys, 'private key')} encrypted under the new passphrase")
    if done.file is not None:
        output.say(f"it is in {done.file}: keep a copy of it elsewhere")
    else:
        output.say(f"now have {config.keystore.passphrase} give the new one")
    output.say("earlier backups need the passphrase of before: make a new one, dnsctl backup FILE")


def _end(
    context: Context, zone: str, tag: int, broken: str | None, state: KeyState, *, as_json: bool
) -> None:
    name = zone_name(zone)
    check_named_again(broken, name)
    store = keystore_of(context)
    with_tag(store.list(name), name, tag)
    unheard: list[str] = []
    take_over_newest(context.root, unheard.append)
    for each in unheard:
        output.say(each)
    with locked(context.state, tell=output.say), released(context.state) as served:
        key = with_tag(store.list(name), name, tag)
        seen = {ds for view in recall(context.state, name).ds.views for ds in view.ds or ()}
        reasons = bonds(key, served, seen)
        if unheard and not reasons and key.state in _IN_USE:
            reasons = ("not every node could be asked whether it serves the zone with it",)
        if reasons:
            _judge(key, reasons, broken)
        if state is KeyState.RETIRED and key.state in (KeyState.RETIRED, KeyState.REMOVED):
            raise KeystoreError(f"is {key.state} already", where=path_of(key, context))
        store.end(key, state, datetime.now(UTC))
    after = with_tag(store.list(name), name, tag)
    if as_json:
        output.json_result({"keys": [key_json(after, context)]})
    else:
        output.line(f"{path_of(after, context)}  {after.role} {after.public.tag} {after.state}")
    if key.public.is_sep and key.state != KeyState.GENERATED:
        output.say("a DS for it, if the parent has one, is of no use any more: dnsctl key ds shows which are")


def _judge(key: StoredKey, reasons: tuple[str, ...], broken: str | None) -> None:
    """Refuse unless the zone was named again. Raises KeystoreError."""
    zone = to_text(key.public.zone)
    told = f"{' and '.join(reasons)}: without it, validating resolvers may have no answer from {zone}"
    if broken is None:
        raise KeystoreError(
            told,
            where=f"{key.role} {key.public.tag}",
            advice=f"have another take its place first; or break the chain on purpose: --break-chain {zone}",
        )
    output.say(told)
