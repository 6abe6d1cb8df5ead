"""A small certificate authority for the fleet (RFC 5280): make it, issue, renew and check certificates.

A leaf certificate says whose it is in one URI, `urn:dnsctl:control` or `urn:dnsctl:node:NAME`. A node's also
has its name as `DNS:NAME`, never an address, so that a node may move. For their use, see `tls`.

Files in `keys/pki/`: `ca.crt`, `control.crt`, `NODE.crt`, and their private halves beside them: `ca.pem` and
`control.pem` encrypted with the keystore's passphrase, `NODE.pem` in the clear (mode 0600), because a node
must start without a person. There is no CRL: to revoke a certificate, make a new authority.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dnsctl.errors import PassphraseError, PkiError
from dnsctl.files import durable, secrecy
from dnsctl.model import pkcs8
from dnsctl.model.repo import AUTHORITY, CONTROL, KeyFiles, PkiFiles
from dnsctl.sign.passphrase import keystore_salt

AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=730)
RENEW_WITHIN = timedelta(days=60)  # `renew` replaces a certificate with less than this left
BACKDATED = timedelta(hours=1)  # a node whose clock is a little behind must still accept a new certificate
CONTROL_URI = "urn:dnsctl:control"
NODE_URI = "urn:dnsctl:node:"
_RESERVED = frozenset({AUTHORITY, CONTROL})


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are on the fleet's connections. `passphrase` opens `key` where it is encrypted."""

    authority: Path
    certificate: Path
    key: Path
    passphrase: Callable[[], bytes] | None = None


# -- Files ------------------------------------------------------------------------------------------------


def ensure_authority(
    keys_dir: Path, passphrase: Callable[[], bytes], node_names: Iterable[str], now: datetime
) -> tuple[str, ...]:
    """Make what is missing of the authority, the control host's and each node's certificate.

    Returns the paths of what was made, relative to `keys_dir`; nothing that exists is touched, whatever its
    state (see `renew`). Raises PkiError where a certificate must be issued and the authority's private key
    is not at hand, PassphraseError where it does not open.
    """
    pki = KeyFiles(keys_dir).pki
    names = sorted(set(node_names))
    for name in names:
        if name in _RESERVED:
            raise PkiError(f"a node cannot be called {name!r}", advice="choose another name in dnsctl.yaml")
    made: list[str] = []
    if not pki.certificate(AUTHORITY).exists():
        _make_authority(pki, passphrase(), now)
        made += ["pki/ca.crt", "pki/ca.pem"]
    missing = [name for name in (CONTROL, *names) if not _is_complete(pki, name)]
    if missing:
        authority = _open_authority(pki, passphrase())
        for name in missing:
            made += _issue(pki, authority, name, passphrase, now)
    return tuple(made)


def renew(
    keys_dir: Path, passphrase: Callable[[], bytes], now: datetime, within: timedelta = RENEW_WITHIN
) -> tuple[str, ...]:
    """Renew, with a new key, each leaf certificate that expires within `within`, or already has.

    Returns the paths of what was made. A node reads its new certificate when its agent starts again.
    Raises PkiError where the authority's private key is missing or its certificate itself runs out.
    """
    pki = KeyFiles(keys_dir).pki
    due = [
        path.stem
        for path in sorted(pki.directory.glob("*.crt"))
        if path.stem != AUTHORITY and _load(path).not_valid_after_utc - now < within
    ]
    if not due:
        return ()
    authority = _open_authority(pki, passphrase())
    _check_dates(pki.certificate(AUTHORITY), authority[0], now)
    return tuple(made for name in due for made in _issue(pki, authority, name, passphrase, now))


def _is_complete(pki: PkiFiles, name: str) -> bool:
    return pki.certificate(name).exists() and pki.key(name).exists()


