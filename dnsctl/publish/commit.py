"""Read a commit: its zones, judged, become an `Intent`.

Nothing partial is ever released: an error in any zone stops all of it.
"""

from __future__ import annotations

from datetime import date

from dnsctl.load.revision import Source
from dnsctl.load.settings.config import Config
from dnsctl.load.zones import load_zones
from dnsctl.model.alias import Resolve, ask_nobody
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Intent, Progress, no_progress
from dnsctl.publish.judgement import judge, with_parents


def intent_of(
    source: Source,
    config: Config,
    progress: Progress = no_progress,
    *,
    today: date | None = None,
    resolve: Resolve = ask_nobody,
) -> Intent:
    """Load and judge every zone at `source`. Raises ZonesWithErrorsError with all findings.

    `today` (UTC's by default) is compared with records' `expires`. Signatures of pre-signed zones are judged
    later, for those that the release takes. `resolve`: as of `judgement.judge`.
    """
    loaded = load_zones(
        source, config, progress=lambda done, total: progress("load", done, total), today=today
    )
    judged = judge(loaded, config.policy, config.checks, progress, resolve)
    if judged.has_errors:
        raise ZonesWithErrorsError(judged.findings)
    return Intent(
        with_parents(judged.zones, config),
        source.commit,
        judged.findings,
        config.guards.limits,
        last_policy=config.last_policy,
    )
