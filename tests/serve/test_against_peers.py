"""The same signed zones served by us, Knot and NSD: the same answers, up to order, case, optional parts."""

import os
from datetime import UTC, datetime, timedelta

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from dnsctl.image.compiler import compile_zone
from dnsctl.image.difference import difference
from dnsctl.image.store import Image
from dnsctl.model.name import from_wire, to_text
from dnsctl.model.policy import Policy
from dnsctl.serve.answer import Step
from dnsctl.serve.respond import Responder
from dnsctl.sign.keystore import Keystore
from dnsctl.sign.signer import sign_zone, unsigned_zone
from dnsctl.verify.decoders import Record
from dnsctl.verify.denial import Claim, proof_of
from tests.build import validated
from tests.serve import peer_servers
from tests.serve.random_zones import master_file, questions, seeded, zone_text

POLICIES = {
    "nsec": Policy(denial="nsec"),
    "nsec3": Policy(denial="nsec3"),
    "optout": Policy(denial="nsec3", opt_out=True),
    "plain": None,
}
ZONES_A_POLICY = 5
QUESTIONS = 250


def made(rng, origin, policy, keystore, now):
    zone = validated(origin, zone_text(rng))
    if policy is None:
        return unsigned_zone(zone, 1)
    return sign_zone(zone, keystore.signing_keys(zone.origin, policy, now), policy, now, 1)


def goes_round(found):
    """True where aliases lead through one place twice: how often they are then followed is not laid down."""
    places = [each.name for each in found.trace if each.step in (Step.DNAME, Step.ALIAS)]
    return len(places) > 4 or len(places) != len(set(places))


def records(section):
    return sorted(
        f"{str(rrset.name).lower()} {rrset.ttl} {rrset.rdtype.name} {rdata.to_digestable().hex()}"
        for rrset in section
        for rdata in rrset
    )


def glue(message):
    return records(rrset for rrset in message.additional if rrset.rdtype in (1, 28))


DENIAL = (dns.rdatatype.NSEC, dns.rdatatype.NSEC3)


def is_denial(rrset):
    return rrset.rdtype in DENIAL or (rrset.rdtype == dns.rdatatype.RRSIG and rrset.covers in DENIAL)


def denial(message):
    """The proofs. Ours must be those of Knot or of NSD: where they differ, one sends too much or too little.

    NSD 4.6 adds the closest encloser's NSEC3 where a wildcard is asked for by its own name, and takes the
    wrong NSEC where the name before the wildcard has only names below it; Knot 3.2 leaves out the closest
    encloser where a name that begins with an asterisk is matched by a wildcard further up.
    """
    return records(rrset for rrset in message.authority if is_denial(rrset))


CLAIMS = {
    Step.NAME_ERROR: Claim.NAME,
    Step.NO_DATA: Claim.TYPE,
    Step.EMPTY_NON_TERMINAL: Claim.TYPE,
    Step.REFERRAL: Claim.DS,
}


def what_is_unproven(found, message, query, zone):
    """Return what an independent reading of the RFCs misses in the proofs of `message`, or nothing."""
    if not found.trace or (claim := CLAIMS.get(found.trace[-1].step)) is None:
        return ""
    if any(rrset.rdtype == dns.rdatatype.DS for rrset in message.authority):
        return ""
    name = query.question[0].name
    for rrset in message.answer:  # the last of the aliases, which lead from one to the next
        if rrset.rdtype == dns.rdatatype.CNAME:
            name = rrset[0].target
    if claim is Claim.DS:
        name = next(rrset.name for rrset in message.authority if rrset.rdtype == dns.rdatatype.NS)
    proofs = [
        Record(lowered(rrset.name), int(rrset.rdtype), 1, rrset.ttl, rdata.to_digestable())
        for rrset in message.authority
        if rrset.rdtype in DENIAL
        for rdata in rrset
    ]
    rdtype = dns.rdatatype.DS if claim is Claim.DS else query.question[0].rdtype
    if lowered(name) == zone.origin and rdtype == dns.rdatatype.DS:
        return ""  # asked of the wrong side, and no proof from here would count (RFC 4035 §5.2)
    return proof_of(zone.origin, proofs).check(claim, lowered(name), rdtype) or ""


def lowered(name):
    return from_wire(name.to_wire())


