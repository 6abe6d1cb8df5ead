"""`dnsctl man`: the manual pages of every command, of dnsctl.yaml and of zone files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from dnsctl.cli import output
from dnsctl.cli.command_line.manual import COMMANDS, FILES, OF_FILES
from dnsctl.cli.output import roff
from dnsctl.files import durable
from dnsctl.load.reference import Setting, fields, record_keys, reference
from dnsctl.load.settings.examples import EXAMPLES

_FORMS = (
    ("NAME", "a name that you choose; under `zones` it is a zone or a pattern, under `checks` a rule"),
    ("duration", "`90s`, `30m`, `2h`, `14d`, `1h30m`, or seconds"),
    ("share", "`30%`"),
    ("time of day", "`02:30`, in UTC"),
    ("address", "with a port, `192.0.2.53:53` or `[2001:db8::53]:53`"),
    (
        "secret",
        "never written here, but where it stands: `env:NAME`, `file:PATH`, `credential:NAME` or `prompt`",
    ),
)
_ZONE_EXAMPLE = """\
'':
  - {type: MX, value: {preference: 10, exchange: mail.example.com.}}
  - {type: TXT, value: v=spf1 mx -all}
mail: {type: A, ttl: 5m, value: 192.0.2.25}
www:
  type: AAAA
  values: ['2001:db8::80', '2001:db8::81']
  owner: web team"""


def man(commands: Iterator[tuple[str, str]], directory: Path | None) -> None:
    """Write all pages below `directory`, a part of MANPATH; by default that of the environment we run in."""
    place = directory or Path(sys.prefix) / "share" / "man"
    written = 0
    for section, pages in ((COMMANDS, commands), (FILES, _file_pages())):
        into = place / f"man{section}"
        durable.make_directory(into)
        for name, text in pages:
            durable.write(into / f"{name}.{section}", text.encode("ascii"))
            written += 1
    output.line(f"{output.visible(str(place))}: {output.plural(written, 'page')} written")
    output.say(f"to read them: man -M {place} dnsctl; or add it to MANPATH")


def _file_pages() -> Iterator[tuple[str, str]]:
    settings, zonefile = OF_FILES
    yield settings, "\n".join(_settings(settings)) + "\n"
    yield zonefile, "\n".join(_zone_file(zonefile)) + "\n"


def _begun(name: str, what: str, *paragraphs: str) -> Iterator[str]:
    yield from roff.title(name, FILES)
    yield from roff.name(name, what)
    yield from roff.heading("Description")
    for each in paragraphs:
        yield from roff.paragraph(each)


def _settings(name: str) -> Iterator[str]:
    yield from _begun(
        name,
        "settings of an operations repo of dnsctl",
        "YAML in the root of the repo. A setting that is not known is refused, with its line and the nearest "
        "one that is. `dnsctl schema` prints a JSON Schema of it for editors.",
    )
    yield from roff.heading("Forms")
    for form in _FORMS:
        yield from roff.term(*form)
    for section, found in groupby(reference(), lambda each: each.section):
        yield from roff.heading(section)
        for each in found:
            yield from roff.term(each.path, _told(each))
        yield from roff.paragraph("Example:")
        yield from roff.example(EXAMPLES[section].splitlines())
    yield from roff.heading("See also")
    yield from roff.paragraph("`dnsctl(1)`, `dnsctl-check(1)`, `dnsctl-schema(1)`")


def _told(each: Setting) -> str:
    needed = "required" if each.required else f"default {each.default}" if each.default else ""
    return f"{each.meaning} ({'; '.join(filter(None, (each.kind, needed)))})"


def _zone_file(name: str) -> Iterator[str]:
    yield from _begun(
        name,
        "zone files of dnsctl, in YAML",
        "`zones/example.com.yaml` holds the zone example.com as octoDNS has it: owner names relative to the "
        "apex, each with a record or a list of records. `''` is the apex, `'*'` a wildcard. Targets are "
        "whole names with a final dot. SOA and NS of the apex may be left to `defaults` of dnsctl.yaml(5).",
        "A value is text as in a master file, `10 mail.example.com.`, or a mapping of fields. "
        "`zones/example.com.zone` is a master file (RFC 1035).",
    )
    yield from roff.heading("Keys of a record")
    for row in record_keys():
        yield from roff.term(*row)
    yield from roff.heading("Fields of values")
    for rdtype, names in fields():
        yield from roff.term(rdtype, ", ".join(names))
    yield from roff.heading("Examples")
    yield from roff.example(_ZONE_EXAMPLE.splitlines())
    yield from roff.heading("See also")
    yield from roff.paragraph("`dnsctl(1)`, `dnsctl-check(1)`, `dnsctl-zone-fmt(1)`, `dnsctl.yaml(5)`")
