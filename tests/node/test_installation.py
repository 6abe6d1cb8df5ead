"""What the operations page and the unit say of setting up a node agrees, and is ours to install."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
UNIT = (DOCS / "systemd" / "dnsctl-node@.service").read_text()
OPERATIONS = (DOCS / "operations.md").read_text()
PAGES = sorted([*DOCS.rglob("*.md"), DOCS.parent / "README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_command_takes_the_program_from_the_public_index(page: Path):
    """The name `dnsctl` is a stranger's there."""
    for line in page.read_text().splitlines():
        assert not re.search(r"\b(pip3?|pipx) install +(-\S+ +)*dnsctl(\s|$)", line), line


def test_operations_page_says_whose_package_the_name_is():
    text = " ".join(OPERATIONS.split())
    assert "`dnsctl` on the public index, PyPI, is a stranger's package" in text
    assert text.count("dnsctl-*.whl") >= 3  # control host, copy, node


def test_unit_expects_the_files_that_the_page_copies():
    copied = re.search(r"rsync -aR (.+) root@", OPERATIONS)
    assert copied is not None
    expected = set()
    for directory, names in re.findall(r"(keys/(?:pki/)?)\{([^}]+)\}", UNIT):
        expected |= {directory + name for name in names.split(",")}
    assert {"dnsctl.yaml", *expected} == set(copied[1].split())
    for text in (UNIT, OPERATIONS):
        assert "keys/tsig/*" in text


def test_unit_points_to_no_file_that_nothing_installs():
    assert not re.findall(r"^Documentation=file:", UNIT, re.MULTILINE)


def test_links_within_the_operations_page_have_a_heading():
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", OPERATIONS)) <= headings


def test_unit_is_started_again_however_often_it_ends():
    unit, service = UNIT.split("[Service]")
    assert "StartLimitIntervalSec=0" in unit.splitlines()
    assert {"Restart=always", "RestartSec=100ms", "ExecReload=kill -HUP $MAINPID"} <= set(
        service.splitlines()
    )


def test_unit_lets_the_processes_of_a_node_see_one_another():
    """hidepid hides what dumps no core; the exporter and the supervisor look at the others in /proc."""
    assert not re.search(r"^ProtectProc=", UNIT, re.MULTILINE)
