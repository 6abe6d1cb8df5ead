"""The chain of trust of one zone, from the DS down (RFC 4035 §5).

A resolver is content with one good signature; an operator is not. Here *every* signature over an RRset must
verify at `now`, with a key of the zone's own DNSKEY RRset that a DS leads to. Signatures by keys that are not
in that RRset are ignored (RFC 4035 §5.3.1): there are such while algorithms change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import dns.dnssec
import dns.exception
import dns.name
import dns.rdata
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from dnsctl.model.name import Name, to_text
from dnsctl.model.rrset import CLASS_IN, Type, type_text
from dnsctl.verify import signature
from dnsctl.verify.decoders import read_rdata
from dnsctl.verify.signature import ZoneKey

_DIGESTS = {2: "SHA256", 4: "SHA384"}  # RFC 8624 §3.3: what may be validated with
# Types without names, or whose names stay as they are (RFC 6840 §5.1): canonical as they stand
_ALIKE = frozenset(
    (Type.A, Type.AAAA, Type.TXT, Type.DS, Type.DNSKEY, Type.NSEC, Type.NSEC3, Type.CDS, Type.CDNSKEY)
)
_MEMO = 200_000  # verdicts kept: the same SOA and NSEC come with many answers


class ChainBrokenError(Exception):
    """No chain from the DS to the DNSKEY RRset: why."""


class Chain:
    """The keys of one zone, proven by a DS, and a check of RRsets with them. Make it with `trust`."""

    def __init__(self, origin: Name, keys: Iterable[dns.rdata.Rdata], now: datetime) -> None:
        self.origin = origin
        self._keys: dict[tuple[int, int], list[ZoneKey]] = {}  # by tag and algorithm
        for dnskey in keys:
            assert isinstance(dnskey, DNSKEY)  # noqa: S101 - decoded as such
            key = ZoneKey(dnskey)
            self._keys.setdefault((key.tag, key.algorithm), []).append(key)
        self._now = now.timestamp()
        self._memo: dict[tuple[Name, int, tuple[bytes, ...], tuple[bytes, ...]], str | None] = {}

    def check(
        self, owner: Name, rdtype: int, rdatas: Sequence[bytes], signatures: Sequence[bytes]
    ) -> str | None:
        """Return None where every one of `signatures` by the zone's keys verifies, else what is wrong.

        TTLs play no part: the signed one stands in the signature. `owner` may be made from a wildcard.
        """
        question = (owner, rdtype, tuple(rdatas), tuple(signatures))
        if question not in self._memo:
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            self._memo[question] = self._check(owner, rdtype, rdatas, signatures)
        return self._memo[question]

    def _check(
        self, owner: Name, rdtype: int, rdatas: Sequence[bytes], signatures: Sequence[bytes]
    ) -> str | None:
        if not signatures:
            return "no signature"
        try:
            canonical = sorted({_canonical(rdtype, each) for each in rdatas})  # RFC 4034 §6.3
            decoded = [signature.read(each) for each in signatures]
        except (dns.exception.DNSException, ValueError) as error:
            return f"malformed: {error}"
        good = 0
        for one in decoded:
            keys = self._keys.get((one.key_tag, one.algorithm))
            if keys is None:
                continue
            if one.signer != self.origin:
                return f"signed by {to_text(one.signer)}, which is not the zone (RFC 4035 §5.3.1)"
            if one.covered != rdtype:
                return f"signature of key {one.key_tag}: it covers {type_text(one.covered)}"
            try:
                signature.check(one, owner, canonical, keys, self._now)
            except (dns.exception.UnsupportedAlgorithm, dns.exception.DeniedByPolicy):
                pass  # told when the zone was released: nobody here can verify it
            except (signature.SignatureError, dns.exception.DNSException, ValueError) as error:
                return f"signature of key {one.key_tag}: {error or type(error).__name__}"
            good += 1
        return None if good else "no signature by a key of the DNSKEY RRset"


def trust(
    origin: Name,
    keys: Sequence[bytes],
    signatures: Sequence[bytes],
    anchors: Collection[bytes],
    now: datetime,
) -> Chain:
    """Return the chain of `origin`: DNSKEY rdatas `keys` that one of `anchors` (DS rdatas) leads to.

    Raises ChainBrokenError: no DS matches a key, the matched keys do not sign the DNSKEY RRset, or one of
    the RRset's signatures does not verify.
    """
    try:
        dnskeys = _rdatas(Type.DNSKEY, keys)
        matched = [key for key in dnskeys if _matches(_name(origin), key, anchors)]
    except dns.exception.DNSException as error:
        raise ChainBrokenError(f"malformed DNSKEY: {error}") from None
    if not matched:
        tags = ", ".join(str(tag) for tag, _ in sorted(_tags(dnskeys)))
        wanted = ", ".join(sorted({str(int.from_bytes(ds[:2], "big")) for ds in anchors}))
        raise ChainBrokenError(f"no DNSKEY (tags {tags or 'none'}) matches a DS (tags {wanted or 'none'})")
    by_entry = [each for each in signatures if _tag_and_algorithm(each) in _tags(matched)]
    reason = Chain(origin, matched, now).check(origin, Type.DNSKEY, keys, by_entry)
    if reason:
        raise ChainBrokenError(f"DNSKEY RRset, by the keys the DS names: {reason}")
    chain = Chain(origin, dnskeys, now)
    reason = chain.check(origin, Type.DNSKEY, keys, signatures)
    if reason:
        raise ChainBrokenError(f"DNSKEY RRset: {reason}")
    return chain


def _matches(apex: dns.name.Name, key: dns.rdata.Rdata, anchors: Iterable[bytes]) -> bool:
    for ds in anchors:
        digest = _DIGESTS.get(ds[3])
        if digest is None or int.from_bytes(ds[:2], "big") != dns.dnssec.key_id(key):  # type: ignore[arg-type]
            continue
        made = dns.dnssec.make_ds(apex, key, digest, validating=True)
        if made.to_wire() == ds:
            return True
    return False


def _tags(keys: Iterable[dns.rdata.Rdata]) -> set[tuple[int, int]]:
    return {(dns.dnssec.key_id(key), int(key.algorithm)) for key in keys}  # type: ignore[arg-type,attr-defined]


def _tag_and_algorithm(signature: bytes) -> tuple[int, int]:
    return int.from_bytes(signature[16:18], "big"), signature[2]  # RFC 4034 §3.1


def _name(wire: Name) -> dns.name.Name:
    return dns.name.from_wire(wire, 0)[0]


def _canonical(rdtype: int, octets: bytes) -> bytes:
    """Return rdata in canonical form (RFC 4034 §6.2), as dnspython makes it."""
    rdata, wire = read_rdata(CLASS_IN, rdtype, octets)
    return wire if rdtype in _ALIKE else rdata.to_digestable()


def _rdatas(rdtype: int, octets: Iterable[bytes]) -> list[dns.rdata.Rdata]:
    return [read_rdata(CLASS_IN, rdtype, each)[0] for each in octets]
