"""What the pages say of the daemon's jobs: each is there, by its name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dnsctl.control.daemon.table import JOBS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "list_of_jobs"),
    [
        ("operations.md", r"\| job \| how often \| does \|\n\|---.*?\n\n"),
        ("json.md", r"## status\n.*?`jobs\[\]\.job` [^\n]*"),
        ("json.md", r"## control\n.*?`jobs\[\]\.job` [^\n]*"),
        ("metrics.md", r"`dnsctl_control_job_well` \| `job` [^|]*"),
    ],
)
def test_page_names_every_job(page: str, list_of_jobs: str) -> None:
    found = re.search(list_of_jobs, (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert found is not None
    words = set(re.findall(r"[\w-]+", found[0]))
    assert [each.name for each in JOBS if each.name not in words] == []
