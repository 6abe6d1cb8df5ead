"""Reverse against forward, where both zones are ours: PTR to hosts with other addresses, and no PTR."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from dnsctl.model.name import Name, from_labels, is_wildcard, labels, to_text
from dnsctl.model.rrset import Type
from dnsctl.validate.landscape import Standing
from dnsctl.validate.rule import Fault, Scope, named

_ARPA = b"\x04arpa\0"
_IPV4, _IPV6 = (b"in-addr", b"arpa"), (b"ip6", b"arpa")  # RFC 1035 §3.5, RFC 3596 §2.5


def ptr_address_differs(scope: Scope) -> Iterator[Fault]:
    if not scope.origin.endswith(_ARPA):
        return
    for one, target, place in scope.references(Type.PTR):
        address = address_of(one.owner)
        if address is None or place.standing is not Standing.PRESENT or not place.has_address:
            continue
        if place.zone is None or scope.landscape.is_partial(place.zone.origin):
            continue
        rdtype = Type.A if len(address) == 4 else Type.AAAA
        addresses = place.get(rdtype)
        if addresses is None or address not in addresses.rdatas:
            yield Fault(
                scope.at(one),
                f"{named(one)} names {to_text(target)}, which does not have {ip_address(address)} in "
                f"{to_text(place.zone.origin)}: mail servers and others refuse such hosts",
                f"add {to_text(target)} {rdtype.name} {ip_address(address)}, or correct the PTR",
            )


def ptr_missing(scope: Scope) -> Iterator[Fault]:
    for rdtype in (Type.A, Type.AAAA):
        for one in scope.index.authoritative(rdtype):
            if is_wildcard(one.owner):
                continue
            for rdata in one.rdatas:
                reverse = reverse_of(rdata)
                place = scope.landscape.find(reverse)
                if place.zone is None or not place.zone.origin.endswith(_ARPA):
                    continue
                lacks = place.standing is Standing.PRESENT and not (
                    place.get(Type.PTR) or place.get(Type.CNAME)
                )
                if lacks or place.standing in (Standing.MISSING, Standing.EMPTY):
                    yield Fault(
                        scope.at(one),
                        f"{named(one)} {ip_address(rdata)} has no PTR in {to_text(place.zone.origin)}",
                        f"add {to_text(reverse)} PTR {to_text(one.owner)}",
                    )


def address_of(owner: Name) -> bytes | None:
    """Return the address that a reverse name stands for, None for any other name."""
    parts = labels(owner)
    if parts[-2:] == _IPV4 and len(parts) == 6:
        octets = parts[-3::-1]
        if all(each.isdigit() and len(each) <= 3 and int(each) < 256 for each in octets):
            return bytes(map(int, octets))
    if parts[-2:] == _IPV6 and len(parts) == 34:
        try:
            return bytes.fromhex(b"".join(parts[-3::-1]).decode("ascii"))
        except ValueError:
            return None
    return None


def reverse_of(address: bytes) -> Name:
    """Return the name whose PTR belongs to an A or AAAA rdata."""
    if len(address) == 4:
        return from_labels([*(str(octet).encode("ascii") for octet in reversed(address)), *_IPV4])
    return from_labels([*(bytes((each,)) for each in reversed(address.hex().encode("ascii"))), *_IPV6])
