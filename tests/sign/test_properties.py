"""Random zones: the chain is closed and in order, all that is authoritative is signed, dnspython validates
it.

What is authoritative is found here the slow, obvious way (every ancestor of every name), not with the
signer's walk.
"""

from __future__ import annotations

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataset
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.model.name import Name, ancestors, canonical_key, from_labels, from_text, labels
from dnsctl.model.nsec3 import next_hash, nsec3_hash
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.type_bitmap import bitmap_types
from dnsctl.model.zone import SignedZone, ValidatedZone, nodes_of
from dnsctl.sign.nsec import next_owner
from dnsctl.sign.signer import sign_zone
from tests.presigned import presigned_zone
from tests.sign.scenery import NOW, SERIAL, keys_for

ORIGIN = from_text("example.")
TARGET = from_text("ns.example.net.")
RDATA = {
    Type.A: b"\xc0\x00\x02\x01",
    Type.NS: TARGET,
    Type.CNAME: TARGET,
    Type.MX: b"\0\x0a" + TARGET,
    Type.TXT: b"\x01x",
    Type.DNAME: TARGET,
    Type.DS: b"\x30\x39\x0d\x02" + bytes(32),
    65400: b"\xab",
}
LABELS = st.sampled_from(
    [b"a", b"b", b"*", b"\0", b"\1", b"a\0", b".", b"\x01a", b"\xff", b"zz", b"a-b", b"ns"]
)
OWNERS = st.lists(LABELS, min_size=1, max_size=4).map(lambda parts: from_labels([*parts, *labels(ORIGIN)]))
NODES = st.one_of(
    st.sets(st.sampled_from([Type.A, Type.TXT, Type.MX, 65400]), min_size=1),
    st.sampled_from([{Type.NS}, {Type.NS, Type.DS}, {Type.NS, Type.A}, {Type.DNAME, Type.TXT}, {Type.CNAME}]),
)
ZONES = st.dictionaries(OWNERS, NODES, max_size=14)
POLICIES = st.sampled_from(
    [Policy(), Policy(keys="ksk+zsk"), Policy(denial="nsec3"), Policy(denial="nsec3", opt_out=True)]
)


def zone_of(drawn: dict[Name, set[int]]) -> ValidatedZone:
    soa = TARGET + TARGET + b"".join(each.to_bytes(4, "big") for each in (1, 7200, 1800, 86400, 300))
    apex = [rrset(ORIGIN, Type.SOA, 3600, [soa]), rrset(ORIGIN, Type.NS, 3600, [TARGET])]
    more = [rrset(owner, rdtype, 300, [RDATA[rdtype]]) for owner, types in drawn.items() for rdtype in types]
    return ValidatedZone(ORIGIN, nodes_of([*apex, *more]))


def types_to_deny(zone: ValidatedZone, signed: SignedZone) -> dict[Name, set[int]]:
    """Return authoritative owners with the types they may speak of, RRSIG and denial records apart."""
    found = {}
    for owner, node in signed.nodes.items():
        if zone.occluder(owner) is None:
            types = {one.rdtype for one in node} - {Type.NSEC}
            found[owner] = types & {Type.NS, Type.DS} if owner in zone.cuts else types
    return found


@settings(max_examples=150, deadline=None)
@given(ZONES, POLICIES)
def test_random_zone_is_signed_whole_and_its_chain_is_closed(
    drawn: dict[Name, set[int]], policy: Policy
) -> None:
    zone = zone_of(drawn)
    signed = sign_zone(zone, keys_for(ORIGIN, policy), policy, NOW, SERIAL)
    denied = types_to_deny(zone, signed)
    assert list(signed.nodes) == sorted(signed.nodes, key=canonical_key) == list(zone.nodes)
    for one in signed.rrsets():
        at_cut = one.owner in zone.cuts
        wanted = one.owner in denied and (not at_cut or one.rdtype in {Type.DS, Type.NSEC})
        assert bool(one.signatures) == wanted, one
    if policy.denial == "nsec":
        nsec_is_closed(signed, denied)
    else:
        nsec3_is_closed(signed, denied, {owner for owner in zone.cuts if Type.DS not in drawn[owner]})
    presigned_zone_agrees(signed)


