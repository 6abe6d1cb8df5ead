"""EDNS, the OPT record of a response (RFC 6891): payload size, extended RCODE, DO echoed, and its options.

A response has an option only if the query has it: NSID (RFC 5001), EXPIRE (RFC 7314), COOKIE (see `cookies`),
tcp-keepalive (RFC 7828) and ZONEVERSION (RFC 9660). Extended errors are the exception: any query with EDNS
gets them (RFC 8914 §2).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from dnsctl.model.message_size import MAX_UDP_PAYLOAD, MIN_UDP_PAYLOAD
from dnsctl.model.name import Name, labels
from dnsctl.model.rrset import Type
from dnsctl.serve.message.query import DO, HEADER_LENGTH, MAX_OPTIONS, Edns

VERSION = 0  # the only one there is, RFC 6891 §6.1.3
NSID = 3  # RFC 5001 §4.1
EXPIRE = 9  # RFC 7314 §3
COOKIE = 10  # RFC 7873 §4
KEEPALIVE = 11  # RFC 7828 §3.1
_ERROR = 15  # RFC 8914 §2
ZONEVERSION = 19  # RFC 9660 §2
_SOA_SERIAL = 0  # the type of version, RFC 9660 §2.1
_MAX_KEEPALIVE = 0xFFFF  # tenths of a second
OPT_LENGTH = 11  # octets of an OPT record without options
OPT_HEAD = b"\0\0\x29"  # owner and type of an OPT record, RFC 6891 §6.1.2
_ONE_AND_OPT = b"\0\1\0\0\0\0\0\1"  # the counts of one question and one additional record
_OPT_SIZE_AT = 9  # where its length of options stands
_ANSWERED = frozenset((NSID, EXPIRE, ZONEVERSION))  # over UDP, besides cookies
_OPTION = struct.Struct("!HH")  # code, length
_OPT = struct.Struct("!BHHBBHH")  # root owner, type, payload, extended RCODE, version, flags, rdlength


class ExtendedError(IntEnum):
    """Why a query failed (RFC 8914 §4). Only codes: texts would only make answers longer."""

    OTHER = 0
    NOT_READY = 14
    PROHIBITED = 18
    NOT_AUTHORITATIVE = 20
    NOT_SUPPORTED = 21
    INVALID_DATA = 24


class ZoneFacts(NamedTuple):
    """What options say about the zone that answers. `expire`: of its SOA, in seconds; None: not asked for."""

    origin: Name
    serial: int
    expire: int | None = None


def udp_limit(payload: int) -> int:
    """Return how many octets a UDP response may have: the client's limit, and never more than ours.

    `payload`: what the query's OPT record says; 0 without one.
    """
    return min(max(payload, MIN_UDP_PAYLOAD), MAX_UDP_PAYLOAD)


def is_malformed(edns: Edns) -> bool:
    """True where an option must be refused with FORMERR: ZONEVERSION is empty in a query (RFC 9660 §3.1)."""
    return bool(edns.options.get(ZONEVERSION))


def cookie_of(data: bytes) -> bytes | None:
    """Return the one cookie in the options of a UDP query, empty without one, where all others are ignored.

    None: one of them is to be answered, there are two cookies, or they are cut off or too many.
    """
    at, cookie = 0, b""
    for _ in range(MAX_OPTIONS):
        if at + 4 > len(data):
            break
        code, length = _OPTION.unpack_from(data, at)
        at += 4 + length
        if code in _ANSWERED or (code == COOKIE and (cookie or not length)):
            return None
        if code == COOKIE:
            cookie = data[at - length : at]
    return cookie if at == len(data) else None


def without_options(message: bytes) -> tuple[bytes, bytes] | None:
    """Return a query over UDP behind its id, without its options, and its cookie; empty without one.

    None: it is another query, has no options, or one that is to be answered by more than our cookie.
    """
    if message[4:HEADER_LENGTH] != _ONE_AND_OPT:
        return None
    at = HEADER_LENGTH
    size = len(message)
    while at < size and (length := message[at]):
        at += 1 + length  # where that is not a length, no OPT record is found
    size_at = at + 5 + _OPT_SIZE_AT
    if message[at + 5 : at + 8] != OPT_HEAD:
        return None
    data = message[size_at + 2 :]
    if not data or len(data) != int.from_bytes(message[size_at : size_at + 2], "big"):
        return None
    cookie = cookie_of(data)
    return None if cookie is None else (message[2:size_at] + b"\0\0", cookie)


def options(
    edns: Edns,
    identity: bytes,
    zone: ZoneFacts | None,
    error: ExtendedError | None,
    idle: float,
) -> bytes:
    """Return the options for a response to a query with `edns`. `idle`: seconds; 0 over UDP."""
    made = b""
    if edns.options:
        if identity and NSID in edns.options:
            made += struct.pack("!HH", NSID, len(identity)) + identity
        if zone is not None and zone.expire is not None and EXPIRE in edns.options:
            made += struct.pack("!HHI", EXPIRE, 4, zone.expire)
        if zone is not None and ZONEVERSION in edns.options:
            depth = len(labels(zone.origin))
            made += struct.pack("!HHBBI", ZONEVERSION, 6, depth, _SOA_SERIAL, zone.serial)
        if idle and KEEPALIVE in edns.options:
            made += struct.pack("!HHH", KEEPALIVE, 2, min(int(idle * 10), _MAX_KEEPALIVE))
    if error is not None:
        made += struct.pack("!HHH", _ERROR, 2, error)
    return made


def opt_record(edns: Edns, rcode: int, made: bytes = b"") -> bytes:
    """Return the OPT record for a response with `rcode` and the options `made` to a query with `edns`."""
    flags = DO if edns.do else 0
    return _OPT.pack(0, Type.OPT, MAX_UDP_PAYLOAD, rcode >> 4, VERSION, flags, len(made)) + made


BARE_OPTS = tuple(opt_record(Edns(0, 0, do, {}), 0) for do in (False, True))  # by DO
