"""All zones of a repo: findings over all files, nothing partial among the zones, nothing outside read."""

import subprocess
from datetime import date
from pathlib import Path
from typing import ClassVar

import pytest

from dnsctl.errors import ConfigError
from dnsctl.load import masterfile, yaml_nodes
from dnsctl.load.example import example_files
from dnsctl.load.revision import MAX_FILE, Revision, WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config, parse_config
from dnsctl.load.zone_files import ZoneFiles, zone_files
from dnsctl.load.zones import Loaded, load_directory, load_zones
from dnsctl.model.finding import Severity
from dnsctl.model.name import from_text
from dnsctl.model.rrset import Type
from tests.load.sources import CONFIG, MemorySource

COM, NET, ORG = (from_text(f"example.{end}.") for end in ("com", "net", "org"))
TODAY = date(2026, 11, 21)
GOOD = "www: {type: A, value: 192.0.2.1}\n"


def settings(more: str = "") -> Config:
    return parse_config((CONFIG + more).encode())


def rules(loaded: Loaded) -> list[str]:
    return [each.rule for each in loaded.findings]


def test_faults_of_all_files_are_collected_and_good_zones_stay() -> None:
    source = MemorySource()
    source.put("zones/example.com.yaml", "www: {type: A, value: x}\nftp: {type: A, value: 192.0.2.1}\n")
    source.put("zones/example.net.yaml", GOOD)
    source.put("zones/example.org.zone", "www A x\n")
    source.put("zones/README.md", "not a zone")
    loaded = load_zones(source, settings(), today=TODAY)
    assert set(loaded.zones) == {NET}
    assert set(loaded.partial) == {COM, ORG}
    assert loaded.partial[COM].get(from_text("ftp", COM), Type.A) is not None
    assert [(each.rule, each.zone) for each in loaded.findings] == [
        ("rdata-syntax", COM),
        ("rdata-syntax", ORG),
    ]


def test_zones_asked_for_alone_are_read_and_an_unknown_one_is_told() -> None:
    source = MemorySource()
    source.put("zones/example.com.yaml", GOOD).put("zones/example.net.yaml", "[")
    seen: list[tuple[int, int]] = []
    loaded = load_zones(
        source,
        settings(),
        only=frozenset((COM, from_text("exmple.net."))),
        progress=lambda *at: seen.append(at),
    )
    assert set(loaded.zones) == {COM}
    assert rules(loaded) == ["zone-unknown"]
    assert "did you mean example.net.?" in loaded.findings[0].advice
    assert seen == [(1, 1)]


def test_two_files_for_one_zone_leave_it_out() -> None:
    source = MemorySource()
    source.put("zones/example.com.yaml", GOOD).put("zones/EXAMPLE.com.zone", "www A 192.0.2.2\n")
    loaded = load_zones(source, settings())
    assert rules(loaded) == ["zone-twice"]
    assert not loaded.zones


def test_file_names_that_name_no_zone_are_told() -> None:
    source = MemorySource()
    for name in ("a..b.yaml", f"{'x' * 64}.zone", "other.yml", ".hidden.yaml", "notes.txt"):
        source.put(f"zones/{name}", GOOD)
    found = zone_files(source)
    assert not found.zones
    assert [each.rule for each in found.findings] == ["zone-file-name", "zone-file-name"]
    assert [each.path for each in found.unread] == ["zones/notes.txt", "zones/other.yml"]


def test_file_names_with_blanks_or_control_characters_name_no_zone() -> None:
    source = MemorySource()
    for name in ("example.com copy.yaml", "new\nline.example.yaml", "esc\x1b.example.zone"):
        source.put(f"zones/{name}", GOOD)
    found = zone_files(source)
    assert not found.zones
    assert [each.rule for each in found.findings] == ["zone-file-name"] * 3


def test_internationalised_file_name_is_the_zone_of_its_a_label() -> None:
    found = zone_files(MemorySource().put("zones/bücher.example.yaml", GOOD)).zones
    path = "zones/bücher.example.yaml"
    assert found == {from_text("xn--bcher-kva.example."): ZoneFiles(path, (path,))}


def test_levels_of_dnsctl_yaml_hold_here_but_cannot_lower_an_error() -> None:
    text = "a: {type: CNAME, value: b.example}\nc: {type: A, value: x}\n"
    text += "d: {type: A, value: 192.0.2.1, bogus: 1}\n"
    more = (
        "zones: {example.com: {checks: {target-not-absolute: off, rdata-syntax: off, unknown-key: error}}}\n"
    )
    loaded = load_zones(MemorySource().put("zones/example.com.yaml", text), settings(more))
    assert [(each.rule, each.severity) for each in loaded.findings] == [
        ("rdata-syntax", Severity.ERROR),
        ("unknown-key", Severity.ERROR),
    ]


