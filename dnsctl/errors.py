"""Every error that a user can meet, in one tree: what, where, what to do next, and the exit code.

A fault *in a zone* is a `dnsctl.model.finding.Finding`, collected with all others. An error here is
what stops a command: it is printed as one line, `where: what; advice`, and never as a traceback.
"""

from __future__ import annotations

import errno
import os
from enum import StrEnum
from typing import Final


class RefusalRule(StrEnum):
    """By which rule a node refuses a release: ids for programs, which `status --json` prints."""

    ANOTHER_PREPARED = "another-prepared"  # a release of another push is prepared
    ANSWER_WRONG = "answer-wrong"  # a probe of the manifest would be answered otherwise
    BEHIND = "behind"  # the node lacks releases before this one
    CLOCK = "clock"  # made in the future, by the node's clock
    DAMAGED = "damaged"  # a file of the archive, or the image
    DELTA_DIFFERS = "delta-differs"  # not the delta that the manifest names
    DELTA_MISSING = "delta-missing"  # the delta never arrived
    DIVERGED = "diverged"  # made on top of something else than is served
    MALFORMED = "malformed"  # a manifest, a certificate or a delta
    NOT_PREPARED = "not-prepared"  # a certificate for what is not prepared here
    OTHER_CERTIFICATE = "other-certificate"  # a certificate of another manifest
    OTHER_PURPOSE = "other-purpose"  # an envelope that was sealed as something else
    SERVED_ALREADY = "served-already"
    SIGNATURE_TIME = "signature-time"  # signatures of a zone do not hold now
    SYSTEM = "system"  # the operating system refuses: a full disk, no descriptors
    TABLE_DIFFERS = "table-differs"  # the table of all zones would not be the manifest's
    TOO_LATE = "too-late"  # an older release than is served
    UNLISTED_ZONE = "unlisted-zone"  # the delta touches a zone that the manifest does not list
    UNSEALED = "unsealed"  # too few of the release keys have signed
    ZONE_DIFFERS = "zone-differs"  # a zone would not be what the manifest says


class DnsctlError(Exception):
    """Root of the tree. `what` happened, `where` (file:line, node, zone), `advice`: the way out.

    `rule`: by which a node refuses a release where this is the reason; None where that has none.
    """

    exit_code = 1
    rule: RefusalRule | None = None

    def __init__(
        self, what: str, *, where: str = "", advice: str = "", rule: RefusalRule | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.advice = advice
        if rule is not None:
            self.rule = rule

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.advice}" if self.advice else text


_ADVICE: Final = {
    errno.ENOSPC: "free space on that disk, then try again",
    errno.EDQUOT: "remove files or raise the quota, then try again",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`), then try again",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`), then try again",
    errno.ENFILE: "this host has too many open files: end what holds them, then try again",
    errno.EAGAIN: "raise the limit of processes (`ulimit -u`), then try again",
    errno.ENOMEM: "free memory, then try again",
    errno.EIO: "that disk is failing: check it",
    errno.EROFS: "mount that file system for writing, then try again",
    errno.EACCES: "check its owner and mode",
    errno.EPERM: "check its owner and mode",
    errno.EISDIR: "move the directory away",
    errno.ENOTDIR: "there is a file where a directory belongs: move it away",
}

_SHORTAGES: Final = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EIO,
        errno.EROFS,
    )
)


class SystemRefusalError(DnsctlError):
    """The operating system refuses: a full disk, one that fails, no descriptors or memory left."""

    rule: RefusalRule | None = RefusalRule.SYSTEM

    @classmethod
    def of(cls, error: OSError, where: object = "") -> SystemRefusalError:
        """Return what `error` says, about `where`, or the path that it names."""
        path = str(where) or ("" if error.filename is None else os.fsdecode(error.filename))
        return cls(error.strerror or str(error), where=path, advice=advice_for(error.errno))


def worded(error: DnsctlError | OSError) -> DnsctlError:
    """Return `error` with what to do about it: as it is, or as a refusal of the system."""
    return SystemRefusalError.of(error) if isinstance(error, OSError) else error


def advice_for(number: int | None) -> str:
    """Return what to do about a refusal of the operating system, by its errno(3)."""
    return _ADVICE.get(number or 0, "check the path, its owner and the disk")


def is_shortage(error: OSError) -> bool:
    """True where the host lacks something, or its disk fails, so that the request is not the reason."""
    return error.errno in _SHORTAGES


def advice_of(reason: str) -> str:
    """Return the same where only strerror(3) of it is known, as from LMDB."""
    return next((advice for number, advice in _ADVICE.items() if reason.endswith(os.strerror(number))), "")


class NameSyntaxError(DnsctlError, ValueError):
    """A domain name whose text or wire form is not one (RFC 1035 §2.3.4)."""


class ConfigError(DnsctlError):
    """dnsctl.yaml is missing, malformed or contradicts itself."""


class RevisionError(DnsctlError):
    """No git repository, no such revision, or a dirty work tree where a commit is asked for."""


class ZoneFaultsError(DnsctlError):
    """Zones have findings of severity error; they were printed, nothing was changed."""


class KeystoreError(DnsctlError):
    """A key file is missing, locked, damaged, or does not match its public half."""


class PassphraseError(KeystoreError):
    """The passphrase of the keystore is missing or wrong."""


class SigningError(DnsctlError):
    """A signature could not be made, or does not verify with the published DNSKEY."""


class ImageError(DnsctlError):
    """The image on disk cannot be opened, is of another format, or does not match its digest."""


class DamagedImageError(ImageError):
    """The image on disk is not what was written."""

    rule: RefusalRule | None = RefusalRule.DAMAGED


class ImageReplacedError(ImageError):
    """Another image has replaced the one that was opened: open that one."""


class ReleaseError(DnsctlError):
    """A manifest, delta or signature is malformed or contradicts itself."""

    rule: RefusalRule | None = RefusalRule.MALFORMED


class ReleaseRefusedError(ReleaseError):
    """A node, a guard or the generation fence refuses this release; nothing served has changed."""

    rule: RefusalRule | None = None


class ClockError(ReleaseRefusedError):
    """Clocks of two hosts differ by more than signatures allow; nothing has changed."""

    rule: RefusalRule | None = RefusalRule.CLOCK


class PkiError(DnsctlError):
    """A certificate is missing, expired, or not issued by this fleet's authority."""


class NodeUnreachableError(DnsctlError):
    """A node could not be reached; the rest of the fleet may have been."""

    exit_code = 3


class AgentGoneError(NodeUnreachableError):
    """No process listens at a node's agent address, or the agent ended the connection: it may come back."""


class InconclusiveError(DnsctlError):
    """No node answered."""

    exit_code = 2


class ListenError(DnsctlError):
    """An address cannot be bound: taken, not local, or not permitted."""


class WireFormatError(DnsctlError, ValueError):
    """A DNS message or rdata in wire form that is truncated or malformed (RFC 1035 §4.1)."""
