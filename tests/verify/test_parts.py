"""A verification by several processes finds what one finds, and ends with them."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dnsctl.errors import InconclusiveError
from dnsctl.image.reader import Reader
from dnsctl.image.store import Image
from dnsctl.model.name import Name, from_text
from dnsctl.model.rrset import Type
from dnsctl.model.zone import SignedZone
from dnsctl.verify import parts
from dnsctl.verify.anchor import anchors_in
from dnsctl.verify.parts import Reopen, parts_of, verify_by_processes
from dnsctl.verify.report import Report
from tests.verify.served import NOW, image_of, serving, signed

ORIGINS = tuple(f"zone{number}.example." for number in range(5))
RECORDS = 'www A 192.0.2.80\n\\200 TXT "a label that dnslib cannot read"\n'
Verified = Callable[..., Report]


class NeverListed(dict[Name, tuple[bytes, ...]]):
    """Anchors in files of many zones, of which one reads those that are verified."""

    def __len__(self) -> int:
        raise AssertionError("all key files are read")

    __iter__ = __len__  # type: ignore[assignment]


@pytest.fixture
def zones(tmp_path: Path) -> list[SignedZone]:
    return [signed(tmp_path / "keys", RECORDS, origin) for origin in ORIGINS]


@pytest.fixture
def reopen(tmp_path: Path) -> Reopen:
    @contextmanager
    def opened() -> Iterator[Reader]:
        with Image.open(tmp_path / "release") as image, image.reader() as reader:
            yield reader

    return opened


@pytest.fixture
def verified(
    tmp_path: Path, reopen: Reopen, zones: list[SignedZone], monkeypatch: pytest.MonkeyPatch
) -> Verified:
    """Return what verifies two servers of `served` against the release of `zones`, by `processes`."""
    monkeypatch.setattr(parts, "_WORTH_FORKING", 10)

    def run(served: Sequence[SignedZone], processes: int, *, full: bool = True, **options: object) -> Report:
        with image_of(tmp_path / "release", *zones):
            pass
        with serving(tmp_path / "one", *served) as first, serving(tmp_path / "two", *served) as second:
            nodes = [first.node(), second.node("ns2", "dc2")]
            anchors = NeverListed(anchors_in(tmp_path / "keys"))
            return verify_by_processes(
                nodes,
                reopen,
                processes,
                now=NOW,
                full=full,
                anchors=anchors,
                **options,  # type: ignore[arg-type]
            )

    return run


def test_several_processes_report_what_one_does(zones: list[SignedZone], verified: Verified) -> None:
    told: list[tuple[int, int]] = []
    alone = verified(zones, 1)
    shared = verified(zones, 3, progress=lambda done, total: told.append((done, total)))
    assert shared.verdict == alone.verdict == "consistent"
    assert shared.checked == alone.checked == shared.rrsets
    assert [each.answers for each in shared.nodes] == [each.answers for each in alone.nodes]
    assert [each.serials for each in shared.nodes] == [each.serials for each in alone.nodes]
    assert shared.remarks == alone.remarks
    assert "one decoder read them" in shared.remarks[-1].message
    assert told[-1] == (5, 5)
    assert sorted(told) == told


def test_several_processes_sample_as_many_owners_as_one(
    zones: list[SignedZone], verified: Verified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "SAMPLED_OWNERS", 10)
    reports = [verified(zones, processes, full=False) for processes in (1, 2, 5)]
    assert {each.verdict for each in reports} == {"consistent"}
    assert {each.checked for each in reports} == {reports[0].checked}
    assert reports[0].checked < reports[0].rrsets


def test_release_without_zones_is_verified_too(tmp_path: Path, reopen: Reopen) -> None:
    image_of(tmp_path / "release").close()
    with serving(tmp_path / "one") as server:
        report = verify_by_processes([server.node()], reopen, 2, now=NOW)
    assert (report.verdict, report.zones, report.checked) == ("consistent", 0, 0)


def test_drift_that_each_process_finds_is_reported_once(zones: list[SignedZone], verified: Verified) -> None:
    served = [zones[0], with_other_address(zones[1]), *zones[2:4], with_other_address(zones[4])]
    alone, shared = verified(served, 1), verified(served, 3)
    assert {each.zone for each in alone.faults} == {from_text(ORIGINS[number]) for number in (1, 4)}
    found = [
        sorted((each.node, each.zone, each.rule, each.owner) for each in report.faults)
        for report in (alone, shared)
    ]
    assert found[0] == found[1]
    assert [each.faults for each in shared.nodes] == [each.faults for each in alone.nodes]


def with_other_address(zone: SignedZone) -> SignedZone:
    """Return `zone` with another address of www, signatures as they were."""
    nodes = {
        owner: tuple(
            one._replace(rdatas=(bytes([192, 0, 2, 81]),)) if one.rdtype == Type.A else one for one in node
        )
        for owner, node in zone.nodes.items()
    }
    return replace(zone, nodes=nodes)


def test_process_that_is_killed_leaves_no_verdict(zones: list[SignedZone], verified: Verified) -> None:
    before = children()

    def killed(_done: int, _total: int) -> None:
        for number in children() - before:
            os.kill(number, signal.SIGKILL)

    with pytest.raises(InconclusiveError, match="was killed"):
        verified(zones, 3, progress=killed)
    assert children() <= before


def children() -> set[int]:
    """Return the processes that this one forked; some are of other tests."""
    me = os.getpid()
    found = Path(f"/proc/{me}/task/{me}/children").read_text("ascii")
    return {int(each) for each in found.split()}


def test_zones_are_shared_by_their_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_WORTH_FORKING", 10)
    long = "".join(f"host{number} A 192.0.2.{number}\n" for number in range(12))
    records = {"a.example.": long, "b.example.": RECORDS, "c.example.": RECORDS}
    made = [signed(tmp_path / "keys", text, origin) for origin, text in records.items()]
    with image_of(tmp_path / "image", *made) as image, image.reader() as reader:
        entries = list(reader.zones())
    a, b, c = (from_text(each) for each in records)
    assert parts_of(entries, 2) == [{a}, {b, c}]
    assert parts_of(entries, 8) == [{a}, {b}, {c}]
    assert parts_of(entries, 1) == [{a, b, c}]
    monkeypatch.setattr(parts, "_WORTH_FORKING", 1000)
    assert parts_of(entries, 2) == [{a, b, c}]
