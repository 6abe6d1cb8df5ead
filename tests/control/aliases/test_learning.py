"""What is known of a target after resolvers were asked once more: nothing that fails takes addresses away."""

import pytest

from dnsctl.control.aliases.asking import Reply
from dnsctl.control.aliases.learning import learned
from dnsctl.model.alias import Known, Unresolved
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type

NAME = from_text("web.example.net.")
ONE, TWO, SIX = b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02", bytes(15) + b"\x06"
A, AAAA = int(Type.A), int(Type.AAAA)
FLOOR, NOW = 60, 1_800_000_000
BEFORE = Known({A: (ONE,), AAAA: (SIX,)}, 300, (NAME,), NOW - 300, NOW, high_at=NOW - 300)


def found(*rdatas: bytes, ttl: int = 300, validated: bool = False) -> Reply:
    return Reply("found", (NAME,), ttl, rdatas, validated)


DENIED = Reply("denied", (NAME,), 900, fault="web.example.net. has no such record")
FAILED = Reply("failed", (NAME,), fault="192.0.2.53:53: SERVFAIL")


def known(a: Reply, aaaa: Reply, before: Known | None = BEFORE, now: int = NOW) -> Known:
    one = learned(before, {A: a, AAAA: aaaa}, now, FLOOR)
    assert isinstance(one, Known)
    return one


def test_what_is_found_takes_the_place_of_what_was_known() -> None:
    one = known(found(TWO, ttl=120), found(SIX, ttl=240))
    assert one.addresses == {A: (TWO,), AAAA: (SIX,)}
    assert (one.ttl, one.at, one.until, one.failing) == (120, NOW, NOW + 120, "")


def test_denial_of_one_type_takes_its_addresses_away() -> None:
    one = known(found(ONE), DENIED)
    assert (one.addresses, one.failing) == ({A: (ONE,)}, "")


@pytest.mark.parametrize(
    ("a", "aaaa", "addresses"),
    [
        (FAILED, FAILED, {A: (ONE,), AAAA: (SIX,)}),
        (DENIED, DENIED, {A: (ONE,), AAAA: (SIX,)}),
        (DENIED, FAILED, {A: (ONE,), AAAA: (SIX,)}),
        (found(TWO), FAILED, {A: (TWO,), AAAA: (SIX,)}),
    ],
)
def test_failure_keeps_addresses_and_tells_since_when(
    a: Reply, aaaa: Reply, addresses: dict[int, tuple[bytes, ...]]
) -> None:
    one = known(a, aaaa)
    again = known(a, aaaa, one, NOW + 60)
    assert (one.addresses, one.since, one.until) == (addresses, NOW, NOW + FLOOR)
    assert (again.addresses, again.since) == (addresses, NOW)
    assert one.failing and again.failing
    well = known(found(ONE), found(SIX), again, NOW + 120)
    assert (well.failing, well.since) == ("", 0)


def test_only_denials_since_the_last_success_leave_the_time_of_it() -> None:
    assert known(DENIED, DENIED).at == BEFORE.at


def test_first_look_without_an_address_is_not_resolved_and_says_why() -> None:
    one = learned(None, {A: DENIED, AAAA: FAILED}, NOW, FLOOR)
    assert isinstance(one, Unresolved)
    assert "SERVFAIL" in one.reason and "no such record" in one.reason


def test_first_look_with_addresses_of_one_type_is_taken_and_the_failure_told() -> None:
    one = known(found(ONE), FAILED, None)
    assert (one.addresses, bool(one.failing), one.since) == ({A: (ONE,)}, True, NOW)


def test_floor_is_the_lowest_ttl_and_the_shortest_time_between_questions() -> None:
    one = known(found(ONE, ttl=5), DENIED)
    assert (one.ttl, one.until) == (300, NOW + FLOOR) if one.addresses == BEFORE.addresses else (60, NOW + 60)
    assert known(found(ONE, ttl=0), DENIED, None).ttl == FLOOR


def test_only_what_every_answer_has_validated_is_validated() -> None:
    assert known(found(ONE, validated=True), found(SIX, validated=True)).validated
    assert not known(found(ONE, validated=True), found(SIX)).validated
    assert known(found(ONE, validated=True), DENIED).validated


def test_what_is_left_of_a_ttl_in_a_cache_is_no_new_ttl() -> None:
    one, now = BEFORE, NOW
    for left in (37, 212, 90, 300, 1, 299):
        now += 60
        one = known(found(ONE, ttl=left), found(SIX, ttl=left), one, now)
        assert one.ttl == 300
    assert known(found(ONE, ttl=600), found(SIX, ttl=600), one, now).ttl == 600


def test_ttl_that_was_lowered_is_lower_after_twice_its_time() -> None:
    one, now = BEFORE, NOW
    while one.ttl == 300:
        now += 60
        one = known(found(ONE, ttl=60), found(SIX, ttl=60), one, now)
    assert (one.ttl, now - BEFORE.high_at) == (60, 660)


def test_other_addresses_come_with_the_ttl_that_is_told_with_them() -> None:
    assert known(found(TWO, ttl=61), found(SIX, ttl=300)).ttl == 61


def test_target_is_asked_for_again_after_a_day_whatever_its_ttl() -> None:
    made = known(found(ONE, ttl=2**31 - 1), DENIED, before=None)
    assert (made.ttl, made.until) == (2**31 - 1, NOW + 86400)
