"""Every error that a user can meet, in one tree: what, where, what to do next, and the exit code.

A fault *in a zone* is a `dnsctl.model.finding.Finding`, collected with all others. An error here is
what stops a command: it is printed as one line, `where: what; advice`, and never as a traceback.
"""

from __future__ import annotations

import errno
import os
from enum import StrEnum
from typing import Final

RELEASE_FIRST: Final = (  # what to do where this host has no release
    "run `dnsctl push` first; in a clone of a fleet that serves, copy keys/ from the control host,"
    " and `dnsctl plan` fetches what is released"
)


class RefusalRule(StrEnum):
    """Why a command fails, or a node refuses a release: ids for programs, which `--json` prints.

    Ids are only added. docs/json.md lists them.
    """

    ANOTHER_PREPARED = "another-prepared"  # a release of another push is prepared
    ANOTHER_PUSH = "another-push"  # another push runs on this host
    ANOTHER_RELEASE = "another-release"  # a generation that is another release already
    ANSWER_WRONG = "answer-wrong"  # a probe of the manifest would be answered otherwise
    APPROVAL = "approval"  # an approval that would count for nothing
    BACKUP = "backup"  # damaged, cut off, not one, or what it would replace is there
    BACKUP_HOSTILE = "backup-hostile"  # its index is not what `backup` writes
    BEHIND = "behind"  # the node lacks releases before this one
    BUSY = "busy"  # a node: too many transfers at once
    CERTIFICATE = "certificate"  # of TLS: missing, expired, or of another authority
    CHANGED_MEANWHILE = "changed-meanwhile"  # this host's image, while a release was built on it
    CLOCK = "clock"  # clocks differ by too much, or a release was made in the future
    COMMAND_LINE = "command-line"  # a verb, an option or an argument that cannot be
    CONFIG = "config"  # dnsctl.yaml is missing or wrong
    DAMAGED = "damaged"  # a file of the archive, or the image
    DELTA_DIFFERS = "delta-differs"  # not the delta that the manifest names
    DELTA_MISSING = "delta-missing"  # the delta never arrived
    DIVERGED = "diverged"  # made on top of something else than is served
    EDIT = "edit"  # a zone file that only a person can change, or a change that cannot be
    FENCE = "fence"  # a node does not serve what this host builds on
    FLEET_ELSEWHERE = "fleet-elsewhere"  # the repo is a clone, and the fleet's keys are not here
    GUARD = "guard"  # a guard refuses what changes
    GUARD_UNKNOWN = "guard-unknown"  # --allow names no guard
    IMAGE = "image"  # an image that cannot be opened, or of another format
    IMAGE_REPLACED = "image-replaced"  # since it was opened
    IMPORT = "import"  # a file or a configuration of other software that cannot be taken
    INCONCLUSIVE = "inconclusive"  # no node answered
    INTERNAL = "internal"  # a bug
    KEYSTORE = "keystore"  # a key is missing, damaged, or cannot be used
    LISTEN = "listen"  # an address cannot be bound
    MALFORMED = "malformed"  # a manifest, a certificate or a delta
    NAME_SYNTAX = "name-syntax"  # not a domain name
    NO_ANSWER = "no-answer"  # a question without a response
    NO_EARLIER_RELEASE = "no-earlier-release"  # none to go back to
    NO_ZONES = "no-zones"  # none that can be served
    NOT_ARCHIVED = "not-archived"  # a generation that the archive lacks
    NOT_PERMITTED = "not-permitted"  # who asks may not do this, or is not of this fleet
    NOT_PREPARED = "not-prepared"  # a certificate for what is not prepared here
    NOTHING_RELEASED = "nothing-released"  # yet
    OTHER = "other"  # what no other rule names
    OTHER_CERTIFICATE = "other-certificate"  # a certificate of another manifest
    OTHER_PURPOSE = "other-purpose"  # an envelope that was sealed as something else
    PASSPHRASE = "passphrase"  # missing or wrong  # noqa: S105 - an id
    PREPARED_LOST = "prepared-lost"  # a node prepared the release, and lost it each time
    PROCESS_FAILED = "process-failed"  # a process of a node does not start
    REASON_MISSING = "reason-missing"  # --allow or --without lacks --reason
    REFUSED = "refused"  # a release, by what no other rule names
    RELOAD = "reload"  # a node that must be restarted, not reloaded
    REVISION = "revision"  # no repository, no such commit, or a file that cannot be read
    SAME_RECORDS = "same-records"  # a rollback would change nothing
    SERVED_ALREADY = "served-already"
    SIGNATURE_TIME = "signature-time"  # signatures of a zone do not hold now
    SIGNING = "signing"  # a signature cannot be made, or does not verify
    STATE = "state"  # the control host's database
    STATE_IN_USE = "state-in-use"  # by another process
    SYSTEM = "system"  # the operating system refuses: a full disk, no descriptors
    TABLE_DIFFERS = "table-differs"  # the table of all zones would not be the manifest's
    TOO_LARGE = "too-large"  # what is sent to a node
    TOO_LATE = "too-late"  # an older release than is served
    TOO_SLOW = "too-slow"  # the last node was ready when the first was about to give up
    TRANSFER = "transfer"  # a zone that another server does not give, or not whole
    UNCOMMITTED = "uncommitted"  # changes in the work tree
    UNEXPECTED = "unexpected"  # a node sent something else than was asked for
    UNLISTED_ZONE = "unlisted-zone"  # the delta touches a zone that the manifest does not list
    UNREACHABLE = "unreachable"  # a node
    UNSEALED = "unsealed"  # too few of the release keys have signed
    USER = "user"  # that a node cannot become
    WIRE_FORMAT = "wire-format"  # a message or rdata is malformed
    ZONE_DIFFERS = "zone-differs"  # a zone would not be what the manifest says
    ZONE_ERRORS = "zone-errors"  # zones have findings of severity error
    ZONE_EXISTS = "zone-exists"  # a zone that would be imported has a file already
    ZONE_UNKNOWN = "zone-unknown"  # no zone of this name


