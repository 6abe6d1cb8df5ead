"""The three files of a key: `.key` (BIND), `.private.pem` (encrypted PKCS#8), `.state` (text for people).

Pure: text and octets in, text and octets out; `keystore` reads and writes them. File and directory names are
the zone's text in lower case; an octet that has no business in a file name (a slash as in RFC 2317 zones,
`\000`, a dot inside a label) is percent-encoded, so that different zones never meet in one file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from dnsctl.errors import KeystoreError, NameSyntaxError, PassphraseError
from dnsctl.model import pkcs8
from dnsctl.model.key import (
    DNSKEY_PROTOCOL,
    REVOKE_FLAG,
    ROLES,
    SEP_FLAG,
    ZONE_FLAG,
    KeyRole,
    PublicKey,
    key_tag,
    signs_keys,
)
from dnsctl.model.name import ROOT, Name, from_text, labels, to_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.repo import PASSPHRASE
from dnsctl.model.timestamp import from_stamp, stamp
from dnsctl.sign.algorithm import PrivateKey

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_MAX_STEM = 200  # octets; with prefix, suffix and `.private.pem` a file name stays below Linux's 255
_FORMAT = "; dnsctl key state 1"
_DEFAULT_TTL = Policy().dnskey_ttl
_BEFORE_COMMENT = re.compile(r"(?:[^;\\]|\\.?)*")


KeyType = Literal["DNSKEY", "KEY"]
_OTHER: dict[KeyType, str] = {
    "DNSKEY": "it signs a zone: for SIG(0), make a KEY with `dnsctl key generate NAME --sig0`",
    "KEY": "it signs messages, not zones: add --sig0",
}


class KeyState(StrEnum):
    """Where a key stands in its life (RFC 7583 §3.1; `ready`: seen by all validators that matter)."""

    GENERATED = "generated"
    PUBLISHED = "published"
    READY = "ready"
    ACTIVE = "active"
    RETIRED = "retired"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """When each state was entered; None where it was not. UTC, whole seconds."""

    generated: datetime
    published: datetime | None = None
    ready: datetime | None = None
    active: datetime | None = None
    retired: datetime | None = None
    removed: datetime | None = None

    def entered(self, state: KeyState, now: datetime) -> KeyTimes:
        """Return times with `state` entered at `now`, and states passed over on the way as well."""
        changed = self
        for one in KeyState:
            if getattr(changed, one) is None:
                changed = replace(changed, **{str(one): now.replace(microsecond=0)})
            if one is state:
                return changed
        return changed


def revoked_tag(public: PublicKey) -> int:
    """Return the tag the key would have once revoked (RFC 5011 §3)."""
    return key_tag(replace(public, flags=public.flags | REVOKE_FLAG).rdata)


def taken_tags(public: PublicKey) -> frozenset[int]:
    """Return the tags that no other key of the zone may have: its own, now and once it is revoked."""
    return frozenset((public.tag, revoked_tag(public)))


def directory_name(zone: Name) -> str:
    """Return the name of the zone's directory below keys/: no final dot, `@` for the root."""
    stem = _stem(zone)
    return stem or "@"


def file_stem(public: PublicKey) -> str:
    """Return `Kexample.com.+013+12345`, as BIND names key files."""
    return f"K{_stem(public.zone)}.+{public.algorithm:03d}+{public.tag:05d}"


def _stem(zone: Name) -> str:
    stem = ".".join(
        "".join(chr(octet) if octet in _SAFE else f"%{octet:02X}" for octet in label)
        for label in labels(zone)
    )
    if len(stem) <= _MAX_STEM:
        return stem
    return f"{stem[: _MAX_STEM - 33]}~{hashlib.sha256(zone).hexdigest()[:32]}"


def flags(role: KeyRole) -> int:
    """Return the DNSKEY flags of `role`: the SEP bit stands on keys that a DS may point to."""
    return ZONE_FLAG | SEP_FLAG if signs_keys(role) else ZONE_FLAG


def titled(times: KeyTimes) -> dict[str, datetime]:
    """Return the times that are known, by BIND's titles."""
    told = {
        "Created": times.generated,
        "Publish": times.published,
        "Activate": times.active,
        "Inactive": times.retired,
        "Delete": times.removed,
    }
    return {title: moment for title, moment in told.items() if moment is not None}


