"""Run `dnsctl` in this process, as a shell would, and make operations repos to run it in."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dnsctl.cli.main import run

CONFIG = """\
version: 1
sites:
  dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}
  dc2: {nodes: {ns2: {listen: ["127.0.0.1:5302"], control: "https://127.0.0.1:8302"}}}
defaults:
  soa: {mname: ns1.example.net., rname: hostmaster.example.net.}
  ns: [ns1.example.net., ns2.example.net.]
"""


class Told(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """Return the one line on standard error."""
        [line] = self.err.splitlines()
        return line


def dnsctl(*arguments: str | Path, root: Path | None = None) -> Told:
    """Run a command line, with `-C root` where given."""
    place = ["-C", str(root)] if root is not None else []
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([*place, *map(str, arguments)])
    return Told(code, out.getvalue(), err.getvalue())


def process(*arguments: str | Path, root: Path, **variables: str) -> Told:
    """Run the same as a process of its own."""
    done = subprocess.run(
        (
            sys.executable,
            "-c",
            "from dnsctl.__main__ import main; main()",
            "-C",
            str(root),
            *map(str, arguments),
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **variables},
    )
    return Told(done.returncode, done.stdout, done.stderr)


def repo(root: Path, config: str = CONFIG, **zones: str) -> Path:
    """Write an operations repo; a zone's keyword is its file name with `_` for each dot."""
    (root / "zones").mkdir(parents=True, exist_ok=True)
    (root / "dnsctl.yaml").write_text(config)
    for name, text in zones.items():
        (root / "zones" / name.replace("_", ".")).write_text(text)
    return root


@contextlib.contextmanager
def inside(directory: Path) -> Iterator[None]:
    with contextlib.chdir(directory):
        yield
