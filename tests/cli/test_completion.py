"""What shells complete: the names that are in the operations repo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dnsctl.load.written_owners import MOST, owners_like, written_zones
from dnsctl.model.guard_names import GUARDS
from tests.cli.shell import CONFIG, dnsctl, inside, repo

YAML = """\
'': {type: A, value: 192.0.2.1}
# wwx: not an owner
www:
  type: A
  value: 192.0.2.80
'_dmarc':
  type: TXT
  value: v=DMARC1
"""
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    master = "$TTL 300\n@ A 192.0.2.1\nmail A 192.0.2.2\n\tTXT x\n$ORIGIN lab\na A 192.0.2.3\n; b A x\n"
    root = repo(tmp_path_factory.mktemp("repo"), CONFIG, example_com_yaml=YAML, example_net_zone=master)
    archive = root / "state/archive/releases"
    archive.mkdir(parents=True)
    for generation in (9, 10, 11):
        (archive / f"{generation:08d}.manifest").touch()
    return root


def completed(monkeypatch: pytest.MonkeyPatch, shell: str, typed: str) -> list[str]:
    """Return what the shell is told, a choice a line; zsh and fish show what it means behind it."""
    monkeypatch.setenv("_DNSCTL_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", typed)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" ")) - 1))
    told = dnsctl()
    assert told.err == ""
    lines = [line.removeprefix("_arguments '*: :((").removesuffix("))'") for line in told.out.splitlines()]
    return [line for line in lines if line]


def names(lines: list[str]) -> list[str]:
    return [line.partition("\t")[0].partition('":')[0].strip('"') for line in lines]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("dnsctl che", ["check"]),
        ("dnsctl check example.n", ["example.net"]),
        ("dnsctl zone show exam", ["example.com", "example.net"]),
        ("dnsctl verify --site d", ["dc1", "dc2"]),
        ("dnsctl push --without dc2", ["dc2"]),
        ("dnsctl serve --node ns", ["ns1", "ns2"]),
        ("dnsctl push --allow ds-m", ["ds-mismatch"]),
        ("dnsctl rollback 1", ["11", "10"]),
        ("dnsctl explain --at 1", ["11", "10"]),
        ("dnsctl explain ww", ["www.example.com"]),
        ("dnsctl explain mail.example.n", ["mail.example.net"]),
        ("dnsctl log a.", ["a.lab.example.net"]),
        ("dnsctl zone set _dmarc.", ["_dmarc.example.com"]),
        ("dnsctl zone unset exam", ["example.com", "example.net"]),
    ],
)
def test_names_are_completed(
    place: Path, monkeypatch: pytest.MonkeyPatch, shell: str, typed: str, expected: list[str]
):
    with inside(place):
        assert names(completed(monkeypatch, shell, typed)) == expected


@pytest.mark.parametrize("typed", ["dnsctl -C {} check example.n", "dnsctl check -C {} example.n"])
def test_names_are_those_of_the_repo_that_is_named(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
):
    with inside(tmp_path):
        assert completed(monkeypatch, "bash", typed.format(place)) == ["example.net"]
        assert completed(monkeypatch, "bash", "dnsctl check example.n") == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_guard_is_one_line_with_its_meaning(place: Path, monkeypatch: pytest.MonkeyPatch, shell: str):
    with inside(place):
        lines = completed(monkeypatch, shell, "dnsctl push --allow ")
    assert names(lines) == list(GUARDS)
    assert all(meaning[:20] in line for line, meaning in zip(lines, GUARDS.values(), strict=True))


@pytest.mark.parametrize(
    "settings", ["", "version: [\n", "sites: 1\n", "sites: {dc1: 2}\n", "sites: {dc1: {nodes: []}}\n"]
)
def test_settings_that_cannot_be_read_have_no_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str
):
    (tmp_path / "dnsctl.yaml").write_text(settings)
    with inside(tmp_path):
        for typed in ("dnsctl serve --node ", "dnsctl check ", "dnsctl rollback "):
            assert completed(monkeypatch, "bash", typed) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_script_for_the_shell_is_shown(monkeypatch: pytest.MonkeyPatch, shell: str):
    monkeypatch.setenv("_DNSCTL_COMPLETE", f"source_{shell}")
    assert "_DNSCTL_COMPLETE=complete_" in dnsctl().out


def test_bash_completes_by_the_script_that_is_shown(place: Path):
    script = (
        'dnsctl() { "$PYTHON" -c "from dnsctl.__main__ import main; main()" "$@"; }\n'
        'eval "$(_DNSCTL_COMPLETE=source_bash dnsctl)"\n'
        "COMP_WORDS=(dnsctl check example.n) COMP_CWORD=2\n"
        "_dnsctl_completion dnsctl example.n check\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    installed = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the script starts `dnsctl`
    variables = {**os.environ, "PYTHON": sys.executable, "PATH": installed}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=place,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("example.net\n", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\\x1b[2J: {type: A}\n", []),
        ("'a''b': {type: A}\n", ["a'b.example.com"]),
        ('"aa": {}\n', ["aa.example.com"]),
        ("a: &x {}\n<<: *x\n? a\n- a: 1\n", ["a.example.com"]),
        ("a: 1\r\nab:\r\n", ["a.example.com", "ab.example.com"]),
    ],
)
def test_owners_are_found_by_their_lines(tmp_path: Path, text: str, expected: list[str]):
    root = repo(tmp_path)
    (root / "zones/example.com.yaml").write_bytes(text.encode().replace(b"\\x1b", b"\x1b"))
    assert sorted(owners_like(written_zones(root), "a")) == expected


def test_files_that_cannot_be_read_and_names_that_no_terminal_shows_are_left_out(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml="www: {}\n")
    os.mkfifo(root / "zones/fifo.example.yaml")
    (root / "zones/dangling.example.yaml").symlink_to("nowhere")
    (root / "zones/x\x1b[2J.example.yaml").write_text("www: {}\n")
    assert list(owners_like(written_zones(root), "www")) == ["www.example.com"]


def test_no_more_is_looked_at_than_a_person_waits_for(tmp_path: Path):
    root = repo(tmp_path)
    line = "name-{:07}: {{type: A, value: 192.0.2.1}}\n"
    text = "".join(line.format(number) for number in range(2 * MOST // len(line)))
    (root / "zones/example.com.yaml").write_text(text)
    found = list(owners_like(written_zones(root), "name-"))
    assert 0 < len(found) < text.count("\n") * 0.2
    assert found[0] == "name-0000000.example.com"
    last = text[: MOST - 1000].splitlines()[-2].partition(":")[0] + ".example.co"
    assert list(owners_like(written_zones(root), last)) == [f"{last}m"], "the zone is the one that is meant"
