"""`dnsctl key … --sig0`: key pairs that sign updates to parents, and the KEY records that go there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dnsctl.cli import output
from dnsctl.cli.context import Context, domain_name
from dnsctl.cli.key import below, keystore_of
from dnsctl.errors import KeystoreError
from dnsctl.files import secrecy
from dnsctl.load.settings.config import Config
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Algorithm
from dnsctl.sign.foreign.files import key_pair
from dnsctl.sign.sig0_keys import StoredSig0Key, adopted, drafted, key_record, listed, store


def list_keys(context: Context, name: str | None, *, as_json: bool) -> None:
    """Print which keys there are, of `name` or all, and which parents in dnsctl.yaml they are for."""
    config = context.config(fleet=False)
    found = listed(context.keys, domain_name(name) if name is not None else None)
    if as_json:
        output.json_result(_to_json(found, context, config))
        return
    output.table(
        ("name", "tag", "algorithm", "parents"),
        (
            (
                to_text(each.public.zone),
                str(each.public.tag),
                str(each.public.algorithm),
                ", ".join(_parents(each, config)) or "-",
            )
            for each in found
        ),
    )
    if not found:
        output.say("no keys for SIG(0): `dnsctl key generate NAME --sig0` makes one")


def export_keys(context: Context, name: str, tags: list[int], *, as_json: bool) -> None:
    """Print the KEY records of `name`, for the operator of the parent."""
    owner = domain_name(name)
    found = [each for each in listed(context.keys, owner) if not tags or each.public.tag in tags]
    if not found:
        raise KeystoreError(
            "has no such key for SIG(0)", where=to_text(owner), advice="see `dnsctl key list --sig0`"
        )
    if as_json:
        output.json_result(_to_json(found, context, context.config(fleet=False)))
        return
    for each in found:
        output.line(key_record(each.public))


def generate(
    context: Context, name: str, algorithm: Algorithm | None, *, another: bool, as_json: bool
) -> None:
    """Make a key of `name`, and print its KEY record.

    Raises KeystoreError where the name has one already, unless `another` is wanted.
    """
    owner, config = domain_name(name), context.config(fleet=False)
    known = listed(context.keys, owner)
    check = partial(_refuse_second, another=another, context=context)
    check(known)
    made = drafted(owner, algorithm or Algorithm.ECDSAP256SHA256, known)
    stored = store(keystore_of(context, config), made, datetime.now(UTC), check)
    _tell(stored, context, config, as_json=as_json)


def _refuse_second(known: tuple[StoredSig0Key, ...], *, another: bool, context: Context) -> None:
    if known and not another:
        raise KeystoreError(
            "this key for SIG(0) is there already",
            where=below(context.root, known[0].path),
            advice="`dnsctl key export NAME --sig0` prints its record; to make one more, add --another",
        )


def import_key(context: Context, name: str, path: Path, *, as_json: bool) -> None:
    """Take over the key pair of `name` in `path`, such as BIND's for nsupdate; print its KEY record."""
    config, now = context.config(fleet=False), datetime.now(UTC)
    found = key_pair(path, now, "KEY")
    made = adopted(found, domain_name(name))
    _tell(store(keystore_of(context, config), made, now), context, config, as_json=as_json)
    if shared := secrecy.fault(Path(found.where).stat()):
        output.say(f"{found.where}: {shared}; who has read it can sign as you: change to a new key")
    output.say("Delete the original when you no longer need it")


def _tell(stored: StoredSig0Key, context: Context, config: Config, *, as_json: bool) -> None:
    if as_json:
        output.json_result(_to_json([stored], context, config))
    else:
        output.line(key_record(stored.public))
    named = f"name: {to_text(stored.public.zone)}"
    if len(listed(context.keys, stored.public.zone)) > 1:
        named += f", tag: {stored.public.tag}"
    output.say(
        f"{below(context.root, stored.path)}: it wants a backup: dnsctl backup FILE. Give this record to the "
        f"operator of the parent; `ds: update, sig0: {{{named}}}` in dnsctl.yaml signs updates with it"
    )


def _parents(key: StoredSig0Key, config: Config) -> list[str]:
    """Return the parents in dnsctl.yaml that name this key."""
    public = key.public
    named = ((name, each.sig0.key()) for name, each in config.parents.items() if each.sig0 is not None)
    return [name for name, each in named if each.owner == public.zone and each.tag in (None, public.tag)]


def _to_json(keys: Iterable[StoredSig0Key], context: Context, config: Config) -> Json:
    return {
        "keys": [
            {
                "name": to_text(Name(each.public.zone)),
                "tag": each.public.tag,
                "algorithm": each.public.algorithm,
                "record": key_record(each.public),
                "parents": [*_parents(each, config)],
                "file": below(context.root, each.path),
            }
            for each in keys
        ]
    }
