"""What a node is sent to look at on behalf of the control host, and what it brings back: bounded JSON.

Pure but for `carried_out`. Neither side trusts the other: an errand is read as from somebody who stole the
control host's certificate, and what is brought as from whoever has the node's. A node asks for DS and NS of
zones that it serves, without recursion, at `may_ask` alone; it judges nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Final, NamedTuple

from dnsctl.errors import DnsctlError
from dnsctl.model.fleet import Endpoint
from dnsctl.model.json_value import Json
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.observation import ParentView
from dnsctl.parent.looking import DS_LENGTHS, MAX_DS, MAX_GLUE, Look, look_at_all
from dnsctl.parent.patience import Patience
from dnsctl.parent.servers import DNS_PORT, MAX_NAMES, Server
from dnsctl.parent.view import DelegationView

LONGEST: Final = 180.0  # seconds that an errand may take
MAX_LOOKS: Final = 5_000  # of one zone at one server each: of 190 zones below com
MAX_ERRAND: Final = 4 * 2**20  # octets of JSON
_MAX_PORT: Final = 2**16 - 1
_LONGEST_TEXT: Final = 1100  # characters of a name with all octets escaped, or of a reason
_LONGEST_TTL: Final = 2**31 - 1  # seconds (RFC 2181 §8)
_THIS_NETWORK: Final = IPv4Network("0.0.0.0/8")  # RFC 1122 §3.2.1.3


class Asked(NamedTuple):
    """Servers that are all asked about each of `zones`."""

    servers: tuple[Server, ...]
    zones: tuple[Name, ...]


class TooManyLooksError(ValueError):
    """More looks than a node makes for one request."""


@dataclass(frozen=True)
class Errand:
    """What to look at, and how many seconds that may take."""

    seconds: float
    parents: tuple[Asked, ...]

    def asked(self) -> Iterator[tuple[Name, tuple[Server, ...]]]:
        """Yield each zone with the servers that are to be asked about it."""
        for each in self.parents:
            for zone in each.zones:
                yield zone, each.servers

    def to_bytes(self) -> bytes:
        parents: list[Json] = [
            {
                "servers": [[one.name, *one.endpoint] for one in each.servers],
                "zones": [to_text(zone) for zone in each.zones],
            }
            for each in self.parents
        ]
        return json.dumps({"seconds": self.seconds, "parents": parents}).encode()

    @classmethod
    def from_bytes(cls, told: bytes) -> Errand:
        """Read `to_bytes`. Raises ValueError for anything else, TooManyLooksError for too much of it."""
        try:
            whole = json.loads(told)
            seconds = whole["seconds"]
            if type(seconds) not in (int, float) or not 0 < seconds <= LONGEST:
                raise ValueError("seconds")
            parents = tuple(_asked(each) for each in _list(whole["parents"]))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not an errand: {type(error).__name__}") from None
        if sum(len(each.servers) * len(each.zones) for each in parents) > MAX_LOOKS:
            raise TooManyLooksError(f"more than {MAX_LOOKS} looks")
        zones = [zone for each in parents for zone in each.zones]
        if len(set(zones)) != len(zones):
            raise ValueError("a zone twice")
        return cls(float(seconds), parents)


@dataclass(frozen=True)
class Brought:
    """What a node saw. `refused`: servers that it may not ask; `unknown`: zones that it does not serve.

    A zone that is in none of them had to wait for too long.
    """

    looks: Mapping[Name, tuple[Look, ...]]
    refused: frozenset[Endpoint] = frozenset()
    unknown: frozenset[Name] = frozenset()

    def to_bytes(self) -> bytes:
        looks: dict[str, Json] = {
            to_text(zone): [_look_json(each) for each in looks] for zone, looks in self.looks.items()
        }
        refused: list[Json] = [list(each) for each in sorted(self.refused)]
        unknown: list[Json] = [to_text(each) for each in sorted(self.unknown)]
        return json.dumps({"looks": looks, "refused": refused, "unknown": unknown}).encode()

    @classmethod
    def from_json(cls, told: Mapping[str, object], errand: Errand, site: str, now: datetime) -> Brought:
        """Read `to_bytes`, as seen from `site` at `now`. Raises ValueError for what was not asked for."""
        asked = dict(errand.asked())
        known = {each.endpoint for servers in asked.values() for each in servers}
        try:
            refused = frozenset(_endpoint(*_list(each)) for each in _list(told["refused"]))
            unknown = frozenset(_zone(each) for each in _list(told["unknown"]))
            looks: dict[Name, tuple[Look, ...]] = {}
            for text, each in _items(told["looks"]):
                zone = _zone(text)
                looks[zone] = tuple(_looks(each, asked[zone], site, now))
                _require_all(looks[zone], asked[zone], refused)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not what was asked for: {type(error).__name__}") from None
        if not refused <= known or not unknown <= asked.keys():
            raise ValueError("what was not asked for")
        return cls(looks, refused, unknown)


def carried_out(
    errand: Errand, named: Collection[Endpoint], serves: Callable[[Name], bool], patience: Patience
) -> Brought:
    """Look, until `patience` is over. `named`: endpoints that may be asked, whatever they are."""
    targets = {server.endpoint for each in errand.parents for server in each.servers}
    refused = {each for each in targets if not may_ask(each, named)}
    asked: list[tuple[Name, Sequence[Server]]] = []
    unknown: set[Name] = set()
    for zone, servers in errand.asked():
        allowed = [each for each in servers if each.endpoint not in refused]
        if not serves(zone):
            unknown.add(zone)
        elif allowed:
            asked.append((zone, allowed))
    looks = look_at_all(asked, datetime.now(UTC), patience)
    return Brought({zone: tuple(told) for zone, told in looks}, frozenset(refused), frozenset(unknown))


def may_ask(target: Endpoint, named: Collection[Endpoint]) -> bool:
    """True for what this host's own settings name, and for port 53 of any host but this one."""
    address = ip_address(target.address)
    if any(ip_address(each.address) == address and each.port == target.port for each in named):
        return True
    return target.port == DNS_PORT and not is_of_one_host(address) and not _is_nobody(address)


