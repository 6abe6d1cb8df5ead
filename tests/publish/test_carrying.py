"""A commit that is judged by what is remembered has the zones and the findings of a full load.

Histories are drawn: files edited, renamed and removed, settings changed, days gone by, in zones that lead to
one another. After each step, both are compared.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from dnsctl.load import zones as loading
from dnsctl.load.revision import Revision, Source
from dnsctl.load.settings.file import load_config
from dnsctl.load.zone_files import ZoneFiles
from dnsctl.model.alias import Known, Resolve, Unresolved, ask_nobody
from dnsctl.model.finding import Finding
from dnsctl.model.name import Name, to_text
from dnsctl.publish import carrying
from dnsctl.publish.commit import intent_of
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Intent
from dnsctl.publish.memory import Memory

APEXES = ("example.com", "sub.example.com", "a.sub.example.com", "example.net", "example.org", "example")
TARGETS = tuple(f"{host}.{apex}." for apex in APEXES for host in ("www", "mail", "ns1"))
SETTINGS = """\
version: 1
sites:
  dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}
defaults:
  soa: {mname: ns1.example.net., rname: hostmaster.example.net.}
  ns: [ns1.example.net., ns2.example.net.]
"""
TOLD = ", ".join(
    f"{each}: warning"
    for each in (
        "mx-target-resolves", "ns-target-resolves", "ns-target-is-alias", "cname-loop", "dname-below",
        "glue-missing",
    )
)  # fmt: skip
LENIENT = f"zones:\n  '*': {{checks: {{{TOLD}}}}}\n"
OTHER = "  example.org: {dnssec: other}\n"
MORE_SETTINGS = (
    LENIENT,
    LENIENT + "  example.org: {dnssec: none}\n",
    LENIENT + "  example.net: {checks: {cname-target-resolves: error, no-such-rule: error}}\n",
    LENIENT + "  missing.example: {}\nparents:\n  standard: {ours: leave}\n",
    "policies: {other: {denial: nsec3}}\n" + LENIENT + OTHER,
    "policies: {standard: {dnskey-ttl: 2h}}\n" + LENIENT,
    "zones:\n  '*.com': {checks: {mx-target-resolves: off}}\n",
    LENIENT + "  example.org: {certificates: {'': ca.example.net, www: ca.example.org}}\n",
)
DAY = date(2026, 6, 1)


class History:
    """A repo whose commits are drawn."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.rng, self.day = root, random.Random(seed), DAY
        self.good = "HEAD"  # the last commit without errors
        self.git("init", "-q")
        self.write("dnsctl.yaml", SETTINGS + LENIENT)
        self.write("shared.yml", "{type: A, value: 192.0.2.1}\n")
        for apex in self.rng.sample(APEXES, 4):
            self.write(f"zones/{apex}.yaml", "www: {type: A, value: 192.0.2.1}\n")

    def git(self, *arguments: str, check: bool = True) -> int:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.net", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", *identity, *arguments], cwd=self.root, check=check).returncode

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "step")

    def go_back(self) -> None:
        """Commit the last state that had no error."""
        self.git("read-tree", "-u", "--reset", self.good)
        self.commit()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(exist_ok=True)
        (self.root / path).write_text(text)

    def zone(self, apex: str) -> str:
        rng = self.rng
        part = "part.yaml" if (self.root / "zones/part.yaml").exists() else "../shared.yml"
        drawn = rng.sample(
            (
                "www: {type: A, value: 192.0.2.1}",
                f"www: {{type: CNAME, value: {rng.choice(TARGETS)}}}",
                f"mail: {{type: A, value: 192.0.2.{rng.choice((*range(20), 300))}}}",
                f"mail: {{type: CNAME, value: {rng.choice(TARGETS)}}}",
                f"'': {{type: MX, value: '10 {rng.choice(TARGETS)}'}}",
                f"sub: {{type: NS, values: [ns1.example.net., {rng.choice(TARGETS)}]}}",
                "ns1: {type: A, value: 192.0.2.53}",
                f"'': {{type: CAA, value: '0 issue ca.{rng.choice(APEXES)}'}}",
                f"_dmarc: {{type: TXT, value: 'v=DMARC1\\; p=none\\; rua=mailto:a@{rng.choice(APEXES)}'}}",
                "example.org._report._dmarc: {type: TXT, value: v=DMARC1}",
                "dated: {type: A, value: 192.0.2.9, expires: 2026-06-20}",
                f"d: {{type: DNAME, value: {rng.choice(APEXES)}.}}",
                "'*': {type: TXT, value: any}",
                "included: !include ../shared.yml",
                f"part: !include {part}",
                f"a: {{type: ALIAS, value: {rng.choice(TARGETS)}}}",
            ),
            rng.randrange(1, 5),
        )
        child = {"example.com": "sub", "sub.example.com": "a"}.get(apex)
        if child is not None and rng.random() < 0.7:
            drawn.append(f"{child}: {{type: NS, values: [ns1.example.net., ns2.example.net.]}}")
        return "".join(f"{each}\n" for each in {each.partition(":")[0]: each for each in drawn}.values())

    def step(self) -> None:
        rng, zones = self.rng, sorted((self.root / "zones").glob("*.yaml"))
        what = rng.randrange(14)
        if what > 11:
            self.merge()
        elif what < 6 or not zones:
            apex = rng.choice(APEXES)
            self.write(f"zones/{apex}.yaml", self.zone(apex))
        elif what == 6:
            rng.choice(zones).unlink()
        elif what == 7:
            zones[0].rename(zones[0].with_name(f"{rng.choice(APEXES)}.yaml"))
        elif what == 8:
            self.write("dnsctl.yaml", SETTINGS + rng.choice(MORE_SETTINGS))
        elif what == 9:
            self.write("shared.yml", f"{{type: A, value: 192.0.2.{rng.randrange(1, 9)}}}\n")
        elif what == 10:
            self.day += timedelta(days=rng.randrange(-8, 9))  # clocks go back, too
        elif rng.random() < 0.3:
            self.write("zones/part.yaml", "{type: A, value: 192.0.2.7}\n")
        else:
            self.write(
                "zones/notes.txt" if rng.random() < 0.5 else "zones/example.org./$example.org.yaml", "{}\n"
            )
        self.commit()

    def merge(self) -> None:
        """Commit a zone beside the last commit, and merge both; what does not merge is left."""
        if self.git("checkout", "-q", "--detach", "HEAD~1", check=False):
            return  # the first
        apex = self.rng.choice(APEXES)
        self.write(f"zones/{apex}.yaml", self.zone(apex))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "beside")
        self.git("branch", "-f", "beside")
        self.git("checkout", "-q", "-")
        if self.git("merge", "-q", "--no-edit", "-X", "theirs", "beside", check=False):
            self.git("merge", "--abort")

    def judged(self, memory: Memory | None) -> Intent | tuple[Finding, ...]:
        source = Revision(self.root, "HEAD")
        try:
            made = intent_of(source, load_config(source), today=self.day, memory=memory)
            self.good = made.commit or ""
            return Intent(dict(made.zones), made.commit, tuple(made.findings), made.limits)
        except ZonesWithErrorsError as error:
            return error.findings
        finally:
            source.close()


