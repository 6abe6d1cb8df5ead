"""The job `renew`: signatures that are due, made again from what is served; nodes behind are brought up.

A site that cannot be reached stops a renewal, as it stops a push, while there is time: it may be back. Once
renewal is overdue, the job goes on without that site, so that a lost one does not take the signatures of the
others with it.

The nodes are those of the released dnsctl.yaml: one that somebody is about to add stops nothing. If these
cannot be reached, those of the work tree are tried.

A host that stands by leaves what is due to the other host, and does it only if it is still due after a while,
or overdue.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime

from dnsctl.control.concerns import of_signatures
from dnsctl.control.daemon.job import SHOWN, Verdict, Work, more_than_shown, named
from dnsctl.control.host import ControlHost, unreached
from dnsctl.control.push import Request, Result, renew
from dnsctl.control.released import released_config, signing_policy
from dnsctl.control.renewal import renewal_due
from dnsctl.errors import ClockError, ReleaseRefusedError
from dnsctl.model.name import to_text


def renewed(work: Work) -> Verdict:
    """Renew what is due. Raises DnsctlError where nothing has changed."""
    of_release = _with_released_nodes(work)
    try:
        return _renewed(of_release)
    except ClockError:
        raise
    except ReleaseRefusedError as error:
        if of_release is not work:
            with contextlib.suppress(ReleaseRefusedError):
                return _renewed(work)  # nodes that have moved since
        site, overdue = _lost_site(of_release)
        if not site:
            raise
        if not overdue:
            return Verdict("unknown", f"{error}; no signature runs out soon")
    with of_release.host(site) as host:
        request = Request(without=site, reason=f"renewal is overdue, and {site} is not reached")
        found = _verdict(renew(host, request, work.progress))
        return Verdict("act", f"{found.message}; {site} is not reached: its signatures run out")


def _renewed(work: Work) -> Verdict:
    with work.host() as host:
        return _left_to_another(work, host) or _verdict(renew(host, Request(), work.progress))


def _with_released_nodes(work: Work) -> Work:
    """Return `work` for the nodes of the release, where dnsctl.yaml of the work tree has others by now."""
    released = released_config(work.root)
    if released is None or not released.sites or released.nodes() == work.config.nodes():
        return work
    return replace(work, config=work.config.model_copy(update={"sites": released.sites}))


def _verdict(result: Result) -> Verdict:
    count = f"{result.recovered} release{'s' if result.recovered > 1 else ''}"
    recovered = f"{count} recovered from the fleet; " if result.recovered else ""
    if result.not_renewed:
        faults = "; ".join(f"{to_text(zone)}: {why}" for zone, why in result.not_renewed[:SHOWN])
        return Verdict("act", f"{recovered}not renewed: {faults}{more_than_shown(result.not_renewed)}")
    if result.release is None:
        what = f"nothing was due; every node serves generation {result.generation}"
        return Verdict("well", recovered + what)
    zones = [each.origin for each in result.release.zones]
    what = f"signatures of {named(zones)} renewed: generation {result.generation}"
    if result.ending == "served":
        return Verdict("well", recovered + what)
    if result.ending == "partly":
        missed = ", ".join(result.outcome.missed if result.outcome else ())
        return Verdict("unknown", f"{recovered}{what}; not reached: {missed or 'some nodes'}")
    return Verdict("act", f"{recovered}{what}; {result.ending}: run `dnsctl verify`")


def _left_to_another(work: Work, host: ControlHost) -> Verdict | None:
    """Return what this host waits for, standing by; None where it is its turn, or nothing is due."""
    if work.standby is None:
        return None
    host.recover()
    renewal = renewal_due(host, work.progress)
    if not renewal.intent.zones:
        return None
    if _overdue(work, host):
        return None
    since = _due_since(work, host)
    until = since + work.standby
    if work.now >= until:
        return None
    what = f"{named(tuple(renewal.intent.zones))} due since {since:%Y-%m-%d %H:%MZ}"
    return Verdict("well", f"{what}; left to the other host until {until:%Y-%m-%d %H:%MZ}", waits=since)


def _due_since(work: Work, host: ControlHost) -> datetime:
    """Return since when this host waits for another to renew what the last release left due."""
    waits = work.last.waits if work.last is not None else None
    manifest = host.served_manifest()
    if waits is None or manifest is None or manifest.created >= waits.timestamp():
        return work.now
    return waits


def _lost_site(work: Work) -> tuple[str, bool]:
    """Return the one site whose nodes cannot be reached, or empty; and whether renewal is overdue."""
    with work.host() as host:
        lost = {node.site for node in unreached(host)}
        others = {node.site for node in host.nodes} - lost
        return (lost.pop(), _overdue(work, host)) if len(lost) == 1 and others else ("", False)


def _overdue(work: Work, host: ControlHost) -> bool:
    """True where a zone that is signed here has less left than renewals promise."""
    now = work.now.timestamp()
    with host.image.reader() as reader:
        return any(
            entry.signed
            and host.keystore.list(entry.origin)
            and of_signatures(entry.period, signing_policy(work.config, host.keystore, entry.origin), now)
            for entry in reader.zones()
        )
