"""What each release changed at a name, from the deltas of real releases; no node is needed."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from dnsctl.control.owner_history import Touched, touching
from dnsctl.model.name import from_text, to_text
from dnsctl.model.rrset import Type, rdata_text, type_text
from dnsctl.release.archive import activated
from tests.publish.host import NOW, Host, intent

COM = {
    1: {"example.com.": "www A 192.0.2.1\nmail A 192.0.2.2\n"},
    2: {"example.com.": "www A 192.0.2.1\nmail A 192.0.2.3\n"},
    3: {"example.com.": "www A 192.0.2.4\na.www A 192.0.2.5\nmail A 192.0.2.3\n"},
    4: {"example.org.": "@ A 192.0.2.9\n"},
    5: {"example.com.": "www A 192.0.2.4\nwww TXT back\n", "example.org.": "@ A 192.0.2.9\n"},
    6: {"example.com.": "www TXT back\n", "example.org.": "@ A 192.0.2.9\n"},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that released six times, a day apart, with a zone that went and came back; then renewed."""
    made = Host(tmp_path_factory.mktemp("host"))
    for day, zones in COM.items():
        assert made.push(intent(zones), NOW + timedelta(days=day)).generation == day
    assert made.push(intent(COM[6]), NOW + timedelta(days=40)).generation == 7
    yield made
    made.image.close()


def told(host: Host, name: str, rdtype: int | None = None, first: int = 1) -> dict[int, list[str]]:
    """Return by generation what changed at `name`, as far as releases from `first` on tell."""
    manifests = [activated(host.archive, each) for each in reversed(host.archive.generations())]
    known = [each for each in manifests if each is not None and each.generation >= first]
    found = list(touching(host.archive, known, from_text(name), rdtype))
    assert [each.manifest.generation for each in found] == sorted(
        (each.manifest.generation for each in found), reverse=True
    )
    return {each.manifest.generation: lines(each) for each in found}


def lines(touched: Touched) -> list[str]:
    zones = [f"- {to_text(each)}" for each in touched.removed]
    changes = [
        f"{each.kind} {to_text(each.owner)} {type_text(each.rdtype)} "
        + " -> ".join(
            ",".join(rdata_text(each.rdtype, one) for one in side.rdatas)
            for side in (each.before, each.after)
            if side is not None
        )
        for each in touched.changes
    ]
    return [*zones, *changes, *([] if touched.complete else ["?"])]


def test_one_rrset_is_followed_through_a_zone_that_went_and_came_back(host: Host) -> None:
    assert told(host, "www.example.com.", Type.A) == {
        6: ["delete www.example.com. A 192.0.2.4"],
        5: ["add www.example.com. A 192.0.2.4"],
        4: ["- example.com.", "delete www.example.com. A 192.0.2.4"],
        3: ["update www.example.com. A 192.0.2.1 -> 192.0.2.4"],
        1: ["add www.example.com. A 192.0.2.1"],
    }


def test_name_alone_is_with_all_below_it_and_without_what_signing_makes(host: Host) -> None:
    assert told(host, "www.example.com.") == {
        6: ["delete www.example.com. A 192.0.2.4"],
        5: ["add www.example.com. A 192.0.2.4", 'add www.example.com. TXT "back"'],
        4: ["- example.com."],
        3: ["update www.example.com. A 192.0.2.1 -> 192.0.2.4", "add a.www.example.com. A 192.0.2.5"],
        1: ["add www.example.com. A 192.0.2.1"],
    }


def test_renewal_changes_no_record_at_a_zone_and_all_names_below_it(host: Host) -> None:
    found = told(host, "example.com.")
    assert sorted(found) == [1, 2, 3, 4, 5, 6]
    assert found[2] == ["update mail.example.com. A 192.0.2.2 -> 192.0.2.3"]
    assert told(host, "example.net.") == {}
    assert told(host, "com.")[2] == found[2]


def test_type_that_signing_makes_is_told_where_it_is_asked_for(host: Host) -> None:
    assert 3 in told(host, "www.example.com.", Type.NSEC)


def test_release_whose_parent_is_not_known_does_not_pretend_to_have_added_all(host: Host) -> None:
    assert told(host, "www.example.com.", Type.A, first=2) == {
        6: ["delete www.example.com. A 192.0.2.4"],
        5: ["add www.example.com. A 192.0.2.4"],
        4: ["- example.com.", "delete www.example.com. A 192.0.2.4"],
        3: ["?"],
    }
