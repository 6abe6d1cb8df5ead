"""What octoDNS itself makes of a directory of zones, and what dnsctl does: RRsets that can be compared."""

from __future__ import annotations

import warnings
from pathlib import Path

import dns.name
import dns.rdata
from dns.rdtypes.svcbbase import SVCBBase
from octodns.provider.yaml import YamlProvider
from octodns.record import Record
from octodns.record.alias import AliasRecord
from octodns.zone import Zone as OctodnsZone

from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import parse_config
from dnsctl.load.zones import Loaded, load_zones
from dnsctl.model.repo import CONFIG
from dnsctl.model.rrset import type_text
from tests.load.sources import CONFIG as SETTINGS

RRsets = dict[tuple[bytes, str], tuple[int, frozenset[bytes]]]
LEFT_OUT = ("CloudflareProvider/URLFWD", "AzureProvider/ALIAS")
for _kind in LEFT_OUT:  # as octoDNS's own providers do when they are imported
    Record.register_type(type(_kind, (AliasRecord,), {"_type": _kind}))
TARGET = "dnsctl"  # the name under which `included` and `excluded` may have us


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def by_octodns(root: Path, directory: str, zone: str, default_ttl: int = 3600) -> RRsets:
    """Return what octoDNS would have at a new provider of the name `dnsctl`. Raises what octoDNS raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = YamlProvider(
            "config", str(root / directory), default_ttl=default_ttl, enforce_order=False,
            split_extension=".", escaped_semicolons=True,
        )  # fmt: skip
        target = YamlProvider(TARGET, str(root / "nowhere"), escaped_semicolons=True)
        desired = OctodnsZone(f"{zone}.", [])
        source.populate(desired)
        changes = OctodnsZone(f"{zone}.", []).changes(desired, target)
        found: RRsets = {}
        for record in (each.new for each in changes):
            if record._type in LEFT_OUT:
                continue
            one = record.to_rrset()
            kind = "CNAME" if one._type == "ALIAS" else one._type  # of the same form
            rdatas = [dns.rdata.from_text("IN", kind, " ".join(text.split("\n"))) for text in one.rdatas]
            owner = dns.name.from_text(one.name).canonicalize().to_wire()
            assert owner is not None
            found[owner, one._type] = (one.ttl, frozenset(comparable(each) for each in rdatas))
        return found


def by_dnsctl(root: Path, directory: str, ttl: int = 3600) -> tuple[RRsets, Loaded]:
    """Return what dnsctl serves of the zone files in `directory`, without what comes from `defaults`."""
    settings = SETTINGS.replace("ttl: 1h", f"ttl: {ttl}") + f"zone-files: {directory}\n"
    loaded = load_zones(WorkTree(root), parse_config(settings.encode()))
    found: RRsets = {}
    for zone in loaded.zones.values():
        for alias in zone.aliases:
            found[bytes(alias.owner), "ALIAS"] = (alias.ttl, frozenset((bytes(alias.target),)))
        for one in zone.rrsets():
            if one.position is not None and one.position.file == CONFIG:
                continue
            rdatas = [
                dns.rdata.from_wire("IN", type_text(one.rdtype), each, 0, len(each)) for each in one.rdatas
            ]
            found[bytes(one.owner), type_text(one.rdtype)] = (
                one.ttl,
                frozenset(comparable(each) for each in rdatas),
            )
    return found, loaded


def comparable(rdata: dns.rdata.Rdata) -> bytes:
    """Return canonical rdata; of texts, what a reader joins: octoDNS forgets where strings end."""
    if hasattr(rdata, "strings"):
        return b"".join(rdata.strings)
    if isinstance(rdata, SVCBBase):  # whose names keep their case (RFC 4034 §6.2)
        rdata = rdata.replace(target=rdata.target.canonicalize())
    return rdata.to_digestable()
