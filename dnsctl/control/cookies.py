"""The secret of DNS cookies, rolled in three steps, while all cookies stay valid (RFC 9018 §5).

After each step, the file is copied to every node, which reads it without a restart. A comment in the file
says what its second line is for.
"""

from __future__ import annotations

import time
from pathlib import Path

from dnsctl.errors import ConfigError
from dnsctl.files import durable
from dnsctl.serve.message.cookies import LIFETIME, fresh_secret, read_secrets

_NEXT, _PREVIOUS = b"next", b"previous"
STEPS = (
    "a new secret is accepted",
    "the new secret makes cookies",
    "the previous secret is gone",
)


def roll(file: Path, shown: str) -> int:
    """Take the next of the three steps with the secret in `file`; return which, from 1. Raises ConfigError.

    `shown` names the file in messages.
    """
    content, step = _next_step(file, shown)
    durable.write(file, content, 0o600)
    return step


def _next_step(file: Path, shown: str) -> tuple[bytes, int]:
    """Return the new content of the file, and which step that is. Raises ConfigError."""
    read_secrets(file)
    lines = [line.partition(b"#") for line in file.read_bytes().splitlines()]
    secrets = [(text.strip(), comment.strip()) for text, _, comment in lines if text.strip()]
    (current, _), *others = secrets
    if not others:
        return _file(current, fresh_secret().strip(), _NEXT), 1
    (second, purpose), *more = others
    if purpose == _NEXT and not more:
        return _file(second, current, _PREVIOUS), 2
    if purpose != _PREVIOUS or more:
        raise ConfigError(
            "was changed by hand",
            where=shown,
            advice="keep only the secret that is in use in it, and start again",
        )
    left = file.stat().st_mtime + LIFETIME - time.time()
    if left > 0:
        raise ConfigError(
            "cookies of the previous secret are still valid",
            where=shown,
            advice=f"run this again in {int(left / 60) + 1} minutes",
        )
    return current + b"\n", 3


def _file(first: bytes, second: bytes, purpose: bytes) -> bytes:
    return first + b"\n" + second + b"  # " + purpose + b"\n"
