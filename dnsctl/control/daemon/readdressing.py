"""The job `alias`: targets of ALIAS that are not ours are asked for when their TTLs end, and what has changed
is released, from what is served.

Targets are those of the release, and asked for as its dnsctl.yaml says. One that cannot be resolved keeps its
addresses: it is told at once, and somebody has to act after an hour.
"""

from __future__ import annotations

from dnsctl.control.aliases.asking import asked_by
from dnsctl.control.aliases.resolving import Targets
from dnsctl.control.daemon.job import SHOWN, Verdict, Work, more_than_shown, named
from dnsctl.control.own_image import open_own
from dnsctl.control.push import Result
from dnsctl.control.readdressing import Found, changed, followed_in, refresh
from dnsctl.control.released import config_of, released
from dnsctl.errors import ClockError, ReleaseRefusedError
from dnsctl.model.alias import Known, Unresolved
from dnsctl.model.name import Name, to_text
from dnsctl.model.repo import Repo
from dnsctl.model.validity import moment

PATIENCE = 3600  # seconds that a target may fail before somebody has to act

_NOBODY = Verdict("well", "no resolver is named that could be asked for targets of ALIAS")
_NONE = Verdict("well", "no ALIAS leads out of our zones")


def readdressed(work: Work) -> Verdict:
    """Ask for what is not fresh, and release what has changed. Raises DnsctlError where nothing has."""
    state = Repo(work.root).state
    manifest = released(work.root)
    commit = manifest.commit if manifest is not None else None
    config = config_of(work.root, commit) or work.config
    if not config.alias_resolvers:
        return _NOBODY
    followed = followed_in(work.root, config, commit) if commit is not None else ()
    outside = frozenset(each.outside for each in followed if each.outside is not None)
    if not outside:
        return _NONE
    targets = Targets(config, state, asked_by(config))
    found = targets(outside)
    targets.keep()
    with open_own(state) as image, image.reader() as reader:
        due = changed(reader, followed, found)
    if not due:
        return _told(found, "", work)
    try:
        with work.host() as host:
            result, unable = refresh(host, followed, found, work.progress)
    except ClockError:
        raise
    except ReleaseRefusedError as error:  # nodes that are not reached: the addresses of before are served
        return _told(found, f"{named(list(due))}: other addresses wait: {error}", work, "unknown")
    return _ended(result, unable, found, work)


def _ended(result: Result, unable: dict[Name, str], found: Found, work: Work) -> Verdict:
    told = [f"{to_text(zone)} cannot be signed: {why}" for zone, why in unable.items()]
    if result.release is not None:
        zones = named([each.origin for each in result.release.zones])
        told.insert(0, f"other addresses in {zones}: generation {result.generation}")
    if unable or result.ending not in ("served", "nothing", "partly"):
        return _told(found, "; ".join((*told, result.ending)), work, "act")
    return _told(found, "; ".join(told), work, "unknown" if result.ending == "partly" else "well")


def _told(found: Found, what: str, work: Work, weight: str = "well") -> Verdict:
    """Return the verdict: `what` was done, and which targets cannot be resolved since when."""
    now = work.now.timestamp()
    failing = [(name, one) for name, one in found.items() if isinstance(one, Unresolved) or one.failing]
    lines = [what] if what else []
    lines += [_failing(name, one) for name, one in failing[:SHOWN]]
    if len(failing) > SHOWN:
        lines.append(f"{more_than_shown(failing).strip()} cannot be resolved either")
    if not lines:
        count = len(found)
        lines = [f"the addresses of {count} target{'' if count == 1 else 's'} of ALIAS are what is served"]
    overdue = any(isinstance(one, Unresolved) or now - one.since >= PATIENCE for _, one in failing)
    if weight == "act" or overdue:
        return Verdict("act", "; ".join(lines))
    return Verdict("unknown" if failing or weight == "unknown" else "well", "; ".join(lines))


def _failing(name: Name, one: Known | Unresolved) -> str:
    if isinstance(one, Unresolved):
        return f"{to_text(name)} cannot be resolved: {one.reason}"
    kept = f"its addresses of {moment(one.at)} are kept"
    return f"{to_text(name)} cannot be resolved since {moment(one.since)}: {one.failing}; {kept}"
