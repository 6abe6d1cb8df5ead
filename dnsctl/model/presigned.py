"""The rules for zones that come signed: what is told of them, how bad it is, and what to do about it.

`dnsctl.sign` judges by them, `dnsctl check --rules` lists them.
"""

from __future__ import annotations

from dnsctl.model.finding import Severity

_AGAIN = "sign the zone again where it was signed, or remove its signatures and have it signed here"
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
    (INCOMPLETE, _ERROR, "A zone that came signed is signed completely.", _AGAIN),
    (INVALID, _ERROR, "A signature is one by its key, over what stands in the zone.", _AGAIN),
    (TIME, _ERROR, "Signatures are valid now.", "sign the zone again, and compare the signer's clock"),
    (SOON, _WARNING, "Signatures last a week yet.", "have the zone signed again where it is signed"),
    (
        EXPIRE,
        _WARNING,
        "SOA EXPIRE is less than signatures last.",
        "lower it where the zone is signed: a secondary may go on with signatures that ran out",
    ),
    (CHAIN, _ERROR, "NSEC or NSEC3 say what is there, and no more.", _AGAIN),
    (ZONEMD, _ERROR, "A ZONEMD is the digest of the zone.", "make it again, last of all; or remove it"),
    (
        ALGORITHM,
        _WARNING,
        "Each algorithm of a DNSKEY signs everything.",
        "sign with all algorithms before their keys are published (RFC 4035 §2.2, RFC 6781 §4.1.4)",
    ),
    (
        UNKNOWN,
        _WARNING,
        "Every signature can be verified here.",
        "validate the zone with another tool before it is released",
    ),
    (
        FOREIGN,
        _WARNING,
        "A signature is by a key that the zone publishes.",
        "meant while algorithms change; else remove it",
    ),
    (UNNEEDED, _WARNING, "Only authoritative data is signed.", "remove it (RFC 4035 §2.2)"),
    (
        UNUSED,
        _WARNING,
        "A zone has one chain of NSEC or NSEC3.",
        "meant while denial changes; else remove it",
    ),
    (ALONE, _WARNING, "An NSEC is not all there is at a name.", "remove it, and sign again (RFC 4035 §2.3)"),
    (KEY, _WARNING, "A DNSKEY can be used by validators.", "remove it, or correct it"),
    (CDS, _WARNING, "CDS and CDNSKEY are signed by a key that signs DNSKEY.", "sign them with the KSK"),
)
