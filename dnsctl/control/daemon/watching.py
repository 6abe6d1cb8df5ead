"""The jobs that look: `verify` asks every node for everything, `watch` judges nodes and what runs out."""

from __future__ import annotations

from dnsctl.control import verifying
from dnsctl.control.concerns import exit_code
from dnsctl.control.daemon.job import Verdict, Work
from dnsctl.control.fleet_status import fleet_status
from dnsctl.control.journal import Weight

_BY_CODE: tuple[Weight, ...] = ("well", "act", "unknown")


def verified(work: Work) -> Verdict:
    """Compare every RRset at every node with the release. Raises InconclusiveError where there is none."""
    report = verifying.verified(
        work.root,
        work.config.nodes(),
        None,
        lambda: work.now,
        work.tell,
        lambda done, total: work.progress("verify all", done, total),
        full=True,
    )
    compared = f"{report.checked} of {report.rrsets} RRsets compared with generation {report.generation}"
    if report.faults:
        more = len(report.faults) + report.more_faults - 1
        first = f"{report.faults[0]}" + (f" (and {more} more)" if more else "")
        return Verdict("act", f"drift: {first}; run `dnsctl verify --full`")
    silent = "".join(f"; {one.node} did not answer: {one.silent}" for one in report.silent[:1])
    return Verdict(_BY_CODE[report.exit_code], f"{report.verdict}: {compared}{silent}")


def watched(work: Work) -> Verdict:
    """Ask all nodes for their state. Raises DnsctlError where the control host's certificate is unusable."""
    found = fleet_status(work.root, work.config, work.passphrase, work.now.timestamp(), zones=False)
    told = found.concerns
    weight = _BY_CODE[exit_code(told)]
    if not told:
        message = f"{len(found.nodes)} nodes as they should be"
    else:
        more = f"; {len(told) - 1} more in `dnsctl status`" if len(told) > 1 else ""
        message = f"{told[0].about}: {told[0].message}{more}"
    return Verdict(weight, message, endings=found.endings, concerns=told)
