"""TLSA and SSHFP (RFC 6698, RFC 7671, RFC 7672, RFC 4255): records that clients pass over.

Ranges of fields are in `values`, lengths of hashes are judged when a record is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dnsctl.model.name import labels
from dnsctl.model.rrset import Type
from dnsctl.validate.rule import Fault, Scope, named

TLSA, SSHFP = 52, 44
_PORT = re.compile(rb"_\d{1,5}|\*")
_TRANSPORTS = frozenset((b"_tcp", b"_udp", b"_sctp", b"_dccp", b"*"))
_PKIX = frozenset((0, 1))  # certificate usages PKIX-TA and PKIX-EE
SSHFP_ALGORITHMS = frozenset((1, 2, 3, 4, 6))  # RFC 4255 §3.1.1, RFC 6594 §3.1, RFC 7479 §2, RFC 8709 §7
_SHA_1, _SHA_256 = 1, 2  # SSHFP fingerprint types


def tlsa_owner(scope: Scope) -> Iterator[Fault]:
    """A name that an alias leads to may have any form: `_443._tcp.www CNAME tlsa`."""
    for one in scope.index.authoritative(TLSA):
        port, *rest = labels(one.owner)
        well = _PORT.fullmatch(port) and (port == b"*" or (rest[:1] and rest[0] in _TRANSPORTS))
        if not well and one.owner not in scope.once(alias_targets):
            yield Fault(
                scope.at(one),
                f"{named(one)} is not at _PORT._PROTOCOL, and clients do not find it",
                "write it at a name such as _443._tcp.www (RFC 6698 §3)",
            )


def tlsa_usage(scope: Scope) -> Iterator[Fault]:
    for one in scope.index.authoritative(TLSA):
        if one.owner.startswith(b"\x03_25\x04_tcp") and all(rdata[0] in _PKIX for rdata in one.rdatas):
            yield Fault(
                scope.at(one),
                f"{named(one)} has only usages 0 and 1, which mail servers do not use",
                "write 3 1 1 with the hash of the server's key (RFC 7672 §3.1.3)",
            )


def tlsa_full(scope: Scope) -> Iterator[Fault]:
    for one in scope.index.authoritative(TLSA):
        if any(rdata[2] == 0 and rdata[0] != 255 for rdata in one.rdatas):
            yield Fault(
                scope.at(one),
                f"{named(one)} holds a whole certificate or key (matching type 0)",
                "write its SHA-256 with matching type 1 (RFC 7671 §10.1.2)",
            )


def sshfp_sha1(scope: Scope) -> Iterator[Fault]:
    for one in scope.index.authoritative(SSHFP):
        weak = {rdata[0] for rdata in one.rdatas if rdata[1] == _SHA_1 and rdata[0] in SSHFP_ALGORITHMS}
        if left := weak - {rdata[0] for rdata in one.rdatas if rdata[1] == _SHA_256}:
            yield Fault(
                scope.at(one),
                f"{named(one)} has SHA-1 alone for keys of algorithm {', '.join(map(str, sorted(left)))}",
                "add the fingerprint of type 2: `ssh-keygen -r NAME` prints it (RFC 6594)",
            )


def alias_targets(scope: Scope) -> frozenset[bytes]:
    """Return the names that CNAMEs of the zone lead to."""
    return frozenset(rdata for one in scope.index.of(Type.CNAME) for rdata in one.rdatas)
