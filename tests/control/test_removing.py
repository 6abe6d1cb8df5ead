"""The job `remove` on two real nodes: a record goes after its day, and nothing else changes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.control.daemon.job import Verdict, Work
from dnsctl.control.daemon.removing import removed
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.publish.faults import ZonesWithErrorsError
from tests.control.operations import NODES, ORG, Operations, made, zone
from tests.passphrase import PASSPHRASE

DAY = timedelta(days=1)


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    with made(tmp_path / "ops") as operations:
        operations.start(*NODES)
        yield operations


def answer(repo: Operations, node: str, name: str) -> list[str]:
    port = repo.ports[node][0]
    found = dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=port, timeout=5).answer
    return [each.to_text() for rrset in found for each in rrset]


def run(repo: Operations, now: datetime) -> Verdict:
    return removed(Work(repo.root, load_config(WorkTree(repo.root)), PASSPHRASE, now))


def test_record_goes_after_its_day_and_what_was_written_since_does_not_come(repo: Operations) -> None:
    now = datetime.now(UTC)
    ends = (now + DAY).date()
    more = f"sale: {{type: A, value: 192.0.2.9, expires: {{at: {ends}, then: remove}}}}\n"
    repo.write("zones/example.com.yaml", zone(more=more))
    repo.commit("a sale")
    assert repo.run("push").returncode == 0
    generation = repo.generations()["ns1"]
    assert "expires" not in repo.run("check").stdout
    repo.write("zones/example.com.yaml", zone("192.0.2.66", more))
    repo.commit("not released yet")
    assert run(repo, now + DAY) == Verdict("well", "no record is to be removed")
    told = run(repo, now + 2 * DAY)
    assert told == Verdict(
        "well", f"records of example.com. that have expired are removed: generation {generation + 1}"
    )
    assert answer(repo, "ns1", "sale.example.com.") == answer(repo, "ns2", "sale.example.com.") == []
    assert [answer(repo, node, "www.example.com.") for node in NODES] == [["192.0.2.80"]] * 2
    assert "are not served any more" in run(repo, now + 3 * DAY).message
    assert repo.generations() == dict.fromkeys(NODES, generation + 1)


def test_other_record_that_has_expired_keeps_all_and_is_told(repo: Operations) -> None:
    now = datetime.now(UTC)
    ends = (now + DAY).date()
    sale = f"sale: {{type: A, value: 192.0.2.9, expires: {{at: {ends}, then: remove}}}}\n"
    repo.write(
        "zones/example.org.yaml", ORG + sale + f"old: {{type: A, value: 192.0.2.9, expires: {ends}}}\n"
    )
    repo.commit("two ways to end")
    assert repo.run("push").returncode == 0
    with pytest.raises(ZonesWithErrorsError, match="expires-passed"):
        run(repo, now + 2 * DAY)
    assert answer(repo, "ns1", "sale.example.org.") == ["192.0.2.9"]
