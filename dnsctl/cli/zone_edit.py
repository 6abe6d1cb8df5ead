"""`dnsctl zone set` and `unset`: one RRset of a zone file, for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from dnsctl.cli import output
from dnsctl.cli.context import Context, domain_name
from dnsctl.edit.blocks import refused
from dnsctl.edit.change import Wanted
from dnsctl.edit.zone_change import Change, Commit, Wanting, change_zone
from dnsctl.errors import ConfigError, NameSyntaxError, RefusalRule
from dnsctl.load import rdata_fields, yaml_nodes
from dnsctl.load.presentation import NameReader, RdataFault, type_code, unknown_type
from dnsctl.load.presentation import ttl as ttl_of
from dnsctl.model.finding import Finding
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import MADE_BY_SIGNING, RRset, rdata_text, type_text


def set_values(
    context: Context,
    name: str,
    rdtype: str,
    values: Sequence[str],
    ttl: str,
    commit: Commit | None,
    *,
    as_json: bool,
) -> None:
    """Have `values` and no others at a name and type."""
    owner, code = _owner(name), _type(rdtype)
    seconds = ttl_of(ttl) if ttl else None
    if ttl and seconds is None:
        raise _wrong(f"--ttl {ttl}", "is not a TTL", "write seconds, or 1h30m")

    def wanted(origin: Name, _: RRset | None) -> Wanted:
        return Wanted(origin, owner, code, _rdatas(origin, code, values), seconds)

    _change(context, owner, code, wanted, commit, as_json=as_json)


def unset_values(
    context: Context, name: str, rdtype: str, values: Sequence[str], commit: Commit | None, *, as_json: bool
) -> None:
    """Take `values` away from a name and type; all where there are none."""
    owner, code = _owner(name), _type(rdtype)

    def wanted(origin: Name, there: RRset | None) -> Wanted:
        gone = _rdatas(origin, code, values)
        left = [each for each in (there.rdatas if there else ()) if each not in gone] if gone else []
        return Wanted(origin, owner, code, left)

    _change(context, owner, code, wanted, commit, as_json=as_json)


def _owner(text: str) -> Name:
    """Return the name that a person gave; a label `@` only where it is written `\\@`."""
    at, _, zone = text.partition(".")
    if at == "@" and zone:
        raise _wrong(text, "begins with @", f"for the apex of a zone write its name, {zone}")
    return domain_name(text)


def _type(text: str) -> int:
    code = type_code(text)
    if code is None:
        raise _wrong(text, *unknown_type(text))
    if code in MADE_BY_SIGNING:
        raise refused(text, "is made by signing")
    return code


def _rdatas(origin: Name, code: int, values: Sequence[str]) -> list[bytes]:
    """Return what texts of the command line mean, read as in a zone file."""
    names = NameReader(origin, absolute=True)
    made = []
    for text in values:
        try:
            made.append(rdata_fields.to_wire(code, yaml_nodes.Scalar(text, 1, 1, False), names, []))
        except RdataFault as fault:
            raise _wrong(f"{type_text(code)} {text[:60]!r}", fault.message, fault.advice) from None
        except NameSyntaxError as error:
            raise _wrong(f"{type_text(code)} {text[:60]!r}", error.what, error.advice) from None
    for text in names.relative:
        if "." not in text:
            advice = f"write {text}.{to_text(origin)}, or {text}. for a top-level domain"
            raise _wrong(text, "is one label without a dot: targets are whole names", advice)
    return list(dict.fromkeys(made))


def _wrong(where: str, what: str, advice: str) -> ConfigError:
    return ConfigError(what, where=where, advice=advice, rule=RefusalRule.COMMAND_LINE)


def _change(
    context: Context, owner: Name, code: int, wanted: Wanting, commit: Commit | None, *, as_json: bool
) -> None:
    def tell(found: Iterable[Finding]) -> None:
        output.findings(found, sys.stderr)

    config = context.config(fleet=False)
    done = change_zone(context.work_tree(), config, owner, code, commit, wanted, tell, output.say)
    if as_json:
        output.json_result(_json(done, owner, code))
        return
    if not done.changed:
        output.line(f"{output.visible(done.file)}: nothing to change")
    elif done.after is None:
        output.line(f"{output.visible(done.file)}: {to_text(owner)} {type_text(code)} removed")
    else:
        for rdata in done.after.rdatas:
            record = f"{to_text(owner)} {done.after.ttl} {type_text(code)} {rdata_text(code, rdata)}"
            output.line(f"{output.visible(done.file)}: {output.visible(record)}")
    if done.commit:
        output.line(f"commit {done.commit[:12]}")


def _json(done: Change, owner: Name, code: int) -> dict[str, Json]:
    after = done.after
    return {
        "zone": to_text(done.origin),
        "file": done.file,
        "owner": to_text(owner),
        "type": type_text(code),
        "ttl": after.ttl if after else None,
        "values": [rdata_text(code, each) for each in after.rdatas] if after else [],
        "changed": done.changed,
        "commit": done.commit,
    }
