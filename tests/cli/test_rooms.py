"""`dnsctl.cli`: one module a verb, none of which needs another. Below, zones are judged in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dnsctl
from dnsctl.cli.main import VERBS

ROOT = Path(dnsctl.__file__).parent
MODULES = {path.stem: path for path in (ROOT / "cli").glob("*.py")}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def test_each_module_is_a_verb_or_a_part_of_one_and_is_called_after_it():
    assert set(VERBS) <= MODULES.keys()
    others = MODULES.keys() - {"__init__", "main", *VERBS}
    assert [each for each in others if not each.startswith(VERBS)] == []


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_needs_another(verb: str):
    others = tuple(f"dnsctl.cli.{other}." for other in VERBS if other != verb)
    assert [each for each in imports(MODULES[verb]) if f"{each}.".startswith(others)] == []


def calls(name: str) -> set[str]:
    """Return the modules in which a function or method of that name is called."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func
                if name in (getattr(called, "attr", ""), getattr(called, "id", "")):
                    found.add(str(path.relative_to(ROOT)))
    return found


def test_nothing_below_the_verbs_prints():
    assert {each for each in calls("print") if not each.startswith("cli/")} == set()


def test_zones_are_judged_in_one_place():
    assert calls("validate") == {"publish/judgement.py"}
    assert calls("sign_zone") == {"publish/finish.py"}


def test_releases_get_into_an_image_in_one_place():
    assert calls("set_sealed") == {"replicate/staging.py"}


def test_whoever_else_writes_an_image_has_no_release_or_drops_it():
    of_no_fleet = {"startup/embedded.py", "library.py", "explain/explanation.py", "demo/forgery.py"}
    assert calls("trial") == {"publish/pipeline.py", "publish/within_zone.py", "control/keeping.py"}
    assert calls("writer") == {"replicate/staging.py", "image/store.py"} | of_no_fleet
    assert calls("fill") == {"publish/directory.py", "explain/explanation.py", "demo/forgery.py"}
