"""The public side of CSK, KSK and ZSK: DNSKEY rdata, key tags, DS (RFC 4034 §2, §5, Appendix B).

Nothing here is secret; private halves live in `dnsctl.sign.keystore` only.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from dnsctl.model.name import Name

ZONE_FLAG = 0x0100  # RFC 4034 §2.1.1
SEP_FLAG = 0x0001  # RFC 4034 §2.1.1
REVOKE_FLAG = 0x0080  # RFC 5011 §3
HOST_FLAG = 0x0200  # RFC 2535 §3.1.2, of a KEY: its owner is an entity that is not a zone
DNSKEY_PROTOCOL = 3  # RFC 4034 §2.1.2

KeyRole = Literal["csk", "ksk", "zsk"]
ROLES: tuple[KeyRole, ...] = get_args(KeyRole)


def signs_keys(role: KeyRole) -> bool:
    """True where a key of `role` signs the DNSKEY RRset, and a DS may point to it (RFC 6781 §3.1)."""
    return role in ("csk", "ksk")


def signs_data(role: KeyRole) -> bool:
    """True where a key of `role` signs everything else."""
    return role in ("csk", "zsk")


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key does in a zone at one moment. While a key is rolled, it does not do all that its role says.

    `published`: it is in the DNSKEY RRset. `signs_keys`: it signs that. `signs_data`: it signs all other
    RRsets. `ds`: the parent should have a DS for it.
    """

    published: bool = False
    signs_keys: bool = False
    signs_data: bool = False
    ds: bool = False

    @property
    def signs(self) -> bool:
        return self.signs_keys or self.signs_data

    def __bool__(self) -> bool:
        """True where it does anything at all."""
        return self.published or self.signs or self.ds


def whole_use(role: KeyRole) -> KeyUse:
    """Return what a key of `role` does while it is not rolled."""
    return KeyUse(True, signs_keys(role), signs_data(role), signs_keys(role))


DIGESTS = {1: hashlib.sha1, 2: hashlib.sha256, 4: hashlib.sha384}  # RFC 8624 §3.3, DS digest types
DS_DIGEST = 2  # SHA-256: the one that all validators know


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A DNSKEY of `zone`. `public` is the algorithm's key field (RFC 4034 §2.1.4).

    A KEY (RFC 2535 §3.1) has the same form: then `zone` is its owner.
    """

    zone: Name
    algorithm: int
    flags: int
    public: bytes

    @classmethod
    def of(cls, zone: Name, rdata: bytes) -> PublicKey:
        """Return the key in DNSKEY rdata."""
        return cls(zone, rdata[3], int.from_bytes(rdata[:2], "big"), rdata[4:])

    @property
    def rdata(self) -> bytes:
        return struct.pack("!HBB", self.flags, DNSKEY_PROTOCOL, self.algorithm) + self.public

    @property
    def tag(self) -> int:
        return key_tag(self.rdata)

    @property
    def is_sep(self) -> bool:
        return bool(self.flags & SEP_FLAG)

    def ds(self, digest_type: int = DS_DIGEST) -> bytes:
        """Return DS rdata (RFC 4034 §5.1.4). Raises KeyError for an unknown digest type."""
        return (
            struct.pack("!HBB", self.tag, self.algorithm, digest_type)
            + DIGESTS[digest_type](self.zone + self.rdata, usedforsecurity=digest_type != 1).digest()
        )


def is_sep(dnskey: bytes) -> bool:
    """True where DNSKEY rdata has the SEP flag (RFC 4034 §2.1.1)."""
    return bool(int.from_bytes(dnskey[:2], "big") & SEP_FLAG)


def ds_of(zone: Name, dnskeys: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the DS rdatas of DNSKEY rdatas, sorted."""
    return tuple(sorted({PublicKey.of(zone, each).ds() for each in dnskeys}))


def ds_tags(ds: Iterable[bytes]) -> str:
    """Return the key tags of DS rdatas, as messages name them."""
    return ", ".join(str(tag) for tag in sorted({int.from_bytes(each[:2], "big") for each in ds})) or "none"


def key_tag(dnskey_rdata: bytes) -> int:
    """Return the key tag (RFC 4034 Appendix B; not for the withdrawn algorithm 1)."""
    total = sum(dnskey_rdata[0::2]) * 256 + sum(dnskey_rdata[1::2])
    return (total + (total >> 16)) & 0xFFFF
