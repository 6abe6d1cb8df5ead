"""`dnsctl key`: list the keys of zones, print their DS, make a key in advance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.errors import ConfigError, KeystoreError
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import known_zones
from dnsctl.model.json_value import Json
from dnsctl.model.key import KeyRole
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Policy
from dnsctl.model.repo import CONFIG, shown_directories
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.model.timestamp import stamp
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import Keystore, StoredKey, is_ahead
from dnsctl.sign.shared_tags import refuse_shared_tags, shared_tags

if TYPE_CHECKING:
    from dnsctl.rollover.planning import Wait

_COPY = "copy it to every node; each reads it within seconds"
_LAST_IS_DUE = "; the last step is due in an hour"
_GONE = frozenset({KeyState.RETIRED, KeyState.REMOVED})
DS_TTL = 3600  # seconds; the parent decides, this is what the printed record says


def list_keys(context: Context, zone: str | None, *, as_json: bool) -> None:
    """Print keys with their state, of `zone` or all. Exits with 1 where keys of a zone share a tag."""
    context.require_repo()
    name = zone_name(zone) if zone is not None else None
    found = keystore_of(context).list(name)
    none = "" if found else _why_none(context, name)
    faults = shared_tags_in(context, found)
    if as_json:
        told: list[Json] = [_fault_json(each, context) for each in faults]
        output.json_result({"keys": [key_json(each, context) for each in found], "faults": told})
    else:
        _print_keys(found)
        if none:
            output.say(none)
        for each in faults:
            output.say(str(each))
    if faults:
        raise typer.Exit(1)


def _print_keys(found: Sequence[StoredKey]) -> None:
    output.table(
        ("zone", "tag", "role", "algorithm", "state", "since"),
        (
            (
                to_text(each.public.zone),
                str(each.public.tag),
                each.role,
                str(each.public.algorithm),
                str(each.state),
                _since(each),
            )
            for each in found
        ),
    )


def _why_none(context: Context, name: Name | None) -> str:
    """Return why nothing is listed (of zone `name`), and what to do. Raises DnsctlError: an unknown zone."""
    if name is None:
        return "no keys yet: `dnsctl push` makes them on first need"
    zone_name(to_text(name), known_zones(context.work_tree(), context.config(fleet=False)))
    return f"{to_text(name)} has no keys: {_way_to_a_key(context, name)}"


def shared_tags_in(context: Context, found: Iterable[StoredKey]) -> list[KeystoreError]:
    """Return what `shared_tags` finds in each zone of `found`, with what this host knows to be served."""
    by_zone: dict[Name, list[StoredKey]] = {}
    for each in found:
        by_zone.setdefault(each.public.zone, []).append(each)
    served: Mapping[Name, tuple[bytes, ...]] = {}
    if by_zone and context.image.exists():
        from dnsctl.control.own_image import served_dnskeys  # noqa: PLC0415 - not before there is a release

        served = served_dnskeys(context.state, by_zone)
    return [error for zone, keys in by_zone.items() for error in shared_tags(keys, served.get(zone, ()))]


def ds(
    context: Context,
    zone: str,
    digest: int,
    wait_of: Callable[[Context, Name], Wait | None],
    *,
    as_json: bool,
) -> None:
    """Print the DS records of `zone`, with digests of type `digest`, to give to its parent.

    `wait_of` a zone that is served unsigned, or whose parent was not asked for a DS: what that waits for.
    """
    name = zone_name(zone)
    stored = keystore_of(context).list(name)
    for error in shared_tags_in(context, stored):
        raise error
    found = [each for each in stored if each.public.is_sep and each.state not in _GONE]
    used = [each for each in found if each.state is not KeyState.GENERATED] or found
    if not used:
        raise KeystoreError(
            "has no key that a DS could name", where=to_text(name), advice=_way_to_a_key(context, name)
        )
    records = [(each, each.public.ds(digest)) for each in used]
    waits = wait_of(context, name) if _may_wait(context, name, used) else None
    if as_json:
        told = None if waits is None else waits.to_json()
        output.json_result({"ds": [_ds_json(key, rdata) for key, rdata in records], "waits": told})
        return
    for _, rdata in records:
        output.line(f"{to_text(name)} {DS_TTL} IN DS {rdata_text(Type.DS, rdata)}")
    if all(each.state is KeyState.GENERATED for each in used):
        output.say(f"{to_text(name)} is not signed with it yet: give the DS to the parent after the push")
    if waits is not None:
        leaves = waits.step.action == "unsign"
        yet = ": the zone is to be unsigned, and waits" if leaves else " yet: wait"
        output.say(f"do not give it to the parent of {to_text(name)}{yet} {waits.told}")


def _may_wait(context: Context, zone: Name, used: Iterable[StoredKey]) -> bool:
    """True unless a DS of `used` is asked for. Cheap: what tells for how long takes half a second to load."""
    if all(each.roll.ds is False for each in used):
        return True
    if not context.image.exists():
        return False
    from dnsctl.control.own_image import is_served_unsigned  # noqa: PLC0415 - not before there is a release

    return is_served_unsigned(context.state, zone)


def _way_to_a_key(context: Context, name: Name) -> str:
    config = context.config(fleet=False)
    if name not in known_zones(context.work_tree(), config):
        place = shown_directories(config.zone_files)
        return f"it has no file in {place}; `dnsctl zone list` shows what there is"
    if config.policy(name) is None:
        return "it is not signed here: give it a policy in dnsctl.yaml"
    return "`dnsctl push` makes it, or, in advance, `dnsctl key generate`"


def generate(context: Context, zone: str, role: str | None, *, another: bool = False, as_json: bool) -> None:
    """Make keys of `role`, or of every role, of each algorithm that the policy of `zone` asks for.

    Raises KeystoreError where one waits to be used already, unless `another` is wanted.
    """
    config = context.config()
    name = zone_name(zone, known_zones(context.work_tree(), config))
    policy = signing_policy(config, name)
    wanted = policy.roles
    if role is not None:
        wanted = tuple(each for each in wanted if each == role)
        if not wanted:
            raise typer.BadParameter(f"policy {policy.name} has {policy.keys}", param_hint="--role")
    store = keystore_of(context, config)
    kinds = [(one, each) for one in _single(policy) for each in wanted]
    if not another:
        _refuse_second(store.list(name), kinds, context)
    made = []
    for kind in kinds:
        check = partial(_refuse_second, kinds=() if another else (kind,), context=context)
        made.append(store.generate(name, *kind, datetime.now(UTC), check))
    if as_json:
        output.json_result({"keys": [key_json(each, context) for each in made]})
        return
    for each in made:
        output.line(f"{path_of(each, context)}  {each.role} {each.public.tag}")


def signing_policy(config: Config, name: Name) -> Policy:
    """Return the policy of a zone. Raises ConfigError where it is not signed."""
    policy = config.policy(name)
    if policy is None:
        raise ConfigError(
            f"{to_text(name)} is not signed (dnssec: none)",
            where=CONFIG,
            advice="give it a policy under `zones` or `defaults: dnssec`",
        )
    return policy


def _single(policy: Policy) -> Iterator[Policy]:
    """Yield what `policy` asks for, an algorithm at a time."""
    for algorithm in policy.algorithms:
        yield replace(policy, algorithm=algorithm, beside=None)


def _refuse_second(
    stored: tuple[StoredKey, ...], kinds: Iterable[tuple[Policy, KeyRole]], context: Context
) -> None:
    """Raise KeystoreError where a key of one of `kinds` was generated before and is not in use yet."""
    for each in stored:
        if any(is_ahead(each, *kind) for kind in kinds):
            raise KeystoreError(
                f"this {each.role} was generated before, and the first signing that needs one uses it",
                where=path_of(each, context),
                advice="to make one more, add --another",
            )


def cookie(context: Context, *, as_json: bool) -> None:
    """Take the next of three steps that roll the secret of DNS cookies, and print which that was."""
    from dnsctl.control.cookies import STEPS, roll  # noqa: PLC0415 - no other verb of keys has to do with them

    path = context.config().serve.cookie_secret
    step = roll(context.root / path, path)
    meaning = STEPS[step - 1]
    if as_json:
        output.json_result({"file": path, "step": step, "steps": len(STEPS), "meaning": meaning})
        return
    rest = _LAST_IS_DUE if step == len(STEPS) - 1 else ""
    output.line(f"{path}: step {step} of {len(STEPS)}, {meaning}: {_COPY}{rest}")


def keystore_of(context: Context, config: Config | None = None) -> Keystore:
    def passphrase() -> bytes:
        return context.passphrase(config or context.config())

    return Keystore(context.keys, passphrase)


def with_tag(stored: Sequence[StoredKey], zone: Name, tag: int) -> StoredKey:
    """Return the key of `zone` with a tag. Raises KeystoreError where none has it, or keys share one."""
    refuse_shared_tags(stored)
    for each in stored:
        if each.public.tag == tag:
            return each
    known = ", ".join(str(each.public.tag) for each in stored) or "none"
    raise KeystoreError(f"has no key with tag {tag}", where=to_text(zone), advice=f"its keys are: {known}")


def check_named_again(named: str | None, zone: Name) -> None:
    """Raise typer.BadParameter where `--break-chain` names another zone than the one to be broken."""
    if named is not None and zone_name(named) != zone:
        raise typer.BadParameter(
            f"names {named}, and the zone is {to_text(zone)}", param_hint="--break-chain"
        )


def _since(key: StoredKey) -> str:
    entered = getattr(key.times, str(key.state))
    return f"{entered:%Y-%m-%d %H:%M:%S}Z" if entered is not None else ""


def path_of(key: StoredKey, context: Context) -> str:
    return below(context.root, key.path)


def below(root: Path, path: Path) -> str:
    """Return a path as messages name it: from the root of the repo, where it is in it."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _fault_json(error: KeystoreError, context: Context) -> dict[str, Json]:
    return {
        "file": below(context.root, Path(error.where)),
        "message": error.what,
        "advice": error.advice,
    }


def key_json(key: StoredKey, context: Context) -> dict[str, Json]:
    times = {
        str(each): stamp(moment) for each in KeyState if (moment := getattr(key.times, str(each))) is not None
    }
    return {
        "zone": to_text(key.public.zone),
        "tag": key.public.tag,
        "role": key.role,
        "algorithm": key.public.algorithm,
        "flags": key.public.flags,
        "state": str(key.state),
        "times": times,
        "file": path_of(key, context),
    }


def _ds_json(key: StoredKey, rdata: bytes) -> dict[str, Json]:
    return {
        "zone": to_text(Name(key.public.zone)),
        "tag": key.public.tag,
        "algorithm": key.public.algorithm,
        "digest_type": rdata[3],
        "digest": rdata[4:].hex().upper(),
        "record": f"{to_text(key.public.zone)} {DS_TTL} IN DS {rdata_text(Type.DS, rdata)}",
        "state": str(key.state),
    }
