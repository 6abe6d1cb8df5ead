"""What a JSON text can say (RFC 8259 §3), as a type: for what is printed with `--json`, sent and stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None
