import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dnsctl.cli.main import run
from dnsctl.control.query_counts import NodeCounts, keep_counts
from dnsctl.image.store import Image
from dnsctl.load.revision import Revision
from dnsctl.load.settings.file import load_config
from dnsctl.model.name import from_text
from dnsctl.publish.commit import intent_of
from dnsctl.publish.pipeline import build, certify
from dnsctl.release.archive import Archive
from dnsctl.sign.keystore import Keystore
from tests.publish.host import adopt
from tests.release.releases import release_key

CONFIG = """\
version: 1
sites:
  dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}
defaults:
  ttl: 1h
  soa: {mname: ns1.example.net., rname: hostmaster.example.net.}
  ns: [ns1.example.net., ns2.example.net.]
"""
ZONE = """\
www: {type: A, value: 192.0.2.1}
mail: {type: A, ttl: 300, value: 192.0.2.2}
"""


class Repo:
    """An operations repo in git, and pushes to its control host's state."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")
        self.write("dnsctl.yaml", CONFIG)
        self.write(".gitignore", "/state/\n/keys/\n")
        self.commit(ZONE)

    def git(self, *arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@example.net", *arguments],
            cwd=self.root,
            check=True,
        )

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self, zone: str, file: str = "zones/example.com.yaml") -> None:
        self.write(file, zone)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a change")

    def push(self) -> None:
        source = Revision(self.root, "HEAD")
        now, keys = datetime.now(UTC), (release_key(),)
        keystore = Keystore(self.root / "keys", lambda: b"passphrase")
        with Image.open(self.root / "state" / "image", readonly=False) as image:
            release = build(intent_of(source, load_config(source)), keystore, keys, image, now)
            assert release is not None
            archive = Archive(self.root / "state" / "archive")
            keystore.store(release.new_keys)
            adopt(release, certify(release.manifest, keys, now), image, archive)

    def files(self) -> dict[str, bytes]:
        """Return all files but LMDB's reader table, and what was remembered to be faster the next time."""
        return {
            str(path): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".git" not in path.parts and path.name not in ("lock.mdb", "memory.db")
        }


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


def _plan(repo: Repo, *options: str) -> int:
    return run(["-C", str(repo.root), "plan", *options])


