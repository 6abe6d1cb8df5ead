"""What shells complete: names out of the operations repo, read without judging it, and quickly.

Nothing here fails: what cannot be read has no names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from dnsctl.cli.command_line.place import root_of
from dnsctl.load.written_owners import owners_like, written_zones
from dnsctl.model.guard_names import GUARDS
from dnsctl.model.repo import CONFIG, Repo


def zones(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the zones that have a file."""
    return _those(written_zones(root_of(ctx)), incomplete)


def owners(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return zones, and the owners in them that begin so."""
    known = written_zones(root_of(ctx))
    return _those((*known, *owners_like(known, incomplete)), incomplete)


def sites(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the sites of dnsctl.yaml."""
    return _those((site for site, _ in _fleet(root_of(ctx))), incomplete)


def nodes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the nodes of all sites."""
    return _those((node for _, names in _fleet(root_of(ctx)) for node in names), incomplete)


def guards(incomplete: str) -> list[tuple[str, str]]:
    """Return the guards, with what they are against where the shell shows that."""
    return [(name, meaning) for name, meaning in GUARDS.items() if name.startswith(incomplete)]


def generations(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the releases that this host has, the newest first."""
    try:
        names = [each.name for each in Repo(root_of(ctx)).state.archive.rglob("*.manifest")]
    except OSError:
        return []
    found = {int(stem) for each in names if (stem := each.partition(".")[0]).isdecimal()}
    return [str(each) for each in sorted(found, reverse=True) if str(each).startswith(incomplete)]


def _those(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({each for each in names if each.startswith(incomplete)})


def _fleet(root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each site of dnsctl.yaml with its nodes, as they are written."""
    from dnsctl.load import yaml_nodes

    try:
        tree = yaml_nodes.compose((root / CONFIG).read_bytes())
    except (OSError, yaml_nodes.YamlFault):
        return
    found = tree.get("sites") if isinstance(tree, yaml_nodes.Mapping) else None
    if not isinstance(found, yaml_nodes.Mapping):
        return
    for site, (_, value) in found.items.items():
        named = value.get("nodes") if isinstance(value, yaml_nodes.Mapping) else None
        yield site, tuple(named.items) if isinstance(named, yaml_nodes.Mapping) else ()
