"""Findings about one zone that came signed: a few of each rule, and how many more.

`RULES` says what there is to tell; `dnsctl check --rules` lists it.
"""

from __future__ import annotations

from collections import Counter

from dnsctl.model.finding import Finding, Position, Severity
from dnsctl.model.name import Name
from dnsctl.model.rrset import RRset

_KEPT = 10  # of one rule in one zone
_AGAIN = "sign the zone again where it was signed, or remove its signatures and have it signed here"
_WARNING, _ERROR = Severity.WARNING, Severity.ERROR

INCOMPLETE = "presigned-incomplete"
INVALID = "signature-invalid"
TIME = "signature-time"
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

# Rule id, severity, meaning, and what to do about it.
RULES: tuple[tuple[str, Severity, str, str], ...] = (
    (INCOMPLETE, _ERROR, "A zone that came signed is signed completely.", _AGAIN),
    (INVALID, _ERROR, "A signature is one by its key, over what stands in the zone.", _AGAIN),
    (TIME, _ERROR, "Signatures are valid now.", "sign the zone again, and compare the signer's clock"),
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
_BY_NAME = {name: (severity, advice) for name, severity, _, advice in RULES}


class Told:
    """Collects findings of the zone `origin`, whose file is `file`."""

    def __init__(self, origin: Name, file: str) -> None:
        self._origin = origin
        self._file = file
        self._kept: list[Finding] = []
        self._counts: Counter[str] = Counter()

    def add(self, rule: str, message: str, at: RRset | None = None) -> None:
        """Tell `message` at the line of `at`."""
        self._counts[rule] += 1
        if self._counts[rule] <= _KEPT:
            position = at.position if at is not None and at.position is not None else Position(self._file)
            severity, advice = _BY_NAME[rule]
            self._kept.append(Finding(rule, severity, position, message, advice, self._origin))

    @property
    def errors(self) -> int:
        """Number of errors, those that are not kept included."""
        return sum(count for rule, count in self._counts.items() if _BY_NAME[rule][0] is Severity.ERROR)

    def findings(self) -> tuple[Finding, ...]:
        """Return what is kept, and a line for the rest of each rule."""
        found = list(self._kept)
        for rule, count in self._counts.items():
            if count > _KEPT:
                severity, advice = _BY_NAME[rule]
                message = f"{count - _KEPT} more like these"
                found.append(Finding(rule, severity, Position(self._file), message, advice, self._origin))
        return tuple(found)
