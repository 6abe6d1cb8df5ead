"""What a renewal asks for: the served zones, unchanged, with fresh signatures.

The image holds all data of every zone that is released, so that nothing a person wrote since can stop a
renewal: no zone file is read. Of a zone that is due, records, TTLs, keys and the kind of denial are those
that are served; how long signatures last comes from the policy of the release. All others are carried over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from dnsctl.errors import DnsctlError
from dnsctl.image.layout import ZoneEntry
from dnsctl.image.reader import Reader
from dnsctl.model.name import Name
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.model.rrset import RRset, Type, before_signing
from dnsctl.model.zone import SignedZone, ValidatedZone
from dnsctl.publish.changeset import entry_before, why_renewed
from dnsctl.publish.intent import Intent, Progress, ZoneIntent, no_progress
from dnsctl.publish.keys import live_keys
from dnsctl.publish.uses import is_covered
from dnsctl.sign.keystore import Keystore, StoredKey
from dnsctl.sign.shared_tags import shared_tags


@dataclass(frozen=True)
class Renewal:
    """`intent` names the zones that are due; `unable`: those that cannot be renewed, each with why."""

    intent: Intent
    unable: tuple[tuple[Name, str], ...] = ()


def renewal_of(
    parent: Reader,
    keystore: Keystore,
    commit: str | None,
    policy_of: Callable[[Name], Policy | None],
    signed_elsewhere: Callable[[Name], bool],
    now: datetime,
    progress: Progress = no_progress,
) -> Renewal:
    """Return what to renew in `parent`, which was released from `commit`.

    `policy_of` a zone of the release: None where that is not signed here. `signed_elsewhere` is asked of a
    zone that is due and has no key here. A zone that cannot be renewed does not stop the others.
    """
    due: dict[Name, ZoneIntent] = {}
    unable: list[tuple[Name, str]] = []
    entries = [each for each in parent.zones() if each.signed]
    for done, entry in enumerate(entries):
        progress("compare", done, len(entries))
        policy = policy_of(entry.origin)
        if policy is None:
            continue
        served = parent.signed_zone(entry.origin)
        keys, fault = usable(keystore, parent, entry.origin)
        wanted = _wanted(served, entry, as_served(policy, served, keys))
        if not why_renewed(wanted, entry_before(parent, entry.origin) or entry, now):
            continue
        if not fault:
            due[entry.origin] = wanted
        elif keys or not signed_elsewhere(entry.origin):
            unable.append((entry.origin, fault))
    progress("compare", len(entries), len(entries))
    return Renewal(Intent(due, commit, partial=True), tuple(unable))


def usable(keystore: Keystore, parent: Reader, origin: Name) -> tuple[tuple[StoredKey, ...], str]:
    """Return the keys that the zone is served with, and why they cannot sign it; empty where they can."""
    try:
        keys = live_keys(keystore, parent, origin)
    except DnsctlError as error:
        return (), str(error)
    if not is_covered(keys.uses.values()):
        dnskey = parent.get(origin, Type.DNSKEY, origin)
        fault = next(shared_tags(keystore.list(origin), dnskey.rdatas if dnskey is not None else ()), None)
        return keys.signing, str(fault or _LOST)
    try:
        for one in keys.signing:
            keystore.open(one)
    except DnsctlError as error:
        return keys.signing, str(error)
    return keys.signing, ""


_LOST = "the keys that sign it are not in keys/; restore them from their copy"


def _wanted(served: SignedZone, entry: ZoneEntry, policy: Policy) -> ZoneIntent:
    return ZoneIntent(ValidatedZone(served.origin, dict(served_data(served))), policy, source=entry.source)


def served_data(served: SignedZone) -> Iterator[tuple[Name, tuple[RRset, ...]]]:
    """Yield the nodes without what signing makes again. DNSKEY, CDS and CDNSKEY stay as they are served."""
    for owner, node in served.nodes.items():
        if kept := before_signing(node):
            yield owner, kept


def as_served(policy: Policy, served: SignedZone, keys: tuple[StoredKey, ...]) -> Policy:
    """Return `policy` with what shapes the zone taken from the zone itself."""
    dnskey = served.get(served.origin, Type.DNSKEY)
    return replace(
        policy,
        algorithm=Algorithm(keys[0].public.algorithm) if keys else policy.algorithm,
        keys="ksk+zsk" if any(one.role != "csk" for one in keys) else "csk",
        denial="nsec" if served.nsec3 is None else "nsec3",
        opt_out=served.nsec3 is not None and served.nsec3.opt_out,
        dnskey_ttl=dnskey.ttl if dnskey is not None else policy.dnskey_ttl,
    )
