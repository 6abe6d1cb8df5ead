"""Where trust begins for a zone: the DS its operator has, or the DS its parent publishes.

The DS must come from somewhere else than what is verified. `anchors_in` takes the public key files of the
keystore, which a person reads and hands to the registrar; `chain_of` adds the DS RRset of a parent zone that
is in the same release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import dns.exception
import dns.rdatatype
import dns.zonefile

from dnsctl.image.layout import ZoneEntry
from dnsctl.image.reader import Reader
from dnsctl.model.key import PublicKey
from dnsctl.model.name import ROOT, Name, from_wire, to_text
from dnsctl.model.rrset import Type
from dnsctl.verify.chain import Chain, ChainBrokenError, trust
from dnsctl.verify.comparison import Mismatch
from dnsctl.verify.released import ReleasedZone, home

_SEP = 0x0001  # RFC 4034 §2.1.1

Anchors = Mapping[Name, tuple[bytes, ...]]  # apex -> DS rdatas; perhaps read when a zone is asked for
NO_ANCHORS: Anchors = MappingProxyType({})


def anchors_in(keys: Path) -> dict[Name, tuple[bytes, ...]]:
    """Return the DS (SHA-256) of every key with the SEP flag in `keys`/*/*.key, by zone.

    A file that is not a DNSKEY in master-file form is ignored: the zone then lacks that anchor, and checking
    the chain of trust shows it.
    """
    return _anchors(keys.glob("*/*.key"))


class AnchorFiles(Mapping[Name, tuple[bytes, ...]]):
    """As `anchors_in`, but a zone's files are read when it is asked for.

    `directory_of`: the name of a zone's directory in `keys`.
    """

    def __init__(self, keys: Path, directory_of: Callable[[Name], str]) -> None:
        self._keys = keys
        self._directory_of = directory_of

    def __getitem__(self, zone: Name) -> tuple[bytes, ...]:
        return _anchors((self._keys / self._directory_of(zone)).glob("*.key"))[zone]

    def __iter__(self) -> Iterator[Name]:
        return iter(anchors_in(self._keys))

    def __len__(self) -> int:
        return len(anchors_in(self._keys))

    def __bool__(self) -> bool:
        return True  # whether there are any is not worth reading all files


def _anchors(paths: Iterable[Path]) -> dict[Name, tuple[bytes, ...]]:
    found: dict[Name, list[bytes]] = {}
    for path in sorted(paths):
        try:
            rrsets = dns.zonefile.read_rrsets(path.read_text("utf-8"), rdclass=None, default_ttl=0)
        except (OSError, ValueError, dns.exception.DNSException):
            continue
        for rrset in rrsets:
            for rdata in rrset:
                if rdata.rdtype != dns.rdatatype.DNSKEY or not rdata.flags & _SEP:
                    continue
                zone = from_wire(rrset.name.to_digestable())
                found.setdefault(zone, []).append(_ds_of_key(zone, rdata.to_digestable()))
    return {zone: tuple(each) for zone, each in found.items()}


class Found(NamedTuple):
    """What is known of a zone's chain: None where it has none, then with mismatches where it should."""

    chain: Chain | None
    mismatches: tuple[Mismatch, ...] = ()
    note: str = ""


def chain_of(reader: Reader, entry: ZoneEntry, anchors: Anchors, now: datetime) -> Found:
    """Return the chain of trust to a released zone from its DS in `anchors`, and from its parent's, if ours.

    Without either, the zone's own DNSKEY RRset is taken, with a note: signatures are then checked, but not
    that anybody else trusts them.
    """
    origin = entry.origin
    keys = ReleasedZone(reader, entry).rrset(origin, Type.DNSKEY) if entry.signed else None
    parent, at_parent = _ds_at_parent(reader, origin)
    if keys is None:
        if not (at_parent or entry.signed):
            return Found(None)
        expected = (
            f"a signed zone: {to_text(parent)} holds a DS" if at_parent else "DNSKEY: the zone is signed"
        )
        return Found(None, (Mismatch("chain-broken", origin, Type.DNSKEY, expected, "no DNSKEY"),))
    ours = anchors.get(origin, ())
    note = ""
    if not ours and not at_parent:
        ours = tuple(_ds_of_key(origin, each) for each in keys.rdatas)
        note = "no DS is known for it: its signatures are checked with its own keys only"
    chain, mismatches = None, []
    for where, ds in (("the DS of its key files", ours), (f"the DS in {to_text(parent)}", at_parent)):
        if not ds:
            continue
        try:
            chain = trust(origin, keys.rdatas, keys.signatures, ds, now)
        except ChainBrokenError as error:
            expected = f"a chain of trust from {where}"
            mismatches.append(Mismatch("chain-broken", origin, Type.DNSKEY, expected, str(error)))
    return Found(chain, tuple(mismatches), note)


def _ds_at_parent(reader: Reader, origin: Name) -> tuple[Name, tuple[bytes, ...]]:
    """Return the zone of the release that answers for the DS of `origin`, and the DS rdatas it answers with.

    None where it is not signed: nobody can believe its DS. None either where a cut in it hides the name: the
    parent is then a zone that is not ours.
    """
    above = home(reader, origin, Type.DS)
    entry = reader.zone(above) if above is not None and above != origin else None
    if entry is None or not entry.signed:
        return ROOT, ()
    node = ReleasedZone(reader, entry).node(origin)
    ds = node.get(Type.DS) if node is not None and not node.occluded else None
    return entry.origin, ds.rdatas if ds else ()


def _ds_of_key(origin: Name, dnskey: bytes) -> bytes:
    flags, algorithm = int.from_bytes(dnskey[:2], "big"), dnskey[3]  # RFC 4034 §2.1
    return PublicKey(origin, algorithm, flags, dnskey[4:]).ds()
