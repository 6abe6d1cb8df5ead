"""The gate between a release and what caches hold of the last ones: no answer of ours may turn bogus.

Steps of rolls are safe by how they are chosen; this judges what else may change a zone's keys, such as new
keys for lost ones. Only what was observed counts: DS that a server of the parent showed, keys and TTLs that
were served. See `rollover.caches`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from dnsctl.control.observations import recall
from dnsctl.image.reader import Reader
from dnsctl.model.guard_names import OLD_CACHES
from dnsctl.model.name import Name
from dnsctl.model.observation import ServedKeys
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import Type
from dnsctl.model.validity import moment
from dnsctl.publish.changeset import ZoneChangeset
from dnsctl.publish.guards import GuardVerdict
from dnsctl.publish.uses import served_keys, served_uses
from dnsctl.rollover.caches import Change, Danger, Observations, dangers, last_of, tags
from dnsctl.sign.keystore import Keystore


def judge_caches(
    state: HostFiles, served: Reader, keystore: Keystore, zones: Iterable[ZoneChangeset], now: datetime
) -> Iterator[GuardVerdict]:
    """Yield a verdict for each zone that a resolver could not validate which holds an answer of before.

    `served`: the image of the last release.
    """
    for each in zones:
        found = (
            _dangers(state, served, keystore, each.origin, each.keys, now) if each.keys is not None else ()
        )
        if found:
            last = last_of(found)
            yield GuardVerdict(OLD_CACHES, each.origin, _message(last), _advice(last))


def _dangers(
    state: HostFiles, served: Reader, keystore: Keystore, origin: Name, then: ServedKeys, now: datetime
) -> list[Danger]:
    known = recall(state, origin)
    dnskey = served.get(origin, Type.DNSKEY, origin) if served.zone(origin) is not None else None
    if known.served.began is None or not known.ds.views or dnskey is None:
        return []
    stored = keystore.list(origin)
    uses = served_uses(served, origin, stored)
    ours = {one.public.rdata for one in stored} | set(then.key_signers)
    foreign = frozenset(each for each in dnskey.rdatas if each in then.keys and each not in ours)
    live = [each.what for each in known.served.versions if each.gone is None]
    now_served = served_keys(dnskey, uses)  # without signatures of keys that are lost, which were seen
    before = next((each for each in live if each.keys == now_served.keys), now_served)
    if before == then:
        return []
    change = Change(origin, before, (), then, ())
    found = dangers(change, Observations(known.served, known.ds, foreign), now)
    return [each for each in found if not any(part.unknown for part in each.parts)]


def _message(danger: Danger) -> str:
    old = danger.cause
    what = {
        "ds": "the DS of before",
        "keys": f"the DNSKEY RRset of key tags {tags(old.held)}",
        "data": f"data signed by key tags {tags(old.held)}",
    }[old.kind]
    until = "" if danger.until is None else f" until {moment(danger.until.timestamp())}"
    return f"caches may hold {what}{until}, which does not go with the keys of this release"


def _advice(danger: Danger) -> str:
    if danger.until is not None:
        return "push again after that time"
    return "have the keys rolled instead, which waits for caches: `dnsctl key roll`"
