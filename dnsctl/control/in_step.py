"""Keep the DS at parents of others in step with our keys, by the way that `parents` of dnsctl.yaml names.

Acts on what this host just saw itself, so that no node can have anything written by what it claims to see: a
parent whose servers all have what is wanted is left alone, one that lags is asked, and asked again after a
while. What is wanted is what the zone's CDS say; without CDS, a DS of each key that should have one as far as
its roll is, and of other signers' (of a pre-signed zone: of what signs its keys). That no DS is wanted only
CDS can say: of a zone of which nothing is known, nothing is asked. A zone that was served unsigned until
lately waits until caches have forgotten that.

A round of asking is bounded in time, since jobs that cannot wait are done in the same thread: parents that it
does not get to are the first of the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from dnsctl.control.observations import Asked, Observed, amend
from dnsctl.control.observing import Round, own_parent
from dnsctl.control.own_image import released
from dnsctl.control.telling import Tell
from dnsctl.errors import KeystoreError, PassphraseError
from dnsctl.image.reader import Reader
from dnsctl.load.settings.config import Config
from dnsctl.model.fleet import Endpoint, TransferKey
from dnsctl.model.key import ds_of, ds_tags, is_sep
from dnsctl.model.name import Name, to_text
from dnsctl.model.parent_policy import ParentPolicy
from dnsctl.model.parental import leads, requested_ds
from dnsctl.model.repo import Repo
from dnsctl.model.rrset import KEY_TYPES, MADE_BY_SIGNING, Type
from dnsctl.model.rrsig import signers_of
from dnsctl.parent.exchange import ExchangeError
from dnsctl.parent.hook import HookResult, Outcome, run_hook
from dnsctl.parent.looking import GIVEN_UP
from dnsctl.parent.notify import Targets, notify_cds, targets
from dnsctl.parent.patience import Patience
from dnsctl.parent.servers import OutOfTimeError, ParentUnknownError, Resolvers
from dnsctl.parent.update import replace_ds
from dnsctl.publish.keys import live_keys
from dnsctl.sign.keystore import Keystore, public_side
from dnsctl.sign.sig0 import Sig0Key
from dnsctl.sign.sig0_keys import chosen, opened

AGAIN: Mapping[Outcome, timedelta] = {  # until a parent that lags is asked for the same again
    "done": timedelta(hours=6),
    "later": timedelta(),
    "refused": timedelta(hours=6),
}
ASKING = 300.0  # seconds for all parents; what began before they are over is ended, a hook by its `timeout`
TELLING = 30.0  # seconds for the targets of NOTIFY(CDS) for one zone


@dataclass(frozen=True)
class _Step:
    """What is to be asked of the parent of one zone. `last`: when it was asked for anything, if it was."""

    zone: Name
    policy: ParentPolicy
    wanted: tuple[bytes, ...]
    ttl: int
    keys: tuple[bytes, ...]
    last: datetime | None


@dataclass(frozen=True)
class Asking:
    """What came of asking parents. `left`: zones whose parents there was no time for."""

    asked: tuple[tuple[Name, Asked], ...] = ()
    left: tuple[Name, ...] = ()


@dataclass
class _Means:
    """What a round of asking has. `silences`: of each target, how many times in a row it did not answer."""

    patience: Patience
    resolvers: Resolvers
    tell: Tell
    keystore: Keystore
    silences: dict[Endpoint, int] = field(default_factory=dict)


def keep_in_step(
    root: Path,
    config: Config,
    found: Round,
    now: datetime,
    tell: Tell,
    patience: Patience | None = None,
    passphrase: bytes = b"",
) -> Asking:
    """Ask the parents that lag behind for what is wanted, who waits longest first. Remembers what came of it.

    `tell`: a line for the log; `patience`: for all of them, `ASKING` if not given; `passphrase`: of the keys
    that sign updates. Raises ConfigError for a secret, SystemRefusalError for a disk.
    """
    state = Repo(root).state
    asked: list[tuple[Name, Asked]] = []
    with released(state) as reader:
        steps = [] if reader is None else list(_steps(root, config, reader, found.seen, now))
    steps.sort(key=lambda each: (each.last is not None, each.last or now))
    patience = patience or Patience(ASKING)
    keystore = Keystore(Repo(root).keys.directory, lambda: passphrase)
    means = _Means(patience, Resolvers(config.resolvers, patience), tell, keystore)
    for number, step in enumerate(steps):
        if patience.is_over:
            return Asking(tuple(asked), tuple(each.zone for each in steps[number:]))
        try:
            outcome, message = _ask(step, root, config, means)
        except OutOfTimeError as error:
            if number:  # a later round has more of it
                return Asking(tuple(asked), tuple(each.zone for each in steps[number:]))
            outcome, message = "later", str(error)
        one = Asked(now, step.wanted, step.policy.ds, outcome, message)
        tell(f"{to_text(step.zone)}: its parent was asked for the DS {ds_tags(step.wanted)}: {message}")
        amend(state, step.zone, partial(_with_asked, asked=one))
        asked.append((step.zone, one))
    return Asking(tuple(asked))


def require_update_keys(root: Path, config: Config, zones: Iterable[Name], passphrase: bytes) -> None:
    """Open each key for SIG(0) that updates to the parents of `zones` need, before a roll needs it.

    Raises KeystoreError, PassphraseError naming the key.
    """
    keystore = Keystore(Repo(root).keys.directory, lambda: passphrase)
    policies = (config.parent_policy(zone) for zone in zones)
    for each in dict.fromkeys(one.sig0 for one in policies if one.sig0 is not None):
        opened(keystore, chosen(keystore.root, each.owner, each.tag))


def _steps(
    root: Path, config: Config, reader: Reader, seen: Mapping[Name, Observed], now: datetime
) -> Iterator[_Step]:
    state = Repo(root).state
    keystore = public_side(Repo(root).keys.directory)
    for zone, observed in seen.items():
        policy = config.parent_policy(zone, root)
        wanted = wanted_ds(reader, keystore, zone)
        if policy.ds == "none" or wanted is None or own_parent(zone, config, reader) is not None:
            continue
        dnskey = reader.get(zone, Type.DNSKEY, zone)
        keys = dnskey.rdatas if dnskey is not None else ()
        own = [each for each in observed.ds.views if not each.site]
        told = [each.ds for each in own if each.ds is not None]
        if not told or all(same_keys(zone, each, wanted, keys) for each in told):
            if told and observed.asked is not None:
                amend(state, zone, partial(_with_asked, asked=None))
            continue
        before = observed.asked
        if (
            before is not None
            and (before.ds, before.way) == (wanted, policy.ds)
            and now < before.at + AGAIN[before.outcome]
        ):
            continue
        if wanted and not any(told) and _is_new(keystore, reader, zone, now):
            continue
        ttl = max((each.ttl for each in own if each.ds), default=policy.ttl)
        yield _Step(zone, policy, wanted, ttl, keys, None if before is None else before.at)


def _with_asked(before: Observed, asked: Asked | None) -> Observed:
    return replace(before, asked=asked)


def wanted_ds(reader: Reader, keystore: Keystore, zone: Name) -> tuple[bytes, ...] | None:
    """Return the DS that the parent of a released zone should have; None where nothing says so."""
    for rdtype in (Type.CDS, Type.CDNSKEY):
        found = reader.get(zone, rdtype, zone)
        if found is not None:
            return requested_ds(zone, rdtype, found.rdatas)
    dnskey = reader.get(zone, Type.DNSKEY, zone)
    ours = {one.public.rdata for one in keystore.list(zone)}
    if not ours:
        signers = signers_of(dnskey)
        return ds_of(zone, [*filter(is_sep, signers)] or signers) or None
    keys = live_keys(keystore, reader, zone)
    asked = [one.public.rdata for one in keys.signing if keys.use(one).ds]
    others = [
        each for each in (dnskey.rdatas if dnskey is not None else ()) if each not in ours and is_sep(each)
    ]
    return ds_of(zone, [*asked, *others]) if asked else None


def same_keys(zone: Name, ds: Iterable[bytes], wanted: Iterable[bytes], keys: Iterable[bytes]) -> bool:
    """True where both sets of DS lead to the same of `keys`, whatever their digests, and to no other."""
    known = tuple(keys)

    def led_to(which: Iterable[bytes]) -> set[bytes]:
        return {key for key in known if leads(zone, which, (key,))}

    there, asked = tuple(ds), tuple(wanted)
    strange = [each for each in there if each not in asked and not leads(zone, (each,), known)]
    lacking = [each for each in asked if each not in there and not leads(zone, (each,), known)]
    return led_to(there) == led_to(asked) and not strange and not lacking


def _is_new(keystore: Keystore, reader: Reader, zone: Name, now: datetime) -> bool:
    """True while caches may hold answers from before the zone was signed."""
    active = [each.times.active for each in keystore.list(zone) if each.times.active is not None]
    unsigned = (each for each in reader.rrsets(zone) if each.rdtype not in KEY_TYPES | MADE_BY_SIGNING)
    longest = max((each.ttl for each in unsigned), default=0)
    return bool(active) and now < min(active) + timedelta(seconds=longest)


def _ask(step: _Step, root: Path, config: Config, means: _Means) -> tuple[Outcome, str]:
    policy = step.policy
    try:
        if policy.ds == "hook":
            return _by_hook(step, root, config, means.tell)
        if policy.ds == "update" and policy.server is not None:
            replace_ds(step.zone, step.wanted, step.ttl, policy.server, _update_key(policy, means.keystore))
            return "done", f"{policy.server} took the update"
        return _by_notify(step, means)
    except OutOfTimeError:
        raise
    except (KeystoreError, PassphraseError) as error:  # of this key: other parents are asked all the same
        return "later", str(error)
    except (ExchangeError, ParentUnknownError) as error:
        where = f"{policy.server} " if policy.ds == "update" else ""
        return "later", f"{where}{error}"


def _update_key(policy: ParentPolicy, keystore: Keystore) -> TransferKey | Sig0Key | None:
    """Return what signs updates. Raises KeystoreError, PassphraseError."""
    if policy.sig0 is None:
        return policy.key
    return opened(keystore, chosen(keystore.root, policy.sig0.owner, policy.sig0.tag))


def _by_hook(step: _Step, root: Path, config: Config, tell: Tell) -> tuple[Outcome, str]:
    policy = step.policy
    secret = config.keystore.passphrase.removeprefix("env:")  # the keystore's is none of its business
    environment = {name: value for name, value in os.environ.items() if name != secret}
    done: HookResult = run_hook(
        policy.command, step.zone, step.wanted, step.ttl, policy.timeout, root, environment
    )
    for line in done.printed.splitlines():
        tell(f"{to_text(step.zone)}: {policy.command[0]}: {line}")
    return done.outcome, done.reason or f"{policy.command[0]} took it"


def _by_notify(step: _Step, means: _Means) -> tuple[Outcome, str]:
    policy = step.policy
    to = Targets()
    if policy.notify is not None:
        to = Targets((policy.notify,))
    elif policy.servers:
        return "done", "it reads the CDS when it does: no `notify` is set, and DSYNC is not asked for"
    else:
        parent = means.resolvers.parent_of(step.zone).zone
        to = targets(step.zone, parent, means.resolvers) if parent is not None else to
    if not to.endpoints:
        return "done", "it reads the CDS when it does: it names no target for NOTIFY (RFC 9859)"
    faults: list[str] = []
    patience = means.patience.within(TELLING)
    for number, target in enumerate(to.endpoints):
        if patience.is_over:
            faults.append(f"{len(to.endpoints) - number} more targets were not told: no time was left")
            break
        if means.silences.get(target, 0) >= GIVEN_UP:
            faults.append(f"{target} was not told: it answered none of {GIVEN_UP} messages")
            continue
        try:
            notify_cds(step.zone, target)
        except ExchangeError as error:
            means.silences[target] = means.silences.get(target, 0) + 1
            faults.append(f"{target} {error}")
        else:
            return "done", f"{target} took the NOTIFY for CDS"
    if to.left_out:
        faults.append(f"it names too many targets: {to.left_out} were not told")
    return "later", "; ".join(faults)
