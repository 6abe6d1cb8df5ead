"""How the DS of a zone is kept in step at its parent: what dnsctl.yaml says under `parents`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from dnsctl.model.fleet import Endpoint, TransferKey
from dnsctl.model.name import Name

Way = Literal["none", "cds", "update", "hook"]


@dataclass(frozen=True, slots=True)
class Sig0Name:
    """Which key signs updates by SIG(0). `owner`: of its KEY record; `tag`: where the owner has several."""

    owner: Name
    tag: int | None = None


@dataclass(frozen=True, slots=True)
class ParentPolicy:
    """How the parents of some zones learn of the DS.

    `ours`: whether the DS in a parent zone that is ours too follows the keys, or is left to its file.
    `watch`: whether the parent is looked at; `servers`: its servers, instead of those that DNS tells.

    `ds`: the way to a parent that is not ours: a person, NOTIFY(CDS), an update, a command. `notify`: who
    gets NOTIFY(CDS), instead of whom DSYNC names. `server`: who takes updates; `key`, a shared secret, or
    `sig0`, a key pair, signs them.
    `command`: an argument list; `timeout`: how long it may take. `ttl` (seconds): of a first DS.
    """

    name: str = "standard"
    ours: Literal["follow", "leave"] = "follow"
    watch: bool = True
    servers: tuple[Endpoint, ...] = ()
    ds: Way = "cds"
    notify: Endpoint | None = None
    server: Endpoint | None = None
    key: TransferKey | None = field(default=None, repr=False)
    sig0: Sig0Name | None = None
    command: tuple[str, ...] = ()
    timeout: timedelta = timedelta(minutes=1)
    ttl: int = 3600
