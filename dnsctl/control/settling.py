"""States of keys as they are in the release that is served, and their encryption: once, not at every push.

A push that was killed after the decision has not written down what its keys do now, and an earlier dnsctl may
have encrypted them otherwise. Both are seen by reading every key. That is done again only if a directory of
keys was written to since, or another release is served than this host has kept.
"""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime

from dnsctl.control.host import ControlHost
from dnsctl.errors import KeystoreError
from dnsctl.image.reader import Reader
from dnsctl.model.repo import Repo
from dnsctl.publish.keys import settle
from dnsctl.publish.memory import Memory


def settle_all(host: ControlHost) -> None:
    """Write down the states that all keys have in what is served, and encrypt them as new ones are."""
    memory = Memory(Repo(host.root).state.memory)
    with host.image.reader() as reader:
        token = _token(host, reader)
        if token and memory.settled() == token:
            return
        is_renewed = False
        with contextlib.suppress(KeystoreError):  # a directory that cannot be written
            host.keystore.renew_encryption()
            is_renewed = True
        settle(host.keystore, reader, datetime.now(UTC))
        memory.settle(_token(host, reader) if is_renewed else "")  # else the next push tries again


def stay_settled(host: ControlHost, reader: Reader, memory: Memory) -> None:
    """Remember that all keys are settled for the release that `reader` holds, if they were before it."""
    if memory.settled():
        memory.settle(_token(host, reader))


def _token(host: ControlHost, reader: Reader) -> str:
    """Return what changes with any key and with the release; empty where keys were written to just now."""
    stamps = host.keystore.stamps(datetime.now(UTC), fresh=False)
    if None in stamps.values():
        return ""
    return hashlib.sha256(repr((reader.manifest, sorted(stamps.items()))).encode()).hexdigest()
