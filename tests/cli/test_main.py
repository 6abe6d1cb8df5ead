"""The frame: exit codes, one line a failure, no traceback, help with examples, completion."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import dnsctl.cli.check
import dnsctl.cli.main
from dnsctl import __version__
from dnsctl.cli.command_line.help import page
from dnsctl.cli.main import VERBS, command_line
from dnsctl.errors import NodeUnreachableError
from tests.cli.shell import CONFIG, process, repo
from tests.cli.shell import dnsctl as run


def test_version_is_printed():
    assert run("--version") == (0, f"dnsctl {__version__}\n", "")


def test_no_verb_prints_the_help_with_every_verb():
    told = run()
    assert told.code == 0
    assert all(verb in told.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_has_an_example(verb: str):
    told = run(verb, "--help")
    assert told.code == 0
    assert "Examples" in told.out
    assert f"dnsctl {verb}" in told.out or f"-C shop {verb}" in told.out


def commands(group: Any, path: str = "dnsctl") -> Iterator[tuple[str, Any]]:
    """Yield every command with how it is called."""
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from commands(each, f"{path} {name}")
        else:
            yield f"{path} {name}", each


def test_help_of_every_argument_and_option_says_what_it_is_for():
    found = [(called, each) for called, command in commands(command_line()) for each in command.params]
    assert len(found) > 40
    assert [(called, each.name) for called, each in found if not each.help] == []


def test_help_names_values_by_what_they_stand_for():
    found = [
        (called, each)
        for called, command in commands(command_line())
        for each in command.params
        if not getattr(each, "is_flag", False)  # a flag has no value
        and each.name not in ("digest", "form", "algorithm", "as_format")  # their values are listed
        and (called, each.name) != ("dnsctl key roll", "role")
    ]
    assert [(called, each.name) for called, each in found if not (each.metavar or "").isupper()] == []
    told = run("verify", "--help").out
    assert "[ZONE]..." in told and "[[ZONE]" not in told


@pytest.mark.parametrize("columns", [40, 59, 80, 200])
def test_help_of_every_command_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    for called, command in [("dnsctl", command_line()), *commands(command_line())]:
        told, limit = page(command, typer.Context(command, info_name=called)), min(columns, 100)
        assert [line for line in told.splitlines() if len(line) > limit and len(line.split()[0]) < 30] == []
        assert re.search(r"<[a-z]", told) is None, called  # a type, where no metavar is given


def test_example_that_is_broken_into_lines_is_the_same_to_a_shell(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, examples = run("push", "--help").out.split("Examples:\n")
    lines = examples.replace("\\\n", "").splitlines()
    assert ["dnsctl", "push", "--allow", "deletes", "--reason", "shop closed"] in map(shlex.split, lines)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--nope"], 1),
        (["chekc"], 1),
        (["check", "--nope"], 1),
        (["-C", "/nonexistent", "check"], 1),
        (["plan", "--nope"], 1),  # 2: there are changes
        (["-C", "/nonexistent", "plan"], 1),
        (["--nope", "plan"], 1),
        (["push", "--nope"], 1),
        (["rollback", "--nope"], 1),
        (["rollback", "first"], 1),
        (["verify", "--nope"], 2),  # 1: nodes drifted
        (["-C", "/nonexistent", "verify"], 2),
        (["--nope", "verify"], 2),
        (["-C", "verify", "plan"], 1),
    ],
)
def test_command_line_that_cannot_be_understood_is_one_line_and_the_verbs_code_for_errors(
    arguments: list[str], code: int
):
    told = run(*arguments)
    assert told.code == code
    assert told.out == ""
    assert told.line.startswith("dnsctl: ")
    assert "--help" in told.line


@pytest.mark.parametrize(
    ("arguments", "page"),
    [
        (["serve", "--zones"], "dnsctl serve --help"),
        (["serve", "--zones", ".", "--listen"], "dnsctl serve --help"),
        (["serve", "--zones", "."], "dnsctl serve --help"),
        (["chekc", "-C"], "dnsctl --help"),
        (["-C", "nowhere", "serve"], "dnsctl --help"),
    ],
)
def test_command_line_that_cannot_be_understood_names_the_page_that_explains_it(
    arguments: list[str], page: str
):
    assert f"see `{page}`" in run(*arguments).line


@pytest.mark.parametrize(
    ("verb", "code"), [("plan", 1), ("push", 1), ("rollback", 1), ("check", 1), ("status", 1), ("verify", 2)]
)
@pytest.mark.parametrize("settings", [None, "version: 2\n", "version: [\n"])
def test_settings_that_cannot_be_read_are_one_line_and_the_verbs_code_for_errors(
    tmp_path: Path, verb: str, code: int, settings: str | None
):
    if settings is not None:
        (tmp_path / "dnsctl.yaml").write_text(settings)
    told = run(verb, root=tmp_path)
    assert told.code == code
    assert told.out == ""
    assert told.line.startswith("dnsctl: ")


@pytest.mark.parametrize("arguments", [["example..com"], ["--site", "nowhere"]])
def test_verify_that_cannot_ask_never_says_that_nodes_drifted(tmp_path: Path, arguments: list[str]):
    assert run("verify", *arguments, root=repo(tmp_path)).code == 2


def test_mistyped_verb_is_told_the_nearest_one():
    assert "Did you mean 'check'" in run("chekc").line


def fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(dnsctl.cli.check, "check_work_tree", broken)


def test_error_of_ours_is_one_line_and_its_exit_code(monkeypatch: pytest.MonkeyPatch):
    fails_with(monkeypatch, NodeUnreachableError("no answer", where="ns1", advice="start it"))
    assert run("check") == (3, "", "dnsctl: ns1: no answer; start it\n")


def test_error_that_nobody_thought_of_is_one_line_without_traceback(monkeypatch: pytest.MonkeyPatch):
    fails_with(monkeypatch, RuntimeError("boom\nsecond line"))
    told = run("check")
    assert told.code == 1
    assert "internal error: RuntimeError: boom second line" in told.line
    assert "DNSCTL_DEBUG=1" in told.line


def test_traceback_is_shown_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DNSCTL_DEBUG", "1")
    fails_with(monkeypatch, RuntimeError("boom"))
    told = run("check")
    assert told.code == 1
    assert "Traceback (most recent call last)" in told.err


def test_error_of_the_system_names_the_file(monkeypatch: pytest.MonkeyPatch):
    fails_with(monkeypatch, PermissionError(13, "Permission denied", "/keys/x"))
    assert run("check") == (
        1,
        "",
        "dnsctl: /keys/x: Permission denied; check its owner and mode\n",
    )


def test_interrupt_is_exit_130(monkeypatch: pytest.MonkeyPatch):
    fails_with(monkeypatch, KeyboardInterrupt())
    told = run("check")
    assert told.code == 130
    assert "Traceback" not in told.err


def test_control_characters_never_reach_the_terminal(monkeypatch: pytest.MonkeyPatch):
    fails_with(monkeypatch, NodeUnreachableError("a\x1b]0;title\x07b\u202e"))
    assert run("check").line == "dnsctl: a\\x1b]0;title\\x07b\\u202e"


def test_output_that_nobody_reads_ends_quietly(tmp_path: Path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from dnsctl.__main__ import main; main()", "check", "--rules"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=30)
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == b""


def test_colour_is_for_terminals_only(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml="www: {type: CNAME, value: gone.example.com.}\n")
    told = process("check", root=root, TERM="xterm-256color", COLORTERM="truecolor")
    assert told.code == 0
    assert "\x1b" not in told.out + told.err


def test_shell_completion_offers_verbs_and_zones(tmp_path: Path):
    root = repo(tmp_path, CONFIG + "zone-files: [zones, dns]\n", example_com_yaml="", example_net_yaml="")
    (root / "dns/example.org.").mkdir(parents=True)
    for typed, expected in (
        ("dnsctl ch", "check"),
        ("dnsctl check example.n", "example.net"),
        ("dnsctl check example.o", "example.org"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", "from dnsctl.__main__ import main; main()"],
            env={
                **os.environ,
                "_DNSCTL_COMPLETE": "complete_bash",
                "COMP_WORDS": typed,
                "COMP_CWORD": str(typed.count(" ")),
            },
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert expected in done.stdout.split(), (done.stdout, done.stderr)


@pytest.mark.parametrize("after", [0.0, 0.1, 0.2])
def test_interrupt_while_modules_are_loaded_leaves_no_traceback(after: float):
    started = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "dnsctl", "check", "--rules"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    assert any("dnsctl.cli" in line for line in iter(started.stderr.readline, ""))  # it is being loaded
    time.sleep(after)
    started.send_signal(signal.SIGINT)
    _, told = started.communicate(timeout=60)
    assert "Traceback" not in told and "KeyboardInterrupt" not in told
    assert started.returncode in (-signal.SIGINT, 130, 0)


@pytest.mark.parametrize("verb", ["push", "rollback"])
def test_second_site_to_go_ahead_without_is_refused(verb: str, tmp_path: Path):
    told = run(verb, "--without", "dc1", "--without", "dc2", "--reason", "x", root=repo(tmp_path))
    assert told.code == 1
    assert "--without: names one site, and these are 2: dc1, dc2" in told.line
