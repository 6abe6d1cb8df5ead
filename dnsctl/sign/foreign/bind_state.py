"""BIND's `.state` file of a key, which dnssec-policy (BIND 9.16) keeps beside `.key` and `.private`.

Only it says that a key with the SEP bit signs all data, too. Without it, BIND takes a CSK for a KSK, finds
that it lacks a CSK, makes another and retires the one that the DS points to. What is written here claims no
more than is known: keys and signatures are `rumoured` since we publish them, and BIND waits for their TTL.
Pure.
"""

from __future__ import annotations

from dnsctl.model.key import KeyRole, signs_data, signs_keys
from dnsctl.sign.keyfile import KeyState
from dnsctl.sign.keystore import SigningKey, StoredKey

_TIME = "%Y%m%d%H%M%S"


def role_of(text: str) -> KeyRole | None:
    """Return the role that a file gives a key; None where it says none."""
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and line[0] != ";")
    ksk, zsk = fields.get("KSK") == "yes", fields.get("ZSK") == "yes"
    if ksk:
        return "csk" if zsk else "ksk"
    return "zsk" if zsk else None


def to_text(key: StoredKey, signing: SigningKey) -> str | None:
    """Return the file of a key that signs; None for any other: its times say what BIND does with it."""
    published, active = key.times.published, key.times.active
    if key.state is not KeyState.ACTIVE or published is None or active is None:
        return None
    since = {"Generated": key.times.generated, "Published": published, "Active": active}
    keys, data = signs_keys(key.role), signs_data(key.role)
    changes = [("DNSKEY", published), *([("ZRRSIG", active)] if data else ())]
    changes += [("KRRSIG", active), ("DS", active)] if keys else []
    lines = [
        f"; This is the state of key {key.public.tag}.",
        f"Algorithm: {key.public.algorithm}",
        f"Length: {_length(signing)}",
        "Lifetime: 0",
        f"KSK: {'yes' if keys else 'no'}",
        f"ZSK: {'yes' if data else 'no'}",
        *(f"{name}: {moment:{_TIME}}" for name, moment in since.items()),
        *(f"{name}Change: {moment:{_TIME}}" for name, moment in changes),
        *(f"{name}State: rumoured" for name, _ in changes),
        "GoalState: omnipresent",
    ]
    return "\n".join(lines) + "\n"


def _length(signing: SigningKey) -> int:
    """Return the size of a key in bits, as BIND counts: of all but RSA and ECDSA, of the key field."""
    return getattr(signing.private, "key_size", 8 * len(signing.public.public))
