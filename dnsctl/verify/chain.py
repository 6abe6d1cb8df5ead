"""The chain of trust of one zone, from the DS down (RFC 4035 §5), with dnspython's validators only.

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
import dns.node
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
from dns.rdtypes.ANY.RRSIG import RRSIG

from dnsctl.model.name import Name, label_count
from dnsctl.model.rrset import Type
from dnsctl.verify.decoders import read_rdata

_DIGESTS = {2: "SHA256", 4: "SHA384"}  # RFC 8624 §3.3: what may be validated with
_MEMO = 200_000  # verdicts kept: the same SOA and NSEC come with many answers


class ChainBrokenError(Exception):
    """No chain from the DS to the DNSKEY RRset: why."""


class Chain:
    """The keys of one zone, proven by a DS, and a check of RRsets with them. Make it with `trust`."""

    def __init__(self, origin: Name, keys: dns.rdataset.Rdataset, now: datetime) -> None:
        self.origin = origin
        self._apex = _name(origin)
        self._keys: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {self._apex: keys}
        self._published = _tags(keys)
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
            rdataset = _rdataset(rdtype, rdatas)
            decoded = _rdatas(Type.RRSIG, signatures)
        except dns.exception.DNSException as error:
            return f"malformed: {error}"
        good = 0
        for signature in decoded:
            assert isinstance(signature, RRSIG)  # noqa: S101 - decoded as such
            tag = signature.key_tag
            if (tag, int(signature.algorithm)) not in self._published:
                continue
            try:
                if signature.signer != self._apex:
                    return f"signed by {signature.signer}, which is not the zone (RFC 4035 §5.3.1)"
                name = _unstarred(owner) if signature.labels < label_count(owner) else _name(owner)
                dns.dnssec.validate_rrsig((name, rdataset), signature, self._keys, now=self._now)
            except (dns.exception.UnsupportedAlgorithm, dns.exception.DeniedByPolicy):
                pass  # told when the zone was released: nobody here can verify it
            except (dns.exception.DNSException, ValueError) as error:
                return f"signature of key {tag}: {error or type(error).__name__}"
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
        rdataset = _rdataset(Type.DNSKEY, keys)
        matched = [key for key in rdataset if _matches(_name(origin), key, anchors)]
    except dns.exception.DNSException as error:
        raise ChainBrokenError(f"malformed DNSKEY: {error}") from None
    if not matched:
        tags = ", ".join(str(dns.dnssec.key_id(key)) for key in rdataset)
        wanted = ", ".join(sorted({str(int.from_bytes(ds[:2], "big")) for ds in anchors}))
        raise ChainBrokenError(f"no DNSKEY (tags {tags or 'none'}) matches a DS (tags {wanted or 'none'})")
    entry = dns.rdataset.from_rdata_list(rdataset.ttl, matched)
    by_entry = [each for each in signatures if _tag_and_algorithm(each) in _tags(matched)]
    reason = Chain(origin, entry, now).check(origin, Type.DNSKEY, keys, by_entry)
    if reason:
        raise ChainBrokenError(f"DNSKEY RRset, by the keys the DS names: {reason}")
    chain = Chain(origin, rdataset, now)
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


def _unstarred(wire: Name) -> dns.name.Name:
    """Return a name that is made from a wildcard without a leading asterisk of its own.

    Its first label plays no part in what is signed (RFC 4035 §5.3.2), but dnspython refuses one there.
    """
    name = _name(wire)
    return dns.name.Name((b"x", *name.labels[1:])) if name.is_wild() else name


def _rdatas(rdtype: int, octets: Iterable[bytes]) -> list[dns.rdata.Rdata]:
    return [read_rdata(dns.rdataclass.IN, rdtype, each)[0] for each in octets]


def _rdataset(rdtype: int, rdatas: Iterable[bytes]) -> dns.rdataset.Rdataset:
    kind = dns.rdatatype.RdataType.make(rdtype)
    decoded = _rdatas(rdtype, rdatas)
    return (
        dns.rdataset.from_rdata_list(0, decoded)
        if decoded
        else dns.rdataset.Rdataset(dns.rdataclass.IN, kind)
    )
