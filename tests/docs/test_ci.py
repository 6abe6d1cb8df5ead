"""docs/ci: workflow files for three forges. What their check runs is run here, as it stands."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.shell import CONFIG

CI = Path(__file__).parents[2] / "docs" / "ci"
GOOD = "www: {type: A, value: 192.0.2.1}\n"
ROLES = ("AUTHOR", "COMMITTER")
WHO = {f"GIT_{role}_{what}": "a@example.net" for role in ROLES for what in ("NAME", "EMAIL")}


def jobs(forge: str) -> dict[str, Any]:
    """Return the jobs of a workflow by name."""
    found: dict[str, Any] = yaml.safe_load((CI / f"{forge}.yml").read_text())
    inner: dict[str, Any] = found if forge == "gitlab" else found["jobs"]
    return inner


def commands(job: dict[str, Any]) -> list[str]:
    """Return what a job runs, without what fetches or installs."""
    found = job.get("script") or [step["run"] for step in job["steps"] if "run" in step]
    return [each for each in found if not each.startswith("pip ")]


def bash(root: Path, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", text],
        cwd=root,
        env={**os.environ, **WHO, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone of an operations repo without keys, on a branch that changes a record."""
    (tmp_path / "ops/zones").mkdir(parents=True)
    (tmp_path / "ops/dnsctl.yaml").write_text(CONFIG)
    (tmp_path / "ops/zones/example.com.yaml").write_text(GOOD)
    bash(tmp_path / "ops", "git init -qb main; git add -A; git commit -qm first")
    bash(tmp_path, "git clone -q ops clone; cd clone; git checkout -qb topic")
    (tmp_path / "clone/zones/example.com.yaml").write_text(GOOD.replace("192.0.2.1", "192.0.2.2"))
    assert bash(tmp_path / "clone", "git commit -qam change").returncode == 0
    return tmp_path / "clone"


@pytest.mark.parametrize("forge", ["github", "forgejo", "gitlab"])
def test_check_of_a_forge_runs_as_it_stands_and_needs_no_secret(forge: str, root: Path) -> None:
    check = jobs(forge)["check"]
    assert not any(word in str(check).lower() for word in ("secret", "token", "passphrase", "keys/"))
    variables = {
        "GITHUB_STEP_SUMMARY": str(root / "summary"),
        "BASE": "origin/main",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": "origin/main",
    }
    text = "\n".join(commands(check))
    assert "dnsctl check" in text
    done = bash(root, text, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-   A 192.0.2.1\n+   A 192.0.2.2" in (root / "plan.md").read_text()
    (root / "zones/example.com.yaml").write_text("'': {type: CNAME, value: example.org.}\n")
    bash(root, "git commit -qam broken")
    assert bash(root, text, **variables).returncode != 0


@pytest.mark.parametrize("forge", ["github", "forgejo", "gitlab"])
def test_job_with_a_token_runs_nothing_of_a_pull_request(forge: str) -> None:
    comment = jobs(forge)["comment"]
    text = str(comment)
    assert "checkout" not in text
    assert "dnsctl" not in "\n".join(commands(comment))
    assert "plan.md" in text
