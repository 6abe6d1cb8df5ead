"""The answer cache: which queries may share an answer, and what a flood may cost."""

import random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsctl.model.name import Name
from dnsctl.serve.fast.cache import PATIENCE, SKIPPED, AnswerCache

OPT_DO = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"


class Answer(NamedTuple):
    wire: bytes
    question_end: int
    cacheable: bool = True
    beside: bool = False


def query(name: bytes, rdtype: int = 1, *, flags: bytes = b"\1\0", opt: bytes = OPT_DO) -> bytes:
    counts = bytes((0, 1, 0, 0, 0, 0, 0, 1 if opt else 0))
    return b"id" + flags + counts + name + rdtype.to_bytes(2, "big") + b"\0\1" + opt


def answer(message: bytes, *, rcode: int = 0, tail: bytes = b"tail", cacheable: bool = True) -> Answer:
    end = message.index(b"\0", 12) + 5
    wire = message[:2] + bytes((0x84, rcode)) + bytes(8) + message[12:end] + tail
    return Answer(wire, end, cacheable)


def find(cache, message):
    """Look a message up as a worker does."""
    return cache.find(message[2:].lower()) or cache.find_exact(message)


WWW = b"\3www\7example\3com\0"


def test_other_case_of_the_same_name_is_found():
    cache = AnswerCache()
    cache.store(query(WWW), answer(query(WWW)))
    found = find(cache, query(b"\3wWw\7EXAMPLE\3com\0"))
    assert found is not None
    _header, end, tail, size, _kind, _zone = found
    assert (end, tail, size) == (12 + len(WWW) + 4, b"tail", 12 + len(WWW) + 4 + len(b"tail"))


def test_other_id_shares_the_answer():
    cache = AnswerCache()
    cache.store(query(WWW), answer(query(WWW)))
    assert find(cache, b"xy" + query(WWW)[2:]) is not None


@pytest.mark.parametrize("rdtype", [65, 90, 97, 122], ids=["HTTPS", "90", "97", "122"])
def test_type_that_is_a_letter_is_found_but_not_under_the_other_case(rdtype):
    cache = AnswerCache()
    cache.store(query(WWW, rdtype), answer(query(WWW, rdtype)))
    assert find(cache, query(WWW.upper(), rdtype)) is not None
    assert find(cache, query(WWW, rdtype ^ 0x20)) is None


@pytest.mark.parametrize("stored", [b"a", b"A"])
def test_letters_in_edns_options_are_compared_exactly(stored):
    other = stored.swapcase()
    opts = {one: b"\0\0\x29\x04\xd0\0\0\x80\0\0\5\0\3\0\1" + one for one in (stored, other)}
    cache = AnswerCache()
    cache.store(query(WWW, opt=opts[stored]), answer(query(WWW, opt=opts[stored])))
    assert find(cache, query(WWW, opt=opts[stored])) is not None
    assert find(cache, query(WWW, opt=opts[other])) is None


def test_flags_that_are_letters_are_compared_exactly():
    cache = AnswerCache()
    asked = query(WWW, flags=b"\x01\x61")
    cache.store(asked, answer(asked))
    assert find(cache, asked) is not None
    assert find(cache, query(WWW, flags=b"\x01\x41")) is None


def test_answer_not_for_all_is_not_kept():
    cache = AnswerCache()
    cache.store(query(WWW), answer(query(WWW), cacheable=False))
    assert find(cache, query(WWW)) is None


@pytest.mark.parametrize(
    "name", [b"\xc0\x0c", b"\x41" + b"a" * 65 + b"\0", b"\3ww"], ids=["pointer", "long label", "cut"]
)
def test_question_that_is_no_plain_name_is_not_kept(name):
    cache = AnswerCache()
    message = query(name)
    cache.store(message, Answer(message + b"tail", 12 + len(name) + 4))
    assert len(cache) == 0


def test_zero_octets_inside_a_label_do_not_confuse_names():
    cache = AnswerCache()
    name = b"\3a\0B\7example\0"
    message = query(name, 65)
    end = 12 + len(name) + 4
    cache.store(message, Answer(message[:end] + b"tail", end))
    assert find(cache, message) is not None
    assert find(cache, query(b"\3a\0B\7example\0", 97)) is None


octet_sets = st.lists(
    st.sampled_from([0, 1, 3, 12, 41, 63, 64, 65, 90, 91, 96, 97, 122, 123, 192, 255]), max_size=24
)


@given(first=octet_sets, second=octet_sets, rest=octet_sets, flips=st.integers(0, 2**32))
def test_what_is_found_was_stored_for_that_query_up_to_the_case_of_its_name(first, second, rest, flips):
    """Store under one query, look up with a version of it in another case: only the name may differ."""
    name = bytes((len(first),)) + bytes(first) + bytes((len(second),)) + bytes(second) + b"\0"
    if not first or not second:
        name = b"\0"
    message = b"id" + bytes(10) + name + bytes((0, 65 + len(rest), 0, 1)) + bytes(rest)
    end = 12 + len(name) + 4
    cache = AnswerCache()
    cache.store(message, Answer(message[:end] + b"tail", end))
    picked = random.Random(flips)
    other = bytes(
        octet ^ 0x20 if chr(octet).isascii() and chr(octet).isalpha() and picked.random() < 0.3 else octet
        for octet in message[2:]
    )
    found = find(cache, b"id" + other)
    binary_differs = other[end - 6 :] != message[end - 4 :] or other[:10] != message[2:12]
    if binary_differs:
        assert found is None
    elif 0 not in first + second:  # a name with zero octets may be kept once a case
        assert found is not None