def test_settings_for_a_zone_without_a_file_are_told() -> None:
    source = MemorySource().put("zones/example.com.yaml", GOOD)
    loaded = load_zones(source, settings('zones: {"*": {}, example.org: {}, example.com: {}}\n'))
    assert [(each.rule, each.severity, each.position.line) for each in loaded.findings] == [
        ("zone-settings-unused", Severity.WARNING, CONFIG.count("\n") + 1)
    ]


def test_unreadable_file_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones/example.com.yaml").symlink_to("/etc/hostname")
    (tmp_path / "zones/example.net.yaml").write_text(GOOD)
    loaded = load_zones(WorkTree(tmp_path), settings())
    assert rules(loaded) == ["file-unreadable"]
    assert set(loaded.zones) == {NET}


def test_include_follows_no_link_out_of_the_zones(tmp_path: Path) -> None:
    (tmp_path / "zones").mkdir()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/secret").write_text("top-secret-passphrase")
    (tmp_path / "zones/link").symlink_to("../keys/secret")
    (tmp_path / "zones/inside").write_text("in A 192.0.2.1\n")
    (tmp_path / "zones/alias").symlink_to("inside")
    (tmp_path / "zones/example.com.zone").write_text("$INCLUDE link\n$INCLUDE alias\n")
    subprocess.run(("git", "init", "-q"), cwd=tmp_path, check=True)
    subprocess.run(("git", "add", "."), cwd=tmp_path, check=True)
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(("git", *identity, "commit", "-qm", "x"), cwd=tmp_path, check=True)
    for source in (WorkTree(tmp_path), Revision(tmp_path, "HEAD")):
        loaded = load_zones(source, settings())
        assert [(each.rule, each.position.line) for each in loaded.findings] == [
            ("zone-file-ignored", 0),  # what only a link leads to
            ("masterfile-syntax", 1),
        ]
        assert "top-secret" not in str(loaded.findings)
        assert loaded.partial[COM].get(from_text("in", COM), Type.A) is not None


def test_work_tree_and_commit_give_the_same_zones(tmp_path: Path) -> None:
    for path, data in example_files().items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    subprocess.run(("git", "init", "-q"), cwd=tmp_path, check=True)
    subprocess.run(("git", "add", "."), cwd=tmp_path, check=True)
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(("git", *identity, "commit", "-qm", "x"), cwd=tmp_path, check=True)
    tree, commit = WorkTree(tmp_path), Revision(tmp_path, "HEAD")
    config = load_config(tree)
    assert config == load_config(commit)
    assert load_zones(tree, config, today=TODAY) == load_zones(commit, config, today=TODAY)


def test_directory_without_settings_is_filled_from_localhost_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "example.com.yaml").write_text(GOOD)
    (tmp_path / "example.net.zone").write_text(
        "$TTL 1h\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n"
    )
    (tmp_path / "dnsctl.yaml").write_text(CONFIG)
    loaded = load_directory(tmp_path)
    assert set(loaded.zones) == {COM, NET}
    assert [(each.rule, each.severity, each.zone) for each in loaded.findings] == [
        ("apex-from-localhost", Severity.WARNING, COM)
    ]
    servers = loaded.zones[COM].get(COM, Type.NS)
    assert servers is not None
    assert servers.rdatas == (from_text("localhost."),)
    assert load_directory(tmp_path, settings()).findings == ()


def test_directory_that_is_none_is_an_error_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a directory"):
        load_directory(tmp_path / "none")


def test_repo_without_zones_loads_nothing() -> None:
    loaded = load_zones(MemorySource(), settings())
    assert loaded == Loaded({}, (), {})


def test_master_files_and_what_they_include_may_be_larger_than_yaml_files() -> None:
    class Recording(MemorySource):
        limits: ClassVar[dict[str, int]] = {}

        def read(self, path: str, limit: int = MAX_FILE) -> bytes:
            self.limits[path] = limit
            return super().read(path, limit)

        def below(self, directory: str) -> "Recording":
            made = Recording()
            made.contents = super().below(directory).contents
            return made

    source = Recording()
    source.put("zones/example.com.zone", "$INCLUDE part\n").put("zones/part", "www A 192.0.2.1\n")
    source.put("zones/example.net.yaml", GOOD)
    assert set(load_zones(source, settings(), today=TODAY).zones) == {COM, NET}
    assert Recording.limits == {
        "zones/example.com.zone": masterfile.MAX_BYTES,
        "part": masterfile.MAX_BYTES,
        "zones/example.net.yaml": MAX_FILE,
    }


def test_text_too_large_for_yaml_is_read_as_a_master_file(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"h{number} A 192.0.2.1\n" for number in range(99))
    source = MemorySource().put("zones/example.com.zone", text)
    source.put(
        "zones/example.net.yaml",
        "".join(f"h{number}: {{type: A, value: 192.0.2.1}}\n" for number in range(99)),
    )
    config = settings()
    monkeypatch.setattr(yaml_nodes, "MAX_BYTES", 1000)
    loaded = load_zones(source, config, today=TODAY)
    assert set(loaded.zones) == {COM}
    assert rules(loaded) == ["file-too-large"]
