"""A zone while its file is being read: it collects RRsets and findings, then becomes a frozen `Zone`.

One for both kinds of files, so that both follow the same rules: one TTL an RRset, SOA and apex NS from the
defaults where the file has none, owners inside the zone. Nothing here raises for what a file says.
"""

from __future__ import annotations

from dataclasses import dataclass

from dnsctl.load.settings.policy import Defaults
from dnsctl.model.alias import Alias
from dnsctl.model.finding import Finding, Position
from dnsctl.model.name import Name, from_text, is_subdomain, to_unicode
from dnsctl.model.reading import finding
from dnsctl.model.repo import CONFIG
from dnsctl.model.rrset import RRset, Type, type_text
from dnsctl.model.soa import STANDARD_INTERVALS, Intervals, soa_rdata
from dnsctl.model.zone import Zone, nodes_of

PLACEHOLDER_SERIAL = 1  # the release assigns the serial (dnssec.md)


@dataclass(frozen=True)
class ZoneDefaults:
    """Values for what a zone's file leaves out. `file`: where they are written, for positions.

    `bare_semicolons`: TXT in YAML has `;` and no escape for it, as octoDNS's `escaped_semicolons: false`.
    """

    ttl: int = Defaults().ttl
    soa: bytes | None = None
    ns: tuple[Name, ...] = ()
    file: str = CONFIG
    bare_semicolons: bool = False

    @staticmethod
    def of(defaults: Defaults, file: str = CONFIG) -> ZoneDefaults:
        """Return the defaults of dnsctl.yaml as a zone takes them."""
        soa = defaults.soa
        rdata = None
        if soa is not None:
            intervals = Intervals(soa.refresh, soa.retry, soa.expire, soa.minimum)
            rdata = soa_rdata(soa.mname, soa.rname, PLACEHOLDER_SERIAL, intervals)
        return ZoneDefaults(defaults.ttl, rdata, defaults.ns, file)


# For zones served without a dnsctl.yaml: names that exist nowhere, so that nothing points at strangers.
LOCALHOST_DEFAULTS = ZoneDefaults(
    soa=soa_rdata(
        from_text("localhost."),
        from_text("hostmaster.localhost."),
        PLACEHOLDER_SERIAL,
        STANDARD_INTERVALS,
    ),
    ns=(from_text("localhost."),),
    file="",
)


class _Growing:
    """An RRset that is still being read."""

    __slots__ = ("column", "file", "line", "mixed", "rdatas", "ttl")

    def __init__(self, ttl: int, rdata: bytes, file: str, line: int, column: int) -> None:
        self.ttl = ttl
        self.rdatas = [rdata]
        self.file = file
        self.line = line
        self.column = column
        self.mixed = False


