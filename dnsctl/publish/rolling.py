"""What a step of a roll asks for: the served zone, signed by keys that are used otherwise.

Records, TTLs and the kind of denial are those that are served, as for a renewal, so that nothing a person
wrote since can stop a roll. A DS in a zone of ours that follows the keys of the zone changes with them, in
the same release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dnsctl.image.layout import ZoneEntry
from dnsctl.image.reader import Reader
from dnsctl.model.authority import zone_above
from dnsctl.model.key import ds_of, is_sep, whole_use
from dnsctl.model.name import Name
from dnsctl.model.parental import withdrawal
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import SignedZone, ValidatedZone
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.renewal import as_served, served_data
from dnsctl.publish.source import followed, with_keys
from dnsctl.publish.uses import tokens
from dnsctl.rollover.keyset import KeySet
from dnsctl.rollover.planning import Step, asked_ds
from dnsctl.sign.keystore import NewKey


@dataclass(frozen=True)
class Rolled:
    """One zone's step. `before`: its keys now; `policy`: what it is signed by; `drafts`: keys made for it."""

    before: KeySet
    step: Step
    policy: Policy
    drafts: tuple[NewKey, ...] = ()

    @property
    def keys(self) -> KeySet:
        """Its keys after the step."""
        return self.step.keys

    @property
    def origin(self) -> Name:
        return self.step.keys.zone

    @property
    def is_withdrawal(self) -> bool:
        """True where the parent is asked to have no DS any more."""
        return self.step.action == "withdraw"


def rolled(
    parent: Reader,
    steps: Iterable[Rolled],
    policy_of: Callable[[Name], Policy | None],
    follows: Callable[[Name], bool],
    commit: str | None,
) -> Intent:
    """Return the intent of `steps`. `parent`: the image of what is served, released from `commit`.

    `policy_of` a zone of ours that delegates one whose DS changes; None where that is not signed here.
    `follows`: whether the DS of a zone in a zone of ours follows its keys.
    """
    zones: dict[Name, ZoneIntent] = {}
    for step in steps:
        begun = zones.get(step.origin)
        zones[step.origin] = _stepped(parent, step, begun)
        if step.step.action == "unsign":
            zones[step.origin] = _without_ds(zones[step.origin], parent, follows)
        over = _following(parent, step) if follows(step.origin) else None
        if over is not None:
            policy = policy_of(over)
            begun = zones.get(over)
            if policy is not None and (begun is None or begun.signed):
                begun = begun or _as_it_is(parent, over, policy)
                zones[over] = _with_ds(begun, step, parent, policy)
    return Intent(zones, commit, partial=True)


def tells_parent(served: SignedZone, keys: KeySet) -> bool:
    """True where the zone's CDS are ours to change: it has none, or those of `keys` and other signers."""
    cds = served.get(served.origin, Type.CDS)
    if cds is None:
        return served.get(served.origin, Type.CDNSKEY) is None
    dnskey = served.get(served.origin, Type.DNSKEY)
    return set(cds.rdatas) == {*asked_ds(keys), *_ds_of_others(dnskey, keys)}


def _stepped(parent: Reader, step: Rolled, begun: ZoneIntent | None) -> ZoneIntent:
    """Return the zone with its keys used as `step` says. `begun`: with what another step changed in it."""
    served, entry = parent.signed_zone(step.origin), _entry(parent, step.origin)
    nodes = dict(begun.zone.nodes if begun is not None else served_data(served))
    nodes[step.origin] = tuple(sorted(_apex(nodes[step.origin], served, step), key=lambda one: one.rdtype))
    if step.step.action == "unsign":
        told = f"{step.step.text}: {step.step.reason}; no cache holds a DS any more"
        return ZoneIntent(ValidatedZone(step.origin, nodes), roll=told, unsigning=told)
    uses = {each.public: each.use for each in step.keys.keys if each.use}
    used = tokens((each.public, each.use, whole_use(each.role)) for each in step.keys.keys if each.use)
    return ZoneIntent(
        ValidatedZone(step.origin, nodes),
        as_served(step.policy, served, ()),
        source=with_keys(begun.source if begun is not None else entry.source, used),
        uses=uses,
        drafts=step.drafts,
        roll=f"{step.step.text}: {step.step.reason}",
        unsigning=f"stays signed until its DS is gone: {step.step.text}" if step.is_withdrawal else "",
    )


