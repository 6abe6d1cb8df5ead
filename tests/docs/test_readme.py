"""README's own commands, run as they stand there: whoever copies them line by line gets what it promises."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from dnsctl.demo.rehearsal import Rehearsal

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
_SECTION = re.search(r"^## Use it\n+```sh\n(.*?)```", README, re.MULTILINE | re.DOTALL)
COMMANDS = _SECTION[1].splitlines() if _SECTION else []
INSTALL, INIT, DAEMON = "pip install .", "dnsctl init ", "dnsctl control"
EXITS = {"dnsctl plan": 2}  # a line ends with 0, but this: there are changes
AUTHOR = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "Alex Example"), ("EMAIL", "alex@example.net"))
}
FREE_PORTS = f"{sys.executable} -c 'from tests.docs.test_readme import use_free_ports; use_free_ports()'"


def use_free_ports() -> None:
    """Let the nodes of the repo in this directory listen where nothing else does: tests run side by side."""
    Rehearsal(Path.cwd()).use_free_ports()


def script() -> str:
    """Return README's commands as a shell script that ends at the first that fails, and ends its servers."""
    lines = ["trap 'kill $(jobs -p); wait' EXIT"]
    for command in COMMANDS:
        if command.startswith(INSTALL):
            continue
        text = command.partition("#")[0].strip()
        if text == DAEMON:  # it runs until it is ended
            lines += [
                f"{text} >control.out 2>&1 &",
                _waiting('dnsctl status --json | grep \'"mode": "daemon"\''),
            ]
            continue
        lines.append(text if text.endswith("&") else f"{text}; [ $? = {EXITS.get(text, 0)} ] || exit 1")
        if text.startswith(INIT):
            lines.append(FREE_PORTS)
        if text == "dnsctl check":  # a person is as slow
            lines.append(_waiting("! dnsctl status --json | grep '\"reachable\": false'"))
    return "\n".join(lines)


def _waiting(command: str) -> str:
    """Return what waits until a command succeeds, and fails after a minute."""
    return f"timeout 60 bash -c {shlex.quote(f'until {command}; do sleep 0.2; done')} >waited.out || exit 1"


def test_commands_of_the_readme_end_with_a_verified_release(tmp_path: Path):
    assert [each for each in COMMANDS if each.startswith((INSTALL, INIT))]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ("bash", "-c", script()),
        cwd=tmp_path,
        env={**os.environ, **AUTHOR, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        told, also = shell.communicate(timeout=100)
    finally:
        with contextlib.suppress(ProcessLookupError):  # all have ended
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, also + told
    assert "is served and verified on ns1 and ns2" in told
    assert told.splitlines()[-1].startswith("consistent: generation 1")
