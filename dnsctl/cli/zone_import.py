"""`dnsctl zone import`: zones from files and servers of others, into the work tree."""

from __future__ import annotations

import base64
import posixpath
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import dns.exception
import dns.name
import dns.tsig

from dnsctl.cli import output
from dnsctl.cli.context import Context, zone_name
from dnsctl.errors import ConfigError, DnsctlError, PassphraseError, RefusalRule, ZoneFaultsError
from dnsctl.interchange.axfr import Server, transferred
from dnsctl.interchange.elsewhere import Left, Place, Taken, place_of, without_missing
from dnsctl.interchange.incoming import Form, Incoming, Written, errors_in, parsed_master_file, written
from dnsctl.interchange.knot_conf import knot_zones
from dnsctl.interchange.named_conf import bind_zones
from dnsctl.interchange.octodns_config import octodns_zones
from dnsctl.interchange.placing import place, replaced, writing
from dnsctl.interchange.powerdns import powerdns_zone
from dnsctl.load import masterfile
from dnsctl.load.nearest import did_you_mean
from dnsctl.load.revision import WorkTree
from dnsctl.load.secret import resolve
from dnsctl.load.settings.values import secondary_address
from dnsctl.model.json_value import Json
from dnsctl.model.name import to_text

STANDARD_INPUT = "standard input"
_ALGORITHMS = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")  # RFC 8945 §6
_TSIG = "write NAME:ALGORITHM:file:PATH, or NAME:ALGORITHM:env:NAME, such as xfr.example:hmac-sha256:env:XFR"

Kind = Literal["octodns", "bind", "knot", "powerdns"]
KINDS: tuple[Kind, ...] = ("octodns", "bind", "knot", "powerdns")
_READERS: Mapping[Kind, Callable[[Place, str], Taken]] = {
    "octodns": octodns_zones,
    "bind": bind_zones,
    "knot": knot_zones,
    "powerdns": powerdns_zone,
}


@dataclass(frozen=True)
class Manner:
    """How zones are written: see the options of the command line."""

    form: Form = "yaml"
    presigned: bool = False
    overwrite: bool = False
    dry_run: bool = False
    as_json: bool = False


def from_file(context: Context, zone: str, file: Path, manner: Manner) -> None:
    """Take a zone from a master file, `-`: standard input; what it includes stands below its directory."""
    origin = zone_name(zone)
    ttl = context.config(fleet=False).defaults.ttl
    if str(file) == "-":
        tree, name = WorkTree(Path.cwd()), STANDARD_INPUT
        text = sys.stdin.buffer.read(masterfile.MAX_BYTES)
    else:
        real = file.resolve()
        tree, name = WorkTree(real.parent), real.name
        text = tree.read(name, masterfile.MAX_BYTES)
    _take(context, Taken([parsed_master_file(tree, text, name, origin, ttl)], ()), manner)


def from_server(context: Context, zone: str, server: str, tsig: str, manner: Manner) -> None:
    """Take a zone from a name server by a transfer."""
    context.config(fleet=False)  # a repo, before anything is asked for
    asked = server_named("--axfr", server)
    if tsig:
        asked = replace(asked, key=_key(tsig, context.root))
    _take(context, Taken([transferred(zone_name(zone), asked)], ()), manner)


def server_named(option: str, text: str) -> Server:
    """Return the server that ADDRESS, ADDRESS:PORT or ADDRESS@PORT names. Raises ConfigError."""
    address, at, port = text.partition("@")
    try:
        found = secondary_address(f"[{address}]:{port}" if at else text)
    except ValueError:
        advice = "write an address, 192.0.2.53, or with a port 192.0.2.53:5300 or [2001:db8::53]:5300"
        raise _wrong(f"{option} {text}", "is not a server", advice) from None
    return Server(found.address, found.port)