class DnsctlError(Exception):
    """Root of the tree. `what` happened, `where` (file:line, node, zone), `advice`: the way out.

    `rule`: the id of the reason, that of the class where no other is given.
    """

    exit_code = 1
    rule = RefusalRule.OTHER

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

    rule = RefusalRule.SYSTEM

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

    rule = RefusalRule.NAME_SYNTAX


class ConfigError(DnsctlError):
    """dnsctl.yaml is missing, malformed or contradicts itself."""

    rule = RefusalRule.CONFIG


class RevisionError(DnsctlError):
    """No git repository, no such revision, or a dirty work tree where a commit is asked for."""

    rule = RefusalRule.REVISION


class ZoneFaultsError(DnsctlError):
    """Zones have findings of severity error; they were printed, nothing was changed."""

    rule = RefusalRule.ZONE_ERRORS


class KeystoreError(DnsctlError):
    """A key file is missing, locked, damaged, or does not match its public half."""

    rule = RefusalRule.KEYSTORE


class PassphraseError(KeystoreError):
    """The passphrase of the keystore is missing or wrong."""

    rule = RefusalRule.PASSPHRASE


class BackupError(DnsctlError):
    """A backup is damaged, cut off, or not one; or what it would be restored to is there already."""

    rule = RefusalRule.BACKUP


class SigningError(DnsctlError):
    """A signature could not be made, or does not verify with the published DNSKEY."""

    rule = RefusalRule.SIGNING


class ImageError(DnsctlError):
    """The image on disk cannot be opened, is of another format, or does not match its digest."""

    rule = RefusalRule.IMAGE


class DamagedImageError(ImageError):
    """The image on disk is not what was written."""

    rule = RefusalRule.DAMAGED


class ImageReplacedError(ImageError):
    """Another image has replaced the one that was opened: open that one."""

    rule = RefusalRule.IMAGE_REPLACED


class ReleaseError(DnsctlError):
    """A manifest, delta or signature is malformed or contradicts itself."""

    rule = RefusalRule.MALFORMED


class ReleaseRefusedError(ReleaseError):
    """A node, a guard or the generation fence refuses this release; nothing served has changed."""

    rule = RefusalRule.REFUSED


class UnknownRequestError(ReleaseRefusedError):
    """A node does not know what it is asked for: its version is older than this."""


class ClockError(ReleaseRefusedError):
    """Clocks of two hosts differ by more than signatures allow; nothing has changed."""

    rule = RefusalRule.CLOCK


class PkiError(DnsctlError):
    """A certificate is missing, expired, or not issued by this fleet's authority."""

    rule = RefusalRule.CERTIFICATE


class NodeUnreachableError(DnsctlError):
    """A node could not be reached; the rest of the fleet may have been."""

    exit_code = 3
    rule = RefusalRule.UNREACHABLE


class AgentGoneError(NodeUnreachableError):
    """No process listens at a node's agent address, or the agent ended the connection: it may come back."""


class InconclusiveError(DnsctlError):
    """No node answered."""

    exit_code = 2
    rule = RefusalRule.INCONCLUSIVE


class HostBusyError(DnsctlError):
    """Another process of this host works on the same: nothing was done, and it can be tried again."""

    rule = RefusalRule.STATE_IN_USE


class ListenError(DnsctlError):
    """An address cannot be bound: taken, not local, or not permitted."""

    rule = RefusalRule.LISTEN


class WireFormatError(DnsctlError, ValueError):
    """A DNS message or rdata in wire form that is truncated or malformed (RFC 1035 §4.1)."""

    rule = RefusalRule.WIRE_FORMAT
