"""What the parent was seen to say, against what we serve: DS against keys, NS and glue against the zone.

Pure: a look at the parent and what is released are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from dnsctl.model.key import ds_tags, key_tag
from dnsctl.model.name import Name, to_text
from dnsctl.model.observation import ParentView
from dnsctl.model.parental import leads
from dnsctl.model.rrset import Type
from dnsctl.parent.view import DelegationView

Weight = Literal["act", "unknown", "note"]
_HERE = "the control host"
_View = TypeVar("_View", ParentView, DelegationView)


@dataclass(frozen=True)
class Ours:
    """What we serve of a zone. `signers`: DNSKEYs that sign the DNSKEY RRset, all empty where it is unsigned.

    `wanted`: the DS that the parent is asked for (CDS); `ns`: names as text; `addresses`: of those of them
    that stand in the zone, by name. `parent_is_ours`: it is in the same release, where it may be unsigned.
    """

    zone: Name
    signers: tuple[bytes, ...] = ()
    wanted: tuple[bytes, ...] = ()
    ns: tuple[str, ...] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parent_is_ours: bool = False
    parent_is_unsigned: bool = False


class Difference(NamedTuple):
    """Something about a parent to know. `rule`: kebab-case; `server`: who said it; `advice`: what to do.

    `weight`: resolvers fail or will, not known, or only worth knowing.
    """

    weight: Weight
    rule: str
    zone: Name
    rdtype: int
    server: str
    expected: str
    got: str
    advice: str

    @property
    def message(self) -> str:
        return f"the parent's {self.server}: expected {self.expected}, got {self.got}; {self.advice}"


def differences(
    ours: Ours, views: Sequence[ParentView], delegations: Sequence[DelegationView]
) -> Iterator[Difference]:
    """Yield what differs, what says DNSSEC first. Views are of one round of looks.

    What all sites see alike at a server is told once. Sites that could not look are left to `unseen`.
    """
    seen = list(
        _by_place((each.server, each.site, (each.ds, each.fault), each) for each in views if each.server)
    )
    for place, view in seen:
        if view.ds is None:
            yield _silent(ours, place, view)
        else:
            yield from _of_ds(ours, place, view)
    if len({view.ds for _, view in seen if view.ds is not None}) > 1:
        yield _half_updated(ours, [(place, view) for place, view in seen if view.ds is not None])
    there = ((each.server, each.site, (each.ns, *each.glue.items()), each) for each in delegations)
    for place, delegation in _by_place(there):
        if delegation.ns is not None:
            yield from _of_delegation(ours, place, delegation)


def unseen(views: Iterable[ParentView]) -> Iterator[tuple[str, str]]:
    """Yield each site that could not look at all, and why."""
    for each in views:
        if not each.server:
            yield each.site, each.fault


def _by_place(views: Iterable[tuple[str, str, object, _View]]) -> Iterator[tuple[str, _View]]:
    """Yield one of the views that show the same at the same server, and where that is, as messages name it.

    `views`: of a server, from a site, what it shows, the view itself.
    """
    sites: dict[str, list[str]] = {}
    alike: dict[tuple[str, object], tuple[list[str], _View]] = {}
    for server, site, shown, view in views:
        sites.setdefault(server, []).append(site)
        alike.setdefault((server, shown), ([], view))[0].append(site)
    for (server, _), (some, view) in alike.items():
        if some == sites[server] and (len(some) > 1 or not some[0]):
            yield server, view
        else:
            yield f"{server} from {' and '.join(each or _HERE for each in some)}", view


def _silent(ours: Ours, place: str, view: ParentView) -> Difference:
    return Difference(
        "unknown",
        "parent-silent",
        ours.zone,
        Type.DS,
        place,
        "an answer about the DS",
        view.fault,
        "what waits for the parent goes on waiting",
    )


def _of_ds(ours: Ours, place: str, view: ParentView) -> Iterator[Difference]:
    zone, ds = ours.zone, view.ds or ()
    if not ours.signers:
        if ds:
            expected, got = "no DS: the zone is not signed", f"DS {ds_tags(ds)}"
            advice = "validators refuse all of the zone: have the DS removed, or sign the zone"
            yield Difference("act", "parent-ds", zone, Type.DS, place, expected, got, advice)
        return
    wanted = f"DS {ds_tags(ours.wanted)}" if ours.wanted else f"a DS of key {_key_tags(ours.signers)}"
    if not ds:
        if ours.wanted:
            way = f"give it the DS that `dnsctl key ds {to_text(zone)}` prints"
            if ours.parent_is_unsigned:
                way = "the zone above it, which is ours, is unsigned"
            elif ours.parent_is_ours:
                way = "a `dnsctl push` gives it the DS, once caches have forgotten the zone unsigned"
            advice = f"nobody validates the zone: {way}"
            yield Difference("note", "parent-ds-missing", zone, Type.DS, place, wanted, "none", advice)
    elif not leads(zone, ds, ours.signers):
        advice = "validators refuse all of the zone: have the DS replaced at once, see `dnsctl key ds`"
        yield Difference("act", "parent-ds", zone, Type.DS, place, wanted, f"DS {ds_tags(ds)}", advice)
    elif ours.wanted and set(ours.wanted) - set(ds):
        advice = "the zone validates; the parent has yet to follow"
        yield Difference(
            "note", "parent-ds-missing", zone, Type.DS, place, wanted, f"DS {ds_tags(ds)}", advice
        )
    elif strange := [
        each for each in ds if each not in ours.wanted and not leads(zone, (each,), ours.signers)
    ]:
        advice = "the zone validates; have the DS removed if it is not of a key to come, or another signer's"
        yield Difference(
            "note",
            "parent-ds-foreign",
            zone,
            Type.DS,
            place,
            wanted,
            f"DS {ds_tags(strange)} as well",
            advice,
        )


def _half_updated(ours: Ours, views: Sequence[tuple[str, ParentView]]) -> Difference:
    servers = {view.server for _, view in views}
    if len(servers) > 1:
        who, expected, what = f"{len(servers)} servers", "the same DS at each", "the parent is being updated"
    else:
        who, expected = servers.pop(), "the same DS from every site"
        what = "the parent is being updated, or shows sites different things"
    return Difference(
        "note",
        "parent-differs",
        ours.zone,
        Type.DS,
        who,
        expected,
        "; ".join(f"{place} has {ds_tags(view.ds or ())}" for place, view in views),
        f"{what}; what waits for it waits for the last of them",
    )


def _of_delegation(ours: Ours, where: str, view: DelegationView) -> Iterator[Difference]:
    there, here = set(view.ns or ()), set(ours.ns)
    zone = ours.zone
    if there != here:
        weight: Weight = "note" if there & here else "act"
        expected, got = ", ".join(sorted(here)), ", ".join(sorted(there)) or "none"
        advice = "have the delegation changed, or the NS of the apex"
        yield Difference(weight, "parent-ns", zone, Type.NS, where, expected, got, advice)
    for name, addresses in ours.addresses.items():
        glue = view.glue.get(name)
        if glue is not None and not set(glue) <= set(addresses):
            expected, got = f"{name} at {', '.join(addresses)}", ", ".join(glue)
            advice = "resolvers ask the old address: have the glue changed"
            yield Difference("act", "parent-glue", zone, Type.A, where, expected, got, advice)


def _key_tags(dnskeys: Iterable[bytes]) -> str:
    return ", ".join(str(tag) for tag in sorted(map(key_tag, dnskeys)))
