"""A zone file is cut short, or has an error in its middle: no part of it is served in place of the whole."""

from __future__ import annotations

import pytest

from dnsctl.load.revision import Revision
from tests.control.operations import ORG
from tests.outages.conftest import Fleet


def text_of(fleet: Fleet) -> str:
    return (fleet.repo.root / "zones/example.com.yaml").read_text()


def write(fleet: Fleet, text: str) -> None:
    (fleet.repo.root / "zones/example.com.yaml").write_text(text)
    fleet.repo.commit("as a program left it")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("host15: {type: A, value: 192.0.2.15}", "host15: {type: A, value: 192.0.2.15", ":"),
        ("host15: {type: A, value: 192.0.2.15}", "host15: {type: A, value: 192.0.2.1500}", ":23:"),
        ("host15: {type: A, value: 192.0.2.15}", "<<<<<<< HEAD", ":"),
        ("host15: ", "host14: ", ":23:"),
    ],
    ids=["cut within a line", "one value", "a merge left open", "an owner twice"],
)
def test_error_in_the_middle_stops_all_of_it_and_names_the_place(
    fleet: Fleet, old: str, new: str, place: str
) -> None:
    text = text_of(fleet)
    assert text.count(old) == 1
    write(fleet, text.replace(old, new))
    fleet.repo.write("zones/example.org.yaml", ORG)
    fleet.repo.commit("and another zone is well")
    told = fleet.refused("push").stderr
    line = next(each for each in told.splitlines() if "error [" in each)
    assert line.startswith(f"zones/example.com.yaml{place}"), told
    assert "zones/example.org" not in told


def test_file_that_ends_early_without_an_error_is_refused_by_guards(fleet: Fleet) -> None:
    write(fleet, "".join(text_of(fleet).splitlines(keepends=True)[:12]))
    assert " 0 errors" in fleet.repo.run("check").stdout
    assert "guard deletes: " in fleet.refused("push").stderr


def test_file_without_a_record_is_refused(fleet: Fleet) -> None:
    write(fleet, "---\n")
    assert "zones/example.com.yaml: error [apex-ns-missing]" in fleet.refused("push").stderr


def test_file_with_its_apex_alone_is_refused_whatever_deletes_are_allowed(fleet: Fleet) -> None:
    write(fleet, "'': {type: NS, values: [ns1.example.net., ns2.example.net.]}\n")
    told = fleet.refused("push", "--allow", "deletes", "--allow", "apex-ns", "--reason", "cut short").stderr
    assert "guard emptied-zone: " in told


def test_file_that_is_gone_is_a_zone_that_would_be_removed(fleet: Fleet) -> None:
    (fleet.repo.root / "zones/example.com.yaml").unlink()
    fleet.repo.write("zones/example.org.yaml", ORG)
    fleet.repo.commit("a wrong path")
    assert "guard removed-zone: " in fleet.refused("push").stderr


def test_repository_that_is_rewritten_under_a_push_gives_all_of_a_commit_or_nothing(fleet: Fleet) -> None:
    """Its objects are gone when the push reads them, as after a forced push and `git gc --prune=now`."""
    write(fleet, text_of(fleet).replace("192.0.2.15}", "192.0.2.215}"))
    blob = Revision(fleet.repo.root, "HEAD").files()["zones/example.com.yaml"].split()[-1]
    lost = fleet.repo.root / ".git/objects" / blob[:2] / blob[2:]
    kept = lost.read_bytes()
    lost.unlink()
    try:
        for verb in ("plan", "push"):
            told = fleet.refused(verb).stderr
            assert "zones/example.com.yaml" in told and "git has lost what it holds" in told, told
    finally:
        lost.write_bytes(kept)
