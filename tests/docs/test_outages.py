"""docs/outages.md: each row names tests, and each test that it names is there."""

import ast
import re
from pathlib import Path

import pytest

from dnsctl.model.guard_names import GUARDS
from dnsctl.validate.rules import RULE_NAMES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "outages.md").read_text("utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]
NAMED = r"`(tests/[\w/]+\.py)::(\w+)`"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].split(",")[0])
def test_tests_that_a_row_names_are_there(row: list[str]) -> None:
    outage, *_, tests = row
    named = re.findall(NAMED, tests)
    assert named, f"{outage}: no test"
    assert re.sub(NAMED, "", tests).strip() == "", f"{outage}: more than tests"
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, (
            f"{path}: {name}"
        )


def test_every_test_of_an_outage_is_named() -> None:
    named = set(re.findall(NAMED, PAGE))
    for path in sorted((ROOT / "tests/outages").glob("test_*.py")):
        assert any(each == str(path.relative_to(ROOT)) for each, _ in named), path


def test_guards_and_rules_of_the_page_exist() -> None:
    checks = [word for row in ROWS for word in re.findall(r"(?<![\w/])`([a-z]+(?:-[a-z]+)+)`", row[2])]
    assert len(checks) >= 8
    assert set(checks) <= {*GUARDS, *RULE_NAMES}
