"""Every command where it cannot work: one line, one object, a way out; and no control character."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsctl.cli.main import command_line
from dnsctl.errors import RefusalRule
from tests.cli.shell import CONFIG, Told, dnsctl, repo
from tests.cli.test_main import commands

ODD = "\x1b]0;x\x07"  # sets the title of a terminal's window
VALUES = {"zone": "example.com", "name": "www.example.com", "rdtype": "A"}
ZONE = """\
"a\\e]0;x\\a": {type: TXT, value: "v\\e[2J\\u202e"}
www: {type: CNAME, value: "gone\\e.example.com."}
"""


COMMANDS = {
    tuple(called.split()[1:]): command
    for called, command in commands(command_line())
    if any(each.name == "as_json" for each in command.params)
}


def arguments(path: tuple[str, ...], value: str = "") -> list[str]:
    """Return a command line with all that a command needs: the usual, or `value` for each argument."""
    needed = [each for each in COMMANDS[path].params if each.param_type_name == "argument" and each.required]
    return [*path, *(value or VALUES.get(each.name, "192.0.2.1") for each in needed)]


def raw(text: str) -> set[str]:
    """Return what a terminal must not get."""
    return {
        each
        for each in text
        if (not each.isprintable() and each not in "\n\t") or "\u202a" <= each <= "\u202e"
    }


def complaints(told: Told) -> Iterator[str]:
    """Say what is wrong with how a failure was told."""
    if raw(told.out + told.err):
        yield f"control characters: {raw(told.out + told.err)}"
    if sum(line.startswith("dnsctl: ") for line in told.err.splitlines()) != 1:
        yield f"not one line: {told.err}"
    try:
        error = json.loads(told.out)["error"]
    except (ValueError, KeyError):
        yield f"not an object: {told.out}"
        return
    if (
        error["rule"] not in set(RefusalRule) - {RefusalRule.OTHER, RefusalRule.INTERNAL}
        or not error["advice"]
    ):
        yield f"no rule or no way out: {error}"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a directory of its own: a command may take anything for the name of a file to write."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("failures")


def test_every_command_tells_that_there_is_no_repo(place: Path) -> None:
    root = place / f"none{ODD}"
    root.mkdir()
    assert _found(root, {("init",), ("restore",), ("hook", "install")}) == {}


def test_every_command_tells_settings_that_cannot_be_read(place: Path) -> None:
    root = repo(place / f"broken{ODD}", CONFIG + f'"nope{ODD[1:-1]}\\a": 1\n')
    others = {("init",), ("restore",), ("hook", "install"), ("log",), ("key", "list")}  # read none
    assert _found(root, others) == {}


def _found(root: Path, left: set[tuple[str, ...]]) -> dict[tuple[str, ...], list[str]]:
    """Return what is wrong with the failure of each command but those that are `left` out."""
    told = {path: dnsctl(*arguments(path), "--json", root=root) for path in COMMANDS if path not in left}
    return {path: said for path, each in told.items() if (said := list(complaints(each)))}


def test_every_command_tells_an_argument_that_is_not_one(place: Path) -> None:
    root = repo(place / "plain", example_com_yaml="www: {type: A, value: 192.0.2.1}\n")
    found = {}
    for path in COMMANDS:
        told = dnsctl(*arguments(path, f"a{ODD}..b"), "--json", root=root)
        found[path] = [f"control characters: {each}" for each in raw(told.out + told.err)]
        if len(arguments(path)) > len(path) and path[0] not in ("backup", "init"):
            found[path] += complaints(told)
    assert {path: said for path, said in found.items() if said} == {}


def test_no_name_of_a_file_and_no_value_reaches_the_terminal_as_it_is(place: Path) -> None:
    root = repo(place / f"odd{ODD}", example_com_yaml=ZONE)
    zones = root / "zones"
    (zones / f"odd{ODD}.txt").write_text("x")
    (zones / f"odd{ODD}.example.yaml").write_text("")
    (zones / "example.net.zone").write_bytes(b'$TTL 300\nwww\x1b[2J TXT "a\x1b[2J"\nok TXT "a\\027[2J"\n')
    (root / "message").write_text(f"{ODD}\n")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-F", "message")):
        settings = ("-c", f"user.name=a{ODD}", "-c", "user.email=a@example.com")
        subprocess.run(("git", *settings, *command), cwd=root, check=True)
    lines = [
        *((*path, *arguments(path)[len(path) :]) for path in COMMANDS if path[0] not in ("init", "backup")),
        ("check",),
        ("zone", "list"),
        ("zone", "show", "example.com"),
        ("zone", "export", "example.com", "--unsigned"),
        ("zone", "set", "b.example.com", "TXT", f"v{ODD}"),
        ("zone", "set", f"a{ODD}.example.com", "TXT", "x"),
        ("explain", "b.example.com", "TXT", "--work-tree"),
        ("plan", "--markdown"),
        ("restore", "--list", f"no{ODD}"),
        ("zone", "import", "--octodns", f"no{ODD}"),
    ]
    told = [(line, dnsctl(*line, root=root)) for line in lines]
    assert [line for line, each in told if raw(each.out + each.err)] == []
