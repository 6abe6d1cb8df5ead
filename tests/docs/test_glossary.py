"""The glossary tells a newcomer in which module each concept of DNS lives, and that module speaks of it."""

import ast
import re
from pathlib import Path

import pytest

import dnsctl

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
PACKAGE = Path(dnsctl.__file__).parent


def rows() -> list[tuple[str, str]]:
    """Return word and modules of each row of the part on DNS."""
    part = GLOSSARY.read_text("utf-8").split("## DNS\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    assert lines[0] == ["word", "meaning here", "lives in"]
    return [(line[0], line[-1]) for line in lines[2:]]


@pytest.mark.parametrize(("word", "modules"), rows())
def test_concept_lives_in_the_modules_that_the_glossary_names(word: str, modules: str) -> None:
    named = re.findall(r"`([\w.]+)`", modules)
    assert named, f"no module for {word}"
    for module in named:
        path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
        assert path.is_file(), f"{word}: there is no module {module}"
        told = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        for each in word.split(", "):
            spoken = re.search(rf"\b{re.escape(each)}", " ".join(told.split()), re.IGNORECASE)
            assert spoken, f"{module} does not begin with {each}"


def test_no_word_has_two_rows() -> None:
    lines = [each for each in GLOSSARY.read_text("utf-8").splitlines() if each.startswith("| ")]
    words = [each.strip("| ").split(" | ")[0] for each in lines if " | " in each]
    assert sorted(each for each in words if words.count(each) > 1) == ["word", "word"]


def test_glossary_has_the_words_that_a_newcomer_meets_first() -> None:
    assert {"apex", "RRset", "cut", "glue", "wildcard", "denial of existence", "serial"} <= {
        word for word, _ in rows()
    }
