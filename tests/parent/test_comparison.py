"""What a parent says against what we serve: each difference by its rule and weight."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dnsctl.model.key import PublicKey
from dnsctl.model.name import from_text
from dnsctl.model.observation import ParentView
from dnsctl.parent.comparison import Ours, differences, unseen
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
    ("ours", "way"),
    [
        (OURS, "`dnsctl key ds"),
        (replace(OURS, parent_is_ours=True), "`dnsctl push"),
        (replace(OURS, parent_is_ours=True, parent_is_unsigned=True), "which is ours, is unsigned"),
    ],
)
def test_advice_is_for_the_parent_that_it_is(ours: Ours, way: str) -> None:
    (told,) = differences(ours, [ParentView("ns", "", NOW, (), 60)], ())
    assert way in told.message


def test_site_that_sees_another_ds_is_named_and_what_all_see_alike_is_told_once() -> None:
    views = [
        ParentView(server, site, NOW, (KEY.ds(),) if (server, site) != ("b.", "dc2") else (OTHER.ds(),), 60)
        for server in ("a.", "b.")
        for site in ("", "dc1", "dc2")
    ]
    wrong, differs = differences(OURS, views, ())
    assert (wrong.rule, wrong.server) == ("parent-ds", "b. from dc2")
    assert (differs.server, differs.got) == (
        "2 servers",
        f"a. has {KEY.tag}; b. from the control host and dc1 has {KEY.tag}; b. from dc2 has {OTHER.tag}",
    )
    (alike,) = differences(OURS, [replace(each, ds=()) for each in views if each.server == "a."], ())
    assert (alike.rule, alike.server) == ("parent-ds-missing", "a.")


def test_one_server_that_shows_sites_different_things_is_told_by_site() -> None:
    views = [ParentView("a.", "dc1", NOW, (KEY.ds(),)), ParentView("a.", "dc2", NOW, None, fault="away")]
    (silent,) = differences(OURS, views, ())
    assert (silent.rule, silent.server, silent.got) == ("parent-silent", "a. from dc2", "away")
    differs = list(differences(OURS, [views[0], replace(views[1], ds=())], ()))[-1]
    assert (differs.server, differs.expected) == ("a.", "the same DS from every site")
    assert differs.got == f"a. from dc1 has {KEY.tag}; a. from dc2 has none"


def test_glue_that_one_site_alone_sees_is_told_with_the_site() -> None:
    good = DelegationView("s", ("ns1.child.example.",), 60, {"ns1.child.example.": ("192.0.2.1",)})
    old = replace(good, glue={"ns1.child.example.": ("192.0.2.9",)}, site="dc2")
    (told,) = differences(OURS, (), (good, replace(good, site="dc1"), old))
    assert (told.rule, told.server) == ("parent-glue", "s from dc2")


def test_site_that_could_not_look_is_no_difference_of_the_parent() -> None:
    views = [ParentView("a.", "", NOW, (KEY.ds(),)), ParentView("", "dc2", NOW, None, fault="ns2 is away")]
    assert list(differences(OURS, views, ())) == []
    assert list(unseen(views)) == [("dc2", "ns2 is away")]
