"""The rights that a process of a node gives up before it serves, and what it asks of the kernel (Linux)."""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import struct
from pathlib import Path

from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.model.prctl import LIBC, check, prctl

# linux/prctl.h
_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
# linux/capability.h
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_NO_CAPABILITIES = bytes(24)  # effective, permitted, inheritable: the low 32 bits of each, then the high ones


def name_process(name: str) -> None:
    """Set the name that ps and top show (15 octets)."""
    prctl(_PR_SET_NAME, name.encode()[:15])


def give_up_capabilities() -> None:
    """Keep no capability, in this thread and whatever it forks. Nothing happens where we are root.

    What a thread holds that runs already stays (capset(2)). Raises OSError where a system call filter
    forbids it: systemd counts capset(2) with what is @privileged.
    """
    if os.geteuid() == 0:
        return
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _LINUX_CAPABILITY_VERSION_3, 0))  # 0: ourselves
    check(LIBC.capset(header, _NO_CAPABILITIES), "capset")


def forbid_new_privileges() -> None:
    """Make set-user-id programs and file capabilities powerless from here on."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def raise_descriptor_limit() -> None:
    """Allow as many open files as the hard limit does: every stream client takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def account_of(user: str) -> pwd.struct_passwd:
    """Return the account of `user`. Raises DnsctlError where there is none."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise DnsctlError(
            f"no user {user!r} on this machine", advice=f"useradd --system {user}", rule=RefusalRule.USER
        ) from None


def drop_privileges(user: str, state: Path) -> None:
    """Become `user`, who is given `state` and what is in it except keys. Without root, do nothing.

    Raises DnsctlError where there is no such user, or where root could be regained.
    """
    if os.geteuid() != 0:
        return
    account = account_of(user)
    for path in (state, *state.rglob("*")):
        if "keys" in path.relative_to(state).parts:
            continue  # who answers the network has no business with them
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    os.initgroups(user, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if account.pw_uid == 0:
        return
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise DnsctlError(
        f"privileges could be regained after becoming {user!r}",
        advice="check capabilities",
        rule=RefusalRule.USER,
    )