def key_text(public: PublicKey, role: KeyRole, ttl: int, times: KeyTimes) -> str:
    """Return the `.key` file: a DNSKEY record under comments with BIND's timing fields."""
    kind = {"csk": "combined-signing", "ksk": "key-signing", "zsk": "zone-signing"}[role]
    lines = [f"; This is a {kind} key, keyid {public.tag}, for {to_text(public.zone)}"]
    for title, moment in titled(times).items():
        lines.append(f"; {title}: {moment:%Y%m%d%H%M%S} ({moment:%a %b %e %H:%M:%S %Y})")
    field = base64.b64encode(public.public).decode()
    lines.append(
        f"{to_text(public.zone)} {ttl} IN DNSKEY {public.flags} {DNSKEY_PROTOCOL} {public.algorithm} {field}"
    )
    return "\n".join(lines) + "\n"


def parse_key(text: str, where: str, rdtype: KeyType = "DNSKEY") -> PublicKey:
    """Return the key of a `.key` file (BIND's as well). Raises KeystoreError naming `where`."""
    for line in text.splitlines():
        fields = _fields(line)
        if rdtype not in fields:
            continue
        place = fields.index(rdtype)
        try:
            flag, protocol, algorithm = (int(one) for one in fields[place + 1 : place + 4])
            public = base64.b64decode("".join(fields[place + 4 :]), validate=True)
            zone = from_text(fields[0], ROOT)
        except (ValueError, NameSyntaxError) as error:
            raise KeystoreError(f"malformed {rdtype} record: {error}", where=where, advice=_RESTORE) from None
        if protocol != DNSKEY_PROTOCOL or not public or place == 0:
            break
        return PublicKey(zone, algorithm, flag, public)
    if other := next((each for each in _OTHER if each != rdtype and each in text.split()), None):
        raise KeystoreError(f"holds a {other} record, not a {rdtype}", where=where, advice=_OTHER[other])
    raise KeystoreError(f"no {rdtype} record in it", where=where, advice=_RESTORE)


def key_ttl(text: str) -> int:
    """Return the TTL in seconds of the record in a `.key` file; an hour where it has none, as BIND's."""
    for line in text.splitlines():
        fields = _fields(line)
        if "DNSKEY" in fields:
            before = fields[1 : fields.index("DNSKEY")]
            return next((int(each) for each in before if each.isdigit()), _DEFAULT_TTL)
    return _DEFAULT_TTL


def _fields(line: str) -> list[str]:
    """Return the fields of a line without its comment; an escaped `;` is part of a name (RFC 1035 §5.1)."""
    content = _BEFORE_COMMENT.match(line)
    return content[0].split() if content is not None else []


_RESTORE = "restore it from a backup"


def private_pem(private: PrivateKey, passphrase: bytes, salt: bytes) -> bytes:
    """Return encrypted PKCS#8. `salt`: the keystore's. Raises PassphraseError for an empty passphrase."""
    if not passphrase:
        raise PassphraseError(
            "the keystore's passphrase is empty", advice="set one, at best 32 random octets"
        )
    return pkcs8.encrypted(private, passphrase, salt)


def parse_private(pem: bytes, passphrase: bytes, where: str) -> PrivateKey:
    """Decrypt a `.private.pem`. Raises PassphraseError for a wrong passphrase, KeystoreError for damage."""
    try:
        private = pkcs8.opened(pem, passphrase)
    except ValueError as error:
        if "password" in str(error).lower():
            raise PassphraseError(
                "the passphrase does not open this key",
                where=where,
                advice=f"check the `keystore` setting, {PASSPHRASE}, or the variable it names",
            ) from None
        raise KeystoreError("damaged or no PKCS#8 key", where=where, advice=_RESTORE) from None
    except TypeError:
        raise KeystoreError(
            "the private key is not encrypted",
            where=where,
            advice="encrypt it with `openssl pkcs8 -topk8 -v2 aes256`",
        ) from None
    if not isinstance(private, PrivateKey):
        raise KeystoreError("a key of a kind DNSSEC does not use here", where=where, advice=_RESTORE)
    return private


