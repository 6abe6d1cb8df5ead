"""What a command imports before it works: help and completion nothing of note, a verb what it needs."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dnsctl.cli.main import VERBS
from dnsctl.cli.plan import CHANGES
from tests.cli.shell import repo

ZONE = "mail: {type: A, value: 192.0.2.25}\n"
SIGNING = {"cryptography"}
SETTINGS = {"pydantic", "yaml"}
IMAGE = {"lmdb"}
FLEET = {"httpx", "asyncio", "ssl", "sqlite3"}
SERVER = {"numpy", "starlette", "uvicorn", "prometheus_client"}
WORKERS = {"multiprocessing"}
ELSEWHERE = {"rich", "pygments", "ruamel", "dnslib"}
HEAVY = {"dns", *SIGNING, *SETTINGS, *IMAGE, *FLEET, *SERVER, *WORKERS, *ELSEWHERE}
_SCRIPT = """
import contextlib, io, json, sys
from dnsctl.cli.main import run
told = io.StringIO()
with contextlib.redirect_stdout(told):
    code = run(json.loads(sys.argv[1]))
names = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
print(json.dumps([code, sorted(names)]))
"""


def imported(arguments: Sequence[str], root: Path, **variables: str) -> tuple[int, set[str]]:
    """Run a command line in a new process. Return its exit code, and the packages that it imported."""
    code, names = json.loads(run(root, _SCRIPT, json.dumps(arguments), **variables).stdout)
    return code, set(names)


def run(root: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python script in a new process, with these variables as well. It must end with 0."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=root,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repo(tmp_path_factory.mktemp("repo"), example_com_yaml=ZONE)


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_imports_nothing_that_verbs_work_with(verb: str, place: Path):
    code, names = imported([verb, "--help"] if verb else ["--help"], place)
    assert code == 0
    assert names & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--version"], ["chekc"], ["check", "--nope"], ["serve", "--sign"]])
def test_line_that_runs_no_verb_imports_nothing_that_verbs_work_with(arguments: list[str], place: Path):
    _, names = imported(arguments, place)
    assert names & HEAVY == set()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    "typed",
    ["dnsctl ch", "dnsctl check --js", "dnsctl check exam", "dnsctl push --allow del", "dnsctl explain mai"],
)
def test_completion_imports_nothing_that_verbs_work_with(typed: str, shell: str, place: Path):
    script = (
        "import atexit, sys\n"
        "told = lambda: print(*sorted({each.partition('.')[0] for each in sys.modules}), file=sys.stderr)\n"
        "atexit.register(told)\n"
        "from dnsctl.__main__ import main\n"
        "main()\n"
    )
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_TYPER_COMPLETE_ARGS": typed}
    done = run(place, script, **words, _DNSCTL_COMPLETE=f"complete_{shell}")
    assert typed.rsplit(maxsplit=1)[-1] in done.stdout
    assert set(done.stderr.split()) & HEAVY == set()


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (["check"], {"dns", *SETTINGS}),
        (["check", "--rules"], {"dns"}),
        (["zone", "list"], {"dns", *SETTINGS, *SIGNING, *IMAGE}),
        (["zone", "show", "example.com"], {"dns", *SETTINGS, *SIGNING, *IMAGE}),
        (["key", "list"], {"dns", *SETTINGS, *SIGNING}),
        (["explain", "mail.example.com", "A", "--work-tree"], {"dns", *SETTINGS, *SIGNING, *IMAGE}),
        (["schema"], {"dns", *SETTINGS, *SIGNING}),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_verb_imports_what_it_needs_and_no_other_heavy_package(
    arguments: list[str], needs: set[str], place: Path
):
    code, names = imported(arguments, place)
    assert code == 0
    assert names & HEAVY <= needs


def test_verify_imports_nothing_that_speaks_http_before_a_node_differs(place: Path) -> None:
    script = (
        "import sys, dnsctl.cli.verify\n"
        "print(*sorted({each.partition('.')[0] for each in sys.modules if sys.modules[each] is not None}))\n"
    )
    names = set(run(place, script).stdout.split())
    assert names & HEAVY == {"dns", "dnslib", *SETTINGS, *SIGNING, *IMAGE}


@pytest.mark.parametrize(
    "arguments", [["status"], ["plan"], ["push"], ["verify"], ["rollback"]], ids=" ".join
)
def test_verb_of_the_fleet_imports_no_server_and_no_arrays(arguments: list[str], place: Path):
    _, names = imported(arguments, place)
    assert names & (SERVER | WORKERS | ELSEWHERE - {"dnslib"}) == set()


def test_plan_offline_imports_nothing_that_speaks_to_nodes(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml=ZONE)
    for command in (("init", "-q"), ("add", "dnsctl.yaml", "zones"), ("commit", "-q", "-m", "Zones")):
        subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *command], cwd=root, check=True
        )
    code, names = imported(["plan", "--offline"], root)
    assert code == CHANGES
    assert names & HEAVY == {"dns", *SETTINGS, *SIGNING, *IMAGE}


def test_settings_are_read_by_one_validator_without_plugins_and_without_what_opens_keys(place: Path):
    script = (
        "import pathlib, sys\n"
        "from dnsctl.load.revision import WorkTree\n"
        "from dnsctl.load.settings.file import load_config\n"
        "load_config(WorkTree(pathlib.Path()))\n"
        "from pydantic.plugin import _loader\n"
        "from dnsctl.load.settings.values import Settings\n"
        "def those_below(kind):\n"
        "    return [kind, *(each for below in kind.__subclasses__() for each in those_below(below))]\n"
        "built = [each.__name__ for each in those_below(Settings) if each.__pydantic_complete__]\n"
        "print('cryptography' in sys.modules, _loader._plugins, *built)\n"
    )
    assert run(place, script).stdout == "False None Config\n"
