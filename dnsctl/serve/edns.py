"""The OPT record of a response (RFC 6891): payload size, extended RCODE, DO echoed, NSID."""

from __future__ import annotations

import struct

from dnsctl.model.rrset import Type
from dnsctl.serve.question import DO, Edns

MAX_UDP_PAYLOAD = 1232  # octets, DNS Flag Day 2020: fits IPv6's minimum MTU
MIN_UDP_PAYLOAD = 512  # octets, RFC 1035 §4.2.1 and RFC 6891 §6.2.3
VERSION = 0  # the only one there is, RFC 6891 §6.1.3
_NSID = 3  # RFC 5001 §4.1
_OPT = struct.Struct("!BHHBBHH")  # root owner, type, payload, extended RCODE, version, flags, rdlength


def udp_limit(edns: Edns | None) -> int:
    """Return how many octets a UDP response may have: what the client takes, and never more than ours."""
    if edns is None:
        return MIN_UDP_PAYLOAD
    return min(max(edns.payload, MIN_UDP_PAYLOAD), MAX_UDP_PAYLOAD)


def opt_record(edns: Edns, rcode: int, identity: bytes) -> bytes:
    """Return the OPT record for a response with `rcode` to a query with `edns`."""
    options = b""
    if identity and edns.option(_NSID) is not None:
        options = struct.pack("!HH", _NSID, len(identity)) + identity
    flags = DO if edns.dnssec else 0
    return _OPT.pack(0, Type.OPT, MAX_UDP_PAYLOAD, rcode >> 4, VERSION, flags, len(options)) + options
