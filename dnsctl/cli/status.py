"""`dnsctl status`: show what every node serves, and what this host released. A node cannot make it fail.

Exit codes: 0 all is well, 1 somebody must act now, 2 could not tell, because a node was not reached.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.control.concerns import exit_code
from dnsctl.control.fleet_status import Answer, FleetStatus, commit_of, fleet_status
from dnsctl.control.journal import VERDICTS, Holder, Journal, of_jobs, working
from dnsctl.control.parents import ParentState
from dnsctl.errors import DnsctlError
from dnsctl.model.fleet import Node
from dnsctl.model.json_value import Json
from dnsctl.model.key import ds_tags
from dnsctl.model.name import to_text
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.model.timestamp import stamp
from dnsctl.parent.comparison import unseen
from dnsctl.replicate.answers import NodeStatus

_SHOWN = 20  # concerns


def status(context: Context, *, zones: bool, as_json: bool) -> None:
    """Print nodes, releases and what expires. Exits with the worst that was found."""
    config, now = context.config(), time.time()
    found = fleet_status(context.root, config, context.passphrase(config), now, zones=zones or as_json)
    journal, holder = Journal.read(context.state), working(context.state)
    of_here = of_jobs(journal, holder, found.endings, datetime.fromtimestamp(now, UTC))
    found = replace(found, concerns=(*found.concerns, *of_here))
    if as_json:
        output.json_result(_to_json(context, found, now) | _jobs_json(journal, holder))
    else:
        _print(found, now, zones=zones)
        _print_jobs(journal, holder)
    raise typer.Exit(exit_code(found.concerns))


def _print(found: FleetStatus, now: float, *, zones: bool) -> None:
    nodes, answers, told = found.nodes, found.answers, found.concerns
    output.table(
        ("site", "node", "generation", "zones", "released", "nearest expiry", "clock", "state"),
        (_row(node, answers[node.name], found, now) for node in nodes),
    )
    if zones:
        output.line("")
        _print_zones(nodes, answers)
        _print_parents(found)
    _print_settings(answers)
    for name, answer in answers.items():
        if isinstance(answer, NodeStatus) and answer.refusal and answer.served == found.expected:
            output.say(f"{name}: refused at {_time(answer.refusal.at)}: {answer.refusal.reason}")
        if isinstance(answer, NodeStatus) and answer.damage is not None and answer.damage.is_mended:
            output.say(
                f"{name}: mended an image found damaged at {_time(answer.damage.at)}: {answer.damage.reason}"
            )
    for concern in told[:_SHOWN]:
        output.say(f"{concern.about}: {concern.message}")
    if len(told) > _SHOWN:
        output.say(f"and {len(told) - _SHOWN} more; see `dnsctl status --json`")
    expected = found.expected
    if expected is None:
        return  # a concern has said so
    current = sum(isinstance(each, NodeStatus) and each.served == expected for each in answers.values())
    calm = all(each.weight == "soon" for each in told)
    style = "bold green" if current == len(nodes) and calm else "bold yellow"
    told_of = f"Generation {expected.generation}: served by {current} of {len(nodes)} nodes{_whose(found)}"
    output.styled((told_of, style))


def _print_settings(answers: dict[str, Answer]) -> None:
    """Say which nodes run with which settings, if these differ."""
    found: dict[tuple[int, str], list[str]] = {}
    for name, answer in answers.items():
        if isinstance(answer, NodeStatus) and answer.settings is not None:
            key = (answer.settings.generation, answer.settings.digest)
            found.setdefault(key, []).append(name)
    if len({digest for _, digest in found}) < 2:
        return
    for (generation, digest), names in sorted(found.items()):
        whose = f"of generation {generation}" if generation else "of their own dnsctl.yaml"
        output.line(f"Settings {whose} ({digest[:12]}): {', '.join(names)}")


def _print_jobs(journal: Journal, holder: Holder | None) -> None:
    """Say who does the jobs of this host, and how they ended."""
    if not journal.jobs:
        return
    for name, record in journal.jobs.items():
        verdict, when = VERDICTS[record.weight], _minute(record.ended)
        output.line(f"  {name}: {verdict} at {when}: {output.visible(record.message)}")
    if holder is not None and holder.mode == "daemon":
        standby = "" if holder.standby is None else ", standing by for another host"
        who = f"`dnsctl control` (process {holder.pid})"
        output.line(f"Jobs are done by {who} since {_minute(holder.since)}{standby}")
    else:
        output.line("No daemon runs on this host")


def _jobs_json(journal: Journal, holder: Holder | None) -> dict[str, Json]:
    return {
        "daemon": None if holder is None or holder.mode != "daemon" else holder.to_json(),
        "jobs": [record.to_json(name) for name, record in journal.jobs.items()],
    }


def _whose(found: FleetStatus) -> str:
    if found.expected == found.released or found.damaged is not None:
        return ""
    here = f"generation {found.released.generation}" if found.released else "no release yet"
    return f"; it was released elsewhere, this host knows {here}: `git pull` before the next push"


def _row(node: Node, answer: Answer, found: FleetStatus, now: float) -> tuple[str, ...]:
    if isinstance(answer, DnsctlError):
        return (node.site, node.name, "-", "-", "-", "-", "-", "unreachable")
    return (
        node.site,
        node.name,
        str(answer.served.generation),
        str(answer.zone_count),
        _time(answer.created),
        _time(answer.period.expiry),
        "-" if answer.clock is None else f"{answer.clock.seconds:+.1f} s",
        _state(answer, found, now),
    )


def _state(answer: NodeStatus, found: FleetStatus, now: float) -> str:
    released = found.released
    if fault := answer.period.fault(now):
        return "signatures ran out" if "ran out" in fault else "signatures not yet valid"
    if answer.name in found.urgent:
        return "signatures run out soon"
    if answer.prepared is not None:
        return f"generation {answer.prepared.generation} prepared"
    if answer.damage is not None and not answer.damage.is_mended:
        return "image damaged"
    if answer.silent:
        return "catching up"
    if not answer.served.generation:
        return "empty"
    if released is None or answer.served == released:
        return "current" if released else "serving"
    if answer.served.generation < released.generation:
        return "behind"
    return "ahead" if answer.served.generation > released.generation else "another release"


def _print_zones(nodes: Sequence[Node], answers: dict[str, Answer]) -> None:
    serving = {name: each for name, each in answers.items() if isinstance(each, NodeStatus)}
    origins = sorted({origin for each in serving.values() for origin in each.zones})
    output.table(
        ("zone", *(node.name for node in nodes), "nearest expiry"),
        (
            (
                origin,
                *(_serial(serving.get(node.name), origin) for node in nodes),
                _time(_nearest(serving.values(), origin)),
            )
            for origin in origins
        ),
    )


def _print_parents(found: FleetStatus) -> None:
    """Show what was seen of the parents last, where they were ever looked at."""
    if not found.parents:
        return
    output.line("")
    output.table(
        ("zone", "DS at the parent", "state", "servers", "silent", "seen"),
        (
            (
                to_text(each.zone),
                ds_tags({rdata for view in each.seen.ds.views for rdata in view.ds or ()}),
                each.word,
                str(len({view.server for view in each.seen.ds.views if view.server})),
                str(len(each.seen.ds.silent)),
                _time(_seen_at(each)),
            )
            for each in found.parents
        ),
    )


def _seen_at(parent: ParentState) -> int:
    return int(max(each.at for each in parent.seen.ds.views).timestamp())


def _parent_json(parent: ParentState) -> dict[str, Json]:
    asked = parent.seen.asked
    return {
        "zone": to_text(parent.zone),
        "state": parent.word,
        "seen": _stamp(_seen_at(parent)),
        "servers": [
            {
                "server": each.server,
                "site": each.site,
                "ds": None if each.ds is None else [rdata_text(Type.DS, rdata) for rdata in each.ds],
                "ttl": each.ttl,
                "fault": each.fault,
            }
            for each in parent.seen.ds.views
            if each.server
        ],
        "unseen": [{"site": site, "fault": fault} for site, fault in unseen(parent.seen.ds.views)],
        "stand_ins": [{"site": site, "reason": why} for site, why in parent.seen.stand_ins.items()],
        "asked": {
            "at": _stamp(int(asked.at.timestamp())),
            "way": asked.way,
            "outcome": asked.outcome,
            "message": asked.message,
        }
        if asked
        else None,
    }


def _serial(answer: NodeStatus | None, origin: str) -> str:
    found = answer.zones.get(origin) if answer else None
    return str(found.serial) if found else "-"


def _nearest(answers: Iterable[NodeStatus], origin: str) -> int | None:
    found = [each.zones[origin].period.expiry for each in answers if origin in each.zones]
    return min((each for each in found if each is not None), default=None)


def _time(seconds: int | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def _minute(when: datetime) -> str:
    return _time(int(when.timestamp()))


def _stamp(seconds: int | None) -> str | None:
    return None if seconds is None else stamp(datetime.fromtimestamp(seconds, UTC))


def _to_json(context: Context, found: FleetStatus, now: float) -> dict[str, Json]:
    nodes, answers, released, told = found.nodes, found.answers, found.released, found.concerns
    return {
        "generation": released.generation if released else 0,
        "manifest": released.manifest if released else None,
        "commit": commit_of(context.root, released),
        "verdict": ("well", "act now", "could not tell")[exit_code(told)],
        "concerns": [each._asdict() for each in told],
        "certificates": {name: _stamp(expiry) for name, expiry in found.certificates.items()},
        "parents": [_parent_json(each) for each in found.parents],
        "nodes": [_node_json(node, answers[node.name], found, now) for node in nodes],
    }


def _node_json(node: Node, answer: Answer, found: FleetStatus, now: float) -> dict[str, Json]:
    told: dict[str, Json] = {"site": node.site, "node": node.name, "control": node.control}
    if isinstance(answer, DnsctlError):
        return {**told, "reachable": False, "reason": str(answer)}
    return {
        **told,
        "reachable": True,
        "state": _state(answer, found, now),
        "generation": answer.served.generation,
        "manifest": answer.served.manifest or None,
        "released": _stamp(answer.created),
        "nearest_expiry": _stamp(answer.period.expiry),
        "latest_inception": _stamp(answer.period.inception),
        "clock_ahead": None if answer.clock is None else round(answer.clock.seconds, 3),
        "prepared": answer.prepared.generation if answer.prepared else None,
        "refusal": {
            "at": _stamp(answer.refusal.at),
            "action": answer.refusal.action,
            "reason": answer.refusal.reason,
            "rule": answer.refusal.rule,
        }
        if answer.refusal
        else None,
        "damage": {
            "at": _stamp(answer.damage.at),
            "reason": answer.damage.reason,
            "mended": answer.damage.is_mended,
        }
        if answer.damage
        else None,
        "workers": answer.workers,
        "settings": {
            "digest": answer.settings.digest,
            "generation": answer.settings.generation,
            "wanted": answer.settings.wanted or None,
            "current": answer.settings.is_current,
            "reason": answer.settings.fault,
        }
        if answer.settings
        else None,
        "zones": {
            origin: {
                "serial": each.serial,
                "digest": each.digest,
                "expiry": _stamp(each.period.expiry),
                "inception": _stamp(each.period.inception),
            }
            for origin, each in answer.zones.items()
        },
    }
