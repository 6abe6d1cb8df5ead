"""The job `roll`: each zone's keys take the next step of their roll, if it is safe; else it is said what for
they wait.

Nobody has to act on a wait that has an end, or that a parent or a node ends by itself; `status` shows all.
"""

from __future__ import annotations

from collections.abc import Mapping

from dnsctl.control.daemon.job import SHOWN, Verdict, Work, named
from dnsctl.control.push import Request, Result
from dnsctl.control.rolling import advance
from dnsctl.errors import ClockError, ReleaseRefusedError
from dnsctl.model.name import Name, to_text
from dnsctl.rollover.planning import Wait


def advanced(work: Work) -> Verdict:
    """Take the steps that are safe now. Raises DnsctlError where nothing has changed."""
    try:
        with work.host() as host:
            return _verdict(*advance(host, Request(), work.progress))
    except ClockError:
        raise
    except ReleaseRefusedError as error:  # a roll may wait for a node; signatures are for `renew`
        return Verdict("unknown", f"{error}; rolls wait, and nothing expires by that")


def _verdict(result: Result, waits: Mapping[Name, Wait]) -> Verdict:
    told = [f"{to_text(zone)} waits {wait.told}" for zone, wait in list(waits.items())[:SHOWN]]
    if len(waits) > SHOWN:
        told.append(f"{len(waits) - SHOWN} more wait")
    if result.release is None:
        return Verdict("well", "; ".join(told) or "no key is due to be rolled")
    zones = named([each.origin for each in result.release.zones])
    what = f"keys of {zones} took a step: generation {result.generation}"
    message = "; ".join((what, *told))
    if result.ending == "served":
        return Verdict("well", message)
    if result.ending == "partly":
        return Verdict("unknown", f"{message}; some nodes were not reached")
    return Verdict("act", f"{message}; {result.ending}: run `dnsctl verify`")
