"""Class CHAOS: what a server says about itself (RFC 4892 §2). Each name has one TXT record, or is refused."""

from __future__ import annotations

from typing import Final, NamedTuple

from dnsctl.image.fragment import OWNER_POINTER
from dnsctl.model.name import Name
from dnsctl.model.rrset import Type

CLASS: Final = 3  # RFC 1035 §3.2.4
_VERSION_NAMES: Final = frozenset((b"\7version\4bind\0", b"\7version\6server\0"))
_IDENTITY_NAMES: Final = frozenset((b"\10hostname\4bind\0", b"\2id\6server\0"))
_TXT: Final = int(Type.TXT)
_HEAD: Final = OWNER_POINTER + bytes((0, _TXT, 0, CLASS, 0, 0, 0, 0))  # TTL 0: nobody is to keep it


class Chaos(NamedTuple):
    """What this server says about itself: an empty `identity` or `version` is not sent."""

    identity: bytes
    version: bytes

    def answer(self, qname: Name, rdtype: int) -> tuple[int, bytes] | None:
        """Return (number of records, answer section) for a known name, or None: refuse."""
        text = b""
        if qname in _VERSION_NAMES:
            text = self.version
        elif qname in _IDENTITY_NAMES:
            text = self.identity
        if not text:
            return None
        if rdtype not in (_TXT, Type.ANY):
            return 0, b""
        rdata = bytes((len(text),)) + text
        return 1, _HEAD + len(rdata).to_bytes(2, "big") + rdata
