"""`dnsctl key cookie`: roll the secret of DNS cookies in three steps, while all cookies stay valid.

The steps are those of RFC 9018 §5. Between two of them the file is copied to every node, which reads it by
itself. What the second line of the file is for stands behind it, as a comment.
"""

from __future__ import annotations

import time
from pathlib import Path

from dnsctl.cli import output
from dnsctl.cli.verbs.context import Context
from dnsctl.errors import ConfigError
from dnsctl.files import durable
from dnsctl.serve.message.cookies import LIFETIME, fresh_secret, read_secrets

_NEXT, _PREVIOUS = b"next", b"previous"
_STEPS = (
    "a new secret is accepted",
    "the new secret makes cookies",
    "the previous secret is gone",
)
_COPY = "copy it to every node; each reads it within seconds"
_LAST_IS_DUE = "; the last step is due in an hour"


def cookie(context: Context, *, as_json: bool) -> None:
    """Take the next of the three steps, and print which that was."""
    path = context.config().serve.cookie_secret
    content, step = _next_step(context.root / path, path)
    durable.write(context.root / path, content, 0o600)
    meaning = _STEPS[step - 1]
    if as_json:
        output.json_result({"file": path, "step": step, "steps": len(_STEPS), "meaning": meaning})
        return
    rest = _LAST_IS_DUE if step == len(_STEPS) - 1 else ""
    output.line(f"{path}: step {step} of {len(_STEPS)}, {meaning}: {_COPY}{rest}")


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
