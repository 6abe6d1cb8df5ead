"""What the tests of `sign` share: fixed keys, a zone with every trap in it, master-file text."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa

from dnsctl.model.key import KeyRole, PublicKey
from dnsctl.model.name import Name, to_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import rdata_text, type_text
from dnsctl.model.zone import SignedZone
from dnsctl.sign.algorithm import PrivateKey, scheme
from dnsctl.sign.keyfile import flags
from dnsctl.sign.keystore import SigningKey

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
SERIAL = 2026112100

TRAPS = rf"""
www A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::1
@ MX 10 mail
mail A 192.0.2.25
alias CNAME www
* TXT "wildcard at the apex"
*.w TXT "wildcard"
*.w MX 10 mail
deep.empty.non.terminals A 192.0.2.3
insecure NS ns.insecure
ns.insecure A 192.0.2.9
below.ns.insecure TXT "hidden below a cut"
secure NS ns.example.net.
secure DS 12345 13 2 {"00" * 32}
secure TXT "hidden at a cut"
only.insecure.below NS ns.example.net.
dname DNAME www
under.dname A 192.0.2.4
unknown TYPE65400 \# 2 abcd
unknown URI 10 1 "https://www.example.com/"
unknown CAA 0 issue "ca.example.net"
a\000b TXT "octet zero inside a label"
\001 TXT "octet one"
do\.t TXT "dot inside a label"
long TXT "{"a" * 255}" "{"b" * 255}" "{"c" * 100}"
UPPER A 192.0.2.5
z NAPTR 100 10 "U" "E2U+sip" "!^.*$!sip:info@example.net!" .
_sip._tcp SRV 0 5 5060 mail
svc HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1
"""


@cache
def private_key(algorithm: Algorithm, seed: int) -> PrivateKey:
    """Return a fixed private key; RSA, which takes no seed, is made once a run."""
    if algorithm is Algorithm.ECDSAP256SHA256:
        return ec.derive_private_key(0xD15C0 + seed, ec.SECP256R1())
    if algorithm is Algorithm.ECDSAP384SHA384:
        return ec.derive_private_key(0xD15C0 + seed, ec.SECP384R1())
    if algorithm is Algorithm.ED448:
        return ed448.Ed448PrivateKey.from_private_bytes(bytes([seed]) * 57)
    if algorithm is Algorithm.ED25519:
        return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    if algorithm is Algorithm.MLDSA44:
        return mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes([seed]) * 32)
    return scheme(algorithm).generate()


def signing_key(origin: Name, algorithm: Algorithm, role: KeyRole, seed: int = 1) -> SigningKey:
    private = private_key(algorithm, seed)
    public = PublicKey(origin, int(algorithm), flags(role), scheme(algorithm).field(private))
    return SigningKey(public, role, private, NOW)


def keys_for(origin: Name, policy: Policy) -> tuple[SigningKey, ...]:
    if policy.keys == "csk":
        return (signing_key(origin, policy.algorithm, "csk"),)
    return (signing_key(origin, policy.algorithm, "ksk", 1), signing_key(origin, policy.algorithm, "zsk", 2))


def master_text(zone: SignedZone) -> str:
    """Return the zone as a master file with absolute names."""
    lines = []
    for one in [*zone.rrsets(), *zone.nsec3_nodes.values()]:
        head = f"{to_text(one.owner)} {one.ttl} IN"
        lines += [f"{head} {type_text(one.rdtype)} {rdata_text(one.rdtype, rdata)}" for rdata in one.rdatas]
        lines += [f"{head} RRSIG {rdata_text(46, signature)}" for signature in one.signatures]
    return "\n".join(lines) + "\n"


def ds_text(key: SigningKey) -> str:
    return f"{to_text(key.public.zone)} DS {rdata_text(43, key.public.ds())}"
