"""A key pair as another name server has it, before it is a key of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dnsctl.model.key import KeyRole, PublicKey
from dnsctl.sign.algorithm import PrivateKey


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A key pair from elsewhere.

    `where`: its file. `public`: None where only the private half is told, so that its flags are not known.
    `role`: as told beside it; None where nothing says whether a key with the SEP bit signs keys alone.
    `created`: None where it is not known. `ended`: it had been retired or deleted there by `now`.
    """

    where: str
    algorithm: int
    private: PrivateKey
    public: PublicKey | None = None
    role: KeyRole | None = None
    created: datetime | None = None
    ended: bool = False
