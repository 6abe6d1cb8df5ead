"""What ended a command, by the id of its rule: one object with --json, and one line beside it."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dnsctl
from dnsctl import errors
from dnsctl.errors import DnsctlError, RefusalRule
from dnsctl.publish.guards import GuardRefusedError, GuardVerdict, enforce
from tests.cli import shell
from tests.refusals import refused_by

PACKAGE = Path(dnsctl.__file__).parent
ZONE = "mail: {type: A, value: 192.0.2.25}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shell.repo(tmp_path, example_com_yaml=ZONE)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("zone", "show", "example.net"), RefusalRule.ZONE_UNKNOWN),
        (("zone", "show", "a..b"), RefusalRule.NAME_SYNTAX),
        (("check", "--nope"), RefusalRule.COMMAND_LINE),
        (("chekc",), RefusalRule.COMMAND_LINE),
        (("status",), RefusalRule.PASSPHRASE),
        (("explain", "mail.example.com"), RefusalRule.NOTHING_RELEASED),
        (("push", "--allow", "removed-zone"), RefusalRule.REASON_MISSING),
        (("push", "--allow", "force", "--reason", "x"), RefusalRule.GUARD_UNKNOWN),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_failure_is_one_object_with_the_id_of_its_rule(
    arguments: tuple[str, ...], rule: RefusalRule, root: Path
):
    plain, told = (shell.dnsctl(*arguments, *more, root=root) for more in ((), ("--json",)))
    assert told.json["error"]["rule"] == rule
    assert told.json["error"]["message"] in told.err
    assert (plain.code, plain.out, plain.err) == (told.code, "", told.err)


def test_missing_settings_are_told_by_their_rule(tmp_path: Path):
    assert shell.dnsctl("check", "--json", root=tmp_path).json["error"]["rule"] == "config"


def test_bug_is_told_by_its_rule(root: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("dnsctl.cli.check.check_work_tree", broken)
    assert shell.dnsctl("check", "--json", root=root).json["error"]["rule"] == "internal"


def test_failure_that_nobody_reads_has_the_exit_code_of_the_failure(root: Path):
    reader, writer = os.pipe()
    os.close(reader)
    script = "from dnsctl.__main__ import main; main()"
    try:
        done = subprocess.run(
            (sys.executable, "-c", script, "-C", str(root), "zone", "show", "example.net", "--json"),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_refusal_of_guards_has_all_of_them():
    found = (GuardVerdict("deletes", None, "9 of 10"), GuardVerdict("updates", None, "8 of 10"))
    with refused_by(RefusalRule.GUARD, "(and 1 more)") as caught:
        enforce(found, ())
    assert isinstance(caught.value, GuardRefusedError)
    assert caught.value.verdicts == found


def _classes(root: type[DnsctlError]) -> Iterator[type[DnsctlError]]:
    for each in root.__subclasses__():
        yield each
        yield from _classes(each)


def test_each_kind_of_error_has_a_rule_of_its_own():
    named = [each for each in _classes(DnsctlError) if each.__module__ == errors.__name__]
    assert [each.__name__ for each in named if each.rule is RefusalRule.OTHER] == []


def test_error_of_no_kind_names_its_rule():
    unnamed = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "DnsctlError"
        and not any(each.arg == "rule" for each in node.keywords)
    ]
    assert unnamed == []


def test_rules_are_listed_by_their_ids():
    ids = [str(each) for each in RefusalRule]
    assert ids == sorted(ids, key=lambda each: each.replace("-", " "))