def is_of_one_host(address: IPv4Address | IPv6Address) -> bool:
    """True for an address that is another host, or none, wherever it is used: loopback and link-local."""
    return address.is_loopback or address.is_link_local


def _is_nobody(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        return address.is_multicast or address.is_unspecified or address.ipv4_mapped is not None
    return address.is_multicast or address.is_reserved or address in _THIS_NETWORK


# -- From JSON: each raises ValueError, KeyError, TypeError, AttributeError for what does not belong there ---


def _asked(told: object) -> Asked:
    if not isinstance(told, Mapping):
        raise ValueError("object")
    servers = tuple(_server(*_list(each)) for each in _list(told["servers"]))
    if len({each.endpoint for each in servers}) != len(servers):
        raise ValueError("a server twice")
    return Asked(servers, tuple(_zone(each) for each in _list(told["zones"])))


def _server(name: object, address: object, port: object) -> Server:
    return Server(_text(name, _LONGEST_TEXT), _endpoint(address, port))


def _endpoint(address: object, port: object) -> Endpoint:
    if type(port) is not int or not 0 < port <= _MAX_PORT:
        raise ValueError("port")
    if not isinstance(address, str) or "%" in address:
        raise ValueError("address")
    return Endpoint(str(ip_address(address)), port)


def _zone(text: object) -> Name:
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise ValueError("zone")
    try:
        name = from_text(text)
    except DnsctlError:
        raise ValueError("zone") from None
    if to_text(name) != text:
        raise ValueError("zone")
    return name


def _looks(told: object, servers: Iterable[Server], site: str, now: datetime) -> Iterator[Look]:
    left = {each.endpoint: each for each in servers}
    for each in _list(told):
        address, port, ds, ttl, fault, delegation = _list(each)
        server = left.pop(_endpoint(address, port)) if isinstance(port, int) else None
        if server is None:
            raise ValueError("server")
        rdatas = None if ds is None else tuple(sorted(_rdata(one) for one in _list(ds)))
        if rdatas is not None and len(rdatas) > MAX_DS:
            raise ValueError("ds")
        view = ParentView(str(server), site, now, rdatas, _ttl(ttl), _reason(fault))
        yield Look(server, view, _delegation(delegation, str(server), site))


def _require_all(looks: Iterable[Look], servers: Iterable[Server], refused: Collection[Endpoint]) -> None:
    """Raise ValueError for a server that is neither told of nor refused, and answered at no other address."""
    told = {each.server.endpoint for each in looks}
    answered = {each.server.name for each in looks if each.ds.ds is not None}
    for each in servers:
        if each.endpoint not in told and each.endpoint not in refused and each.name not in answered:
            raise ValueError("a server is missing")


def _delegation(told: object, server: str, site: str) -> DelegationView:
    ns, ns_ttl, glue, glue_ttl, fault = _list(told)
    names = None if ns is None else tuple(_text(each, _LONGEST_TEXT) for each in _list(ns))
    addresses = {_text(name, _LONGEST_TEXT): tuple(map(_address, _list(each))) for name, each in _items(glue)}
    if len(names or ()) > MAX_NAMES or sum(map(len, addresses.values())) > MAX_GLUE:
        raise ValueError("delegation")
    return DelegationView(server, names, _ttl(ns_ttl), addresses, _ttl(glue_ttl), _reason(fault), site)


def _look_json(look: Look) -> list[Json]:
    ds, there = look.ds, look.delegation
    rdatas: Json = None if ds.ds is None else [each.hex() for each in ds.ds]
    names: Json = None if there.ns is None else list(there.ns)
    glue: dict[str, Json] = {name: list(each) for name, each in there.glue.items()}
    delegation: list[Json] = [names, there.ns_ttl, glue, there.glue_ttl, there.fault]
    return [*look.server.endpoint, rdatas, ds.ttl, ds.fault, delegation]


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("list")
    return value


def _items(value: object) -> Iterable[tuple[str, object]]:
    if not isinstance(value, dict):
        raise ValueError("object")
    return value.items()


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest or not (value.isascii() and value.isprintable()):
        raise ValueError("text")
    return value


def _reason(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("reason")
    return "".join(each if each.isprintable() else "?" for each in value[:_LONGEST_TEXT])


def _address(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("address")
    return str(ip_address(value))


def _ttl(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LONGEST_TTL:
        raise ValueError("ttl")
    return value


def _rdata(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("ds")
    octets = bytes.fromhex(value)
    if len(octets) not in DS_LENGTHS:
        raise ValueError("ds")
    return octets