def nsec_is_closed(signed: SignedZone, denied: dict[Name, set[int]]) -> None:
    walked: list[Name] = []
    owner = ORIGIN
    while owner not in walked:
        walked.append(owner)
        link = signed.get(owner, Type.NSEC)
        assert link is not None
        following, bitmap = next_owner(link.rdatas[0])
        assert bitmap_types(bitmap) == denied[owner] | {Type.RRSIG, Type.NSEC}
        owner = following
    assert owner == ORIGIN
    assert walked == sorted(denied, key=canonical_key)


def nsec3_is_closed(signed: SignedZone, denied: dict[Name, set[int]], insecure: set[Name]) -> None:
    assert signed.nsec3 is not None
    spoken = {owner for owner in denied if not (signed.nsec3.opt_out and owner in insecure)}
    wanted: dict[bytes, set[int]] = {}
    for owner in spoken:
        for above in ancestors(owner, ORIGIN):
            wanted.setdefault(nsec3_hash(above, b"", 0), set())
    for owner in spoken:
        signs = set() if owner in insecure else {Type.RRSIG}
        wanted[nsec3_hash(owner, b"", 0)] = denied[owner] | signs
    listed = {
        digest: set(bitmap_types(next_hash(one.rdatas[0])[1])) for digest, one in signed.nsec3_nodes.items()
    }
    assert listed == wanted
    order = sorted(wanted)
    assert [next_hash(signed.nsec3_nodes[each].rdatas[0])[0] for each in order] == [*order[1:], order[0]]
    assert all(one.signatures for one in signed.nsec3_nodes.values())


def presigned_zone_agrees(signed: SignedZone) -> None:
    """What reads zones signed elsewhere finds nothing missing in ours."""
    rrsets = [*signed.rrsets(), *signed.nsec3_nodes.values()]
    again = presigned_zone(ValidatedZone(ORIGIN, nodes_of(rrsets)), NOW)
    assert again.nodes == signed.nodes
    assert again.nsec3_nodes == signed.nsec3_nodes


@settings(max_examples=20, deadline=None)
@given(ZONES, POLICIES)
def test_random_zone_validates_with_dnspython(drawn: dict[Name, set[int]], policy: Policy) -> None:
    signed = sign_zone(zone_of(drawn), keys_for(ORIGIN, policy), policy, NOW, SERIAL)
    dnskey = signed.get(ORIGIN, Type.DNSKEY)
    assert dnskey is not None
    keys: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {
        dns.name.from_text("example."): rdatas(dnskey, dnskey.rdatas).to_rdataset()
    }
    for one in [*signed.rrsets(), *signed.nsec3_nodes.values()]:
        if one.signatures:
            sigs = rdatas(one._replace(rdtype=Type.RRSIG), one.signatures)
            dns.dnssec.validate(rdatas(one, one.rdatas), sigs, keys, now=NOW.timestamp())


@settings(max_examples=100, deadline=None)
@given(ZONES, ZONES, POLICIES, POLICIES)
def test_signing_after_any_other_zone_gives_what_signing_anew_gives(
    before: dict[Name, set[int]], after: dict[Name, set[int]], old: Policy, new: Policy
) -> None:
    previous = sign_zone(zone_of(before), keys_for(ORIGIN, old), old, NOW, SERIAL)
    keys = keys_for(ORIGIN, new)
    anew = sign_zone(zone_of(after), keys, new, NOW, SERIAL)
    assert sign_zone(zone_of(after), keys, new, NOW, SERIAL, previous) == anew


def rdatas(one: RRset, wires: tuple[bytes, ...]) -> dns.rrset.RRset:
    owner = dns.name.from_wire(one.owner, 0)[0]
    made = [
        dns.rdata.from_wire("IN", dns.rdatatype.RdataType.make(one.rdtype), wire, 0, len(wire))
        for wire in wires
    ]
    return dns.rrset.from_rdata_list(owner, one.ttl, made)
