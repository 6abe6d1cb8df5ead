"""A large zone of which few owners change in its file has the release and the findings of a full load.

Histories are drawn: lines come, go and change in a zone file, in YAML or as a master file; some commits are
pushed, others only judged. After each step, both ways are compared. Here, no zone is too small.
"""

from __future__ import annotations

import random
import subprocess
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from dnsctl.image.reader import Reader
from dnsctl.load.revision import Revision
from dnsctl.load.settings.file import load_config
from dnsctl.model.finding import Finding
from dnsctl.model.repo import HostFiles
from dnsctl.publish import parts
from dnsctl.publish.commit import intent_of
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.intent import Intent
from dnsctl.publish.memory import Memory
from dnsctl.publish.parts import Parts
from tests.publish.host import NOW, Host
from tests.publish.test_carrying import DAY, LENIENT, SETTINGS

HEAD = {
    "yaml": "---\n'':\n  - {type: TXT, value: apex}\n",
    "zone": "$ORIGIN example.com.\n$TTL 1h\n; (a comment)\n@ TXT apex\n",
}
LINES = {
    "yaml": (
        "{0}:\n  - {{type: A, value: 192.0.2.{1}}}\n",
        "{0}: {{type: MX, value: '10 {2}.example.com.'}}\n",
        "{0}:\n- type: TXT\n  value: 'v=spf1 a:{2}.example.com -all'\n",
        "{0}: {{type: CNAME, value: {2}.example.com.}}\n",
        "{0}: {{type: NS, value: ns.example.net.}}\n",
        "{0}: {{type: A, ttl: 0, value: 192.0.2.{1}}}\n",
        '# a comment\n{0}: {{type: TXT, value: "a \\"quoted\\" text"}}\n',
    ),
    "zone": (
        "{0} A 192.0.2.{1}\n",
        "{0} MX 10 {2}\n",
        '{0} TXT "v=spf1 a:{2}.example.com -all"\n  A 192.0.2.{1}\n',
        "{0} CNAME {2}\n",
        "{0} NS ns.example.net.\n",
        "{0} 0 A 192.0.2.{1}\n",
        "{0} TXT ( a\n b )\n",
    ),
}
SPECIAL = ("e-f", "ef", "x.yankee", "yankee", "z.bravo", "_dmarc", "'*'", "mail")
OWNERS = ("alfa", "bravo", *(f"h{number}" for number in range(12)), *SPECIAL)


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.net", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "step")


class History:
    """A zone file as blocks, one an owner, and the repo that it is in."""

    def __init__(self, root: Path, ending: str, seed: int) -> None:
        self.root, self.ending, self.rng = root, ending, random.Random(seed)
        git(root, "init", "-q")
        (root / "zones").mkdir()
        (root / "dnsctl.yaml").write_text(SETTINGS + LENIENT)
        (root / "zones/example.net.yaml").write_text("www: {type: CNAME, value: alfa.example.com.}\n")
        self.blocks = {owner: LINES[ending][0].format(self.shown(owner), 1, "a") for owner in OWNERS[::2]}
        self.commit()

    def shown(self, owner: str) -> str:
        return owner if self.ending == "yaml" else owner.strip("'")

    def commit(self) -> None:
        path = self.root / f"zones/example.com.{self.ending}"
        path.write_text(HEAD[self.ending] + "".join(self.blocks.values()))
        commit(self.root)

    def step(self) -> None:
        rng = self.rng
        for _ in range(rng.choice((1, 1, 1, 2))):
            owner = rng.choice(OWNERS)
            kinds = LINES[self.ending]
            kind = kinds[rng.choice((*[0] * 14, 1, 1, 2, 2, *range(len(kinds))))]
            text = kind.format(
                self.shown(owner), rng.randrange(1, 9), rng.choice(("alfa", "bravo", "mail", "gone"))
            )
            if owner in self.blocks and rng.random() < 0.3:
                del self.blocks[owner]
            else:
                self.blocks[owner] = text
        self.commit()


def judged(
    source: Revision, files: HostFiles, served: Reader, *, short: bool
) -> Intent | tuple[Finding, ...]:
    config = load_config(source)
    try:
        if not short:
            return intent_of(source, config, today=DAY)
        memory, part = Memory(files.memory), Parts(source, config, files, served)
        return intent_of(source, config, today=DAY, memory=memory, parts=part)
    except ZonesWithErrorsError as error:
        return error.findings


def told(found: Intent | tuple[Finding, ...]) -> list[Finding]:
    return sorted(found.findings if isinstance(found, Intent) else found)