def from_configuration(
    context: Context,
    kind: Kind,
    files: Sequence[Path],
    zones: Sequence[str],
    within: Path | None,
    manner: Manner,
) -> None:
    """Take the zones that a configuration of other software leads to, or those named of them."""
    ttl = context.config(fleet=False).defaults.ttl
    only = frozenset(zone_name(each) for each in zones)
    found: list[Incoming] = []
    left: list[Left] = []
    for file in files:
        where, path = place_of(file, within, ttl, only)
        taken = _READERS[kind](where, path)
        found += taken.zones
        left += taken.left
    _take(context, without_missing(only, Taken(found, left)), manner)


def _key(text: str, root: Path) -> dns.tsig.Key:
    """Return the TSIG key that `NAME:ALGORITHM:REFERENCE` names."""
    parts = text.split(":", 2)
    if len(parts) != 3:
        raise _wrong("--tsig", "is not a TSIG key", _TSIG)
    name, algorithm, reference = parts
    if algorithm.lower() not in _ALGORITHMS:
        raise _wrong("--tsig", f"unknown algorithm {algorithm!r}", did_you_mean(algorithm, _ALGORITHMS))
    try:
        secret = base64.b64decode(resolve(reference, root, group=True, given="--tsig").strip(), validate=True)
        key = dns.tsig.Key(dns.name.from_text(name), secret, algorithm.lower() + ".")
    except PassphraseError as error:
        raise _wrong("--tsig", error.what.replace("passphrase", "secret"), error.advice) from None
    except (dns.exception.DNSException, ValueError):
        raise _wrong("--tsig", "is not a TSIG key, or its secret is not base64", _TSIG) from None
    return key


def _wrong(where: str, what: str, advice: str) -> DnsctlError:
    return ConfigError(what, where=where, advice=advice, rule=RefusalRule.COMMAND_LINE)


def _take(context: Context, taken: Taken, manner: Manner) -> None:
    """Write all zones or none, and print what was taken, and what was not."""
    output.findings((each for one in taken.zones for each in one.findings), sys.stderr)
    for one in taken.zones:
        if faults := errors_in(one):
            raise ZoneFaultsError(
                f"cannot be taken: {output.plural(len(faults), 'error')}, and nothing was written",
                where=to_text(one.zone.origin),
                advice="correct what is named above",
            )
    made = [written(each, manner.form, presigned=manner.presigned) for each in taken.zones]
    directories = context.config(fleet=False).zone_files
    with writing(context.root / directories[0], output.say):
        old = replaced(context.work_tree(), directories, made, overwrite=manner.overwrite)
        if not manner.dry_run:
            place(context.root, directories[0], made, old)
    files = {posixpath.join(directories[0], each.name) for each in made}
    _print(made, taken.left, [each for each in old if each not in files], directories[0], manner)


def _print(
    made: Sequence[Written], left: Sequence[Left], removed: Sequence[str], directory: str, manner: Manner
) -> None:
    if manner.as_json:
        zones: list[Json] = [_json(each, directory) for each in made]
        not_taken: list[Json] = [{"what": each.what, "reason": each.why} for each in left]
        done: dict[str, Json] = {"written": not manner.dry_run, "zones": zones, "removes": list(removed)}
        output.json_result(done | {"not_taken": not_taken})
        return
    for each in left:
        output.say(f"not taken: {each.what}: {each.why}")
    output.table(
        ("zone", "file", "rrsets", "records", "left out", "from"),
        (
            (
                to_text(each.origin),
                posixpath.join(directory, each.name),
                str(each.rrsets),
                str(each.records),
                ", ".join(f"{count} {kind}" for kind, count in each.gone.items()),
                each.source,
            )
            for each in made
        ),
    )
    if any(each.gone for each in made):
        output.say(
            "left out is what another signer made; --presigned keeps it, and the zone is served as it is"
        )
    for path in removed:
        output.say(f"removes {path}")
    if manner.dry_run:
        output.say("dry run: nothing was written")


def _json(each: Written, directory: str) -> dict[str, Json]:
    return {
        "zone": to_text(each.origin),
        "file": posixpath.join(directory, each.name),
        "from": each.source,
        "rrsets": each.rrsets,
        "records": each.records,
        "left_out": [{"type": kind, "records": count} for kind, count in each.gone.items()],
    }
