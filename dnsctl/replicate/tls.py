"""TLS between the fleet's hosts, with the authority of `pki`: contexts, names of peers, meanings of alerts.

Invariant: both sides of every connection show a certificate of this fleet's authority, over TLS 1.3 or
nothing. A node is pinned by its *name* (SAN `DNS:NAME`), not by its address, so that a node may move; what a
peer may do follows from the one URI in its certificate.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dnsctl.errors import PassphraseError, PkiError
from dnsctl.files import secrecy
from dnsctl.model import pkcs8
from dnsctl.model.repo import CONTROL
from dnsctl.replicate.pki import (
    CONTROL_URI,
    NODE_URI,
    Credentials,
    advice_for,
    check,
    refuse_shared,
)

_log = logging.getLogger("dnsctl.replicate")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who the other side of a connection is. `node` is empty for the control host."""

    node: str = ""

    @property
    def is_control(self) -> bool:
        return not self.node

    def __str__(self) -> str:
        return self.node or CONTROL


def client_context(credentials: Credentials, now: datetime) -> ssl.SSLContext:
    """Return the context for connecting to agents: TLS 1.3, our certificate shown, theirs required.

    The caller names the node as server host name: that is what its certificate is checked against.
    Raises PkiError (see `check`), PassphraseError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = True
    return _furnish(context, credentials, now)


def server_context(credentials: Credentials, now: datetime) -> ssl.SSLContext:
    """Return an agent's context: TLS 1.3, a certificate of the fleet required of every client.

    Raises PkiError (see `check`), PassphraseError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # no resumption: every connection proves itself
    context.sslobject_class = _TellingObject
    return _furnish(context, credentials, now)


class _TellingObject(ssl.SSLObject):
    """Lets the alert of a failed handshake out, so that the client learns why.

    asyncio ends a connection at the first SSLError, with the alert still in its buffer. Asking for more
    input instead makes it send what there is; the error itself comes with whatever the client does next.
    """

    _fault: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._fault is not None:
            raise self._fault
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._fault = error
            _log.warning("a client was refused: %s", error.reason or error)
            raise ssl.SSLWantReadError from error


def _furnish(context: ssl.SSLContext, credentials: Credentials, now: datetime) -> ssl.SSLContext:
    check(credentials, now)
    if credentials.passphrase is not None:
        refuse_shared(credentials.key)
    elif shared := secrecy.fault(credentials.key.stat(), group=True):  # a node is not to fail for it
        _log.warning("%s: %s; chmod 600 it", credentials.key, shared)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cafile=str(credentials.authority))
    try:
        with _key_file(credentials) as key:
            # A function, also where there is none: OpenSSL must never ask the terminal.
            context.load_cert_chain(str(credentials.certificate), key, password=lambda: b"")
    except (ValueError, ssl.SSLError) as error:
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            raise PkiError(
                f"does not belong to {credentials.certificate}",
                where=str(credentials.key),
                advice=advice_for(credentials.certificate),
            ) from error
        raise PassphraseError(
            "cannot be opened: the passphrase is wrong or the file is damaged",
            where=str(credentials.key),
            advice="check the keystore's passphrase (keystore: passphrase in dnsctl.yaml)",
        ) from error
    return context


@contextlib.contextmanager
def _key_file(credentials: Credentials) -> Iterator[str]:
    """Yield a path from which OpenSSL reads our private key: only in memory where it is encrypted on disk.

    OpenSSL would derive from the passphrase once more, and that is meant to be slow.
    """
    pem = credentials.key.read_bytes()
    if credentials.passphrase is None or b"ENCRYPTED" not in pem:
        yield str(credentials.key)
        return
    private = pkcs8.opened(pem, credentials.passphrase())
    descriptor = os.memfd_create("dnsctl key")  # in no directory, and gone with the descriptor
    with os.fdopen(descriptor, "wb") as file:
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def peer_of(certificate: Mapping[str, object] | None) -> Peer | None:
    """Return who a verified certificate (as `SSLObject.getpeercert()` shows it) speaks for, or None."""
    names = cast("tuple[tuple[str, str], ...]", (certificate or {}).get("subjectAltName", ()))
    uris = [value for kind, value in names if kind == "URI"]
    if uris == [CONTROL_URI]:
        return Peer()
    if len(uris) == 1 and uris[0].startswith(NODE_URI) and len(uris[0]) > len(NODE_URI):
        return Peer(uris[0][len(NODE_URI) :])
    return None


_SAME = "both sides need the same ca.crt"
_OTHER = "shows a certificate of another authority"
_ALERTS = (  # what OpenSSL says, what it means for a person
    ("certificate expired", "says that our certificate has expired", "check both clocks, then renew it"),
    ("certificate has expired", "shows a certificate that has expired", "renew it on the control host"),
    ("not yet valid", "shows a certificate that is not valid yet", "check both hosts' clocks"),
    ("unknown ca", "does not know the authority of our certificate", _SAME),
    ("unable to get local issuer", _OTHER, _SAME),
    ("self-signed certificate", _OTHER, _SAME),
    ("self signed certificate", _OTHER, _SAME),
    ("signature failure", _OTHER, _SAME),
    ("hostname mismatch", "shows another node's certificate", "check `control:` of the node in dnsctl.yaml"),
    ("certificate required", "demands a client certificate", "check keys/pki/control.crt"),
    ("bad certificate", "refuses our certificate", _SAME),
    ("certificate unknown", "refuses our certificate", _SAME),
    ("decrypt error", "does not accept our certificate's signature", _SAME),
    ("wrong version number", "does not speak TLS 1.3", "check `control:` of the node in dnsctl.yaml"),
    ("protocol version", "does not speak TLS 1.3", "check `control:` of the node in dnsctl.yaml"),
)  # fmt: skip


def explain(error: BaseException, where: str) -> PkiError | None:
    """Return what a failed TLS handshake means, or None where `error` is not about certificates.

    In TLS 1.3 a client learns that its certificate was refused from an alert that comes with the first
    read, so the cause may be deep in the chain of exceptions.
    """
    seen: BaseException | None = error
    texts = []
    while seen is not None:
        texts.append(str(seen).lower().replace("_", " "))
        seen = seen.__cause__ or seen.__context__
    whole = " ".join(texts)
    if "ssl" not in whole and "certificate" not in whole:
        return None
    for sign, meaning, advice in _ALERTS:
        if sign in whole:
            return PkiError(meaning, where=where, advice=advice)
    return None
