"""What is remembered of DS and of what nodes serve: since when everywhere, until when in caches."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from dnsctl.model.observation import (
    LONGEST_CACHED,
    MOST_OCTETS,
    MOST_SETS,
    MOST_VERSIONS,
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
_AT_REST = (b"\0\4\15\2at rest",)
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


def test_versions_are_bounded_while_a_node_is_out_of_reach_for_good():
    memory = ServedMemory()
    versions = [ServedKeys((b"\1\1\3\15" + bytes([each]),)) for each in range(MOST_VERSIONS + 20)]
    for hour, each in enumerate(versions):
        memory = memory.decided(each, 3600, 3600, _T0 + hour * _HOUR)
        memory = memory.after(_nodes(hour, each, None), _T0 + hour * _HOUR)
    assert [each.what for each in memory.versions] == versions[-MOST_VERSIONS:]


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


def _set(number, octets=8):
    """A DS set of one record that no other number has."""
    return (number.to_bytes(8, "big").ljust(octets, b"."),)


def _restless(rounds, *, octets=8, ttl=3600, asked=None):
    """A parent whose second server shows another DS set in each hour, while the first shows the old one."""
    memory = DsMemory() if asked is None else DsMemory().decided(asked, _T0)
    for hour in range(rounds):
        memory = memory.after(_ds(hour, (_OLD,), _set(hour, octets), ttl), _T0 + hour * _HOUR)
    return memory


def _stored(memory):
    return len(json.dumps(memory.to_json()))


def _told(memory):
    return json.loads(json.dumps(memory.to_json()))


@pytest.mark.parametrize(
    ("octets", "shown_before"), [(8, MOST_SETS - 1), (4096, (MOST_OCTETS - len(_OLD)) // 4096)]
)
def test_look_that_shows_more_ds_sets_than_are_remembered_counts_as_failed(octets, shown_before):
    memory = _restless(shown_before, octets=octets, ttl=LONGEST_CACHED)
    assert not memory.silent
    for hour in range(shown_before, shown_before + 10):
        memory = memory.after(_ds(hour, (_OLD,), _set(hour, octets), LONGEST_CACHED), _T0 + hour * _HOUR)
        (view,) = memory.silent
        assert (view.server, view.ds) == ("ns2.parent.example.", None)
        assert "yet another DS set" in view.fault
        assert memory.everywhere_since(_OLD) is memory.nowhere_since(_set(0, octets)[0]) is None
        assert len(memory.versions) == shown_before + 1
    assert DsMemory.from_json(_told(memory)) == memory


def test_parent_that_shows_other_ds_in_each_round_fills_no_disk():
    for octets in (8, 16384):
        early = _restless(MOST_SETS + 1, octets=octets, ttl=LONGEST_CACHED)
        assert _stored(_restless(MOST_SETS + 101, octets=octets, ttl=LONGEST_CACHED)) <= _stored(early) + 100
        assert _stored(early) < 10 * MOST_OCTETS


def test_set_that_the_parent_is_asked_for_counts_however_many_others_it_showed():
    memory = _restless(MOST_SETS + 9, ttl=LONGEST_CACHED, asked=(_NEW,))
    hours = MOST_SETS + 9
    memory = memory.after(_ds(hours, (_NEW,), (_NEW,)), _T0 + hours * _HOUR)
    assert memory.everywhere_since(_NEW) == _T0 + hours * _HOUR


def test_parent_that_comes_to_rest_after_too_many_ds_sets_is_followed_once_caches_have_dropped_them():
    """What it showed beyond what is remembered is not known: caches may hold it from then on for a TTL."""
    hours = MOST_SETS + 9
    memory = _restless(hours, ttl=86400 * 3)
    assert memory.began is None
    rest = next(
        hour
        for hour in range(hours, hours + 8 * 24)
        if not (memory := memory.after(_ds(hour, _AT_REST, _AT_REST), _T0 + hour * _HOUR)).silent
    )
    assert hours < rest < hours + 3 * 24
    assert memory.everywhere_since(_AT_REST[0]) == memory.began == _T0 + rest * _HOUR


def test_ds_that_caches_have_dropped_is_forgotten_and_counts_as_nowhere_no_earlier():
    memory = _ds_memory(((_OLD,), (_OLD,)), ((_NEW,), (_NEW,)), ((_NEW,), (_NEW,)))
    assert [each.what for each in memory.versions] == [(_NEW,)]
    assert memory.nowhere_since(_OLD) == _T0 + _HOUR
    assert _OLD.hex() not in json.dumps(memory.to_json())


def test_ds_that_one_server_still_has_is_remembered_as_lacked_by_the_others():
    memory = _ds_memory(((_OLD,), (_OLD,)), *[((_NEW,), (_OLD,))] * 9, ((_NEW,), (_NEW,)))
    assert memory.nowhere_since(_OLD) == _T0 + 10 * _HOUR
    one = _told(memory)["places"]["ns1.parent.example. from dc1"]
    assert one["lacks"] == {_OLD.hex(): (_T0 + _HOUR).isoformat()}


def test_what_an_earlier_version_remembered_without_end_is_dropped_at_the_next_look():
    told = _told(_ds_memory(((_OLD,), (_OLD,)), ((_NEW,), (_NEW,))))
    for each in told["places"].values():
        each["lacks"] |= {_set(number)[0].hex(): (_T0 + _HOUR / 2).isoformat() for number in range(1280)}
    memory = DsMemory.from_json(told)
    assert memory.nowhere_since(_set(7)[0]) == _T0 + _HOUR / 2
    memory = memory.after(_ds(2, (_NEW,), (_NEW,)), _T0 + 2 * _HOUR)
    assert memory.nowhere_since(_set(7)[0]) == _T0 + _HOUR
    assert all(not each["lacks"] for each in _told(memory)["places"].values())


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
