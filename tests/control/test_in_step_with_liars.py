"""What parents are asked for, whatever a node that lies claims to have seen there."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.control.in_step import keep_in_step, wanted_ds
from dnsctl.control.observations import Asked, Observed, amend, recall
from dnsctl.control.observing import Round
from dnsctl.load.settings.config import Config
from dnsctl.model.observation import DsMemory, ParentView
from dnsctl.model.repo import Repo
from tests.publish.host import NOW, SIMPLE, Host, intent, name

ZONE = name("child.example.")
OLD, LIE = (b"\x12\x34\x0d\x02" + bytes(32),), (b"\x56\x78\x0d\x02" + bytes(32),)
WEEK = 604800
SETTINGS = Config.model_validate(
    {
        "version": 1,
        "parents": {"above": {"servers": "192.0.2.1", "ds": "hook", "command": ["cat"], "ttl": "2h"}},
        "defaults": {"parent": "above"},
    }
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Host(tmp_path / "state").push(intent({"child.example.": SIMPLE}))
    shutil.copytree(tmp_path / "state" / "keys", tmp_path / "keys")
    return tmp_path


def view(ds: tuple[bytes, ...] | None, ttl: int, site: str = "") -> ParentView:
    return ParentView("192.0.2.1", site, NOW, ds, ttl)


def told(root: Path, *views: ParentView, days: int = 30) -> list[str]:
    """Return the TTLs that the command gets, once caches have forgotten the zone unsigned."""
    lines: list[str] = []
    seen = Observed(ds=DsMemory().after(views, NOW), asked=recall(Repo(root).state, ZONE).asked)
    keep_in_step(root, SETTINGS, Round({ZONE: seen}, {}), NOW + timedelta(days=days), lines.append)
    return [line.split()[3] for line in lines if " IN DS " in line]


def test_ttl_that_only_a_site_claims_to_see_is_not_written(root: Path) -> None:
    assert told(root, view(OLD, 300), view(OLD, WEEK, "dc1")) == ["300"]


def test_largest_ttl_that_the_control_host_sees_is_written(root: Path) -> None:
    assert told(root, view(OLD, 300), view(OLD, 900), view((), 4000), view(None, 0)) == ["900"]


def test_first_ds_has_the_ttl_of_the_settings_whatever_a_site_claims(root: Path) -> None:
    assert told(root, view((), 300), view(LIE, WEEK, "dc1")) == ["7200"]


def test_zone_signed_lately_gets_no_ds_by_the_claim_that_it_has_one(root: Path) -> None:
    assert told(root, view((), 300), view(LIE, WEEK, "dc1"), days=0) == []


def test_parent_in_step_is_not_asked_by_the_claim_that_it_lags_and_what_it_was_asked_for_is_over(
    root: Path,
) -> None:
    host = Host(root / "state")
    with host.image.reader() as reader:
        wanted = wanted_ds(reader, host.keystore, ZONE)
    host.image.close()
    assert wanted is not None
    state = Repo(root).state
    amend(state, ZONE, lambda _: Observed(asked=Asked(NOW, wanted, "hook", "later", "")))
    assert told(root, view(wanted, 300), view(LIE, WEEK, "dc1")) == []
    assert recall(state, ZONE).asked is None


def test_parent_of_which_the_control_host_sees_nothing_is_not_asked(root: Path) -> None:
    assert told(root, view(None, 0), view(OLD, 300, "dc1")) == []
