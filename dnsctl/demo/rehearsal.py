"""Two datacenters on this machine: an operations repo in its own directory, and its nodes as processes.

For `dnsctl demo`. Every command runs as a person would run it, in a process of its own. Whatever happens
inside the block, no process outlives it, and a directory that it made itself is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dnsctl.demo.ports import free_port
from dnsctl.errors import DnsctlError
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model.fleet import Endpoint, Node
from dnsctl.model.repo import Repo

PATIENCE = 60.0  # seconds that a node may take for anything
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COMMAND_LIMIT = 60.0  # seconds
_POLL = 0.02  # seconds
_AUTHOR = ("-c", "user.name=dnsctl demo", "-c", "user.email=demo@example.net", "-c", "commit.gpgsign=false")


class RehearsalError(DnsctlError):
    """A command of the rehearsal did not end as it must, or a node did not come up."""


@dataclass(frozen=True)
class Ran:
    """A command that ended: its exit code, and the lines it printed as results and to say what happened."""

    code: int
    lines: tuple[str, ...]
    told: tuple[str, ...] = ()


@dataclass
class Rehearsal:
    """The repo at `root`, and the processes of its nodes by name. Make it with `rehearsal`."""

    root: Path
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    fleet: dict[str, Node] = field(default_factory=dict)

    def run(self, *arguments: str, expect: tuple[int, ...] = (0,)) -> Ran:
        """Run `dnsctl` with `arguments` in the repo. Raises RehearsalError for an exit code not expected."""
        return self._run((sys.executable, "-m", "dnsctl", *arguments), ("dnsctl", *arguments), expect)

    def git(self, *arguments: str) -> Ran:
        """Run git in the repo, without the settings of the person who rehearses."""
        return self._run(("git", *_AUTHOR, *arguments), ("git", *arguments), (0,))

    def _run(self, command: tuple[str, ...], shown: tuple[str, ...], expect: tuple[int, ...]) -> Ran:
        try:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_COMMAND_LIMIT,
                check=False,
            )
        except FileNotFoundError:
            raise RehearsalError(
                f"{command[0]} is not installed", advice="install it and try again"
            ) from None
        except subprocess.TimeoutExpired:
            raise RehearsalError(f"`{' '.join(shown)}` did not end in {_COMMAND_LIMIT:.0f} s") from None
        ran = Ran(done.returncode, tuple(done.stdout.splitlines()), tuple(done.stderr.splitlines()))
        if ran.code not in expect:
            last = " | ".join((ran.told or ran.lines)[-3:]) or "it printed nothing"
            raise RehearsalError(f"`{' '.join(shown)}` ended with exit code {ran.code}: {last}")
        return ran

    def use_free_ports(self) -> None:
        """Replace the ports in dnsctl.yaml with ports that are free now."""
        path = Repo(self.root).config
        text = path.read_text("utf-8")
        taken: set[int] = set()
        for node in load_config(WorkTree(self.root)).nodes():
            control = Endpoint(node.listen[0].address, int(node.control.rpartition(":")[2]))
            for old in (*node.listen, control):
                taken.add(port := free_port(taken))
                text = text.replace(str(old), f"127.0.0.1:{port}")
        path.write_text(text, "utf-8")
        self.fleet = {node.name: node for node in load_config(WorkTree(self.root)).nodes()}

    def start(self, name: str) -> None:
        """Start a node as a person would, in a process group of its own; do not wait for it."""
        with self._log(name).open("ab") as log:
            self.nodes[name] = subprocess.Popen(
                (sys.executable, "-m", "dnsctl", "serve", "--node", name),
                cwd=self.root,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """End all processes of a node at once, as a power cut does."""
        process = self.nodes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait(self, condition: Callable[[], bool], what: str) -> float:
        """Poll until `condition` holds; return the seconds that took. Raises RehearsalError."""
        began = time.monotonic()
        while not condition():
            for name, process in self.nodes.items():
                if process.poll() is not None:
                    raise RehearsalError(
                        f"ended with exit code {process.returncode}: {self._last(name)}", where=name
                    )
            if time.monotonic() - began > PATIENCE:
                told = "; ".join(f"{name}: {self._last(name)}" for name in self.nodes)
                raise RehearsalError(f"{what} did not happen within {PATIENCE:.0f} s ({told})")
            time.sleep(_POLL)
        return time.monotonic() - began

    def close(self) -> None:
        """End every node: politely first, then for certain."""
        for process in self.nodes.values():
            process.terminate()
        ends = time.monotonic() + PATIENCE
        for process in self.nodes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, ends - time.monotonic()))
        for name in list(self.nodes):
            self.kill(name)
        for child in _children_in(
            self.root
        ):  # a command that a signal parted from us while it was being started
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def _log(self, name: str) -> Path:
        return Repo(self.root).state.directory / f"{name}.log"

    def _last(self, name: str) -> str:
        with contextlib.suppress(OSError, IndexError):
            return self._log(name).read_text("utf-8", "replace").splitlines()[-1]
        return "its log is empty"


@contextlib.contextmanager
def rehearsal(directory: Path | None) -> Iterator[Rehearsal]:
    """Yield a rehearsal in `directory`, which must be empty or not exist, or in a temporary one."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise RehearsalError("is not empty", where=str(directory), advice="name a directory that is")
    root = directory or Path(tempfile.mkdtemp(prefix="dnsctl-demo-"))
    stage = Rehearsal(root.resolve())
    try:
        Repo(root).state.directory.mkdir()
        yield stage
    finally:
        with _undisturbed():
            stage.close()
            if directory is None:
                shutil.rmtree(root, ignore_errors=True)


def _children_in(directory: Path) -> list[int]:
    """Return the process ids of our own children that work in `directory`."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/cwd").readlink() == directory:
                    found.append(int(child))
    return found


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait until the block has ended: an impatient second Ctrl-C must leave nothing behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def environment() -> dict[str, str]:
    """Return our environment, without colour and without git settings that point elsewhere."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return {
        **kept,
        "NO_COLOR": "1",
        "TERM": "dumb",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
