"""Changes to the work tree: validated, one at a time, and committed alone."""

import subprocess
import threading
from pathlib import Path

import pytest

from dnsctl.edit import zone_change
from dnsctl.edit.change import Wanted
from dnsctl.edit.zone_change import Commit, change_zone
from dnsctl.errors import DnsctlError, RevisionError
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.model.finding import Finding
from dnsctl.model.name import Name, from_text
from dnsctl.model.rrset import RRset, Type
from tests.cli.shell import dnsctl, repo

ZONE = "# web\nwww: {type: A, value: 192.0.2.80}\nlab:\n  type: NS\n  value: ns1.example.net.\n"


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Operator")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ops@example.net")
    return repo(tmp_path, example_com_yaml=ZONE)


def committed(root: Path) -> Path:
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def text(root: Path) -> str:
    return (root / "zones" / "example.com.yaml").read_text()


def test_set_changes_the_longest_zone_and_tells_what_is_there_now(root: Path) -> None:
    (root / "zones" / "lab.example.com.yaml").write_text("a: {type: A, value: 192.0.2.1}\n")
    told = dnsctl("zone", "set", "a.lab.example.com", "A", "192.0.2.2", "--ttl", "5m", "--json", root=root)
    assert told.json == {
        "zone": "lab.example.com.",
        "file": "zones/lab.example.com.yaml",
        "owner": "a.lab.example.com.",
        "type": "A",
        "ttl": 300,
        "values": ["192.0.2.2"],
        "changed": True,
        "commit": None,
    }
    assert text(root) == ZONE
    again = dnsctl("zone", "set", "a.lab.example.com", "A", "192.0.2.2", root=root)
    assert (again.code, again.out) == (0, "zones/lab.example.com.yaml: nothing to change\n")


def test_alias_is_left_to_a_person_in_yaml(root: Path) -> None:
    told = dnsctl("zone", "set", "a.example.com", "ALIAS", "www.example.com.", root=root)
    assert (told.code, "ALIAS stands in zone files in YAML only; write `type: ALIAS`" in told.line) == (
        1,
        True,
    )
    (root / "zones" / "example.net.zone").write_text("$TTL 300\na ANAME www.example.com.\n")
    assert "[unknown-type] ANAME stands in zone files in YAML only" in dnsctl("check", root=root).out
    assert text(root) == ZONE


def test_an_error_can_be_mended(root: Path) -> None:
    dnsctl("zone", "set", "lab.example.com", "NS", "ns.lab.example.com.", root=root)
    assert text(root) == ZONE, "glue is missing"
    (root / "zones" / "example.com.yaml").write_text(ZONE.replace("ns1.example.net.", "ns.lab.example.com."))
    assert dnsctl("zone", "set", "ns.lab.example.com", "A", "192.0.2.53", root=root).code == 0
    assert dnsctl("check", root=root).code == 0


def test_unset_takes_values_or_all_away(root: Path) -> None:
    dnsctl("zone", "set", "www.example.com", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3", root=root)
    told = dnsctl("zone", "unset", "www.example.com", "A", "192.0.2.2", "192.0.2.9", "--json", root=root)
    assert told.json["values"] == ["192.0.2.1", "192.0.2.3"]
    told = dnsctl("zone", "unset", "www.example.com", "A", root=root)
    assert told.out == "zones/example.com.yaml: www.example.com. A removed\n"
    assert text(root) == ZONE.replace("www: {type: A, value: 192.0.2.80}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("www.example.com", "CNAME", "other.example.net."), "cname-other-data"),
        (("www.example.com", "A", "192.0.2.256"), "192.0.2.256"),
        (("www.example.com", "MX", "10 mx"), "one label"),
        (("www.example.com", "NSEC", "x.example.com. A"), "is made by signing"),
        (("www.example.com", "AAA", "x"), "did you mean"),
        (("www.example.org", "A", "192.0.2.1"), "no zone here"),
        (("www.example.com", "A", "192.0.2.1", "--ttl", "soon"), "is not a TTL"),
        (("www.example.com", "A", "192.0.2.1", "--reason", "x"), "--commit"),
        (("www.example.com", "A", "192.0.2.1", "--commit"), "not a git repository"),
    ],
)
def test_what_cannot_be_changes_nothing(root: Path, arguments: tuple[str, ...], said: str) -> None:
    told = dnsctl("zone", "set", *arguments, root=root)
    assert told.code != 0
    assert said in told.err
    assert text(root) == ZONE


def test_a_master_file_is_changed_as_well(root: Path) -> None:
    file = root / "zones" / "example.org.zone"
    file.write_text("$TTL 300 ; kept\nwww A 192.0.2.1 ; web\n")
    assert dnsctl("zone", "set", "www.example.org", "A", "192.0.2.2", root=root).code == 0
    assert file.read_text() == "$TTL 300 ; kept\nwww A 192.0.2.2 ; web\n"
    told = dnsctl("zone", "unset", "www.example.org", "A", "--json", root=root)
    assert (told.json["changed"], told.json["values"]) == (True, [])
    assert file.read_text() == "$TTL 300 ; kept\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [("$GENERATE 1-2 www$ A 192.0.2.$", "$GENERATE makes it"), ("$INCLUDE more.inc", "is included")],
)
def test_what_a_directive_brings_is_left_to_a_person(root: Path, line: str, said: str) -> None:
    file = root / "zones" / "example.org.zone"
    file.write_text(f"$TTL 300\n{line}\n")
    (root / "zones" / "more.inc").write_text("www1 A 192.0.2.1\n")
    told = dnsctl("zone", "set", "www1.example.org", "A", "192.0.2.9", root=root)
    assert (told.code, said in told.line, "by hand" in told.line) == (1, True, True), told.err
    assert file.read_text() == f"$TTL 300\n{line}\n"


