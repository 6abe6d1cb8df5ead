"""Read a commit: its zones, judged, become an `Intent`.

Nothing partial is ever released: an error in any zone stops all of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from dnsctl.load.revision import Revision, Source
from dnsctl.load.settings.config import Config
from dnsctl.load.zones import load_zones
from dnsctl.model.alias import Resolve, ask_nobody
from dnsctl.model.finding import by_position
from dnsctl.publish.carrying import judge_carrying
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Intent, Progress, no_progress
from dnsctl.publish.judgement import Judged, judge, with_parents
from dnsctl.publish.memory import Memory
from dnsctl.publish.parts import Parts


def intent_of(
    source: Source,
    config: Config,
    progress: Progress = no_progress,
    *,
    today: date | None = None,
    resolve: Resolve = ask_nobody,
    memory: Memory | None = None,
    parts: Parts | None = None,
) -> Intent:
    """Load and judge every zone at `source`. Raises ZonesWithErrorsError with all findings.

    `today` (UTC's by default) is compared with records' `expires`. Signatures of pre-signed zones are judged
    later, for those that the release takes. `resolve`: as of `judgement.judge`. With a `memory`, files of a
    commit that are known are not read; with `parts` as well, of large ones only what changed. The zones and
    the findings are the same.
    """
    if memory is not None and isinstance(source, Revision):
        carried = judge_carrying(source, config, memory, progress, today, resolve=resolve, parts=parts)
        if carried.has_errors:
            raise ZonesWithErrorsError(tuple(carried.judged.findings))
        made = _intent(carried.judged, source, config)
        return replace(made, known=carried.known, same=carried.same)
    loaded = load_zones(
        source, config, progress=lambda done, total: progress("load", done, total), today=today
    )
    judged = judge(loaded, config.policy, config.checks, progress, resolve, config.certificates)
    found = tuple(by_position(judged.findings))
    if judged.has_errors:
        raise ZonesWithErrorsError(found)
    return _intent(replace(judged, zones=with_parents(judged.zones, config), findings=found), source, config)


def _intent(judged: Judged, source: Source, config: Config) -> Intent:
    return Intent(
        judged.zones,
        source.commit,
        judged.findings,
        config.guards.limits,
        last_policy=config.last_policy,
    )