@pytest.mark.parametrize("seed", range(4))
def test_any_history_has_the_zones_and_findings_of_a_full_load(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    history, memory = History(root, seed), Memory(tmp_path / "memory.db")
    history.commit()
    for _ in range(20):
        whole, carried = history.judged(None), history.judged(memory)
        assert carried == whole
        if isinstance(whole, Intent):
            assert isinstance(carried, Intent)
            assert list(carried.zones) == list(whole.zones)
        elif history.rng.random() < 0.6:
            history.go_back()
            continue
        history.step()


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Two zones, of which one leads to the other, and a third."""
    (tmp_path / "repo").mkdir()
    made = History(tmp_path / "repo", 0)
    for path in (made.root / "zones").iterdir():
        path.unlink()
    made.write("zones/example.com.yaml", "www: {type: CNAME, value: www.example.net.}\n")
    made.write(
        "zones/example.net.yaml", "www: {type: A, value: 192.0.2.1}\nns1: {type: A, value: 192.0.2.1}\n"
    )
    made.write("zones/example.org.yaml", "www: {type: A, value: 192.0.2.1}\n")
    made.commit()
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tell which zones are read."""
    told: list[str] = []
    whole = loading.load_zone

    def load_zone(source: Source, files: ZoneFiles, origin: Name, *others: Any) -> Any:
        told.append(to_text(origin))
        return whole(source, files, origin, *others)

    monkeypatch.setattr(loading, "load_zone", load_zone)
    monkeypatch.setattr(carrying, "load_zone", load_zone)
    return told


def judged(history: History, memory: Memory | None, resolve: Resolve = ask_nobody) -> Intent:
    source = Revision(history.root, "HEAD")
    made = intent_of(source, load_config(source), today=history.day, memory=memory, resolve=resolve)
    source.close()
    return made


def test_equal_file_is_not_read_again(history: History, tmp_path: Path, read: list[str]) -> None:
    memory = Memory(tmp_path / "memory.db")
    judged(history, memory)
    assert len(read) == 3
    read.clear()
    assert len(judged(history, memory).zones) == 3
    assert read == []
    history.write("zones/example.org.yaml", "www: {type: A, value: 192.0.2.2}\n")
    history.commit()
    judged(history, memory)
    assert sorted(read) == ["example.net.", "example.org."]  # whose name server is in the other


@pytest.mark.parametrize(
    ("more", "of_zones", "again"),
    [
        ("guards: {deletes: 50%}\n", "", []),
        ("", "  example.org: {dnssec: none}\n", ["example.net.", "example.org."]),
        ("policies: {other: {denial: nsec3}}\n", OTHER, ["example.net.", "example.org."]),
        ("", "  example.org: {certificates: {'': ca.example.net}}\n", ["example.net.", "example.org."]),
        ("parents: {standard: {ours: leave}}\n", "", ["example.com.", "example.net.", "example.org."]),
    ],
    ids=["none", "one zone", "a policy", "certificates", "all"],
)  # fmt: skip
def test_settings_that_change_are_a_reason_to_read_the_zones_that_they_are_of(
    history: History, tmp_path: Path, read: list[str], *, more: str, of_zones: str, again: list[str]
) -> None:
    memory = Memory(tmp_path / "memory.db")
    judged(history, memory)
    history.write("dnsctl.yaml", SETTINGS + more + LENIENT + of_zones)
    history.commit()
    read.clear()
    judged(history, memory)
    assert sorted(set(read)) == again  # the name server of all is in example.net.


def test_zone_that_leads_to_what_changed_is_judged_again(
    history: History, tmp_path: Path, read: list[str]
) -> None:
    memory = Memory(tmp_path / "memory.db")
    before = judged(history, memory).findings
    history.write("zones/example.net.yaml", "ns1: {type: A, value: 192.0.2.1}\n")
    history.commit()
    read.clear()
    after = judged(history, memory).findings
    assert sorted(read) == ["example.com.", "example.net."]
    [found] = [each for each in after if each not in before]
    assert (found.rule, found.position.file) == ("cname-target-resolves", "zones/example.com.yaml")


def test_file_among_the_zones_that_no_zone_includes_any_more_is_told(
    history: History, tmp_path: Path
) -> None:
    memory = Memory(tmp_path / "memory.db")
    history.write("zones/part.yml", "{type: A, value: 192.0.2.1}\n")
    for line in ("www: !include part.yml\n", "www: {type: A, value: 192.0.2.1}\n"):
        history.write("zones/example.org.yaml", line)
        history.commit()
        found = judged(history, memory).findings
        assert tuple(found) == judged(history, None).findings
    assert [each.rule for each in found if each.position.file == "zones/part.yml"] == ["zone-file-ignored"]


def test_date_under_a_key_that_is_broken_over_lines_passes(history: History, tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.db")
    record = 'www:\n  type: A\n  value: 192.0.2.1\n  ? "exp\\\n    ires"\n  : 2026-06-20\n'
    history.write("zones/example.org.yaml", record)
    history.commit()
    judged(history, memory)
    history.day += timedelta(days=30)
    with pytest.raises(ZonesWithErrorsError) as stopped:
        judged(history, memory)
    assert "expires-passed" in {each.rule for each in stopped.value.findings}


def test_zone_whose_addresses_are_known_now_is_judged_in_full_by_those_that_lead_to_it(
    history: History, tmp_path: Path
) -> None:
    """Where nobody is asked for an ALIAS, what its zone lacks is not judged; where it was, it is."""
    memory = Memory(tmp_path / "memory.db")
    history.write("dnsctl.yaml", SETTINGS.replace("example.net", "example.edu") + LENIENT)
    history.write("zones/example.com.yaml", "'': {type: MX, value: 10 mail.example.net.}\n")
    history.write("zones/example.net.yaml", "a: {type: ALIAS, value: target.example.edu.}\n")
    history.commit()

    def nobody(targets: frozenset[Name]) -> dict[Name, Unresolved]:
        return {each: Unresolved("not asked", asked=False) for each in targets}

    def somebody(targets: frozenset[Name]) -> dict[Name, Known]:
        return {each: Known({1: (b"\xc0\0\2\1",)}, 300, (each,), 0, 0) for each in targets}

    told = []
    for resolve in (nobody, somebody, nobody):
        found = judged(history, memory, resolve).findings
        assert tuple(found) == judged(history, None, resolve).findings
        told.append("mx-target-resolves" in {each.rule for each in found})
    assert told == [False, True, False]


@pytest.mark.parametrize("content", [b"x" * 5000, b"", "directory"])
def test_memory_that_is_damaged_is_begun_anew_or_done_without(
    history: History, tmp_path: Path, content: bytes | str
) -> None:
    path = tmp_path / "memory.db"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.mkdir()
    for _ in range(2):
        assert dict(judged(history, Memory(path)).zones) == dict(judged(history, None).zones)


def test_memory_with_a_damaged_table_is_begun_anew(history: History, tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    whole = dict(judged(history, Memory(path)).zones)
    with contextlib.closing(sqlite3.connect(path)) as database:
        [(page,)] = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'zones'")
        [(size,)] = database.execute("PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 100)
    for _ in range(2):
        assert dict(judged(history, Memory(path)).zones) == whole
    assert len(Memory(path).recall().zones) == 3


def test_row_that_cannot_be_read_is_a_reason_to_begin_anew(history: History, tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    judged(history, Memory(path))
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE zones SET files = '[', findings = '['")
        database.commit()
    history.write("zones/example.net.yaml", "ns1: {type: A, value: 192.0.2.1}\n")
    history.commit()
    for _ in range(2):
        made, whole = judged(history, Memory(path)), judged(history, None)
        assert dict(made.zones) == dict(whole.zones)
        assert tuple(made.findings) == whole.findings
    assert len(Memory(path).recall().zones) == 3


def test_what_another_process_kept_meanwhile_is_not_mixed_with_ours(history: History, tmp_path: Path) -> None:
    memory, other = Memory(tmp_path / "memory.db"), Memory(tmp_path / "memory.db")
    judged(history, memory)
    before = memory.recall()
    history.write("zones/example.net.yaml", "ns1: {type: A, value: 192.0.2.1}\n")
    history.commit()
    judged(history, other)
    assert memory.asked(before, [], []) is None
    assert memory.readers(before, ["dnsctl.yaml"]) is None
    assert memory.keep(before, replace(before, tree="another"), {}).number == -1
    assert memory.recall().number == before.number + 1
