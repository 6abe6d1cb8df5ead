"""Who judges in the chaos bench: what is right passes, and each way of being wrong is found."""

import pytest

from bench.faults.judge import Judge, Kind, Releases, Seen

A, B = "example.com.", "example.net."


@pytest.fixture
def releases() -> Releases:
    """Three releases, and a rollback to the records of the second."""
    made = Releases()
    for generation, records in enumerate((1, 2, 3, 2), 1):
        made.add(generation, records, {A: 100 + generation, B: 200 + generation})
    return made


def judged(releases: Releases, *seen: tuple[str, Kind, int | str], excused: bool = False) -> Judge:
    judge = Judge("ns1")
    for number, (zone, kind, value) in enumerate(seen):
        judge.take(Seen(float(number), "udp", zone, kind, value), releases, excused=excused)
    return judge


def test_node_that_goes_on_and_takes_a_rollback_is_right(releases: Releases):
    judge = judged(
        releases,
        (A, "records", 1), (B, "serial", 201), (A, "serial", 102), (B, "records", 2),
        (A, "silence", ""), (B, "records", 3), (B, "records", 2), (A, "serial", 104),
    )  # fmt: skip
    assert judge.wrong == []
    assert (judge.asked, judge.answers, judge.silence) == (8, 7, 1)
    assert judge.floor == 4


def test_node_that_goes_back_is_wrong(releases: Releases):
    judge = judged(releases, (A, "serial", 103), (A, "serial", 102))
    assert judge.wrong == ["ns1, example.com. by udp: generation 2 after example.com. by udp had shown 3"]


def test_node_that_goes_back_from_a_rollback_is_wrong(releases: Releases):
    assert len(judged(releases, (A, "serial", 104), (A, "records", 3)).wrong) == 1


def test_zone_that_stays_behind_another_is_wrong(releases: Releases):
    judge = judged(releases, (A, "records", 2), (B, "records", 1), (A, "records", 2))
    assert judge.wrong == ["ns1, example.net. by udp: generation 1 after example.com. by udp had shown 2"]


@pytest.mark.parametrize("seen", [(A, "records", 4), (A, "serial", 105), (A, "serial", 201)])
def test_what_no_release_has_is_wrong(releases: Releases, seen: tuple[str, Kind, int | str]):
    assert "of no release" in judged(releases, seen).wrong[0]


def test_anything_else_is_wrong_but_under_flipped_octets(releases: Releases):
    assert judged(releases, (A, "fault", "REFUSED")).wrong == ["ns1, example.com. by udp: REFUSED"]
    judge = judged(releases, (A, "fault", "BOGUS"), excused=True)
    assert (judge.wrong, judge.damaged) == ([], 1)


def test_servfail_is_counted_apart(releases: Releases):
    judge = judged(releases, (A, "servfail", ""))
    assert (judge.wrong, judge.servfail, judge.answers) == ([], 1, 1)


def test_serial_of_two_releases_is_found(releases: Releases):
    with pytest.raises(AssertionError, match="serial 103 in generations 3 and 5"):
        releases.add(5, 5, {A: 103})
