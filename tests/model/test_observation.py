"""What is remembered of DS and of what nodes serve: since when everywhere, until when in caches."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from dnsctl.model.observation import (
    LONGEST_CACHED,
    DsMemory,
    NodeView,
    ParentView,
    ServedKeys,
    ServedMemory,
    held_until,
)

_T0 = datetime(2030, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_OLD, _NEW, _THIRD = b"\0\1\15\2old", b"\0\2\15\2new", b"\0\3\15\2third"
_K, _L = b"\1\1\3\15first", b"\1\1\3\15second"  # DNSKEYs
_A, _B = ServedKeys((_K,), (_K,), (_K,)), ServedKeys((_K, _L), (_K,), (_K,))


def _ds(hour, first, second, ttl=3600):
    """Two servers of a parent at one hour; None: silent."""
    at = _T0 + hour * _HOUR
    return [
        ParentView(f"ns{place}.parent.example.", "dc1", at, ds, ttl, "" if ds is not None else "timed out")
        for place, ds in ((1, first), (2, second))
    ]


def _ds_memory(*rounds, ttl=3600):
    memory = DsMemory()
    for hour, (first, second) in enumerate(rounds):
        memory = memory.after(_ds(hour, first, second, ttl), _T0 + hour * _HOUR)
    return memory


def _nodes(hour, first, second, ttl=3600):
    at = _T0 + hour * _HOUR
    return [NodeView("ns1", "dc1", at, first, ttl, ttl), NodeView("ns2", "dc2", at, second, ttl, ttl)]


def _served(*rounds, ttl=3600):
    memory = ServedMemory()
    for hour, (first, second) in enumerate(rounds):
        memory = memory.after(_nodes(hour, first, second, ttl), _T0 + hour * _HOUR)
    return memory


def test_ds_is_everywhere_since_the_last_server_got_it():
    memory = _ds_memory(((_NEW,), (_OLD,)), ((_NEW,), (_NEW,)), ((_NEW,), (_NEW,)))
    assert memory.everywhere_since(_NEW) == _T0 + _HOUR
    assert memory.nowhere_since(_OLD) == _T0 + _HOUR
    assert memory.everywhere_since(_OLD) is memory.nowhere_since(_NEW) is None


def test_silent_server_keeps_ds_from_counting_as_everywhere_or_nowhere():
    memory = _ds_memory(((_NEW,), (_NEW,)), ((_NEW,), None))
    assert memory.everywhere_since(_NEW) is memory.nowhere_since(_OLD) is None
    assert [each.server for each in memory.silent] == ["ns2.parent.example."]


def test_server_that_was_silent_begins_again_and_others_do_not():
    memory = _ds_memory(((_NEW,), (_NEW,)), ((_NEW,), None), ((_NEW,), (_NEW,)))
    assert memory.everywhere_since(_NEW) == _T0 + 2 * _HOUR
    memory = memory.after(_ds(3, None, (_NEW,)), _T0 + 3 * _HOUR)
    memory = memory.after(_ds(4, (_NEW,), (_NEW,)), _T0 + 4 * _HOUR)
    assert memory.everywhere_since(_NEW) == _T0 + 4 * _HOUR


def _sites(hour, ttl=3600, **shown):
    """One server of a parent at one hour, as each site sees it."""
    at = _T0 + hour * _HOUR
    return [ParentView("ns.", site, at, ds, ttl) for site, ds in shown.items()]


def _of_sites(*rounds):
    memory = DsMemory()
    for hour, shown in enumerate(rounds):
        memory = memory.after(_sites(hour, **shown), _T0 + hour * _HOUR)
    return memory


def test_one_site_delays_what_others_see_and_hastens_nothing():
    memory = _of_sites(
        {"dc1": (_OLD,), "dc2": (_OLD,)}, {"dc1": (_OLD,), "dc2": (_NEW,)}, {"dc1": (_NEW,), "dc2": (_NEW,)}
    )
    assert memory.everywhere_since(_NEW) == memory.nowhere_since(_OLD) == _T0 + 2 * _HOUR
    (old,) = (each for each in memory.versions if each.what == (_OLD,))
    assert old.gone == _T0 + 2 * _HOUR


def test_site_that_could_not_look_keeps_ds_from_counting_as_everywhere_or_nowhere():
    memory = _of_sites({"dc1": (_NEW,), "dc2": (_NEW,)})
    unseen = ParentView("", "dc2", _T0 + _HOUR, None, fault="ns2 is away")
    memory = memory.after([*_sites(1, dc1=(_NEW,)), unseen], _T0 + _HOUR)
    assert [each.place for each in memory.silent] == ["dc2"]
    assert memory.everywhere_since(_NEW) is memory.nowhere_since(_OLD) is None
    assert DsMemory.from_json(memory.to_json()) == memory
    memory = memory.after(_sites(2, dc1=(_NEW,), dc2=(_NEW,)), _T0 + 2 * _HOUR)
    assert memory.everywhere_since(_NEW) == _T0 + 2 * _HOUR


def test_look_without_a_site_forgets_nothing_that_the_site_saw():
    memory = _of_sites({"dc1": (_OLD,), "dc2": (_OLD,)}, {"dc1": (_NEW,), "dc2": (_OLD,)})
    memory = memory.after(_sites(2, dc1=(_NEW,)), _T0 + 2 * _HOUR, timed=False)
    assert [(each.site, each.ds, each.at) for each in memory.views] == [
        ("dc1", (_NEW,), _T0 + 2 * _HOUR),
        ("dc2", (_OLD,), _T0 + _HOUR),
    ]
    assert memory.everywhere_since(_NEW) is memory.nowhere_since(_OLD) is None
    assert [each.gone for each in memory.versions if each.what == (_OLD,)] == [None]
    memory = memory.after(_sites(3, dc1=(_NEW,), dc2=(_NEW,)), _T0 + 3 * _HOUR)
    assert memory.everywhere_since(_NEW) == _T0 + 3 * _HOUR


def test_largest_ttl_that_a_site_sees_counts():
    memory = DsMemory().after([*_sites(0, 60, dc1=(_OLD,)), *_sites(0, 7200, dc2=(_OLD,))], _T0)
    assert memory.ttl == 7200


def test_ds_that_flaps_at_one_server_begins_again():
    memory = _ds_memory(((_NEW,), (_NEW,)), ((_NEW,), (_OLD,)), ((_NEW,), (_NEW,)))
    assert memory.everywhere_since(_NEW) == _T0 + 2 * _HOUR


def test_ds_that_was_never_seen_is_nowhere_since_all_servers_answer():
    assert _ds_memory(((), ()), ((), ())).nowhere_since(_NEW) == _T0


def test_largest_ttl_counts_until_the_last_cache_has_dropped_it():
    memory = _ds_memory(((_OLD,), (_OLD,)), ttl=7200)
    memory = memory.after(_ds(1, (_NEW,), (_NEW,), 60), _T0 + _HOUR)
    assert memory.ttl == 7200
    (old,) = (each for each in memory.versions if each.what == (_OLD,))
    assert held_until(old, memory.ttl) == _T0 + 3 * _HOUR
    memory = memory.after(_ds(2.9, (_NEW,), (_NEW,), 60), _T0 + 2.9 * _HOUR)
    assert memory.ttl == 7200
    memory = memory.after(_ds(3, (_NEW,), (_NEW,), 60), _T0 + 3 * _HOUR)
    assert (memory.ttl, [each.what for each in memory.versions]) == (60, [(_NEW,)])


def test_ttl_that_was_raised_when_the_old_ds_went_counts_for_it():
    memory = _ds_memory(((_OLD,), (_OLD,)), ttl=60)
    memory = memory.after(_ds(1, (_NEW,), (_NEW,), 86400), _T0 + _HOUR)
    assert memory.ttl == 86400
    assert len(memory.after(_ds(2, (_NEW,), (_NEW,), 86400), _T0 + 2 * _HOUR).versions) == 2


def test_old_set_is_not_gone_while_one_server_is_silent():
    memory = _ds_memory(((_OLD,), (_OLD,)), ((_NEW,), None), ((_NEW,), None))
    (old,) = (each for each in memory.versions if each.what == (_OLD,))
    assert old.gone is None


def test_set_that_comes_back_is_not_gone():
    memory = _ds_memory(((_OLD,), (_OLD,)), ((_NEW,), (_NEW,)), ((_OLD,), (_NEW,)), ttl=86400)
    assert [each.gone for each in memory.versions] == [None, None]


def test_absurd_ttl_counts_as_long_as_a_cache_keeps_anything():
    assert _ds_memory(((_OLD,), (_OLD,)), ttl=2**31 - 1).ttl == LONGEST_CACHED


def test_round_without_views_is_silence_everywhere():
    memory = _ds_memory(((_NEW,), (_NEW,))).after([], _T0 + _HOUR)
    assert memory.everywhere_since(_NEW) is None
    assert {each.fault for each in memory.silent} == {"was not asked"}


def test_empty_memory_has_nothing_everywhere_or_nowhere():
    memory = DsMemory().after([], _T0)
    assert memory.everywhere_since(_NEW) is memory.nowhere_since(_NEW) is None
    assert not ServedMemory().everywhere(_A)


def test_servers_that_left_the_parent_do_not_count():
    memory = _ds_memory(((_NEW,), (_OLD,)))
    memory = memory.after(_ds(1, (_NEW,), None)[:1], _T0 + _HOUR)
    assert memory.everywhere_since(_NEW) == _T0


def test_version_is_gone_once_every_node_serves_another():
    memory = _served((_A, _A), (_B, _A), (_B, _B), ttl=86400)
    gone = {each.what: each.gone for each in memory.versions}
    assert gone == {_A: _T0 + 2 * _HOUR, _B: None}
    assert memory.everywhere(_B)
    assert not _served((_A, _A), (_B, None)).everywhere(_B)


def test_version_that_was_decided_and_taken_back_may_be_in_caches():
    memory = _served((_A, _A), ttl=7200).decided(_B, 7200, 7200, _T0 + _HOUR)
    assert {each.what for each in memory.versions if each.gone is None} == {_A, _B}
    memory = memory.after(_nodes(2, _A, _A, 7200), _T0 + 2 * _HOUR)
    assert {each.what: each.gone for each in memory.versions} == {_A: None, _B: _T0 + 2 * _HOUR}
    assert len(memory.after(_nodes(4, _A, _A, 7200), _T0 + 4 * _HOUR).versions) == 1


def _asked(*rounds, ttl=7200):
    """Begin with the old DS, seen at both servers and asked for; then each round asks or sees another."""
    memory = _ds_memory(((_OLD,), (_OLD,)), ttl=ttl).decided((_OLD,), _T0)
    for hour, told in enumerate(rounds, 1):
        at = _T0 + hour * _HOUR
        if len(told) == 2:
            memory = memory.after(_ds(hour, told[0], told[1], ttl), at)
        else:
            memory = memory.decided(told, at)
    return memory


def test_ds_that_was_asked_for_while_the_parent_was_out_of_sight_may_be_in_caches():
    memory = _asked((_NEW,), (_THIRD,), (None, None))
    gone = {each.what: each.gone for each in memory.versions}
    assert gone == {(_OLD,): None, (_NEW,): None}
    memory = memory.after(_ds(9, (_THIRD,), (_THIRD,), 7200), _T0 + 9 * _HOUR)
    assert {each.what: each.gone for each in memory.versions} == {
        (_OLD,): _T0 + 9 * _HOUR,
        (_NEW,): _T0 + 9 * _HOUR,
        (_THIRD,): None,
    }
    assert memory.superseded == ()


def test_ds_that_was_asked_for_may_come_until_every_server_shows_the_one_asked_for_now():
    memory = _asked((_NEW,), (_THIRD,), ((_OLD,), (_OLD,)), ((_OLD,), (_THIRD,)))
    assert {each.what: each.gone for each in memory.versions}[(_NEW,)] is None
    assert memory.superseded == ((_OLD,), (_NEW,))


def test_request_that_is_taken_back_is_over_once_every_server_shows_what_there_was():
    memory = _asked((_NEW,), (_OLD,), ((_OLD,), (_OLD,)))
    assert {each.what: each.gone for each in memory.versions} == {(_OLD,): None, (_NEW,): _T0 + 3 * _HOUR}


@pytest.mark.parametrize(
    ("asked", "shown", "over"),
    [
        ((), (), True),
        ((), (_NEW,), False),
        ((_NEW,), (_NEW, _THIRD), True),
        ((_NEW,), (_NEW[:3] + b"\4another digest",), True),
        ((_NEW,), (), False),
    ],
)
def test_parent_has_followed_whatever_its_digests_and_other_signers_keys(asked, shown, over):
    assert (_asked(asked, (shown, shown)).superseded == ()) is over


def test_parent_that_takes_nothing_has_what_it_shows_and_nothing_else_to_come():
    memory = DsMemory().after(_ds(0, (_OLD,), (_OLD,)), _T0).decided((_OLD,), _T0).decided((_NEW,), _T0)
    follows = memory.after(_ds(1, (), ()), _T0 + _HOUR)
    assert follows.superseded == ((_OLD,),)
    assert [each.gone for each in follows.versions if each.what == (_OLD,)] == [None]
    insecure = memory.without_requests().after(_ds(1, (), ()), _T0 + _HOUR)
    assert [each.gone for each in insecure.versions if each.what == (_OLD,)] == [_T0 + _HOUR]
    silent = memory.without_requests().after(_ds(1, (), None), _T0 + _HOUR)
    assert [each.gone for each in silent.versions if each.what == (_OLD,)] == [None]


def test_look_by_a_clock_that_nobody_confirms_makes_nothing_gone():
    """Counted from a clock that is two days slow, caches would have dropped the old DS before it went."""
    memory = _ds_memory(((_OLD,), (_OLD,)), ttl=86400)
    slow = _T0 - timedelta(days=2)
    memory = memory.after(_ds(-48, (_NEW,), (_NEW,), 86400), slow, timed=False)
    assert {each.what: each.gone for each in memory.versions} == {(_OLD,): None, (_NEW,): None}
    assert DsMemory().after(_ds(0, (_NEW,), (_NEW,)), _T0, timed=False).began is None


def test_what_went_by_a_clock_that_was_ahead_went_now_at_the_latest():
    memory = _ds_memory(((_OLD,), (_OLD,)), ttl=7200)
    ahead = 24 * 365
    memory = memory.after(_ds(ahead, (_NEW,), (_NEW,), 7200), _T0 + ahead * _HOUR)
    memory = memory.after(_ds(1, (_NEW,), (_NEW,), 7200), _T0 + _HOUR)
    assert {each.what: each.gone for each in memory.versions} == {(_OLD,): _T0 + _HOUR, (_NEW,): None}
    memory = memory.after(_ds(3, (_NEW,), (_NEW,), 7200), _T0 + 3 * _HOUR)
    assert {each.what for each in memory.versions} == {(_NEW,)}


def test_same_request_again_changes_nothing():
    memory = _asked((_NEW,))
    assert memory.decided((_NEW,), _T0 + 9 * _HOUR) is memory


def test_memory_from_before_requests_were_kept_is_read():
    told = _asked((_NEW,)).to_json()
    memory = DsMemory.from_json(
        {name: each for name, each in told.items() if name not in ("asked", "superseded")}
    )
    assert (memory.asked, memory.superseded) == (None, ())
    assert memory.decided((_NEW,), _T0).superseded == ()


@pytest.mark.parametrize(
    "memory",
    [
        DsMemory(),
        _asked((_NEW,), (_THIRD,)),
        ServedMemory(),
        _ds_memory(((_OLD,), (_OLD,)), ((_NEW,), None), ((_NEW, _OLD), ())),
        _served((_A, _A), (_B, None), (ServedKeys(), _B)),
    ],
)
def test_memory_comes_back_from_json_as_it_was(memory):
    assert type(memory).from_json(json.loads(json.dumps(memory.to_json()))) == memory


@pytest.mark.parametrize(
    "told", [None, {}, {"version": 2}, {"version": 1}, {"version": 1, "views": [1]}, [1]]
)
@pytest.mark.parametrize("kind", [DsMemory, ServedMemory])
def test_json_of_another_kind_is_refused(kind, told):
    with pytest.raises(ValueError, match="not "):
        kind.from_json(told)
