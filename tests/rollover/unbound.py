"""What Unbound makes of states of caches: each is served as a zone that has just this mixture.

A zone has the DNSKEY RRset of its state, and it and the data are signed by the keys of the state; the zone
above, whose key Unbound trusts, has the DS. Unbound reads all of them from files, and asks no server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode

from dnsctl.demo.ports import free_port
from dnsctl.model.key import SEP_FLAG
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import Type, rdata_text, rrset
from dnsctl.model.zone import SignedZone, nodes_of
from dnsctl.sign.keystore import SigningKey
from dnsctl.sign.signer import sign_zone
from tests.build import validated
from tests.peers import need, unbound_config
from tests.rollover.validators import WITHOUT_MLDSA, Row, Shape, Validator, Verdict, any_path, every_ds
from tests.serve.peer_servers import running
from tests.sign.mutations import signed_by
from tests.sign.scenery import ds_text, master_text, signing_key

MODES: dict[str, Validator] = {"yes": every_ds, "no": any_path}  # of `harden-algo-downgrade`
KNOWS = WITHOUT_MLDSA  # Unbound's algorithms, of those that we sign with
_PARENT = from_text("example.")
_POLICY = Policy(algorithm=Algorithm.ED25519, cds="off")
_QUESTIONS = (
    ("www", "A", dns.rcode.NOERROR),
    ("www", "MX", dns.rcode.NOERROR),
    ("no", "A", dns.rcode.NXDOMAIN),
)


def write_zones(directory: Path, shapes: Sequence[Shape]) -> None:
    """Write a zone for each of `shapes`, and the one above them."""
    now = datetime.now(UTC)
    delegations = []
    for number, shape in enumerate(shapes):
        label = f"s{number}"
        origin = from_text(label, _PARENT)
        keys = _keys(origin, shape)
        (directory / f"{label}.zone").write_text(master_text(_zone(origin, keys, now)))
        delegations.append(f"{label} 3600 NS ns1.{label}\nns1.{label} 3600 A 192.0.2.53\n")
        delegations += [
            f"{label} 3600 DS {rdata_text(Type.DS, key.public.ds())}\n" for row, key in keys if row.ds
        ]
    parent = sign_zone(validated("example.", "".join(delegations)), [_parent_key()], _POLICY, now, 1)
    (directory / "parent.zone").write_text(master_text(parent))


def _parent_key() -> SigningKey:
    return signing_key(_PARENT, Algorithm.ED25519, "csk", 99)


def _keys(origin: Name, shape: Shape) -> list[tuple[Row, SigningKey]]:
    """Return a key for each row of the shape: also for a DS that leads to none, where nobody else has it."""
    return [
        (row, signing_key(origin, Algorithm(row.algorithm), "ksk" if row.flags & SEP_FLAG else "zsk", seed))
        for seed, row in enumerate(shape, 1)
    ]


def _zone(origin: Name, keys: list[tuple[Row, SigningKey]], now: datetime) -> SignedZone:
    """Return a zone with this DNSKEY RRset, signed by these keys, and no other."""
    data_keys = [key for row, key in keys if row.signs_data]
    plain = validated(to_text(origin), "www 3600 A 192.0.2.1\n")
    made = sign_zone(plain, [signing_key(origin, Algorithm.ED25519, "csk", 99)], _POLICY, now, 1)
    rrsets = [
        signed_by(one, *data_keys, now=now)
        for one in made.rrsets()
        if one.rdtype != Type.DNSKEY and (data_keys or one.rdtype != Type.NSEC)
    ]
    if published := [key.public.rdata for row, key in keys if row.published]:
        signers = [key for row, key in keys if row.signs_keys]
        rrsets.append(signed_by(rrset(origin, Type.DNSKEY, 3600, published), *signers, now=now))
    return SignedZone(origin, nodes_of(rrsets), 1, True)


@contextmanager
def resolver(directory: Path, count: int, mode: str) -> Iterator[int]:
    """Run an Unbound over `count` zones that were written to the directory; yield its port."""
    program, port = need("unbound"), free_port()
    settings = [
        f"harden-algo-downgrade: {mode}",
        "ede: yes",
        f'trust-anchor: "{ds_text(_parent_key())}"',
        "aggressive-nsec: no",
    ]
    files = {"example.": "parent.zone"} | {f"s{each}.example.": f"s{each}.zone" for each in range(count)}
    zones = [
        f'auth-zone:\n  name: {origin}\n  zonefile: "{directory / file}"\n'
        "  for-upstream: yes\n  for-downstream: no\n  fallback-enabled: no\n"
        for origin, file in files.items()
    ]
    config = directory / f"unbound-{mode}.conf"
    config.write_text(unbound_config(directory, port, settings) + "".join(zones))
    with running([program, "-d", "-c", str(config)], port, ["example."], directory / f"{mode}.log"):
        yield port


def ask(port: int, number: int) -> tuple[Verdict, ...]:
    """Return what Unbound says of a state: of an answer, of no data, and of a name that is not there."""
    return tuple(
        _ask(port, f"{owner}.s{number}.example.", rdtype, rcode) for owner, rdtype, rcode in _QUESTIONS
    )


def _ask(port: int, owner: str, rdtype: str, expected: dns.rcode.Rcode) -> Verdict:
    query = dns.message.make_query(owner, rdtype, use_edns=0)
    query.flags |= dns.flags.AD
    answer, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=port, timeout=60)
    if answer.rcode() == dns.rcode.SERVFAIL:
        return "bogus"
    assert answer.rcode() == expected, answer
    return "secure" if answer.flags & dns.flags.AD else "insecure"


def told(directory: Path, shapes: Sequence[Shape]) -> Iterator[tuple[Shape, str, tuple[Verdict, ...]]]:
    """Yield each of `shapes` with each mode, and what Unbound says of it in that mode."""
    write_zones(directory, shapes)
    for mode in MODES:
        with resolver(directory, len(shapes), mode) as port:
            for number, shape in enumerate(shapes):
                yield shape, mode, ask(port, number)
