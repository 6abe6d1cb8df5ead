"""The command that gives DS to a registrar: what it gets, what its exit codes mean, and that it ends."""

import contextlib
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.model.name import from_text
from dnsctl.parent.hook import HookResult, run_hook

ZONE = from_text("child.example.")
DS = bytes.fromhex("30390d02" + "ab" * 32)
LINE = f"child.example. 3600 IN DS 12345 13 2 {'ab' * 32}\n"


def run(
    tmp_path: Path, script: str, *arguments: str, ds: tuple[bytes, ...] = (DS,), seconds: float = 20
) -> HookResult:
    program = tmp_path / "hook"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    environment = {"PATH": os.environ["PATH"]}
    patience = timedelta(seconds=seconds)
    return run_hook([str(program), *arguments], ZONE, ds, 3600, patience, tmp_path, environment)


def test_ds_comes_on_standard_input_and_the_zone_in_arguments_and_environment(tmp_path: Path) -> None:
    done = run(tmp_path, 'cat; echo "$1 $DNSCTL_ZONE"', "--zone={zone}")
    assert (done.outcome, done.reason) == ("done", "")
    assert done.printed.lower() == f"{LINE}--zone=child.example. child.example.".lower()


def test_input_is_empty_where_the_ds_is_to_go(tmp_path: Path) -> None:
    assert run(tmp_path, "wc -c", ds=()).printed == "0"


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    assert run(tmp_path, 'echo "$1"', "$(id); `id`; {zone}").printed == "$(id); `id`; child.example."


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        (0, "done", ""),
        (75, "later", "exit code 75"),
        (1, "refused", "exit code 1"),
        (2, "refused", "exit code 2"),
    ],
)
def test_exit_code_says_how_it_went(tmp_path: Path, code: int, outcome: str, reason: str) -> None:
    done = run(tmp_path, f"echo said; exit {code}")
    assert (done.outcome, done.printed) == (outcome, "said")
    assert done.reason.endswith(reason)


def _runs(process: str) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    return False


def test_command_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    done = run(tmp_path, "sleep 300 & echo $!; sleep 300", seconds=1)
    assert time.monotonic() - began < 60
    assert (done.outcome, done.reason) == ("later", f"{tmp_path}/hook: no end after 1 s")
    deadline = time.monotonic() + 60  # the kernel ends it when it next runs
    while _runs(done.printed):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_command_that_reads_nothing_or_says_too_much_does_no_harm(tmp_path: Path) -> None:
    done = run(
        tmp_path, "exec 0<&-; head -c 1000000 /dev/zero | tr '\\0' x; printf '\\033[2Jend'", ds=(DS,) * 2000
    )
    assert done.outcome == "done"
    assert len(done.printed) <= 4096
    assert done.printed.endswith("?[2Jend")


def test_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run_hook(["/none/such"], ZONE, (DS,), 3600, timedelta(seconds=1), tmp_path, {})
    assert (done.outcome, done.reason) == ("refused", "/none/such: No such file or directory")


@pytest.mark.parametrize("command", [["/bin/echo", "a\0b"], ["a\0b"], [""], ["/bin/echo", "\ud800"]])
def test_command_that_nothing_can_start_is_refused_and_raises_nothing(
    command: list[str], tmp_path: Path
) -> None:
    done = run_hook(command, ZONE, (DS,), 3600, timedelta(seconds=5), tmp_path, {})
    assert (done.outcome, done.printed) == ("refused", "")
    assert done.reason.isprintable()


def test_what_a_command_leaves_in_its_process_group_ends_with_it(tmp_path: Path) -> None:
    done = run(tmp_path, "sleep 300 >/dev/null 2>&1 & echo $!")
    assert done.outcome == "done"
    deadline = time.monotonic() + 60
    while _runs(done.printed):
        assert time.monotonic() < deadline
        time.sleep(0.05)