def _apex(node: Iterable[RRset], served: SignedZone, step: Rolled) -> Iterable[RRset]:
    """Yield the apex without our own keys, and without CDS that are ours: they are made again.

    CDS that ask for the DS to be removed are not made by signing: they stay until the zone is unsigned.
    """
    own = {each.public.rdata for each in (*step.before.keys, *step.keys.keys)}
    ends = step.step.action == "unsign"
    remade = ends or tells_parent(served, step.before)
    if step.is_withdrawal and remade:
        dnskey = served.get(step.origin, Type.DNSKEY)
        yield from withdrawal(step.origin, dnskey.ttl if dnskey is not None else step.policy.dnskey_ttl)
    for one in node:
        if one.rdtype == Type.ZONEMD and ends:
            continue
        if one.rdtype == Type.DNSKEY:
            if others := [each for each in one.rdatas if each not in own]:
                yield one._replace(rdatas=tuple(others))
        elif not (remade and one.rdtype in (Type.CDS, Type.CDNSKEY)):
            yield one


def _following(parent: Reader, step: Rolled) -> Name | None:
    """Return the zone of ours whose DS follows the keys that `step` changes; None where there is none."""
    if asked_ds(step.before) == asked_ds(step.keys):
        return None
    over = zone_above(step.origin, lambda name: parent.zone(name) is not None)
    if over is None or not _entry(parent, over).signed or parent.get(step.origin, Type.NS, over) is None:
        return None
    ds = parent.get(step.origin, Type.DS, over)
    asked = asked_ds(step.before)
    before = {*asked, *_others(parent, step)} if asked else set()
    return over if set(ds.rdatas if ds is not None else ()) == before else None


def _others(parent: Reader, step: Rolled) -> tuple[bytes, ...]:
    """Return the DS of other signers' keys, which stay beside ours at the parent."""
    return _ds_of_others(parent.get(step.origin, Type.DNSKEY, step.origin), step.before, step.keys)


def _ds_of_others(dnskey: RRset | None, *ours: KeySet) -> tuple[bytes, ...]:
    """Return the DS of the keys in `dnskey` that are other signers' (RFC 8901)."""
    own = {each.public.rdata for keys in ours for each in keys.keys}
    if dnskey is None:
        return ()
    return ds_of(dnskey.owner, (each for each in dnskey.rdatas if each not in own and is_sep(each)))


def _as_it_is(parent: Reader, origin: Name, policy: Policy) -> ZoneIntent:
    served = parent.signed_zone(origin)
    zone = ValidatedZone(origin, dict(served_data(served)))
    return ZoneIntent(zone, as_served(policy, served, ()), source=_entry(parent, origin).source)


def _with_ds(wanted: ZoneIntent, step: Rolled, parent: Reader, policy: Policy) -> ZoneIntent:
    """Return the zone above, released under `policy`, with the DS of `step`."""
    origin = wanted.zone.origin
    found = parent.get(step.origin, Type.DS, origin)
    ttl = found.ttl if found is not None else step.policy.dnskey_ttl
    nodes: dict[Name, tuple[RRset, ...]] = dict(wanted.zone.nodes)
    kept = [one for one in nodes[step.origin] if one.rdtype != Type.DS]
    if ds := {*asked_ds(step.keys), *(() if step.is_withdrawal else _others(parent, step))}:
        kept.append(rrset(step.origin, Type.DS, ttl, list(ds)))
    nodes[step.origin] = tuple(sorted(kept, key=lambda each: each.rdtype))
    zone = ValidatedZone(origin, nodes)
    return replace(wanted, zone=zone, source=followed(wanted.source, wanted.zone, zone, policy))


def _without_ds(wanted: ZoneIntent, parent: Reader, follows: Callable[[Name], bool]) -> ZoneIntent:
    """Return a zone that is unsigned now without the DS that followed the keys of zones of ours below it."""
    zone = wanted.zone
    nodes = {
        owner: tuple(one for one in node if one.rdtype != Type.DS)
        if owner != zone.origin and parent.zone(owner) is not None and follows(owner)
        else node
        for owner, node in zone.nodes.items()
    }
    return replace(wanted, zone=ValidatedZone(zone.origin, nodes))


def _entry(parent: Reader, origin: Name) -> ZoneEntry:
    entry = parent.zone(origin)
    if entry is None:
        raise KeyError(origin)
    return entry
