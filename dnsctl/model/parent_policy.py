"""How the DS of a zone is kept in step at its parent: what dnsctl.yaml says under `parents`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dnsctl.model.fleet import Endpoint


@dataclass(frozen=True, slots=True)
class ParentPolicy:
    """`ours`: whether the DS in a parent zone that is ours too follows the keys, or is left to its file.

    `watch`: whether the parent is looked at; `servers`: its servers, instead of those that DNS tells.
    """

    name: str = "standard"
    ours: Literal["follow", "leave"] = "follow"
    watch: bool = True
    servers: tuple[Endpoint, ...] = ()
