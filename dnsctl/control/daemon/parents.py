"""The job `observe`: every server of every zone's parent is asked, from here and from every site, what it
says is remembered, and those that lag behind our keys are told, by the way that dnsctl.yaml names.

A parent that was never seen, such as of a zone that is not delegated yet, raises no alarm; one that
was seen and cannot be asked any more is told, because what waits for it goes on waiting. All of it is bounded
in time, whatever parents do: `renew` waits for the same thread.
"""

from __future__ import annotations

from dnsctl.control.daemon.job import Verdict, Work, named
from dnsctl.control.host import require_right_clock
from dnsctl.control.in_step import keep_in_step, require_update_keys
from dnsctl.control.observations import Observed
from dnsctl.control.observing import Round, observe
from dnsctl.control.sites import sites_of
from dnsctl.model.key import ds_tags
from dnsctl.model.name import Name, to_text

_ORDER = ("done", "later", "refused")


def observed(work: Work) -> Verdict:
    """Look at all parents, and keep them in step.

    Raises SystemRefusalError where what they say cannot be kept, ConfigError for a secret that is not there,
    KeystoreError for a key that signs updates and does not open, in use or not yet,
    ClockError where no node's clock agrees with this host's: until when caches hold a DS counts from a look.
    """
    require_right_clock(work.root, work.config.nodes(), work.passphrase)
    sites = sites_of(work.root, work.config, work.passphrase)
    found = observe(work.root, work.config, work.now, sites, work.progress)
    asking = keep_in_step(work.root, work.config, found, work.now, work.tell, passphrase=work.passphrase)
    require_update_keys(work.root, work.config, found.seen, work.passphrase)
    asked, left = asking.asked, tuple(dict.fromkeys((*found.left, *asking.left)))
    known = _known(found)
    silent = [zone for zone, seen in known.items() if seen.ds.silent]
    told = "; ".join((looked_at(found), *(f"{site}: {why}" for site, why in found.stand_ins.items())))
    if found.blind:
        told += f"; of {named(found.blind)} it could not be told: {found.faults[found.blind[0]]}"
    if left:
        told += f"; there was no time for {named(left)}, the first of the next round"
    if asked:
        zone, one = max(asked, key=lambda each: _ORDER.index(each[1].outcome))
        told += f"; {to_text(zone)}: asked for the DS {ds_tags(one.ds)}: {one.message}"
        if one.outcome != "done":
            return Verdict("act" if one.outcome == "refused" else "unknown", told)
    if not silent:
        return Verdict("unknown" if left or found.blind else "well", told)
    view = known[silent[0]].ds.silent[0]
    more = f" (and of {len(silent) - 1} more zones)" if len(silent) > 1 else ""
    return Verdict("unknown", f"{told}; of {to_text(silent[0])}{more}: {view.place}: {view.fault}")


def looked_at(found: Round) -> str:
    """Say how many parents were asked, and of how many zones none is known, with the first reason."""
    known = len(_known(found))
    never = sum(not seen.ds.views and zone not in found.blind for zone, seen in found.seen.items())
    nobody = not known and (never or found.blind)
    asked = "no parent could be asked" if nobody else f"the parents of {_zones(known)} were asked"
    if not never:
        return asked
    faults = ((zone, fault) for zone, fault in found.faults.items() if zone not in found.blind)
    first = next((f" ({to_text(zone)}: {fault})" for zone, fault in faults), "")
    return f"{asked}; of {_zones(never)} none is known, which is well before a delegation{first}"


def _known(found: Round) -> dict[Name, Observed]:
    return {zone: seen for zone, seen in found.seen.items() if seen.ds.views}


def _zones(count: int) -> str:
    return f"{count} zone{'' if count == 1 else 's'}"
