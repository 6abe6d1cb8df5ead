"""A zone that comes in: as it was read, and the zone file that holds it.

A file is used only once it was read back and says the same: what comes out of here is never less than what
came in, but for what `signer` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.interchange.naming import file_stem
from dnsctl.interchange.octodns_yaml import octodns_yaml
from dnsctl.interchange.signer import unsigned
from dnsctl.load import masterfile, zone_yaml
from dnsctl.load.draft import ZoneDefaults
from dnsctl.load.revision import WorkTree
from dnsctl.model.alias import Alias
from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name, to_text
from dnsctl.model.presentation import master_file
from dnsctl.model.repo import MASTER, YAML
from dnsctl.model.rrset import RRset, type_text
from dnsctl.model.zone import Zone

Form = Literal["yaml", "zone"]


@dataclass(frozen=True)
class Incoming:
    """A zone as it was read from `source`, a file or a server; `findings`: what the reader says.

    `copied`: files, by path below the directory of zone files, that are read the same.
    """

    zone: Zone
    source: str
    findings: tuple[Finding, ...] = ()
    copied: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Written:
    """A zone as it goes among the zone files. `gone`: records left out, by type.

    `files`: octets by path below the directory of zone files.
    """

    origin: Name
    source: str
    files: Mapping[str, bytes] = field(repr=False)
    gone: Mapping[str, int]
    rrsets: int
    records: int

    @property
    def name(self) -> str:
        """Return what the directory has of it: a file, or the directory of a split zone."""
        return next(iter(self.files)).split("/", 1)[0]


def parsed_master_file(tree: WorkTree, text: bytes, path: str, origin: Name, ttl: int) -> Incoming:
    """Read the text of a master file, and what it includes below its own directory. `ttl`: where it has none.

    Raises DnsctlError where it is not text.
    """
    zone, findings = masterfile.parse(
        text, path, origin, ZoneDefaults(ttl), lambda included: tree.read(included, masterfile.MAX_BYTES)
    )
    if zone is None:
        raise DnsctlError("is not a master file", where=path, rule=RefusalRule.IMPORT)
    return Incoming(zone, path, findings)


def errors_in(found: Incoming) -> list[Finding]:
    """Return what keeps a zone from being taken."""
    return [each for each in found.findings if each.severity is Severity.ERROR]


def written(found: Incoming, form: Form, *, presigned: bool = False) -> Written:
    """Return the file of a zone, without what its signer made unless `presigned`.

    Raises DnsctlError where the file would not say the same.
    """
    zone, gone = (found.zone, {}) if presigned else unsigned(found.zone)
    if found.copied and form == "yaml" and not gone:
        files = found.copied
    else:
        suffix = YAML if form == "yaml" else MASTER
        lines = octodns_yaml(zone) if form == "yaml" else master_file(zone)
        name = file_stem(zone.origin) + suffix
        files = {name: "".join(lines).encode("ascii")}
        _compare(zone, files[name], name)
    rrsets = list(zone.rrsets())
    return Written(
        zone.origin, found.source, files, gone, len(rrsets), sum(len(each.rdatas) for each in rrsets)
    )


def _compare(zone: Zone, text: bytes, name: str) -> None:
    """Raise DnsctlError unless `text` is read as `zone`."""
    parse = zone_yaml.parse if name.endswith(YAML) else masterfile.parse
    again, _ = parse(text, name, zone.origin, ZoneDefaults())
    if again is None or aliases(zone) != aliases(again):
        raise DnsctlError(
            "has an ALIAS, which a master file has not",
            where=to_text(zone.origin),
            advice="write it as YAML: --as yaml",
            rule=RefusalRule.IMPORT,
        )
    before, after = content(zone), content(again)
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            owner, rdtype = key
            raise DnsctlError(
                f"{to_text(owner)} {type_text(rdtype)} cannot be written in this form",
                where=to_text(zone.origin),
                advice="try another form: --as zone, or --as yaml",
                rule=RefusalRule.IMPORT,
            )


def aliases(zone: Zone) -> set[Alias]:
    """Return its aliases, without where they are written."""
    return {each._replace(position=Position("")) for each in zone.aliases}


def content(zone: Zone) -> dict[tuple[Name, int], RRset]:
    """Return what a zone says, without where it is written."""
    return {(one.owner, one.rdtype): one._replace(position=None) for one in zone.rrsets()}
