"""docs/operations.md is run as it stands: every `sh` block, in order, on a fleet on loopback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dnsctl.demo.rehearsal import Rehearsal, rehearsal
from tests.scenarios.fleet import ask, is_up

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
STEP = re.compile(r"^```sh\n(?P<block>.*?)^```$|^<!-- test: (?P<note>.*?) -->$", re.MULTILINE | re.DOTALL)

ROLES = ("AUTHOR", "COMMITTER")


def steps() -> list[tuple[str, str]]:
    """Return (kind, text): blocks to run, and what the test must do between them."""
    return [
        ("block", found["block"]) if found["block"] is not None else ("note", found["note"])
        for found in STEP.finditer(PAGE.read_text())
    ]


def run_block(text: str, directory: Path) -> Path:
    """Run a block as an operator's shell would; return the directory it ends in."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    who = {f"GIT_{role}_{what}": "ops@example.net" for role in ROLES for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text + "\npwd"],
        cwd=directory,
        env={**os.environ, **who, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return Path(done.stdout.strip().rsplit("\n", 1)[-1])


def act(stage: Rehearsal, note: str) -> None:
    action, _, node = note.partition(" ")
    if action == "ports":
        stage.use_free_ports()
    elif action == "start":
        stage.start(node)
    elif action == "kill":
        stage.kill(node)
    elif action == "wait":
        stage.wait(lambda: same_serial(stage), f"{node} to catch up")
    else:
        pytest.fail(f"operations.md asks for {note!r}, which is nothing the test knows")


def same_serial(stage: Rehearsal) -> bool:
    if not all(is_up(stage, name) for name in stage.fleet):  # one that catches up is silent
        return False
    answers = [ask(stage, name, "example.com.", "SOA").answer for name in stage.fleet]
    return all(answers) and len({answer[0][0].serial for answer in answers}) == 1


@pytest.mark.timeout(900)  # more than a dozen pushes: minutes on a machine that is busy
def test_every_command_of_the_operations_page_works_as_written(tmp_path: Path):
    found = steps()
    assert sum(kind == "block" for kind, _ in found) >= 12
    directory = tmp_path
    with rehearsal(tmp_path / "dns") as stage:
        for kind, text in found:
            if kind == "block":
                up = list(stage.nodes)  # a new node is silent until it has heard the others
                stage.wait(lambda names=up: all(is_up(stage, each) for each in names), "answers of all nodes")  # type: ignore[misc]  # has a default
                directory = run_block(text, directory)
            else:
                act(stage, text)
        assert directory == tmp_path / "dns"