def _json(repo: Repo, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    _plan(repo, "--json", *options)
    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    return made


def test_first_plan_shows_the_whole_zone_and_the_key_that_would_be_made(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    before = repo.files()
    assert _plan(repo) == 2
    out = capsys.readouterr().out
    assert "example.com. new" in out
    assert "+ www 3600 A 192.0.2.1" in out
    assert "+ @ 3600 SOA ns1.example.net. hostmaster.example.net. SERIAL 7200 " in out
    assert "DNSSEC: signing starts (ECDSAP256SHA256, nsec)" in out
    assert "a new csk is made" in out
    assert repo.files() == before


def test_first_plan_of_split_keys_tells_of_both(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.write("dnsctl.yaml", CONFIG + "policies: {standard: {keys: ksk+zsk}}\n")
    repo.commit(ZONE)
    assert _plan(repo) == 2
    assert "a new ksk and a new zsk are made, neither is in the keystore" in capsys.readouterr().out


def test_nothing_to_release_exits_0(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.push()
    before = repo.files()
    assert _plan(repo) == 0
    assert "Nothing to release" in capsys.readouterr().out
    assert repo.files() == before


def test_change_shows_old_and_new_ttl_and_rdata(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.push()
    repo.commit("mail: {type: A, ttl: 60, value: 192.0.2.9}\nftp: {type: A, value: 192.0.2.3}\n")
    assert _plan(repo) == 2
    out = capsys.readouterr().out
    for line in (
        "+ ftp 3600 A 192.0.2.3",
        "- www 3600 A 192.0.2.1",
        "~ mail 300 -> 60 A",
        "  - A 192.0.2.2",
        "  + A 192.0.2.9",
        "(www.example.com. no longer exists: NXDOMAIN)",
        "1 zone of 1; RRsets: 1 to add, 1 to update, 1 to delete",
    ):
        assert line in out


def test_change_soon_after_a_ttl_was_lowered_is_told(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.push()
    repo.commit(ZONE.replace("type: A, value: 192.0.2.1}", "type: A, ttl: 60, value: 192.0.2.1}"))
    repo.push()
    repo.commit(ZONE.replace("type: A, value: 192.0.2.1}", "type: A, ttl: 60, value: 192.0.2.9}"))
    assert run(["-C", str(repo.root), "plan", "--offline", "--json"]) == 2
    [zone] = json.loads(capsys.readouterr().out)["zones"]
    [effect] = [each for each in zone["effects"] if each["effect"] == "ttl-lowered"]
    assert effect["owner"] == "www.example.com."
    assert "was lowered from 1h to 1m" in effect["message"]


def test_json_has_stable_keys(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.push()
    repo.commit("mail: {type: A, ttl: 60, value: 192.0.2.2}\nwww: {type: A, value: 192.0.2.1}\n")
    made = _json(repo, capsys)
    assert made.keys() == {
        "commit",
        "against",
        "totals",
        "zones",
        "guards",
        "aliases",
        "approved",
        "rules",
        "queries",
        "settings",
    }
    assert made["against"]["generation"] == 1
    assert made["totals"] == {"zones": 1, "unchanged": 0, "added": 0, "deleted": 0, "updated": 1}
    (zone,) = made["zones"]
    assert zone["serial"]["after"] > zone["serial"]["before"]
    (record,) = zone["records"]
    assert record["change"] == "update"
    assert record["before"] == {"ttl": 300, "values": ["192.0.2.2"]}
    assert record["after"] == {"ttl": 60, "values": ["192.0.2.2"]}
    assert record["position"].startswith("zones/example.com.yaml:1")


def test_dirty_work_tree_is_warned_of_and_not_planned(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.push()
    repo.write("zones/example.com.yaml", "www: {type: A, value: 192.0.2.77}\n")
    assert _plan(repo) == 0
    told = capsys.readouterr()
    assert "zones/example.com.yaml differs from HEAD" in told.err
    assert "192.0.2.77" not in told.out
    repo.write("zones/example.net.yaml", "www: {type: A, value: 192.0.2.77}\n")
    assert _plan(repo) == 0
    assert "and 1 more differ from HEAD" in capsys.readouterr().err


def test_two_revisions_are_compared_without_a_release(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.commit(ZONE + "ftp: {type: A, value: 192.0.2.3}\n")
    assert _plan(repo, "--against", "HEAD~1") == 2
    assert "+ ftp 3600 A 192.0.2.3" in capsys.readouterr().out
    assert _plan(repo, "--against", "HEAD") == 0
    assert _plan(repo, "--rev", "HEAD~1", "--against", "HEAD") == 2
    assert "- ftp 3600 A 192.0.2.3" in capsys.readouterr().out


def test_two_revisions_differ_in_who_may_release_and_in_settings_of_nodes(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    between = ("--against", "HEAD~1")
    rules = CONFIG + "branch: main\ncommits: {allowed-signers: signers}\n"
    repo.write("signers", "")
    repo.write("dnsctl.yaml", rules)
    repo.commit(ZONE)
    assert _plan(repo, *between) == 2
    assert "Changes who may release: branch, those who may sign\n" in capsys.readouterr().out
    repo.write("signers", "alice@example.net ssh-ed25519 AAAA\n")
    repo.commit(ZONE + "ftp: {type: A, value: 192.0.2.3}\n")
    assert _json(repo, capsys, *between)["rules"] == ["those who may sign"]
    assert _plan(repo, *between, "--markdown") == 2
    out = capsys.readouterr().out
    assert "Changes who may release: those who may sign\n" in out and "+ ftp 3600 A 192.0.2.3" in out
    repo.write("dnsctl.yaml", rules.replace("5301", "5302"))
    repo.commit(ZONE)
    assert [each["setting"] for each in _json(repo, capsys, *between)["settings"]["changes"]] == [
        "sites.dc1.nodes.ns1.listen"
    ]


def test_removed_zone_is_a_guard_with_the_way_to_allow_it(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.commit(ZONE, "zones/example.org.yaml")
    repo.push()
    (repo.root / "zones" / "example.org.yaml").unlink()
    repo.commit(ZONE)
    assert _plan(repo) == 2
    out = capsys.readouterr().out
    assert "guard removed-zone" in out
    assert "--allow removed-zone --reason" in out
    assert "1 zone with all" in out and "RRsets removed" in out


def test_zone_with_errors_stops_the_plan_and_names_the_place(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.commit("www: {type: A, value: 192.0.2.256}\n")
    assert _plan(repo) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("zones/example.com.yaml:1") == 1
    assert told.err.splitlines()[-1] == "dnsctl: 1 error, named above; correct what is named, and commit it"


def test_warnings_are_listed_beside_errors_as_check_lists_them(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.commit("www: {type: A, value: 192.0.2.256}\nmail: {type: A, value: 192.0.2.25, colour: red}\n")
    assert _plan(repo) == 1
    told = capsys.readouterr()
    assert "warning: [unknown-key]" in told.err or "warning [unknown-key]" in told.err
    assert told.err.splitlines()[-1] == "dnsctl: 1 error, named above; correct what is named, and commit it"


def test_offline_plan_says_that_no_node_is_asked(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert _plan(repo, "--offline") == 2
    assert "offline: compared with what this host knows" in capsys.readouterr().err
    assert _plan(repo, "--against", "HEAD", "--offline") == 0
    assert "offline" not in capsys.readouterr().err


def test_outside_a_repo_is_told_as_other_verbs_tell_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for verb in ("plan", "check"):
        assert run(["-C", str(tmp_path), verb]) == 1
        told.append(capsys.readouterr())
    assert told[0] == told[1]
    assert "dnsctl init" in told[0].err


def test_no_git_repository_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dnsctl.yaml").write_text(CONFIG)
    assert run(["-C", str(tmp_path), "plan"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("dnsctl: ")
    assert "git" in told.err
    assert len(told.err.splitlines()) == 1


def test_unknown_revision_is_one_line(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert _plan(repo, "--rev", "nonesuch") == 1
    assert "there is no commit 'nonesuch'" in capsys.readouterr().err


def _markdown(repo: Repo, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert _plan(repo, "--markdown") == 2
    return capsys.readouterr().out.splitlines()


def test_share_of_the_last_days_queries_is_told(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.push()
    repo.commit(ZONE.replace("192.0.2.1", "192.0.2.9"))
    assert _json(repo, capsys)["queries"] is None
    path, now, com = repo.root / "state/queries.db", datetime.now(UTC), from_text("example.com.")
    for hours, count in ((3, 100), (0, 350)):
        keep_counts(path, {"ns1": NodeCounts(10 * count, {com: count})}, now - timedelta(hours=hours))
    told = _json(repo, capsys)["queries"]
    assert (told["nodes"], told["total"], told["touched"]) == (["ns1"], 2500, 250)
    assert told["zones"] == [{"zone": "example.com.", "queries": 250}]
    line = "Queries of the last 3h to zones that change: 250 of 2500 (10%: example.com. 250), at ns1"
    assert _plan(repo) == 2
    assert line in capsys.readouterr().out.splitlines()
    assert line in _markdown(repo, capsys)


def test_plan_in_markdown_is_a_diff_that_nothing_in_a_file_breaks_out_of(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.push()
    hostile = 't: {type: TXT, value: "```` <script>alert(1)</script> @everyone \\e[31m"}\n'
    repo.commit(ZONE.replace("192.0.2.1", "192.0.2.9") + hostile)
    told = _markdown(repo, capsys)
    assert told[:3] == ["### dnsctl plan", "", "```text"]
    fence = told.index("`````diff")
    assert told[fence + 1].startswith("@@ example.com. changed, serial ")
    assert [each for each in told if each.startswith("+ t ")] == [
        '+ t 3600 TXT "```` <script>alert(1)</script> @everyone \\027[31m"'
    ]
    at = told.index("! www 3600 A")
    assert told[at + 1 : at + 3] == ["-   A 192.0.2.1", "+   A 192.0.2.9"]
    assert told[-1] == "`````"
    assert not any(each.startswith("<details>") for each in told)


def test_plan_in_markdown_folds_many_changes_and_keeps_below_what_forges_take(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    many = "".join(f"h{number}: {{type: TXT, value: {'x' * 200}}}\n" for number in range(101))
    repo.commit(ZONE + many)
    told = _markdown(repo, capsys)
    assert any(re.fullmatch(r"<details><summary>1 zone with 10\d RRsets</summary>", each) for each in told)
    assert told[-1] == "</details>"
    repo.commit(ZONE + "".join(many.replace("h", letter, 101) for letter in "abcd"))
    told = _markdown(repo, capsys)
    assert "and more: see `dnsctl plan`" in told
    assert len("\n".join(told)) < 65_536


def test_plan_in_markdown_says_what_guards_refuse_first(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.push()
    (repo.root / "zones/example.com.yaml").unlink()
    repo.commit(ZONE, "zones/example.org.yaml")
    told = _markdown(repo, capsys)
    refused = told.index("**A push is refused** without `--allow removed-zone --reason TEXT`:")
    assert told[refused + 3].startswith("example.com.: [removed-zone] ")
    assert refused < told.index("```diff")