@pytest.mark.parametrize(("ending", "seed"), [("yaml", 1), ("yaml", 2), ("zone", 1), ("zone", 2)])
def test_owners_that_change_in_a_file_give_the_release_and_the_findings_of_the_file(
    tmp_path: Path, ending: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LEAST", 0)
    found = 0
    find = Parts.find

    def counted(*arguments: object) -> object:
        nonlocal found
        part = find(*arguments)  # type: ignore[arg-type]
        found += part is not None
        return part

    monkeypatch.setattr(Parts, "find", counted)
    (tmp_path / "repo").mkdir()
    history, host, now = History(tmp_path / "repo", ending, seed), Host(tmp_path / "host"), NOW
    files = HostFiles(tmp_path / "repo/state")
    files.directory.mkdir()
    for number in range(16):
        now += timedelta(hours=1)
        source = Revision(history.root, "HEAD")
        with host.image.reader() as served:
            whole = judged(source, files, served, short=False)
            part = judged(source, files, served, short=True)
            assert told(part) == told(whole)
            if (
                isinstance(whole, Intent)
                and isinstance(part, Intent)
                and (not number or history.rng.random() < 0.7)
            ):
                made = host.build(part, now)
                wanted = host.build(whole, now)
                if number:
                    assert made == wanted
                if made is not None:
                    host.take(made, now)
        source.close()
        history.step()
    host.image.close()
    assert found > 3


FILE = HEAD["zone"] + "".join(f"h{number} A 192.0.2.{number}\n" for number in range(8))
OURS = SETTINGS.replace("ns1.example.net., ns2", "ns1.example.com., ns2")
UNSPELT = {  # what the file leads to without its name: settings, and the file before and after
    "default-name-server": (OURS, FILE + "ns1 A 192.0.2.9\n", FILE),
    "generated-behind": (
        SETTINGS,
        FILE + "web3 A 192.0.2.9\n$GENERATE 3-3 m$ MX 10 web$\n",
        FILE + "$GENERATE 3-3 m$ MX 10 web$\n",
    ),
    "directive-in-parentheses": (
        SETTINGS,
        FILE + 'text TXT ( "a"\n$TTL 60\n )\n',
        FILE + 'text TXT ( "a"\n$TTL 60\n )\nweb3 A 192.0.2.9\n',
    ),
    "directive-behind-parentheses-in-a-comment": (
        SETTINGS,
        FILE + 'text TXT ( "a" ; )\n$TTL 60\n )\n',
        FILE + 'text TXT ( "a" ; )\n$TTL 60\n )\nweb3 A 192.0.2.9\n',
    ),
}


@pytest.mark.parametrize("case", UNSPELT)
def test_what_is_not_spelt_out_in_the_file_is_found_as_by_a_full_load(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LEAST", 0)
    settings, before, after = UNSPELT[case]
    (tmp_path / "repo/zones").mkdir(parents=True)
    (tmp_path / "repo/dnsctl.yaml").write_text(settings)
    git(tmp_path / "repo", "init", "-q")
    host, files = Host(tmp_path / "host"), HostFiles(tmp_path / "repo/state")
    files.directory.mkdir()
    for text in (before, after):
        (tmp_path / "repo/zones/example.com.zone").write_text(text)
        commit(tmp_path / "repo")
        source = Revision(tmp_path / "repo", "HEAD")
        with host.image.reader() as served:
            whole = judged(source, files, served, short=False)
            part = judged(source, files, served, short=True)
            assert told(part) == told(whole)
            if isinstance(whole, Intent) and isinstance(part, Intent):
                release = host.build(part)
                assert text is before or release == host.build(whole)
                if release is not None and text is before:
                    host.take(release, NOW)
        source.close()
    host.image.close()


def test_large_zone_is_judged_whole_where_a_zone_below_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LEAST", 0)
    zones, host = tmp_path / "repo/zones", Host(tmp_path / "host")
    zones.mkdir(parents=True)
    (tmp_path / "repo/dnsctl.yaml").write_text(SETTINGS)
    (zones / "example.com.zone").write_text(FILE + "m MX 10 host.sub\nhost.sub A 192.0.2.9\n")
    git(tmp_path / "repo", "init", "-q")
    commit(tmp_path / "repo")
    files = HostFiles(tmp_path / "repo/state")
    files.directory.mkdir()
    with closing(Revision(tmp_path / "repo", "HEAD")) as source, host.image.reader() as served:
        first = judged(source, files, served, short=True)
    assert isinstance(first, Intent)
    host.push(first)
    (zones / "sub.example.com.yaml").write_text("www: {type: A, value: 192.0.2.1}\n")
    commit(tmp_path / "repo")
    with closing(Revision(tmp_path / "repo", "HEAD")) as source, host.image.reader() as served:
        part = told(judged(source, files, served, short=True))
        assert part == told(judged(source, files, served, short=False))
    assert "mx-target-resolves" in {each.rule for each in part}  # there is no host in the zone below
    host.image.close()
