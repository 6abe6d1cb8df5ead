"""What clients will notice of a change beyond the records."""

from pathlib import Path

import dns.message
import pytest

from dnsctl.model.name import to_text
from dnsctl.model.policy import Algorithm
from dnsctl.model.zone import Zone
from dnsctl.publish.changes import zone_changes
from dnsctl.publish.changeset import compare
from dnsctl.publish.effects import Apexes, Effect, effects
from dnsctl.serve.respond import Responder
from tests.build import zone
from tests.publish.host import intent, name
from tests.verify.served import image_of, signed

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


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("ftp A 192.0.2.1\n", "", [("gone", "ftp.example.com.")]),
        (
            "a.ftp A 192.0.2.1\nftp A 192.0.2.1\n",
            "a.ftp A 192.0.2.1\n",
            [("left-empty", "ftp.example.com.")],
        ),
        ("", "a.b.c A 192.0.2.1\n", []),
        (
            "* TXT w\n",
            "* TXT w\na.b.c A 192.0.2.1\n",
            [
                ("own-records", "a.b.c.example.com."),
                ("non-terminal", "b.c.example.com."),
                ("non-terminal", "c.example.com."),
            ],
        ),
        (
            "* TXT w\na.b A 192.0.2.1\n",
            "* TXT w\n",
            [("from-wildcard", "a.b.example.com."), ("from-wildcard", "b.example.com.")],
        ),
        (
            "* TXT w\nx.b A 192.0.2.1\ny.b A 192.0.2.1\n",
            "* TXT w\ny.b A 192.0.2.1\n",
            [("gone", "x.b.example.com.")],
        ),
        ("", "*.w TXT x\n", [("wildcard-answers", "*.w.example.com.")]),
        ("*.w TXT x\n", "*.w TXT y\n", []),
        ("*.w TXT x\n", "", [("wildcard-gone", "*.w.example.com.")]),
        (
            "* TXT x\n*.w TXT x\n",
            "* TXT x\n",
            [("wildcard-gone", "*.w.example.com."), ("from-wildcard", "w.example.com.")],
        ),
        ("", "old DNAME example.net.\n", [("redirected", "old.example.com.")]),
        (
            "old DNAME example.net.\nold A 192.0.2.1\n",
            "old A 192.0.2.1\n",
            [("not-redirected", "old.example.com.")],
        ),
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


def test_wildcard_that_goes_leaves_its_names_to_the_one_above() -> None:
    old, new = zone(COM, "* TXT x\n*.w TXT x\n"), zone(COM, "* TXT x\n")
    told = [each.message for each in _of(old, new) if each.name == "wildcard-gone"]
    assert told == ["names that *.w.example.com. answered for are answered from *.example.com. instead"]


OCTETS = 18 + len(name(COM)) + Algorithm.ECDSAP256SHA256.signature_octets


def _texts(count: int) -> str:
    return f"long TXT {' '.join(['x' * 99] * count)}\n"


def test_answer_that_outgrows_a_datagram_is_told(tmp_path: Path) -> None:
    old, fits, large = zone(COM, _texts(1)), zone(COM, _texts(10)), zone(COM, _texts(11))
    assert not _truncated(old, fits, OCTETS)
    (told,) = _truncated(old, large, OCTETS)
    assert f" takes {_served_octets(tmp_path, _texts(11))} octets: " in told
    assert not _truncated(large, zone(COM, _texts(12)), OCTETS)  # it was so before
    assert not _truncated(old, large, 0)


def _served_octets(where: Path, text: str) -> int:
    """Return the size of the answer that is served for `long`."""
    query = dns.message.make_query(f"long.{COM}", "TXT", want_dnssec=True, payload=65535)
    with image_of(where / "image", signed(where / "keys", text)) as image, image.reader() as reader:
        response = Responder().respond(reader, query.to_wire(), stream=True)
    assert response is not None
    return len(response.wire)


def _truncated(old: Zone, new: Zone, octets: int) -> list[str]:
    return [each.message for each in _of(old, new, octets) if each.name == "truncated"]


def _of(old: Zone, new: Zone, octets: int = 0) -> list[Effect]:
    return list(effects(old, new, zone_changes(old, new, signed_here=False).records, ALONE, octets))


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