def _make_authority(pki: PkiFiles, passphrase: bytes, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dnsctl fleet authority")])
    certificate = (
        _builder(subject, subject, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(pki, AUTHORITY, certificate, key, passphrase)


def refuse_shared(path: Path) -> None:
    """Raise PkiError where others than its owner may read a private key."""
    if path.exists() and (shared := secrecy.fault(path.stat())):
        raise PkiError(shared, where=str(path), advice=f"chmod 600 {path}")


_Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _open_authority(pki: PkiFiles, passphrase: bytes) -> _Authority:
    path = pki.key(AUTHORITY)
    if not path.exists():
        raise PkiError(
            "the authority's private key is not here, so no certificate can be issued",
            where=str(path),
            advice="restore it from its copy, or issue certificates on the host that has it",
        )
    refuse_shared(path)
    try:
        key = pkcs8.opened(path.read_bytes(), passphrase)
    except (ValueError, TypeError) as error:
        raise PassphraseError(
            "the passphrase does not open the authority's private key",
            where=str(path),
            advice="check the keystore's passphrase (keystore: passphrase in dnsctl.yaml)",
        ) from error
    certificate = _load(pki.certificate(AUTHORITY))
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise PkiError("the private key does not belong to ca.crt beside it", where=str(path))
    return certificate, key


def _issue(
    pki: PkiFiles, authority: _Authority, name: str, passphrase: Callable[[], bytes], now: datetime
) -> tuple[str, ...]:
    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    uri = CONTROL_URI if name == CONTROL else NODE_URI + name
    alternative: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    if name != CONTROL:
        alternative.append(x509.DNSName(name))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    lifetime = min(LEAF_LIFETIME, issuer.not_valid_after_utc - now)
    certificate = (
        _builder(subject, issuer.subject, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False
        )
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )
    _write_pair(pki, name, certificate, key, passphrase() if name == CONTROL else None)
    return (f"pki/{name}.crt", f"pki/{name}.pem")


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_pair(
    pki: PkiFiles,
    name: str,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    passphrase: bytes | None,
) -> None:
    salt = keystore_salt(pki.directory.parent)
    pem = pkcs8.encrypted(key, passphrase, salt) if passphrase else _in_the_clear(key)
    durable.make_directory(pki.directory, 0o700)
    pki.certificate(name).unlink(missing_ok=True)  # never one that does not belong to the key beside it
    durable.write(pki.key(name), pem, 0o600)  # key first: a key without its certificate gets a new one
    durable.write(pki.certificate(name), certificate.public_bytes(serialization.Encoding.PEM))


def _in_the_clear(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


# -- Checks before a connection ------------------------------------------------------------------------------


def check(credentials: Credentials, now: datetime) -> None:
    """Refuse what the other side would refuse, in words TLS has not: which file, since when, what to do.

    Order: all three files exist and parse; the authority is within its dates; the certificate is; the
    authority issued it. Raises PkiError.
    """
    for path in (credentials.authority, credentials.certificate, credentials.key):
        if not path.is_file():
            raise PkiError("is missing", where=str(path), advice=advice_for(path))
    authority, certificate = _load(credentials.authority), _load(credentials.certificate)
    _check_dates(credentials.authority, authority, now)
    _check_dates(credentials.certificate, certificate, now)
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise PkiError(
            "was not issued by this fleet's authority",
            where=str(credentials.certificate),
            advice=f"compare it with {credentials.authority}; {advice_for(credentials.certificate)}",
        ) from error


def _check_dates(path: Path, certificate: x509.Certificate, now: datetime) -> None:
    if now < certificate.not_valid_before_utc:
        raise PkiError(
            f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            where=str(path),
            advice=f"check this host's clock, it says {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        )
    if now > certificate.not_valid_after_utc:
        raise PkiError(
            f"expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
            where=str(path),
            advice=f"{_renewal(path)} (this host's clock says {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC)",
        )


def expiry(path: Path) -> datetime:
    """Return when the certificate in `path` expires. Raises PkiError where it is missing or malformed."""
    return _load(path).not_valid_after_utc


def _renewal(path: Path) -> str:
    if path.stem in _RESERVED:
        return "run `dnsctl init` in the operations repo, which renews it"
    return "run `dnsctl init` on the control host, which renews it, and copy the new certificate and key here"


def advice_for(path: Path) -> str:
    if path.stem == AUTHORITY:
        return "run `dnsctl init` in the operations repo, or copy keys/pki/ca.crt from the control host"
    if path.stem == CONTROL:
        return "delete keys/pki/control.* and run `dnsctl init` in the operations repo to renew it"
    delete = f"on the control host delete keys/pki/{path.stem}.*"
    return f"{delete}, run `dnsctl init`, and copy the new certificate and key here"


def _load(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        raise PkiError("is missing", where=str(path), advice=advice_for(path)) from None
    except OSError as error:
        raise PkiError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except ValueError as error:
        raise PkiError("is not a PEM certificate", where=str(path), advice=advice_for(path)) from error
