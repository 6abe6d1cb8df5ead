"""Wishes about keys of a zone that two algorithms sign: what is about one leaves the other alone."""

from datetime import UTC, datetime

from dnsctl.control.roll_wishes import coming_back, leaving, wished
from dnsctl.control.zone_rolls import Goal, ZoneRoll
from dnsctl.model.key import PublicKey, whole_use
from dnsctl.model.name import from_text
from dnsctl.model.policy import Algorithm, Policy
from dnsctl.rollover.caches import Observations
from dnsctl.rollover.keyset import KeySet, RolledKey
from dnsctl.rollover.planning import Plan

ZONE = from_text("example.org.")
NOW = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = Policy(beside=Algorithm.MLDSA44)


def key(algorithm: Algorithm, number: int) -> RolledKey:
    public = PublicKey(ZONE, int(algorithm), 257, bytes([number]) * 64)
    return RolledKey(public, "csk", whole_use("csk"), NOW)


def zone_roll(*keys: RolledKey) -> ZoneRoll:
    held = KeySet(ZONE, keys)
    return ZoneRoll(held, Goal(POLICY, POLICY), Observations(), Plan(held))


def test_roll_of_a_role_is_of_both_algorithms() -> None:
    usual, beside = key(Algorithm.ECDSAP256SHA256, 1), key(Algorithm.MLDSA44, 2)
    assert leaving(zone_roll(usual, beside), "csk") == (usual, beside)


def test_key_that_stays_after_all_sends_away_its_successor_and_not_the_other_algorithms_key() -> None:
    usual, beside = key(Algorithm.ECDSAP256SHA256, 1), key(Algorithm.MLDSA44, 2)
    new = key(Algorithm.ECDSAP256SHA256, 3)
    keys = wished(zone_roll(usual, beside, new).keys, (usual,))
    back, successors = coming_back(zone_roll(*keys.keys))
    assert [each.public for each in back] == [usual.public]
    assert successors == (new,)
