"""The rules for pre-signed zones: the fault, its severity, and what to do about it.

`dnsctl.sign` judges by them, `dnsctl check --rules` lists them.
"""

from __future__ import annotations

from dnsctl.model.finding import Severity

AGAIN = "sign the zone again at its signer, or remove its signatures and have it signed here"
_WARNING, _ERROR = Severity.WARNING, Severity.ERROR

INCOMPLETE = "presigned-incomplete"
INVALID = "signature-invalid"
TIME = "signature-time"
SOON = "signatures-end-soon"
EXPIRE = "expire-beyond-signatures"
CHAIN = "denial-chain"
ZONEMD = "zonemd-differs"
ALGORITHM = "algorithm-incomplete"
UNKNOWN = "algorithm-not-verified"
FOREIGN = "signature-of-no-key"
UNNEEDED = "signature-not-needed"
UNUSED = "denial-unused"
ALONE = "nsec-alone"
KEY = "dnskey-unusable"
CDS = "cds-signer"

# Rule id, severity, meaning, and what to do about it
RULES: tuple[tuple[str, Severity, str, str], ...] = (
    (INCOMPLETE, _ERROR, "A pre-signed zone is not signed completely.", AGAIN),
    (INVALID, _ERROR, "A signature does not verify.", AGAIN),
    (
        TIME,
        _ERROR,
        "A signature is expired, or not valid yet.",
        "sign the zone again, and compare the signer's clock",
    ),
    (SOON, _WARNING, "Signatures expire within a week.", "renew its signatures at its signer"),
    (
        EXPIRE,
        _WARNING,
        "SOA EXPIRE is longer than signatures last.",
        "lower it at the signer: a secondary may go on with signatures that have expired",
    ),
    (CHAIN, _ERROR, "The chain of NSEC or NSEC3 does not match the zone.", AGAIN),
    (ZONEMD, _ERROR, "A ZONEMD is not the digest of the zone.", "make it again, last of all; or remove it"),
    (
        ALGORITHM,
        _WARNING,
        "An algorithm of a DNSKEY does not sign everything.",
        "sign with all algorithms before their keys are published (RFC 4035 §2.2, RFC 6781 §4.1.4)",
    ),
    (
        UNKNOWN,
        _WARNING,
        "A signature cannot be verified here: its algorithm is unknown.",
        "validate the zone with another tool before it is released",
    ),
    (
        FOREIGN,
        _WARNING,
        "A signature is by a key that the zone does not publish.",
        "meant while algorithms change; else remove it",
    ),
    (UNNEEDED, _WARNING, "Data that is not authoritative is signed.", "remove it (RFC 4035 §2.2)"),
    (
        UNUSED,
        _WARNING,
        "A zone has NSEC or NSEC3 that are not used.",
        "meant while denial changes; else remove it",
    ),
    (ALONE, _WARNING, "An NSEC is all there is at a name.", "remove it, and sign again (RFC 4035 §2.3)"),
    (KEY, _WARNING, "A DNSKEY cannot be used by validators.", "remove it, or correct it"),
    (CDS, _WARNING, "CDS or CDNSKEY has no signature by a key that signs DNSKEY.", "sign them with the KSK"),
)
