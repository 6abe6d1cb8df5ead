"""`dnsctl key roll`: begin a roll and take its next step; or print the timetable, and change nothing.

Exit codes: as `push`; 0 as well where the next step has to wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.cli.context.opened import opened
from dnsctl.cli.key import check_named_again
from dnsctl.cli.output.ended import keys_made, tell_keys, told
from dnsctl.control.own_image import released
from dnsctl.control.push import Request, Result
from dnsctl.control.roll_wishes import coming_back, leaving, timetable_of, wished, written
from dnsctl.control.rolling import advance
from dnsctl.control.served import look
from dnsctl.control.zone_rolls import ZoneRoll, goals, zone_roll
from dnsctl.errors import KeystoreError
from dnsctl.image.reader import Reader
from dnsctl.model.key import KeyRole
from dnsctl.model.name import Name, to_text
from dnsctl.model.repo import Repo
from dnsctl.model.rrset import Type
from dnsctl.model.timestamp import stamp
from dnsctl.publish.pipeline import Release
from dnsctl.release.archive import Archive, activated
from dnsctl.rollover.keyset import KeySet, RolledKey
from dnsctl.rollover.planning import Step, Wait
from dnsctl.rollover.timetable import Entry
from dnsctl.sign.keystore import Keystore, public_side

_MOST = 10  # steps of one emergency: no roll has more


@dataclass(frozen=True)
class Wanted:
    """What is asked for. `role`: None for all; `only_next`: begin nothing; `back`: keys that leave are to
    stay; `broken`: the zone again.
    """

    role: KeyRole | None = None
    only_next: bool = False
    back: bool = False
    emergency: bool = False
    broken: str | None = None


def roll(context: Context, zone: str, wanted: Wanted, *, plan_only: bool, as_json: bool) -> None:
    """Begin a roll of `zone`, or go on with it; print what was done and what comes."""
    origin = zone_name(zone)
    _refuse_idle(wanted, plan_only=plan_only)
    hurry = _told_twice(origin, wanted)
    if plan_only:
        found, entries = _planned(context, origin, wanted)
        _print(origin, entries, (), found.plan.wait, as_json=as_json)
        return
    with opened(context, "", renewal=True) as host, told() as progress:
        now = datetime.now(UTC)
        with host.image.reader() as reader:
            found = _found(context, reader, host.keystore, origin, now)
        go, stay = _wish(found, wanted)
        reason = f"{'emergency ' if wanted.emergency else ''}roll of {to_text(origin)}"
        step = partial(
            advance, host, Request(reason=reason), progress, zones=frozenset((origin,)), hurry=hurry
        )
        with written(host.keystore, found.keys, go, stay, now):
            result, waits = step()
        results = [result]
        while (
            hurry and results[-1].release is not None and results[-1].exit_code == 0 and len(results) < _MOST
        ):
            result, waits = step()
            results.append(result)
        now = datetime.now(UTC)
        with host.image.reader() as reader:
            if results[0].release is not None:
                look(host, reader, (origin,), now)
            entries = ()
            if _is_signed(reader, origin):  # the step may have been the one that unsigns it
                found = _found(context, reader, host.keystore, origin, now)
                entries = timetable_of(found, found.keys, _ttls(reader, origin), now)
    _print(origin, entries, results, waits.get(origin), hurry=hurry, as_json=as_json)
    raise typer.Exit(results[-1].exit_code)


def ds_wait(context: Context, origin: Name) -> Wait | None:
    """Return what a DS of the zone waits for; None: nothing holds it back, or nothing is served yet.

    A zone that is served unsigned has no use for one; where it is signed, the first may have to wait.
    """
    with released(context.state) as reader:
        if reader is None or (entry := reader.zone(origin)) is None:
            return None
        if not entry.signed:
            step = Step("ask", KeySet(origin), "give its DS to the parent", "the zone is signed")
            return Wait(step, "for it to be served signed")
        keystore = public_side(context.keys)
        try:
            return _found(context, reader, keystore, origin, datetime.now(UTC)).plan.wait
        except KeystoreError:
            return None


def _refuse_idle(wanted: Wanted, *, plan_only: bool) -> None:
    """Raise typer.BadParameter for an option that another one leaves without effect."""
    if wanted.only_next and wanted.back:
        raise typer.BadParameter("goes on with a roll, and --undo takes it back", param_hint="--continue")
    for given, reason in (
        (wanted.only_next, "--continue begins no roll"),
        (wanted.back, "--undo takes back every roll of the zone"),
    ):
        if given and wanted.role is not None:
            raise typer.BadParameter(f"is for the beginning of a roll: {reason}", param_hint="--role")
        if given and wanted.emergency and (wanted.back or wanted.broken is None):
            more = "" if wanted.back else "; to wait for no cache, add --break-chain ZONE"
            raise typer.BadParameter(
                f"is for the beginning of a roll: {reason}{more}", param_hint="--emergency"
            )
    if plan_only and wanted.broken is not None:
        raise typer.BadParameter(
            "is for a step that is taken, and --plan takes none", param_hint="--break-chain"
        )


def _told_twice(origin: Name, wanted: Wanted) -> bool:
    """True where caches do not count: in an emergency, with the zone named again."""
    if wanted.broken is None:
        return False
    if not wanted.emergency:
        raise typer.BadParameter("is for --emergency", param_hint="--break-chain")
    check_named_again(wanted.broken, origin)
    return True


def _planned(context: Context, origin: Name, wanted: Wanted) -> tuple[ZoneRoll, tuple[Entry, ...]]:
    now = datetime.now(UTC)
    with released(context.state) as reader:
        if reader is None:
            raise _not_here(origin)
        keystore = public_side(context.keys)
        found = _found(context, reader, keystore, origin, now)
        keys = wished(found.keys, *_wish(found, wanted))
        return found, timetable_of(found, keys, _ttls(reader, origin), now)


def _is_signed(reader: Reader, origin: Name) -> bool:
    entry = reader.zone(origin)
    return entry is not None and entry.signed


def _found(context: Context, reader: Reader, keystore: Keystore, origin: Name, now: datetime) -> ZoneRoll:
    """Return where the keys of `origin` stand.

    Raises KeystoreError where it is not signed here, or keys of it share a tag.
    """
    manifest = activated(Archive(context.state.archive), reader.generation)
    goal = goals(context.root, manifest.commit if manifest is not None else None)(origin)
    if goal is None or not _is_signed(reader, origin):
        raise _not_here(origin)
    found = zone_roll(reader, keystore, Repo(context.root).state, origin, goal, now)
    if found.fault is not None:
        raise found.fault
    return found


def _not_here(origin: Name) -> KeystoreError:
    return KeystoreError(
        "is not released, or not signed here", where=to_text(origin), advice="push it with a policy first"
    )


def _wish(found: ZoneRoll, wanted: Wanted) -> tuple[tuple[RolledKey, ...], tuple[RolledKey, ...]]:
    """Return who is to leave, and who stays after all."""
    if wanted.only_next:
        return (), ()
    if wanted.back:
        stay, go = coming_back(found)
        return go, stay
    return leaving(found, wanted.role), ()


def _ttls(reader: Reader, origin: Name) -> tuple[int, int]:
    dnskey = reader.get(origin, Type.DNSKEY, origin)
    return dnskey.ttl if dnskey is not None else 0, max(one.ttl for one in reader.rrsets(origin))


def _print(
    origin: Name,
    entries: Sequence[Entry],
    results: Sequence[Result],
    wait: Wait | None,
    *,
    hurry: bool = False,
    as_json: bool,
) -> None:
    """Print the steps that were taken, what the next one waits for, and the timetable."""
    steps = [
        (each.release.generation, _step_of(each.release, origin))
        for each in results
        if each.release is not None
    ]
    if as_json:
        output.json_result(
            {
                "zone": to_text(origin),
                "generation": steps[-1][0] if steps else None,
                "step": steps[-1][1] if steps else None,
                "steps": [{"generation": number, "step": text} for number, text in steps],
                "waits": None if wait is None else wait.to_json(),
                "backup_wanted": any(keys_made(each) for each in results),
                "timetable": [
                    {"at": stamp(each.at), "step": each.text, "reason": each.reason} for each in entries
                ],
            }
        )
        return
    for number, text in steps:
        output.line(f"generation {number}: {text}")
    for each in results:
        tell_keys(each)
    if wait is not None:
        output.line(f"waits {wait.told}")
    if entries:
        output.table(
            ("earliest", "step", "because"),
            ((f"{each.at:%Y-%m-%d %H:%M:%S}Z", each.text, each.reason) for each in entries),
        )
        if results:
            zone = to_text(origin).removesuffix(".")
            waits = ", and waits for caches" if hurry else ""
            broken = f" --emergency --break-chain {zone}" if hurry else ""
            by_hand = f"dnsctl key roll {zone} --continue{broken}"
            output.say(f"`dnsctl control` takes the next steps{waits}; by hand: {by_hand}")
    else:
        output.line(f"{to_text(origin)}: nothing is to be rolled")


def _step_of(release: Release, origin: Name) -> str | None:
    events = [each.events for each in release.zones if each.origin == origin]
    return next((one.message for each in events for one in each if one.name == "roll"), None)
