"""The manifest of a release, and the certificate that activates it. Canonical JSON, format 1 or 2.

A manifest names the state of *all* zones at one commit by the digest of the table of all zones, and lists
only the zones that changed against its parent, so that its size follows the change. In format 2 it has the
settings of nodes as well, all of them: each release says what holds with it. Invariants: generation 1
has no parent and every other has one; `zones` and `removed` are disjoint; no probe or entry of a zone is
out of bounds. `from_bytes` takes hostile bytes and raises ReleaseError for all but a manifest that
`to_bytes` would write again octet by octet.

Who signed it is not known here: see `envelope`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypedDict
from weakref import WeakValueDictionary

from dnsctl.errors import DnsctlError, ReleaseError
from dnsctl.image.layout import ZoneEntry
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.release import canonical, settings
from dnsctl.release.digest import is_digest
from dnsctl.release.settings import FleetSettings

FORMAT = 2  # the highest that is read; 1, which has no settings, is read and written as well
MAX_MANIFEST = 32 * 2**20  # octets; inside an envelope it grows by a third
MAX_CERTIFICATE = 4096  # octets
MAX_PROBES = 4096
MAX_DELTA_SIZE = 2**30  # octets, compressed
MAX_DELTA_LENGTH = 2**32  # octets, decompressed
_HIGHEST = 2**53  # generations and times: what every JSON reader can hold
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeltaReference:
    """The delta that belongs to a manifest: SHA-256 (hex), `size` as shipped, `length` decompressed."""

    digest: str
    size: int
    length: int


@dataclass(frozen=True, slots=True)
class Probe:
    """A question and what must be answered, derived from the zone's data and not from answer code.

    `answers`: rdatas (hex, sorted) of type `rdtype` in the answer section, whatever their owner. `dnssec`:
    ask with DO set; the answer or the denial must then come with signatures.
    """

    name: Name
    rdtype: int
    dnssec: bool
    rcode: int
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """One release. `zones`: entries of the changed zones; `table`: digest of the table after it (hex).

    `settings`: of nodes; None where they do not travel, as in format 1.
    """

    generation: int
    parent: str | None
    commit: str | None
    created: int  # unix seconds
    zones: Mapping[Name, ZoneEntry] = field(repr=False)
    removed: tuple[Name, ...]
    table: str
    delta: DeltaReference
    probes: tuple[Probe, ...] = field(repr=False)
    settings: FleetSettings | None = field(default=None, repr=False)

    @property
    def format(self) -> int:
        return 1 if self.settings is None else 2

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of `to_bytes`: what children and certificates call this manifest by."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the canonical form."""
        carried: dict[str, Json] = {} if self.settings is None else {"settings": self.settings}
        return canonical.encode(
            {
                "format": self.format,
                **carried,
                "generation": self.generation,
                "parent": self.parent,
                "commit": self.commit,
                "created": self.created,
                "zones": {to_text(origin): entry.to_json() for origin, entry in self.zones.items()},
                "removed": sorted(to_text(origin) for origin in self.removed),
                "table": self.table,
                "delta": {
                    "digest": self.delta.digest,
                    "size": self.delta.size,
                    "length": self.delta.length,
                },
                "probes": [
                    {
                        "name": to_text(probe.name),
                        "rdtype": probe.rdtype,
                        "dnssec": probe.dnssec,
                        "rcode": probe.rcode,
                        "answers": list(probe.answers),
                    }
                    for probe in self.probes
                ],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Parse and check; see the module for what is refused. Raises ReleaseError.

        One that is in use is not parsed again: each step of a release reads it.
        """
        digest = hashlib.sha256(data).hexdigest()
        found = _in_use.get(digest)
        if found is None:
            found = _in_use[digest] = cls._read(data)
        return found

    @classmethod
    def _read(cls, data: bytes) -> Manifest:
        value, carried = _of_any_format(data)
        generation = _bounded(value["generation"], 1, _HIGHEST, "generation")
        parent, commit = value["parent"], value["commit"]
        _require((parent is None) == (generation == 1), "has a parent if and only if it is not the first")
        _require(parent is None or is_digest(parent), "`parent` is not a SHA-256 digest")
        _require(commit is None or _COMMIT.fullmatch(commit) is not None, "names no commit")
        _require(is_digest(value["table"]), "has no digest of the table")
        zones = dict(_entry(origin, entry) for origin, entry in value["zones"].items())
        removed = tuple(_name(origin) for origin in value["removed"])
        _require(zones.keys().isdisjoint(removed), "lists a zone as changed and as removed")
        _require(len(set(removed)) == len(removed), "lists a removed zone twice")
        _require(len(value["probes"]) <= MAX_PROBES, f"has more than {MAX_PROBES} probes")
        manifest = cls(
            generation=generation,
            parent=parent,
            commit=commit,
            created=_bounded(value["created"], 0, _HIGHEST, "created"),
            zones=zones,
            removed=removed,
            table=value["table"],
            delta=_delta(value["delta"]),
            probes=tuple(_probe(each) for each in value["probes"]),
            settings=carried,
        )
        _require(manifest.to_bytes() == data, "is not in canonical form")
        return manifest


_in_use: WeakValueDictionary[str, Manifest] = WeakValueDictionary()  # by their digests


def settings_in(data: bytes) -> FleetSettings | None:
    """Return the settings of nodes in the octets of a manifest, without a look at its zones.

    Raises ReleaseError.
    """
    return _of_any_format(data)[1]


class _ManifestFields(TypedDict):
    format: int
    generation: int
    parent: str | None
    commit: str | None
    created: int
    zones: dict[str, object]
    removed: list[object]
    table: str
    delta: dict[str, object]
    probes: list[object]


class _WithSettings(_ManifestFields):
    settings: dict[str, Json]


class _DeltaFields(TypedDict):
    digest: str
    size: int
    length: int


class _ProbeFields(TypedDict):
    name: str
    rdtype: int
    dnssec: bool
    rcode: int
    answers: list[object]


class _CertificateFields(TypedDict):
    generation: int
    manifest: str
    created: int


@dataclass(frozen=True, slots=True)
class ActivationCertificate:
    """The order to activate: a node that holds the staged release `manifest` (hex digest) commits it."""

    generation: int
    manifest: str
    created: int  # unix seconds

    def to_bytes(self) -> bytes:
        """Return the canonical form."""
        return canonical.encode(
            {"generation": self.generation, "manifest": self.manifest, "created": self.created}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ActivationCertificate:
        """Parse and check. Raises ReleaseError."""
        what = "activation certificate"
        value = canonical.fields(
            canonical.decode(data, MAX_CERTIFICATE, what),
            what,
            _CertificateFields,
        )
        _require(is_digest(value["manifest"]), "names no digest", what)
        return cls(
            _bounded(value["generation"], 1, _HIGHEST, "generation", what),
            value["manifest"],
            _bounded(value["created"], 0, _HIGHEST, "created", what),
        )


def _of_any_format(data: bytes) -> tuple[_ManifestFields, FleetSettings | None]:
    """Return the fields, and the settings of nodes; their size is checked, and not what they say."""
    value = canonical.decode(data, MAX_MANIFEST, "manifest")
    number = value.get("format")
    if type(number) is not int or number == 1:
        return canonical.fields(value, "manifest", _ManifestFields), None
    _require(number == FORMAT, f"is of format {number}, this dnsctl reads up to {FORMAT}")
    with_settings = canonical.fields(value, "manifest", _WithSettings)
    settings.encode(with_settings["settings"])
    return with_settings, with_settings["settings"]


def _entry(origin: str, value: object) -> tuple[Name, ZoneEntry]:
    """Return a zone's entry; bounds are checked here, the form by writing it out again."""
    try:
        entry = ZoneEntry.from_json(value)
        name = _name(origin)
        good = (
            entry.origin == name
            and 0 <= entry.serial < 2**32
            and 0 <= entry.owners <= entry.rrsets <= entry.records < _HIGHEST
            and (entry.expiry is None or 0 <= entry.expiry < _HIGHEST)
            and (entry.inception is None or 0 <= entry.inception < _HIGHEST)
            and all(0 <= tag < 2**16 for tag in entry.tags)
            and is_digest(entry.digest)
            and len(entry.source) <= 64
            and _HEX.fullmatch(entry.source) is not None
            and entry.to_json() == value
        )
    except (DnsctlError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        good = False
    _require(good, f"has a malformed entry for zone {origin[:80]!r}")
    return name, entry


def _delta(value: object) -> DeltaReference:
    one = canonical.fields(value, "manifest: delta", _DeltaFields)
    _require(is_digest(one["digest"]), "has no digest of its delta")
    return DeltaReference(
        one["digest"],
        _bounded(one["size"], 0, MAX_DELTA_SIZE, "size of the delta"),
        _bounded(one["length"], 0, MAX_DELTA_LENGTH, "length of the delta"),
    )


def _probe(value: object) -> Probe:
    one = canonical.fields(value, "manifest: probe", _ProbeFields)
    answers = [each for each in one["answers"] if isinstance(each, str)]
    _require(
        len(answers) == len(one["answers"])
        and all(len(each) < 2**17 and _HEX.fullmatch(each) for each in answers)
        and answers == sorted(set(answers)),
        "has a probe whose answers are not sorted hex",
    )
    return Probe(
        _name(one["name"]),
        _bounded(one["rdtype"], 1, 2**16 - 1, "type of a probe"),
        one["dnssec"],
        _bounded(one["rcode"], 0, 2**12 - 1, "rcode of a probe"),
        tuple(answers),
    )


def _name(text: object) -> Name:
    try:
        name = from_text(text) if isinstance(text, str) else None
    except DnsctlError:
        name = None
    if name is None or to_text(name) != text:
        raise ReleaseError(f"manifest holds {str(text)[:80]!r} where a name belongs")
    return name


def _bounded(value: int, low: int, high: int, what: str, of: str = "manifest") -> int:
    _require(low <= value <= high, f"has {what} {value} out of bounds", of)
    return value


def _require(holds: bool, otherwise: str, of: str = "manifest") -> None:
    if not holds:
        raise ReleaseError(f"{of} {otherwise}")
