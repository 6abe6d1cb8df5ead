"""`dnsctl verify`: prove from outside that every node serves exactly the release.

Exit codes: 0 consistent, 1 drift, 2 could not tell (a node did not answer, or nothing was released yet).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.control.verifying import AtParents, verified
from dnsctl.errors import ConfigError, DnsctlError
from dnsctl.load.nearest import did_you_mean
from dnsctl.load.settings.config import Config
from dnsctl.model.fleet import Node
from dnsctl.model.name import Name, to_text
from dnsctl.verify.report import Report

if TYPE_CHECKING:
    from dnsctl.control.sites import Sites

SHOWN_FAULTS = 20
_STYLES = ("bold green", "bold red", "bold yellow")  # by exit code


def verify(
    context: Context,
    zones: Sequence[str],
    site: str | None,
    *,
    full: bool,
    parents: bool = False,
    as_json: bool = False,
) -> None:
    """Ask the nodes, of `site` or all, and with `parents` the zones' parents; print the verdict.

    Exits with its code.
    """
    config = context.config()
    wanted = {zone_name(each) for each in zones} or None
    at_parents = AtParents(config, _sites(context, config)) if parents else None
    report = _verified(context, _nodes(config, site), wanted, at_parents, full=full)
    if as_json:
        output.json_result(report.to_json())
    else:
        show(report)
    raise typer.Exit(report.exit_code)


def _sites(context: Context, config: Config) -> Sites | None:
    """Return what looks from every site; None where nobody has the passphrase at hand, or no certificate."""
    from dnsctl.control.sites import sites_of  # noqa: PLC0415 - with HTTP, for a look at parents alone

    if config.keystore.passphrase == "prompt":  # noqa: S105 - how it is named, not what it is
        return None
    try:
        return sites_of(context.root, config, context.passphrase(config))
    except DnsctlError:
        return None


def _nodes(config: Config, site: str | None) -> Sequence[Node]:
    nodes = config.nodes()
    if site is None:
        return nodes
    if site not in config.sites:
        raise ConfigError(
            f"there is no site {site!r} in dnsctl.yaml", advice=did_you_mean(site, list(config.sites))
        )
    return [node for node in nodes if node.site == site]


def _verified(
    context: Context, nodes: Sequence[Node], zones: set[Name] | None, parents: AtParents | None, *, full: bool
) -> Report:
    with output.progress() as bar:
        task = bar.add_task("verifying zones", total=None)
        return verified(
            context.root,
            nodes,
            zones,
            lambda: datetime.now(UTC),
            output.say,
            lambda done, total: bar.update(task, completed=done, total=total),
            full=full,
            parents=parents,
        )


def show(report: Report) -> None:
    """Print the verdict, a line a node, and what is wrong, to a person."""
    output.table(
        ("node", "site", "address", "answers", "faults", "nearest expiry", "verdict"),
        (
            (
                one.node,
                one.site,
                one.address,
                str(one.answers),
                str(one.faults),
                _day(one.expiry),
                f"silent: {one.silent}" if one.silent else "drift" if one.faults else "as released",
            )
            for one in report.nodes
        ),
    )
    for fault in report.faults[:SHOWN_FAULTS]:
        output.line(output.visible(str(fault)))
    more = len(report.faults) - SHOWN_FAULTS + report.more_faults
    if more > 0:
        output.say(f"and {more} more (--json lists up to {len(report.faults)})")
    for note in report.remarks:
        output.say(f"{to_text(note.zone)}: {note.message}")
    output.styled(
        (report.verdict, _STYLES[report.exit_code]),
        f": generation {report.generation}, {output.plural(report.zones, 'zone')}, "
        f"{report.checked} of {report.rrsets} RRsets compared, {report.seconds:.1f} s",
    )


def _day(expiry: int | None) -> str:
    return datetime.fromtimestamp(expiry, UTC).strftime("%Y-%m-%d %H:%MZ") if expiry is not None else "-"
