"""docs/configuration.md has all of dnsctl.yaml. `python -m tests.docs.test_configuration` writes it."""

from itertools import groupby
from pathlib import Path

import pytest

from dnsctl.load import yaml_nodes
from dnsctl.load.reference import Setting, reference
from dnsctl.load.schema import config_schema, settings
from dnsctl.load.settings.examples import EXAMPLES
from dnsctl.load.settings.file import parse_config
from dnsctl.load.settings.meanings import MEANINGS

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
WHOLE = "\n".join(EXAMPLES.values()) + "\n"


def sections() -> str:
    """Return a section for each setting at the top of the file: a table of all below it, and an example."""
    made: list[str] = []
    for name, found in groupby(reference(), lambda each: each.section):
        made += ["", f"## {name}", "", "| setting | value | default | meaning |", "|---|---|---|---|"]
        made += map(_row, found)
        made += ["", "```yaml", EXAMPLES[name], "```"]
    return "\n".join(made) + "\n"


def _row(each: Setting) -> str:
    return (
        f"| `{each.path}` | {each.kind} | {'required' if each.required else each.default} | {each.meaning} |"
    )


def paths(node: yaml_nodes.Node | None, known: set[str], path: str = "") -> set[str]:
    """Return the settings that a file has, as `MEANINGS` names them."""
    if isinstance(node, yaml_nodes.Sequence):
        return {found for each in node.items for found in paths(each, known, f"{path}[]")}
    if not isinstance(node, yaml_nodes.Mapping):
        return set()
    made: set[str] = set()
    for key, (_, value) in node.items.items():
        names = (f"{path}.{key}" if path else key, f"{path}.NAME")
        below = next((each for each in names if each in known), names[-1])
        made |= {below} | paths(value, known, below)
    return made


def test_page_has_the_sections_that_the_models_give() -> None:
    assert PAGE.read_text("utf-8").endswith(sections()), "run python -m tests.docs.test_configuration"


def test_examples_are_loaded_as_one_file_that_has_every_setting() -> None:
    parse_config(WHOLE.encode())
    known = {path for path, _ in settings(config_schema())}
    assert set(MEANINGS) - paths(yaml_nodes.compose(WHOLE.encode()), known) == set()


def test_every_section_has_an_example_of_itself() -> None:
    for name, text in EXAMPLES.items():
        tree = yaml_nodes.compose(text.encode())
        assert isinstance(tree, yaml_nodes.Mapping)
        assert list(tree.items) == [name]


def test_every_setting_has_a_meaning_and_every_meaning_a_setting() -> None:
    known = {path for path, _ in settings(config_schema())}
    assert set(MEANINGS) <= known
    assert all(each in MEANINGS or each.endswith("NAME") for each in known)


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("policies.NAME.algorithm", "ECDSAP256SHA256"),
        ("policies.NAME.beside", "off"),
        ("policies.NAME.lifetimes.zsk", "90d"),
        ("policies.NAME.lifetimes.csk", "unlimited"),
        ("policies.NAME.dnskey-ttl", "1h"),
        ("guards.deletes", "30%"),
        ("control.nightly", "02:30"),
        ("serve.cookies", "on"),
    ],
)
def test_schema_shows_editors_a_default_as_it_is_written_and_a_meaning(path: str, default: str) -> None:
    setting = dict(settings(config_schema()))[path]
    assert setting["default"] == default
    assert setting["description"] == MEANINGS[path]


if __name__ == "__main__":
    head = PAGE.read_text("utf-8").partition("\n## ")[0].rstrip("\n") + "\n"
    PAGE.write_text(head + sections(), "utf-8")