class Draft:
    """Collects one zone. `file` is the zone's own; positions may name a file that it includes."""

    def __init__(self, origin: Name, file: str, defaults: ZoneDefaults) -> None:
        self.origin = origin
        self.file = file
        self.emptied: set[Name] = set()  # names with an empty list of records
        self._aliases: dict[Name, Alias] = {}
        self.lenient: set[Position] = set()  # places of records whose file asks for leniency
        self.defaults = defaults
        self.findings: list[Finding] = []
        self._growing: dict[tuple[Name, int], _Growing] = {}
        self._signatures: dict[tuple[Name, int], list[bytes]] = {}

    def find(self, rule: str, position: Position, message: str, advice: str = "") -> None:
        """Collect a finding about this zone."""
        self.findings.append(finding(rule, position, message, advice, self.origin))

    def add(
        self, owner: Name, rdtype: int, ttl: int, rdata: bytes, file: str, line: int, column: int
    ) -> None:
        """Add one record. Its RRset stands where its first record does, and has the lowest TTL of all."""
        known = self._growing.get((owner, rdtype))
        if known is None:
            if not is_subdomain(owner, self.origin):
                self._outside(owner, Position(file, line, column))
                return
            self._growing[owner, rdtype] = _Growing(ttl, rdata, file, line, column)
            return
        known.rdatas.append(rdata)
        if ttl != known.ttl:
            if not known.mixed:
                known.mixed = True
                self._mix(owner, rdtype, ttl, known, Position(file, line, column))
            known.ttl = min(known.ttl, ttl)

    def first(self, owner: Name, rdtype: int) -> bytes | None:
        """Return the rdata that was read first of an RRset, or None."""
        known = self._growing.get((owner, int(rdtype)))
        return None if known is None else known.rdatas[0]

    def sign(self, owner: Name, signature: bytes, position: Position) -> None:
        """Keep one RRSIG for the RRset it covers."""
        if not is_subdomain(owner, self.origin):
            self._outside(owner, position)
            return
        covered = int.from_bytes(signature[:2], "big")
        self._signatures.setdefault((owner, covered), []).append(signature)

    def alias(self, alias: Alias) -> None:
        """Add one ALIAS. A second to the same target, as Route 53 has them, adds its types to the first."""
        owner, known = alias.owner, self._aliases.get(alias.owner)
        if not is_subdomain(owner, self.origin):
            self._outside(owner, alias.position)
        elif known is None:
            self._aliases[owner] = alias
        elif known.target != alias.target:
            one, other = to_unicode(known.target), to_unicode(alias.target)
            message = f"{to_unicode(owner)} is an ALIAS of {one} and of {other}"
            self.find("alias-several", alias.position, message, "keep one of them")
        else:
            types = tuple(sorted({*known.types, *alias.types}))
            self._aliases[owner] = known._replace(types=types, ttl=min(known.ttl, alias.ttl))

    def zone(self) -> Zone:
        """Return the zone, completed from the defaults; call it once, at the end.

        What was collected is freed meanwhile, so that a large zone is not in memory twice.
        """
        added = self._from_defaults()
        aliases = tuple(each for each in self._aliases.values() if not self._stands_beside(each))
        found = [self._finished(key) for key in list(self._growing)]
        found += [one._replace(signatures=self._signatures_of((one.owner, one.rdtype))) for one in added]
        for owner, covered in self._signatures:
            self._stray(owner, covered)
        lenient = frozenset(self.lenient)
        return Zone(self.origin, nodes_of(found), self.file, frozenset(self.emptied), aliases, lenient)

    def _finished(self, key: tuple[Name, int]) -> RRset:
        each = self._growing.pop(key)
        rdatas = (each.rdatas[0],) if len(each.rdatas) == 1 else tuple(sorted(set(each.rdatas)))
        position = Position(each.file, each.line, each.column)
        return RRset(key[0], key[1], each.ttl, rdatas, position, self._signatures_of(key))

    def _signatures_of(self, key: tuple[Name, int]) -> tuple[bytes, ...]:
        found = self._signatures.pop(key, ())
        return tuple(sorted(set(found))) if len(found) > 1 else tuple(found)

    def _from_defaults(self) -> list[RRset]:
        ttl, position = self.defaults.ttl, Position(self.defaults.file or self.file)
        made = []
        if self.defaults.soa is not None and (self.origin, Type.SOA) not in self._growing:
            made.append(RRset(self.origin, int(Type.SOA), ttl, (self.defaults.soa,), position))
        if self.defaults.ns and (self.origin, Type.NS) not in self._growing:
            servers = tuple(sorted(set(self.defaults.ns)))
            made.append(RRset(self.origin, int(Type.NS), ttl, servers, position))
        return made

    def _outside(self, owner: Name, position: Position) -> None:
        self.find(
            "owner-outside-zone",
            position,
            f"{to_unicode(owner)} is outside {to_unicode(self.origin)}",
            "move it to its own zone's file, or correct the name",
        )

    def _stands_beside(self, alias: Alias) -> bool:
        """Report an ALIAS beside what it cannot stand beside."""
        owner = alias.owner
        cut = (int(Type.NS),) if owner != self.origin else ()
        for rdtype in (*alias.types, int(Type.CNAME), *cut):
            if (owner, rdtype) in self._growing:
                message = f"{to_unicode(owner)} has an ALIAS and {type_text(rdtype)}"
                self.find("alias-beside", alias.position, message, "keep one of them")
                return True
        return False

    def _mix(self, owner: Name, rdtype: int, ttl: int, known: _Growing, position: Position) -> None:
        self.find(
            "rrset-ttl-mix",
            position,
            f"{to_unicode(owner)} {type_text(rdtype)} has TTL {ttl} here and {known.ttl} at "
            f"{Position(known.file, known.line, known.column)}",
            "give all records of an RRset one TTL (RFC 2181 §5.2); the lowest is served",
        )

    def _stray(self, owner: Name, covered: int) -> None:
        self.find(
            "signature-covers-nothing",
            Position(self.file),
            f"RRSIG at {to_unicode(owner)} covers {type_text(covered)}, which is not there",
            "sign the zone again; this signature is left out",
        )
