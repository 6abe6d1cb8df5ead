import pytest

from dnsctl.model.name import to_text
from dnsctl.publish.changes import zone_changes
from dnsctl.publish.changeset import compare
from dnsctl.publish.existence import Apexes, Existence, effects
from tests.build import zone
from tests.publish.host import intent, name

COM = "example.com."
ALONE = Apexes({name(COM)}.__contains__, {name(COM)}.__contains__)


def _effects(before: str, after: str) -> list[tuple[str, bytes]]:
    old, new = zone(COM, before), zone(COM, after)
    changes = zone_changes(old, new, signed_here=False)
    return [
        (each.name, each.owner)
        for each in effects(old, new, changes.records, ALONE)
        if each.name not in ("cached", "negatively-cached")
    ]


def test_empty_non_terminals_exist_and_names_beside_them_do_not() -> None:
    names = Existence(zone(COM, "a.b.c A 192.0.2.1\n"))
    assert all(names.exists(name(each + COM)) for each in ("", "c.", "b.c.", "a.b.c."))
    assert not any(names.exists(name(each + COM)) for each in ("b.", "a.c.", "d.c.", "z.a.b.c."))


def test_wildcard_covers_only_below_its_own_closest_encloser() -> None:
    names = Existence(zone(COM, "* A 192.0.2.1\nc TXT x\n"))
    assert names.covering_wildcard(name("other.example.com.")) == name("*.example.com.")
    assert names.covering_wildcard(name("x.y.example.com.")) == name("*.example.com.")
    assert names.covering_wildcard(name("below.c.example.com.")) is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("ftp A 192.0.2.1\n", "", [("gone", "ftp.example.com.")]),
        ("a.ftp A 192.0.2.1\nftp A 192.0.2.1\n", "a.ftp A 192.0.2.1\n", []),
        ("ftp A 192.0.2.1\nftp TXT x\n", "ftp TXT x\n", []),
        ("* TXT w\nftp A 192.0.2.1\n", "* TXT w\n", [("from-wildcard", "ftp.example.com.")]),
        ("* TXT w\n", "* TXT w\nftp A 192.0.2.1\n", [("own-records", "ftp.example.com.")]),
        ("", "sub NS ns.example.net.\n", [("delegated", "sub.example.com.")]),
        ("sub NS ns.example.net.\n", "sub A 192.0.2.1\n", [("undelegated", "sub.example.com.")]),
        (
            "",
            "sub NS ns.sub\nns.sub A 192.0.2.1\n",
            [("delegated", "sub.example.com."), ("occluded", "ns.sub.example.com.")],
        ),
        ("www A 192.0.2.1\n", "www A 192.0.2.2\n", []),
    ],
)
def test_what_clients_will_notice_is_told(before: str, after: str, expected: list[tuple[str, str]]) -> None:
    assert _effects(before, after) == [(kind, name(owner)) for kind, owner in expected]


def test_time_in_caches_follows_the_old_ttl_and_the_old_soa() -> None:
    old, new = zone(COM, "www 7200 A 192.0.2.1\n"), zone(COM, "www 60 A 192.0.2.2\nnew A 192.0.2.1\n")
    told = {
        each.name: each.message
        for each in effects(old, new, zone_changes(old, new, signed_here=False).records, ALONE)
    }
    assert told == {
        "cached": "caches may hold replaced records for 2h",
        "negatively-cached": "caches may go on denying new names for 5m",
    }


def test_new_zone_has_no_effects_to_tell() -> None:
    new = zone(COM, "")
    assert list(effects(None, new, zone_changes(None, new, signed_here=False).records, ALONE)) == []


def _told_by_plan(before: dict[str, str], after: dict[str, str]) -> set[tuple[str, str, str]]:
    changeset = compare(intent(before, None), intent(after, None))
    return {
        (to_text(zone.origin), effect.name, to_text(effect.owner))
        for zone in changeset.zones
        for effect in zone.effects
        if effect.name not in ("cached", "negatively-cached")
    }


SUB = {"sub.example.com.": "www A 192.0.2.1\n"}
CUT = "sub NS ns.sub\nns.sub A 192.0.2.53\n"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({COM: ""} | SUB, {COM: CUT} | SUB, set()),
        ({COM: CUT} | SUB, {COM: ""} | SUB, set()),
        (
            {COM: CUT + "www.sub TXT x\n"} | SUB,
            {COM: CUT} | SUB,
            {(COM, "answered-elsewhere", "www.sub.example.com.")},
        ),
        ({COM: ""}, {COM: ""} | SUB, {("sub.example.com.", "taken-over", "sub.example.com.")}),
        ({COM: ""} | SUB, {COM: ""}, {("sub.example.com.", "left-to-parent", "sub.example.com.")}),
        ({COM: ""}, {COM: "", "example.net.": ""}, set()),
    ],
    ids=["delegated", "no longer", "data below a child", "a zone comes", "a zone goes", "not related"],
)
def test_what_clients_will_notice_depends_on_all_zones_of_ours(
    before: dict[str, str], after: dict[str, str], expected: set[tuple[str, str, str]]
) -> None:
    assert _told_by_plan(before, after) == expected