@dataclass(frozen=True, slots=True)
class RollState:
    """What of a roll cannot be told from what is served; each is a line of a `.state` file, or none.

    `leaves`: since when the key is to leave. `replaces`: tag of the key whose place it takes. `standby`: it
    waits for another to leave. `ds`: the parent was asked for its DS; None: as its role and state say.
    `ended`: a person took it out of use, whatever is served.
    """

    leaves: datetime | None = None
    replaces: int | None = None
    standby: bool = False
    ds: bool | None = None
    ended: bool = False

    def lines(self) -> Iterator[str]:
        if self.leaves is not None:
            yield f"Leaves: {stamp(self.leaves)}"
        if self.replaces is not None:
            yield f"Replaces: {self.replaces}"
        if self.standby:
            yield "Standby: yes"
        if self.ds is not None:
            yield f"Ds: {'asked' if self.ds else 'no'}"
        if self.ended:
            yield "Ended: yes"

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> RollState:
        leaves, replaces, ds = fields.get("Leaves"), fields.get("Replaces"), fields.get("Ds")
        return cls(
            None if leaves is None else from_stamp(leaves),
            None if replaces is None else int(replaces),
            fields.get("Standby") == "yes",
            None if ds is None else ds == "asked",
            fields.get("Ended") == "yes",
        )


@dataclass(frozen=True, slots=True)
class StateFile:
    """Content of a `.state` file. `tag` and `revoked` stay taken in the zone for ever."""

    zone: Name
    algorithm: int
    tag: int
    revoked: int
    role: KeyRole
    state: KeyState
    times: KeyTimes
    roll: RollState = field(default_factory=RollState)

    @classmethod
    def of(
        cls,
        public: PublicKey,
        role: KeyRole,
        state: KeyState,
        times: KeyTimes,
        roll: RollState = RollState(),
    ) -> StateFile:
        return cls(public.zone, public.algorithm, public.tag, revoked_tag(public), role, state, times, roll)

    def to_text(self) -> str:
        """Return the text of the file, one field a line."""
        lines = [
            _FORMAT,
            f"Zone: {to_text(self.zone)}",
            f"Algorithm: {self.algorithm} {_algorithm_name(self.algorithm)}".rstrip(),
            f"Tag: {self.tag}",
            f"Revoked-Tag: {self.revoked}",
            f"Role: {self.role}",
            f"State: {self.state}",
        ]
        for one in KeyState:
            moment = getattr(self.times, one)
            lines.append(f"{one.capitalize()}: {stamp(moment) if moment else '-'}")
        return "\n".join([*lines, *self.roll.lines()]) + "\n"

    @classmethod
    def from_text(cls, text: str, where: str) -> StateFile:
        """Parse `to_text`. Raises KeystoreError naming `where` and the line that is missing or wrong."""
        if not text.startswith(_FORMAT + "\n"):
            raise KeystoreError(f"its first line is not `{_FORMAT}`", where=where, advice=_RESTORE)
        fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and line[0] != ";")
        try:
            times = {
                str(one): from_stamp(value) for one in KeyState if (value := fields[one.capitalize()]) != "-"
            }
            return cls(
                from_text(fields["Zone"]),
                int(fields["Algorithm"].split()[0]),
                int(fields["Tag"]),
                int(fields["Revoked-Tag"]),
                _role(fields["Role"]),
                KeyState(fields["State"]),
                KeyTimes(**times),
                RollState.from_fields(fields),
            )
        except KeyError as error:
            raise KeystoreError(f"no line `{error.args[0]}:`", where=where, advice=_RESTORE) from None
        except (ValueError, TypeError, IndexError, NameSyntaxError) as error:
            raise KeystoreError(f"malformed: {error}", where=where, advice=_RESTORE) from None


def _algorithm_name(number: int) -> str:
    try:
        return Algorithm(number).name
    except ValueError:
        return ""


def _role(text: str) -> KeyRole:
    for role in ROLES:
        if text == role:
            return role
    raise ValueError(f"{text!r} is not a role")