def gave_up(message):
    """True for the name error without SOA that Knot sends where opt-out leaves an encloser without NSEC3."""
    return message.rcode() == dns.rcode.NXDOMAIN and not message.authority


def is_beyond_peers(found):
    """True where no peer proves in full: a wildcard that is empty (RFC 4592 §2.2.2) or below another."""
    steps = {each.step for each in found.trace}
    below = found.draft.qname[:2] == b"\x01*" and Step.WILDCARD in steps
    return below or any(e.step is Step.EMPTY_NON_TERMINAL and e.name[:2] == b"\x01*" for e in found.trace)


def seen(message):
    """What must be the same. Glue only in referrals: elsewhere addresses are a courtesy."""
    is_referral = not message.answer and any(rrset.rdtype == dns.rdatatype.NS for rrset in message.authority)
    return {
        "rcode": dns.rcode.to_text(message.rcode()),
        "flags": dns.flags.to_text(message.flags & (dns.flags.AA | dns.flags.TC)),
        "answer": records(message.answer),
        "authority": records(rrset for rrset in message.authority if not is_denial(rrset)),
        "glue": glue(message) if is_referral else [],
    }


@pytest.mark.peer
@pytest.mark.parametrize("label", POLICIES)
def test_answers_are_those_of_knot_and_nsd(tmp_path, label):
    now = datetime.now(UTC) - timedelta(minutes=1)
    rng = seeded(f"{os.environ.get('DNSCTL_SEED', 'peers')} {label}")
    keystore = Keystore(tmp_path / "keys", lambda: b"test")
    zones, files = [], {}
    for index in range(ZONES_A_POLICY):
        zone = made(rng, f"z{index}.example.", POLICIES[label], keystore, now)
        path = tmp_path / f"z{index}.zone"
        path.write_text(master_file(zone))
        zones.append(zone)
        files[to_text(zone.origin)] = path
    differences = []
    with (
        Image.open(tmp_path / "image", readonly=False) as image,
        peer_servers.knot(tmp_path, files) as knot,
        peer_servers.nsd(tmp_path, files) as nsd,
    ):
        with image.writer() as writer:
            writer.apply(difference(writer, [compile_zone(zone) for zone in zones]))
        responder, reader = Responder(), image.reader()
        for zone in zones:
            for name, rdtype in questions(rng, zone, QUESTIONS):
                query = dns.message.make_query(name, rdtype, want_dnssec=rng.random() < 0.8, payload=1232)
                found = responder.explain(reader, query.to_wire())
                if goes_round(found) or (rdtype == "NSEC" and label != "nsec"):
                    continue  # NSD follows a CNAME for NSEC, Knot and BIND do not
                ours = dns.message.from_wire(responder.respond(reader, query.to_wire(), stream=True).wire)
                peers = {
                    "knot": dns.query.tcp(query, "127.0.0.1", port=knot, timeout=5),
                    "nsd": dns.query.tcp(query, "127.0.0.1", port=nsd, timeout=5),
                }
                if label == "optout" and gave_up(peers["knot"]):
                    continue
                unproven = (
                    what_is_unproven(found, ours, query, zone) if query.ednsflags and zone.signed else ""
                )
                if unproven:
                    differences.append(("validator", name, rdtype, {"proof": unproven}, {"proof": ""}))
                for peer, theirs in peers.items():
                    if seen(theirs) != seen(ours):
                        differences.append((peer, name, rdtype, seen(ours), seen(theirs)))
                proofs = {peer: denial(theirs) for peer, theirs in peers.items()}
                if denial(ours) not in proofs.values() and not is_beyond_peers(found):
                    differences.append(
                        ("both", name, rdtype, {"denial": denial(ours)}, {"denial": str(proofs)})
                    )
        reader.close()
    assert not differences, report(differences)


def shown(value):
    return value if isinstance(value, str) else [one[:70] for one in value if " RRSIG " not in one]


def report(differences):
    lines = [f"{len(differences)} answers differ"]
    for peer, name, rdtype, ours, theirs in differences[:12]:
        lines.append(f"--- {name} {rdtype}: {peer}")
        for part, value in ours.items():
            if value != theirs[part]:
                lines += [f"  {part}: ours   {shown(value)}", f"  {part}: theirs {shown(theirs[part])}"]
    return "\n".join(lines)
