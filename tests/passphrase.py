"""The passphrase and the salt of keystores in tests. What opens their keys takes 0.2 s to derive, on purpose:
one pair for all means that a process derives once, and that forked commands find it done.
"""

from typing import Final

from dnsctl.model import pkcs8

PASSPHRASE: Final = b"correct horse battery staple"
SALT: Final = b"salt of tests   "
assert len(SALT) == pkcs8.SALT_LENGTH


def share() -> None:
    """Let every keystore that this process makes have that salt."""
    pkcs8.fresh_salt = lambda: SALT


def derive() -> None:
    """Do what opens keys, once, for all that is forked from this process."""
    pkcs8._derived(PASSPHRASE, SALT)