def test_a_commit_holds_this_file_alone(root: Path) -> None:
    committed(root)
    (root / "dnsctl.yaml").write_text((root / "dnsctl.yaml").read_text() + "# staged\n")
    git(root, "add", "dnsctl.yaml")
    arguments = (
        "zone",
        "set",
        "www.example.com",
        "A",
        "192.0.2.1",
        "--commit",
        "--reason",
        "moved",
        "--json",
    )
    told = dnsctl(*arguments, root=root)
    assert told.json["commit"] == git(root, "rev-parse", "HEAD").strip()
    assert git(root, "show", "--name-only", "--format=%B", "HEAD").split("\n") == [
        "zone set www.example.com A 192.0.2.1",
        "",
        "moved",
        "",
        "",
        "zones/example.com.yaml",
        "",
    ]
    assert git(root, "status", "--porcelain").split() == ["M", "dnsctl.yaml"]


def test_a_commit_takes_nothing_along_and_one_that_is_refused_changes_nothing(root: Path) -> None:
    committed(root)
    hook = root / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho 'not today' >&2\nexit 1\n")
    hook.chmod(0o755)
    told = dnsctl("zone", "set", "www.example.com", "A", "192.0.2.1", "--commit", root=root)
    assert (told.code, "not today" in told.line) == (1, True)
    assert text(root) == ZONE
    assert git(root, "status", "--porcelain") == ""
    (root / "zones" / "example.com.yaml").write_text(f"{ZONE}# mine\n")
    told = dnsctl("zone", "set", "www.example.com", "A", "192.0.2.1", "--commit", root=root)
    assert (told.code, "not committed" in told.line) == (1, True)
    assert text(root) == f"{ZONE}# mine\n"


def test_changes_that_run_at_once_are_all_there(root: Path) -> None:
    committed(root)
    tree = WorkTree(root)
    config = load_config(tree, fleet=False)
    failed: list[BaseException] = []
    failed_by: list[Finding] = []
    said: list[str] = []

    def change(count: int) -> None:
        owner = from_text(f"h{count}.example.com.")

        def wanted(origin: Name, _: RRset | None) -> Wanted:
            return Wanted(origin, owner, int(Type.A), [bytes((192, 0, 2, count))])

        try:
            change_zone(
                tree, config, owner, int(Type.A), Commit(f"h{count}"), wanted, failed_by.extend, said.append
            )
        except (DnsctlError, OSError, RevisionError) as error:
            failed.append(error)

    threads = [threading.Thread(target=change, args=(count,)) for count in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert (failed, failed_by, said) == ([], [], [])
    assert [f"h{count}:" in text(root) for count in range(6)] == [True] * 6
    assert sorted(git(root, "log", "-6", "--format=%s").split()) == [f"h{count}" for count in range(6)]


def test_a_file_that_would_read_otherwise_is_not_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in a change, what is read of it decides."""
    monkeypatch.setattr(zone_change, "changed", lambda data, *_: data.replace(b"lab:", b"lob:"))
    told = dnsctl("zone", "set", "www.example.com", "A", "192.0.2.1", root=root)
    assert (told.code, "would not be as wanted" in told.line) == (1, True)
    assert text(root) == ZONE


def test_a_commit_takes_a_path_as_it_is_and_not_as_a_pattern(tmp_path: Path, root: Path) -> None:
    settings = root / "dnsctl.yaml"
    settings.write_text(settings.read_text() + "zone-files: 'z[ab]*'\n")
    for name in ("z[ab]*", "za", "zb1"):
        (root / name).mkdir()
        (root / name / "example.com.yaml").write_text(ZONE)
    committed(root)
    for name in ("za", "zb1"):
        (root / name / "example.com.yaml").write_text(f"{ZONE}# changed\n")
    told = dnsctl("zone", "set", "www.example.com", "A", "192.0.2.1", "--commit", root=root)
    assert told.code == 0, told.err
    shown = git(root, "show", "-z", "--name-only", "--format=", "HEAD")
    assert shown.split("\0")[:-1] == ["z[ab]*/example.com.yaml"]


def test_at_sign_before_a_zone_is_refused_with_the_name_of_the_apex(root: Path) -> None:
    for verb in (("set", "@.example.com", "A", "192.0.2.1"), ("unset", "@.example.com", "A")):
        told = dnsctl("zone", *verb, root=root)
        assert (told.code, text(root)) == (1, ZONE)
        assert "write its name, example.com" in told.line


def test_label_at_sign_can_be_written_with_a_backslash(root: Path) -> None:
    told = dnsctl("zone", "set", "\\@.example.com", "TXT", "x", root=root)
    assert (told.code, told.out) == (0, 'zones/example.com.yaml: \\@.example.com. 3600 TXT "x"\n')
