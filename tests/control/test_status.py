"""What `status` says runs out, and its exit codes, with real nodes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.control.concerns import Concern, exit_code, of_signatures
from dnsctl.model.policy import Policy, SignaturePolicy
from dnsctl.model.validity import Period
from tests import clocks
from tests.control.operations import DNSCTL, NODES, Operations
from tests.sign.mutations import NSEC, records_of, text_of

NOW = 1_795_262_400
DAY = 86400
SOON = "signatures run out soon, at 2026-11-26 12:00:00 UTC"


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Operations]:
    operations = Operations(tmp_path / "ops")
    operations.root.mkdir()
    try:
        yield operations
    finally:
        operations.stop()


@pytest.mark.parametrize(
    ("period", "policy", "words"),
    [
        (Period(NOW - DAY, NOW - 1), Policy(), "signatures ran out at"),
        (Period(NOW + 1, NOW + 14 * DAY), Policy(), "signatures are not valid before"),
        (Period(NOW - DAY, NOW + 5 * DAY), Policy(), f"{SOON}: renewal is overdue"),
        (Period(NOW - DAY, NOW + 6 * DAY), Policy(), ""),
        (Period(NOW - DAY, NOW + 5 * DAY), None, f"{SOON}: it is not signed here"),
        (Period(NOW - DAY, NOW + 8 * DAY), None, ""),
        (Period(NOW - DAY, NOW + DAY), Policy(signatures=SignaturePolicy(refresh=timedelta(days=1))), ""),
    ],
)  # fmt: skip
def test_signatures_concern_where_renewal_is_overdue(
    period: Period, policy: Policy | None, words: str
) -> None:
    told = of_signatures(period, policy, NOW)
    assert words in told
    assert bool(words) == bool(told)


def test_what_to_act_on_weighs_more_than_what_is_unknown() -> None:
    act, unknown = Concern("act", "", ""), Concern("unknown", "", "")
    assert [exit_code(each) for each in ((), (unknown,), (act,), (unknown, act))] == [0, 2, 1, 1]


def test_fleet_is_well_then_away_then_well(repo: Operations) -> None:
    repo.make()
    repo.start(*NODES)
    assert "release" in [each["about"] for each in repo.json("status", code=1)["concerns"]]
    assert repo.run("push").returncode == 0
    told = repo.json("status")
    assert (told["verdict"], told["concerns"]) == ("well", [])
    assert all(abs(node["clock_ahead"]) < 5 for node in told["nodes"])
    assert all(node["latest_inception"] < node["nearest_expiry"] for node in told["nodes"])
    assert told["certificates"].keys() == {"authority", "control", *NODES}
    repo.end("ns2")
    away = repo.json("status", code=2)
    assert away["verdict"] == "could not tell"
    assert [(each["weight"], each["about"]) for each in away["concerns"]] == [("unknown", "ns2")]


def test_certificates_that_run_out_are_told_a_month_before(repo: Operations) -> None:
    repo.make(issued=datetime.now(UTC) - timedelta(days=710))
    repo.start(*NODES)
    assert repo.run("push").returncode == 0
    told = repo.json("status", code=1)
    assert {each["about"] for each in told["concerns"]} == {"control", *NODES}
    assert all("its certificate expires soon, at" in each["message"] for each in told["concerns"])


def test_zone_that_came_signed_and_runs_out_is_told_by_check_plan_push_and_status(repo: Operations) -> None:
    repo.make()
    (repo.root / "zones" / "example.com.yaml").unlink()
    ten_days_ago = datetime.now(UTC) - timedelta(days=10)
    repo.write("zones/example.com.zone", text_of(records_of(NSEC, ten_days_ago)))
    repo.commit("came signed")
    repo.start(*NODES)
    checked = repo.run("check")
    assert "warning [signatures-end-soon] the first signature ends" in checked.stdout
    assert "warning [expire-beyond-signatures] EXPIRE is" in checked.stdout
    assert "warning [signatures-end-soon]" in repo.run("plan").stderr
    for _ in range(2):  # also where there is nothing to push
        pushed = repo.run("push")
        assert pushed.returncode == 0, pushed.stderr
        assert "warning: example.com.: signatures run out soon, at" in pushed.stderr
    told = repo.json("status", code=1)
    assert [each["about"] for each in told["concerns"]] == ["example.com."]
    assert "it is not signed here; renew its signatures at its signer" in told["concerns"][0]["message"]
    assert {node["state"] for node in told["nodes"]} == {"signatures run out soon"}


@pytest.mark.peer
@pytest.mark.timeout(200)
def test_signatures_are_told_to_run_out_soon_before_and_to_have_run_out_after(repo: Operations) -> None:
    repo.make()
    repo.start(*NODES)
    assert repo.run("push").returncode == 0
    for offset, words in {"+8d": "signatures run out soon, at", "+20d": "signatures ran out at"}.items():
        done = clocks.run(offset, (*DNSCTL, "-C", str(repo.root), "status"))
        assert done.returncode == 1
        assert f"example.com.: {words}" in done.stderr
        assert "run `dnsctl push`" in done.stderr
        assert f"is {offset[1:-1]} d 0 h ahead of ns1's and ns2's" in done.stderr