def test_flood_of_names_that_do_not_exist_pushes_out_no_answer():
    cache = AnswerCache(entries=800, octets=1 << 20)
    for number in range(200):
        asked = query(b"\4h%03d\0" % number)
        cache.store(asked, answer(asked))
    for number in range(10_000):
        asked = query(b"\6r%05d\0" % number)
        cache.store(asked, answer(asked, rcode=3))
    assert all(find(cache, query(b"\4h%03d\0" % number)) is not None for number in range(200))
    assert len(cache) <= 800


def test_entries_are_bounded_in_number_and_what_is_asked_for_stays():
    cache = AnswerCache(entries=100, octets=1 << 20)
    popular = query(b"\7popular\0")
    cache.store(popular, answer(popular))
    for number in range(1000):
        asked = query(b"\4h%03d\0" % number)
        cache.store(asked, answer(asked))
        assert find(cache, popular) is not None
        assert len(cache) <= 100


def test_entries_are_bounded_in_octets():
    cache = AnswerCache(entries=1 << 20, octets=100_000)
    for number in range(2000):
        asked = query(b"\4%04d\0" % number)
        cache.store(asked, answer(asked, tail=bytes(1000)))
    assert 30 < len(cache) < 100_000 / 1000


def test_octets_are_those_of_what_is_kept():
    cache, zones = AnswerCache(), (Name(b"\7example\3com\0"), Name(b"\7example\3net\0"))
    asked = [query(b"\3www" + zone) for zone in zones]
    cache.store(asked[0], answer(asked[0]), 0, zones[0])
    alone = cache.answers.octets
    cache.store(asked[1], answer(asked[1], tail=bytes(500)), 0, zones[1])
    for _ in range(3):  # again, and another
        cache.store(asked[0], answer(asked[0], tail=bytes(100)), 0, zones[0])
        cache.store(asked[0], answer(asked[0]), 0, zones[0])
    assert cache.answers.octets == 2 * alone + 500 - len(b"tail")
    cache.drop({zones[1]})
    assert cache.answers.octets == alone
    cache.clear()
    assert cache.answers.octets == 0


def test_cleared_cache_finds_nothing():
    cache = AnswerCache()
    for rcode in (0, 3):
        asked = query(b"\1%d\0" % rcode)
        cache.store(asked, answer(asked, rcode=rcode))
    cache.clear()
    assert find(cache, query(b"\0010\0")) is None
    assert find(cache, query(b"\0013\0")) is None
    assert len(cache) == 0


def offer(cache: AnswerCache, asked: bytes, answered: Answer) -> None:
    if cache.is_wanted(asked[2:].lower()):
        cache.store(asked, answered)


def test_what_is_asked_once_is_not_kept_and_what_comes_again_is():
    cache, asked = AnswerCache(), query(WWW)
    offer(cache, asked, answer(asked))
    assert find(cache, asked) is None
    offer(cache, asked, answer(asked))
    assert find(cache, asked) is not None


def test_flood_of_names_asked_once_keeps_next_to_nothing():
    cache = AnswerCache()
    for number in range(200_000):
        asked = query(b"\x08%08d\7example\3com\0" % number)
        offer(cache, asked, answer(asked, rcode=3))
    assert len(cache) < 200_000 // 5  # by chance: two names behind one door


def test_dropping_a_zone_keeps_the_answers_of_others():
    cache, zones = AnswerCache(), (Name(b"\7example\3com\0"), Name(b"\7example\3net\0"))
    for zone in zones:
        asked = query(b"\3www" + zone)
        cache.store(asked, answer(asked), 0, zone)
        cache.store(query(b"\4gone" + zone), answer(query(b"\4gone" + zone), rcode=3), 0, zone)
    refused = query(b"\3org\0")
    cache.store(refused, answer(refused, rcode=5), 0, zones[1])
    cache.drop({zones[0]})
    left = [find(cache, query(label + zone)) is not None for zone in zones for label in (b"\3www", b"\4gone")]
    assert left == [False, False, True, True]
    assert find(cache, refused) is None


def test_cache_is_skipped_only_where_much_more_is_asked_for_than_it_keeps():
    cache = AnswerCache()
    for _ in range(10_000):
        cache.looked_up(64, 40)
        assert not cache.is_skipped()
    batches = 0
    while not cache.is_skipped():
        cache.looked_up(64, 60)
        batches += 1
    assert batches * 64 > PATIENCE  # not by a restart, nor by a short flood
    cache.looked_up(0, 0)  # of a batch that skipped it
    assert all(cache.is_skipped() for _ in range(SKIPPED - 1))
    for _ in range(PATIENCE // 64):
        assert not cache.is_skipped()  # it is tried again, for as long as it took
        cache.looked_up(64, 64)
    cache.looked_up(64, 64)
    assert cache.is_skipped()


def test_few_misses_that_a_flood_leaves_do_not_end_the_use_of_the_cache():
    cache = AnswerCache()
    for _ in range(PATIENCE):
        cache.looked_up(5, 5)
        assert not cache.is_skipped()
