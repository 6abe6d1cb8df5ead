"""English that reads at once: turns of phrase that a reader has to read twice are not in any text of ours."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("*.md", "docs/**/*.md", "dnsctl/**/*.py", "bench/**/*.py", "tests/**/*.py")
TEXTS = sorted(path for place in PLACES for path in ROOT.glob(place))
# "there is no X" is plain; "is no X", in place of "is not an X", is not.
NOT_AN_X = re.compile(r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b)[a-z]\w+", re.IGNORECASE)
ODD = re.compile(
    r"how manieth|lead nowhere|leads nowhere|from the cheap to the dear|so do siblings|what befalls|"
    r"ended from outside|history is another|let pass what",
    re.IGNORECASE,
)


@pytest.mark.parametrize("pattern", [NOT_AN_X, ODD], ids=["not an X", "odd"])
def test_no_text_has_what_must_be_read_twice(pattern: re.Pattern[str]):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in TEXTS
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []
