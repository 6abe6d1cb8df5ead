"""`dnsctl explain`: which step led to an answer, and what its proof proves."""

from pathlib import Path
from typing import Any

import pytest

from dnsctl.image.store import Image
from dnsctl.model.policy import Policy
from tests.cli.shell import dnsctl, repo
from tests.cli.test_zone import release

TEXT = """
www A 192.0.2.1
alias CNAME www
far CNAME www.example.net.
* TXT hello
*.w A 192.0.2.2
a.b.c A 192.0.2.3
old DNAME new
x.new A 192.0.2.4
sub NS ns.sub
ns.sub A 192.0.2.5
"""
CASES = [
    ("www.example.com", "A", "NOERROR", ["answer"]),
    ("www.example.com", "AAAA", "NOERROR", ["no-data"]),
    ("b.c.example.com", "A", "NOERROR", ["empty-non-terminal"]),
    ("alias.example.com", "A", "NOERROR", ["alias", "answer"]),
    ("far.example.com", "A", "NOERROR", ["alias", "outside"]),
    ("any.w.example.com", "A", "NOERROR", ["wildcard", "answer"]),
    ("any.w.example.com", "MX", "NOERROR", ["wildcard", "no-data"]),
    ("x.www.example.com", "A", "NXDOMAIN", ["name-error"]),
    ("x.old.example.com", "A", "NOERROR", ["dname", "answer"]),
    ("deep.sub.example.com", "A", "NOERROR", ["referral"]),
]


@pytest.fixture(scope="module", params=["nsec", "nsec3"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = repo(tmp_path_factory.mktemp("repo"))
    release(made, TEXT, policy=Policy(denial=request.param))
    return made


def explain(root: Path, name: str, rdtype: str) -> Any:
    told = dnsctl("explain", name, rdtype, "--json", root=root)
    assert told.code == 0, told.err
    return told.json


@pytest.mark.parametrize(("name", "rdtype", "rcode", "steps"), CASES)
def test_steps_of_each_kind_of_answer(root: Path, name: str, rdtype: str, rcode: str, steps: list[str]):
    told = explain(root, name, rdtype)
    assert (told["rcode"], [each["step"] for each in told["steps"]]) == (rcode, steps)
    assert (told["zone"], told["serial"], told["generation"]) == ("example.com.", 42, 1)


def test_name_error_is_proved_with_closest_encloser_and_wildcard(root: Path):
    told = explain(root, "y.x.www.example.com", "A")
    proofs = " ".join(told["proofs"])
    assert "x.www.example.com. does not exist" in proofs
    assert "*.www.example.com. does not exist" in proofs
    assert "closest encloser www.example.com." in told["steps"][0]["sentence"]


def test_no_data_is_proved_at_the_name(root: Path):
    [proof] = explain(root, "www.example.com", "AAAA")["proofs"]
    assert "www.example.com. exists and has no AAAA" in proof


def test_wildcard_answer_is_proved_by_the_missing_name(root: Path):
    told = explain(root, "any.w.example.com", "A")
    assert any("any.w.example.com. does not exist" in each for each in told["proofs"])


def test_unsigned_delegation_is_proved_without_ds(root: Path):
    told = explain(root, "deep.sub.example.com", "A")
    assert told["authoritative"] is False
    assert any("sub.example.com. is delegated, and has no DS" in each for each in told["proofs"])


def test_words_name_zone_step_and_records(root: Path):
    told = dnsctl("explain", "alias.example.com.", root=root)
    assert told.out.startswith("alias.example.com. A: NOERROR\n")
    assert "alias.example.com. is an alias" in told.out
    assert "www.example.com. 3600 IN A 192.0.2.1" in told.out


def test_name_in_no_zone_is_refused_and_exit_0(root: Path):
    told = explain(root, "www.example.org", "A")
    assert (told["rcode"], told["zone"]) == ("REFUSED", None)
    assert "REFUSED" in dnsctl("explain", "www.example.org", root=root).out


def test_unknown_type_is_a_wrong_command_line(root: Path):
    told = dnsctl("explain", "www.example.com", "NOPE", root=root)
    assert told.code == 1
    assert "NOPE" in told.line


def test_nothing_released_says_what_to_do(tmp_path: Path):
    told = dnsctl("explain", "www.example.com", root=repo(tmp_path))
    assert told.code == 1
    assert "--work-tree" in told.line


def test_image_that_a_dry_run_left_is_no_release(tmp_path: Path):
    root = repo(tmp_path)
    with Image.open(root / "state" / "image", readonly=False):
        pass
    told = dnsctl("explain", "www.example.com", root=root)
    assert told.code == 1
    assert "nothing is released yet" in told.line


def test_clone_is_told_where_the_release_comes_from(tmp_path: Path):
    for verb in (("explain", "www.example.com"), ("verify",)):
        told = dnsctl(*verb, root=repo(tmp_path))
        assert "in a clone of a fleet that serves, copy keys/ from the control host" in told.err


def test_work_tree_is_explained_without_a_release(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml="'*.w': {type: A, value: 192.0.2.1}\n")
    told = dnsctl("explain", "any.w.example.com", "A", "--work-tree", "--json", root=root)
    assert [each["step"] for each in told.json["steps"]] == ["wildcard", "answer"]
    assert told.json["answer"] == ["any.w.example.com. 3600 IN A 192.0.2.1"]


def test_work_tree_with_an_error_is_told(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml="'': {type: CNAME, value: example.net.}\n")
    told = dnsctl("explain", "www.example.com", "--work-tree", root=root)
    assert told.code == 1
    assert "cname-other-data" in told.err


def test_name_that_cannot_be_is_named_with_what_is_wrong(root: Path) -> None:
    assert dnsctl("explain", "a..b", root=root).line == "dnsctl: a..b: empty label; remove the doubled dot"
