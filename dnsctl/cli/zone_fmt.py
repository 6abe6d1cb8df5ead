"""`dnsctl zone fmt`: zone files in YAML in one form."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.edit.formatting import formatted
from dnsctl.errors import DnsctlError
from dnsctl.files import durable
from dnsctl.interchange.placing import writing
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.zone_files import zone_files
from dnsctl.model.json_value import Json
from dnsctl.model.repo import YAML


def fmt(context: Context, zones: Sequence[str], *, check: bool, as_json: bool) -> None:
    """Bring the files of `zones` into form, of all where there are none; `check`: only say which are not."""
    config, tree = context.config(fleet=False), context.work_tree()
    with writing(context.root / config.zone_files[0], output.say):
        found = [_one(tree, path, check=check) for path in _paths(tree, config, zones)]
    if as_json:
        rows: list[Json] = [{"file": file, "result": result, "reason": why} for file, result, why in found]
        output.json_result({"files": rows})
    for file, result, why in found:
        if result == "refused":
            output.failure(f"{file}: {why}" if not why.startswith(file) else why)
        elif result != "unchanged" and not as_json:
            output.line(f"{output.visible(file)}: {result.replace('-', ' ')}")
    bad = ("refused", "would-change")
    raise typer.Exit(int(any(result in bad for _, result, _ in found)))


def _paths(tree: WorkTree, config: Config, zones: Sequence[str]) -> Iterator[str]:
    """Yield the files in YAML. Master files have no such form; those that were named are told."""
    known = zone_files(tree, config.zone_files).zones
    wanted = [zone_name(each, tuple(known)) for each in zones] or sorted(
        known, key=lambda each: known[each].path
    )
    for origin in dict.fromkeys(wanted):
        for path in known[origin].parts:
            if path.endswith(YAML):
                yield path
            elif zones:
                output.say(f"{path}: a master file, which stays as it is: only files in YAML have a form")


def _one(tree: WorkTree, path: str, *, check: bool) -> tuple[str, str, str]:
    """Return the file, how it ended and why."""
    try:
        before = tree.read(path)
        after = formatted(before, path)
    except DnsctlError as error:
        return path, "refused", str(error)
    if after == before:
        return path, "unchanged", ""
    if check:
        return path, "would-change", ""
    real = Path(os.path.realpath(tree.root / path))
    durable.write(real, after, real.stat().st_mode & 0o777)
    return path, "changed", ""
