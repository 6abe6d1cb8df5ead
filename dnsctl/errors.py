"""Every error a user can meet: one tree, each with what, where, what to do next, and its exit code.

A fault *in a zone* is a `dnsctl.model.finding.Finding`, collected with all others. An error here is
what stops a command: it is printed as one line, `where: what; advice`, and never as a traceback.
"""

from __future__ import annotations


class DnsctlError(Exception):
    """Root of the tree. `what` happened, `where` (file:line, node, zone), `advice`: the way out."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.advice = advice

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}; {self.advice}" if self.advice else text


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


class ImageReplacedError(ImageError):
    """Another image stands where this one was opened: open that."""


class ReleaseError(DnsctlError):
    """A manifest, delta or signature is malformed or does not hold together."""


class ReleaseRefusedError(ReleaseError):
    """A node, a guard or the generation fence refuses this release; nothing served has changed."""


class ClockError(ReleaseRefusedError):
    """Clocks of two hosts differ by more than signatures allow; nothing has changed."""


class PkiError(DnsctlError):
    """A certificate is missing, expired, or not issued by this fleet's authority."""


class NodeUnreachableError(DnsctlError):
    """A node could not be reached; the rest of the fleet may have been."""

    exit_code = 3


class AgentGoneError(NodeUnreachableError):
    """Nobody listens at a node's agent, or it ended the connection: it may be back in a moment."""


class InconclusiveError(DnsctlError):
    """Nothing could be told: no node answered."""

    exit_code = 2


class ListenError(DnsctlError):
    """An address cannot be bound: taken, not local, or not permitted."""


class WireFormatError(DnsctlError, ValueError):
    """A DNS message or rdata in wire form that is truncated or malformed (RFC 1035 §4.1)."""
