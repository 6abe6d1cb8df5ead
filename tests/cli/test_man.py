"""Manual pages: one for each command, from what `--help` says, and groff has nothing to object to."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dnsctl.cli.command_line.help import told_of
from dnsctl.cli.main import command_line
from dnsctl.cli.output import roff
from dnsctl.load.settings.examples import EXAMPLES
from dnsctl.load.settings.meanings import MEANINGS
from tests.cli.shell import dnsctl
from tests.peers import need


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("man")
    told = dnsctl("man", place)
    assert told.code == 0, told.err
    return place


def shown(page: Path) -> str:
    """Return a page as groff shows it on lines that never end, with one blank where there are several."""
    done = subprocess.run(
        (need("groff"), "-ww", "-man", "-Tutf8", "-P-cbou", "-rLL=1000n", "-rHY=0", str(page)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def commands(command: Any, ctx: typer.Context) -> Iterator[tuple[Any, typer.Context]]:
    yield command, ctx
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, typer.Context(each, parent=ctx, info_name=name))


def test_every_command_has_a_page_that_says_what_its_help_says(pages: Path) -> None:
    root: Any = command_line()
    names = set()
    for command, ctx in commands(root, typer.Context(root, info_name="dnsctl")):
        name = ctx.command_path.replace(" ", "-")
        names.add(f"{name}.1")
        text, told = (pages / "man1" / f"{name}.1").read_text("ascii"), told_of(command, ctx)
        for each in (*told.paragraphs, *(text for _, text in (*told.arguments, *told.options))):
            assert roff.words(each) in text
        for example in told.examples:
            assert roff.plain(example) in text
    assert {each.name for each in (pages / "man1").iterdir()} == names


@pytest.mark.parametrize("name", ["man1/dnsctl.1", "man1/dnsctl-zone-import.1", "man5/dnsctl-zonefile.5"])
def test_page_is_read_by_groff_without_a_warning(pages: Path, name: str) -> None:
    text = shown(pages / name)
    assert "NAME" in text and "SEE ALSO" in text
    if name.endswith("import.1"):
        assert "--tsig xfr.example:hmac-sha256:env:XFR" in text
        assert "dnsctl-zone(1), dnsctl(1), dnsctl.yaml(5)" in text


def test_page_of_settings_has_each_of_them_with_its_meaning_and_the_examples(pages: Path) -> None:
    text = shown(pages / "man5/dnsctl.yaml.5")
    for path, meaning in MEANINGS.items():
        assert f"{path} {' '.join(meaning.replace('`', '').split())} (" in text
    for example in EXAMPLES.values():
        assert " ".join(example.split()) in text


@pytest.mark.parametrize("text", [".so /etc/passwd", "'br", "\\fBx", "a `-b` c", "  x", "~^\"'`", "…é"])
def test_text_is_shown_as_it_is_whatever_roff_would_make_of_it(tmp_path: Path, text: str) -> None:
    page = tmp_path / "x.1"
    lines = [*roff.title("x", 1), *roff.heading(text), *roff.paragraph(text), *roff.example([text])]
    page.write_text("\n".join(lines) + "\n", "ascii")
    said = " ".join(text.split())
    assert f"{said.upper()} {said.replace('`', '') if text.count('`') > 1 else said} {said}" in shown(page)


def test_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "man1").write_text("")
    told = dnsctl("man", tmp_path)
    assert told.code == 1
    assert "man1" in told.line
