"""What a parent says against what we serve: each difference by its rule and weight."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.observation import ParentView
from dnsctl.parent.comparison import Ours, differences
from dnsctl.parent.view import DelegationView

ZONE, NOW = from_text("child.example."), datetime(2026, 11, 29, tzinfo=UTC)
KEY, FOREIGN, OTHER = (PublicKey(ZONE, 13, 257, bytes([n]) * 64) for n in (1, 2, 3))
OURS = Ours(ZONE, (KEY.rdata,), (KEY.ds(),), ("ns1.child.example.",), {"ns1.child.example.": ("192.0.2.1",)})
MULTI = Ours(ZONE, (KEY.rdata,), tuple(sorted((KEY.ds(), FOREIGN.ds()))))
UNSIGNED = Ours(ZONE)


def found(ours: Ours, *ds: tuple[bytes, ...] | None) -> list[tuple[str, str]]:
    views = [ParentView(f"ns{n}", "", NOW, each, 60, "away") for n, each in enumerate(ds)]
    return [(each.weight, each.rule) for each in differences(ours, views, ())]


@pytest.mark.parametrize(
    ("ours", "ds", "told"),
    [
        (OURS, (KEY.ds(),), []),
        (OURS, (KEY.ds(4),), [("note", "parent-ds-missing")]),
        (OURS, (), [("note", "parent-ds-missing")]),
        (OURS, (OTHER.ds(),), [("act", "parent-ds")]),
        (OURS, (KEY.ds(), OTHER.ds()), [("note", "parent-ds-foreign")]),
        (OURS, None, [("unknown", "parent-silent")]),
        (MULTI, (KEY.ds(), FOREIGN.ds()), []),
        (MULTI, (KEY.ds(),), [("note", "parent-ds-missing")]),
        (MULTI, (FOREIGN.ds(),), [("act", "parent-ds")]),
        (UNSIGNED, (), []),
        (UNSIGNED, (KEY.ds(),), [("act", "parent-ds")]),
    ],
)
def test_ds_is_judged(ours: Ours, ds: tuple[bytes, ...] | None, told: list[tuple[str, str]]) -> None:
    assert found(ours, ds) == told


def test_servers_that_differ_are_told_once() -> None:
    assert found(OURS, (KEY.ds(),), (), None) == [
        ("note", "parent-ds-missing"),
        ("unknown", "parent-silent"),
        ("note", "parent-differs"),
    ]


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (DelegationView("s", ("ns1.child.example.",), 60, {"ns1.child.example.": ("192.0.2.1",)}), []),
        (
            DelegationView("s", ("ns1.child.example.",), 60, {"ns1.child.example.": ("192.0.2.9",)}),
            ["parent-glue"],
        ),
        (DelegationView("s", ("ns1.child.example.", "ns9.example."), 60), ["parent-ns"]),
        (DelegationView("s", ("ns9.example.",), 60), ["parent-ns"]),
        (DelegationView("s", None), []),
    ],
)
def test_delegation_is_judged(view: DelegationView, told: list[str]) -> None:
    assert [each.rule for each in differences(OURS, (), (view,))] == told


@pytest.mark.parametrize(
    ("ours", "way"), [(OURS, "dnsctl key ds"), (replace(OURS, parent_is_ours=True), "dnsctl push")]
)
def test_advice_is_for_the_parent_that_it_is(ours: Ours, way: str) -> None:
    (told,) = differences(ours, [ParentView("ns", "", NOW, (), 60)], ())
    assert f"`{way}" in told.message
