"""`check` finds the same, in the same words and order, however many processes it is shared out among."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsctl.load import zones as loading
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import parse_config
from dnsctl.model.finding import Severity
from dnsctl.model.repo import ZONES
from dnsctl.publish import work_tree
from dnsctl.publish.work_tree import Checked
from dnsctl.validate import run
from tests.load.examples import FILES
from tests.load.sources import CONFIG
from tests.validate.examples import EXAMPLES

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CHECKS = "zones: {'*': {checks: {ttl-zero: warning, no-such-rule: off, mx-target-is-alias: off}}}\n"
APEX = (
    "$TTL 3600\n@ SOA ns1 hostmaster 1 2h 30m 14d 5m\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n"
)


def written(root: Path, chance: random.Random) -> None:
    """Write zones that break rules of reading and judging, and lead to one another."""
    directory = root / ZONES
    directory.mkdir(parents=True)
    (root / "common.yaml").write_text("{type: A, value: 192.0.2.7}\n")
    drawn = [
        *(each.text for each in FILES.values() if each.file.endswith(".yaml")),
        "www: !include ../common.yaml\nftp: !include ../none.yaml\n",
        "'': {type: ALIAS, value: www.z1.example.}\nwww: {type: A, value: 192.0.2.1}\n",
        "{providers: {a: {class: b}}, zones: {c: {sources: [a]}}}\n",
    ]
    for number, text in enumerate(chance.sample(drawn, 12)):
        octets = text if isinstance(text, bytes) else text.encode()
        (directory / f"y{number}.example.yaml").write_bytes(octets)
    for number, example in enumerate(chance.sample(list(EXAMPLES.values()), 12)):
        leading = f"lead MX 10 www.y{chance.randrange(12)}.example.\nalias CNAME www.z{number - 1}.example.\n"
        text = (APEX if example.apex else "") + example.breaks + "\n" + leading
        (directory / f"z{number}.example.zone").write_text(text)
    (directory / "z1.example.yml").write_text("")


def checked(root: Path, workers: int) -> Checked:
    return work_tree.check(WorkTree(root), parse_config((CONFIG + CHECKS).encode()), None, NOW, workers)


@pytest.mark.parametrize("seed", range(4))
def test_several_processes_find_what_one_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    for module in (loading, run):
        monkeypatch.setattr(module, "WORTH_A_PROCESS", 1)
    written(tmp_path, random.Random(seed))
    alone = checked(tmp_path, 1)
    assert alone.count(Severity.ERROR)
    assert alone.files >= 22
    for workers in (2, 5):
        assert checked(tmp_path, workers) == alone
