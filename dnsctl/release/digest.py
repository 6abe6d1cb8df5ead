"""SHA-256 digests as manifests, archives and agents write them: 64 hexadecimal digits in lower case."""

from __future__ import annotations

import re
from typing import TypeGuard

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_digest(value: object) -> TypeGuard[str]:
    """True for the text of a digest; it holds nothing that would lead out of a directory."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
