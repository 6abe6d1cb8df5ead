"""Random histories of one zone: what is made of the owners that change is what is made of the whole zone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.errors import DamagedImageError
from dnsctl.image.layout import owner_key
from dnsctl.model.name import Name, from_text
from dnsctl.model.policy import Policy, SignaturePolicy
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import ValidatedZone, nodes_of
from dnsctl.publish import making, pipeline
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.pipeline import Release
from dnsctl.release import delta
from tests.publish.host import NOW, Host

ORIGIN = from_text("example.com.")
OTHER = from_text("ns.example.net.")
_TEXTS = ("a", "b", "*", "*.b", "c.b", "x.y.b", "d", "ns.d", "deep.ns.d", "e", "f.e", "z", "*.z", "q.z", "zz")
OWNERS = [from_text(each, ORIGIN) for each in _TEXTS]
RDATAS: dict[int, list[bytes]] = {
    Type.A: [b"\xc0\0\2\1", b"\xc0\0\2\2", b"\xc0\0\2\3"],
    Type.TXT: [b"\1x", b"\1y"],
    Type.MX: [b"\0\x0a" + OTHER, b"\0\x14" + OTHER],
    Type.CNAME: [OTHER],
    Type.NS: [OTHER],
    Type.DS: [b"\x30\x39\x0d\2" + bytes(32)],
    Type.DNAME: [OTHER],
}
DATA = st.dictionaries(
    st.sampled_from([Type.A, Type.TXT, Type.MX]),
    st.tuples(st.sampled_from([300] * 9 + [7200]), st.integers(0, 5)),
    min_size=1,
)
SHAPING = st.sampled_from(
    [{Type.NS: (300, 0)}, {Type.NS: (300, 0), Type.DS: (300, 0)}, {Type.DNAME: (300, 0)}]
)
EDITED = st.integers(0, 9).flatmap(lambda k: SHAPING if k == 9 else st.none() if k > 5 else DATA)
EDITS = st.dictionaries(st.sampled_from(OWNERS), EDITED, min_size=1, max_size=2)
HOURS = st.sampled_from([1] * 8 + [24 * 9])
_EVEN = SignaturePolicy(jitter=timedelta(0))
_SHORT = SignaturePolicy(lifetime=timedelta(days=10))
POLICIES = st.sampled_from(
    [Policy()] * 9 + [Policy(signatures=_EVEN), Policy(signatures=_SHORT), Policy(denial="nsec3")]
)
Drawn = dict[Name, dict[Type, tuple[int, int]] | None]
STEPS = st.lists(st.tuples(EDITS, HOURS, POLICIES), min_size=2, max_size=6)


def records(owner: Name, drawn: dict[Type, tuple[int, int]]) -> Iterator[RRset]:
    for rdtype, (ttl, which) in drawn.items():
        known = RDATAS[rdtype]
        yield rrset(owner, rdtype, ttl, known if which == 5 else [known[which % len(known)]])


def intent_for(drawn: Drawn, policy: Policy) -> Intent:
    soa = OTHER + OTHER + b"".join(each.to_bytes(4, "big") for each in (1, 7200, 1800, 1209600, 300))
    found = [rrset(ORIGIN, Type.SOA, 3600, [soa]), rrset(ORIGIN, Type.NS, 3600, [OTHER])]
    found += [one for owner, types in drawn.items() if types for one in records(owner, types)]
    zone = ValidatedZone(ORIGIN, nodes_of(found), "zones/example.com.yaml")
    return Intent({ORIGIN: ZoneIntent(zone, policy)}, "ab" * 20)


@contextmanager
def as_a_whole() -> Iterator[None]:
    with mock.patch.object(pipeline, "within", return_value=None):
        yield


def built(host: Host, wanted: Intent, now: datetime) -> Release | None:
    """Build both ways, which must be the same."""
    part = host.build(wanted, now)
    with as_a_whole():
        whole = host.build(wanted, now)
    assert (part and part.delta) == (whole and whole.delta)
    assert part == whole
    return part


@settings(max_examples=25, deadline=None)
@given(EDITS, STEPS)
def test_release_of_a_change_within_a_zone_is_that_of_the_whole_zone(
    first: Drawn, steps: list[tuple[Drawn, int, Policy]]
) -> None:
    drawn: Drawn = {owner: {Type.A: (300, 0)} for owner in OWNERS[::2]} | first
    with TemporaryDirectory() as name:
        host, now = Host(Path(name)), NOW
        host.push(intent_for(drawn, Policy()), now)
        for edits, hours, policy in steps:
            now += timedelta(hours=hours)
            drawn |= edits
            made = built(host, intent_for(drawn, policy), now)
            if made is not None:
                host.take(made, now)
        host.image.close()


def test_shorter_lifetime_that_leaves_the_span_of_signatures_is_seen(tmp_path: Path) -> None:
    """Signatures that would expire after any new one are made again, though each spans as long as theirs."""
    host = Host(tmp_path)
    drawn: Drawn = {owner: {Type.A: (300, 0)} for owner in OWNERS[::2]}
    host.push(intent_for(drawn, Policy()), NOW)
    shorter = SignaturePolicy(lifetime=timedelta(days=13, hours=20), inception_offset=timedelta(hours=5))
    changed = intent_for({**drawn, OWNERS[0]: {Type.A: (300, 1)}}, Policy(signatures=shorter))
    assert built(host, changed, NOW + timedelta(hours=2)) is not None
    host.image.close()


def test_change_of_a_few_owners_signs_compiles_and_compares_no_other(tmp_path: Path) -> None:
    host = Host(tmp_path)
    drawn: Drawn = {owner: {Type.A: (300, 0), Type.TXT: (300, 0)} for owner in OWNERS[::2]}
    host.push(intent_for(drawn, Policy()), NOW)
    edits: list[Drawn] = [{OWNERS[0]: {Type.A: (300, 1)}}, {OWNERS[1]: {Type.A: (300, 1)}}, {OWNERS[4]: None}]
    now, sizes = NOW, []
    for each in edits:
        now += timedelta(hours=1)
        drawn |= each
        with mock.patch.object(making, "finish", side_effect=AssertionError("the whole zone is made")):
            made = built_in_part(host, intent_for(drawn, Policy()), now)
        sizes.append(len(list(delta.decode(made.delta, made.manifest.delta.length))))
        host.take(made, now)
    assert sizes == [3, 4, 4]  # the owner, the apex and the entry; another whose NSEC leads to it, or past it
    host.image.close()


def built_in_part(host: Host, wanted: Intent, now: datetime) -> Release:
    made = host.build(wanted, now)
    assert made is not None
    return made


def test_nothing_is_made_beside_nodes_that_a_disk_has_changed(tmp_path: Path) -> None:
    host = Host(tmp_path)
    drawn: Drawn = {owner: {Type.A: (300, 0)} for owner in OWNERS[::2]}
    host.push(intent_for(drawn, Policy()), NOW)
    key = owner_key(OWNERS[0], ORIGIN)
    with host.image.writer() as writer:
        value = writer.owner(key)
        assert value is not None
        writer._transaction.put(key, value[:-1] + bytes((value[-1] ^ 1,)))
    changed = intent_for({**drawn, OWNERS[0]: {Type.A: (300, 1)}}, Policy())
    with pytest.raises(DamagedImageError, match="do not match their digest"):
        host.build(changed, NOW + timedelta(hours=1))
    host.image.close()
