"""Released pre-signed zones whose signatures expire soon: for `plan` and `push`."""

from __future__ import annotations

import time

from dnsctl.cli import output
from dnsctl.control.concerns import of_signatures
from dnsctl.image.reader import Reader
from dnsctl.model.name import to_text
from dnsctl.model.validity import PRESIGNED_WARNING
from dnsctl.sign.keystore import Keystore


def warn_of_ends(reader: Reader, keystore: Keystore) -> None:
    """Warn of released pre-signed zones whose signatures have expired, or will within a week."""
    now = time.time()
    for entry in reader.zones():
        left = PRESIGNED_WARNING if entry.expiry is None else entry.expiry - now
        if left < PRESIGNED_WARNING and not keystore.list(entry.origin):
            output.say(
                f"warning: {to_text(entry.origin)}: {of_signatures(entry.period, None, now)};"
                " renew its signatures at its signer, then push"
            )
