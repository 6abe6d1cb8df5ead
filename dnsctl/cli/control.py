"""`dnsctl control`: the jobs of a control host, on a schedule or once.

Exit codes of `--once`: 0 all is well, 1 somebody must act now, 2 could not tell. The daemon ends with 0 when
it is told to end.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context
from dnsctl.control.daemon.rounds import Rounds, exit_code
from dnsctl.control.daemon.table import JOBS
from dnsctl.control.journal import VERDICTS, JobRecord, Mode, doing_jobs, this_process
from dnsctl.model.fleet import Endpoint
from dnsctl.model.json_value import Json
from dnsctl.model.repo import Repo
from dnsctl.model.timestamp import stamp

_STYLES = {"well": "bold green", "act": "bold red", "unknown": "bold yellow"}


def control(context: Context, *, once: bool, standby: int | None, as_json: bool) -> None:
    """Do the jobs. Raises HostBusyError where another process does them."""
    wait = None if standby is None else timedelta(seconds=standby)
    rounds = Rounds(context.root, _now, output.say, wait)
    config = rounds.ready()
    mode: Mode = "once" if once else "daemon"
    holder = this_process(mode, _now(), standby)
    with doing_jobs(Repo(context.root).state, holder):
        rounds.begin(holder)
        if once:
            _once(rounds, as_json=as_json)
        else:
            _on_schedule(rounds, config.control.metrics)


def _on_schedule(rounds: Rounds, metrics: Endpoint | None) -> None:
    """Be the daemon, until told to end."""
    from dnsctl.control.daemon.metrics import exported  # noqa: PLC0415 - `--once` serves nothing
    from dnsctl.control.daemon.scheduler import Daemon  # noqa: PLC0415 - and has no schedule

    rounds.done = output.say
    with exported(rounds, metrics):
        shown = f"; metrics on http://{metrics}/metrics" if metrics else ""
        output.say(f"dnsctl control: does the jobs of this host{shown}")
        Daemon(rounds).run()
    output.say("dnsctl control: ended")


def _once(rounds: Rounds, *, as_json: bool) -> None:
    began = _now()
    done = rounds.do_due()
    code = exit_code(rounds.journal)
    if None in done.values():  # a push is at work
        code = code or 2
    if as_json:
        output.json_result(_to_json(rounds, done, code, (_now() - began).total_seconds()))
    else:
        _print(rounds, done)
    raise typer.Exit(code)


def _print(rounds: Rounds, done: dict[str, JobRecord | None]) -> None:
    for job in JOBS:
        record = rounds.journal.jobs.get(job.name)
        if record is None:
            continue
        when = "" if job.name in done else f" ({stamp(record.ended)}, not due now)"
        output.styled(
            (f"{job.name}: {VERDICTS[record.weight]}", _STYLES[record.weight]), f"{when}: {record.message}"
        )


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _to_json(rounds: Rounds, done: dict[str, JobRecord | None], code: int, seconds: float) -> dict[str, Json]:
    """Return what `control --once --json` prints; its keys are kept stable (docs/json.md)."""
    return {
        "verdict": ("well", "act now", "could not tell")[code],
        "jobs": [
            {"done": job.name in done, **rounds.journal.jobs[job.name].to_json(job.name)}
            for job in JOBS
            if job.name in rounds.journal.jobs
        ],
        "seconds": round(seconds, 3),
    }
