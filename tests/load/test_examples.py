"""Each rule of reading finds its fault in its example."""

from datetime import date

import pytest

from dnsctl.load.settings.file import parse_config
from dnsctl.load.zones import load_zones
from dnsctl.validate.run import validate
from tests.load.examples import FILES, FileExample
from tests.load.sources import CONFIG, MemorySource


@pytest.mark.parametrize(("rule", "example"), [pytest.param(*each, id=each[0]) for each in FILES.items()])
def test_file_that_breaks_a_rule_is_told_by_that_rule(rule: str, example: FileExample) -> None:
    source = MemorySource()
    for file in (example.file, *example.beside):
        source.put(f"zones/{file}", example.text)
    loaded = load_zones(source, parse_config(CONFIG.encode()), today=date(2026, 11, 21))
    judged = validate(loaded.zones, lambda _: {}, lambda _: None, partial=loaded.partial)
    assert rule in {each.rule for each in (*loaded.findings, *judged.findings)}
