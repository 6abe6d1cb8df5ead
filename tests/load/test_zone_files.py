"""What stands in zones/ is read or named, and a work tree and its commit say the same."""

import os
import subprocess
from pathlib import Path

import pytest

from dnsctl.load.revision import Revision, Source, WorkTree
from dnsctl.load.zones import Loaded, load_directory, load_zones
from dnsctl.model.finding import Severity
from dnsctl.model.name import ROOT, Name, from_text
from dnsctl.model.rrset import Type, rdata_text
from tests.load.test_zones import COM, GOOD, NET, ORG, settings


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    (tmp_path / "zones").mkdir()
    return tmp_path / "zones"


def put(zones: Path, name: str, text: str = GOOD) -> Path:
    path = zones / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def committed(root: Path) -> Revision:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "--all"), (*identity, "commit", "--allow-empty", "-qm", "x")):
        subprocess.run(("git", *command), cwd=root, check=True)
    return Revision(root, "HEAD")


def both(zones: Path, more: str = "") -> Loaded:
    """Load from the work tree and from a commit of it, which must say the same. `more`: settings."""
    tree = load_zones(WorkTree(zones.parent), settings(more))
    commit = load_zones(committed(zones.parent), settings(more))
    assert _told(commit) == _told(tree)
    assert commit.zones == tree.zones
    return tree


def _told(loaded: Loaded) -> list[tuple[str, Severity, str, str, str]]:
    return [
        (each.rule, each.severity, each.position.file, each.message, each.advice) for each in loaded.findings
    ]


def told(loaded: Loaded) -> list[tuple[str, Severity, str]]:
    return [(each.rule, each.severity, Path(each.position.file).name) for each in loaded.findings]


def txt(loaded: Loaded, owner: str, zone: Name = COM) -> list[str]:
    found = loaded.zones[from_text("example.com.") if zone is COM else zone].get(
        from_text(owner, COM), Type.TXT
    )
    assert found is not None
    return [rdata_text(Type.TXT, each) for each in found.rdatas]


def test_split_zone_is_read_from_all_files_of_its_directory(zones: Path) -> None:
    put(
        zones,
        "example.com./$example.com.yaml",
        "'': {type: TXT, value: x}\n'*': {type: A, value: 192.0.2.9}\n",
    )
    put(zones, "example.com./www.yaml", "www: {type: A, value: 192.0.2.1}\n")
    put(zones, "example.com./mail.yaml", "mail: {type: A, value: 192.0.2.x}\n")
    put(zones, "example.com./README.md", "about it")
    put(zones, "example.com./old.yml")
    loaded = both(zones)
    assert told(loaded) == [
        ("zone-file-ignored", Severity.WARNING, "old.yml"),
        ("rdata-syntax", Severity.ERROR, "mail.yaml"),
    ]
    put(zones, "example.com./mail.yaml", "mail: {type: A, value: 192.0.2.2}\n")
    loaded = load_zones(WorkTree(zones.parent), settings())
    assert [str(one.position) for one in loaded.zones[COM].rrsets() if one.rdtype in (Type.A, Type.TXT)] == [
        "zones/example.com./$example.com.yaml:1:24",
        "zones/example.com./$example.com.yaml:2:23",
        "zones/example.com./mail.yaml:1:24",
        "zones/example.com./www.yaml:1:23",
    ]


def test_split_zone_and_a_file_of_the_same_zone_are_one_as_for_octodns(zones: Path) -> None:
    put(zones, "example.com./a.yaml", "a: {type: TXT, value: split}\nb: {type: A, value: 192.0.2.1}\n")
    put(zones, "example.com.yaml", "c: {type: TXT, value: whole}\nb: {type: A, value: 192.0.2.2}\n")
    loaded = both(zones)
    assert (txt(loaded, "a"), txt(loaded, "c")) == (['"split"'], ['"whole"'])
    [found] = loaded.findings
    assert found.rule == "rrset-repeated"
    assert "the first is in zones/example.com.yaml:2" in found.message


def test_split_zone_beside_a_master_file_is_an_error(zones: Path) -> None:
    put(zones, "example.com./a.yaml")
    put(zones, "example.com.zone", "www A 192.0.2.1\n")
    assert told(both(zones)) == [("zone-twice", Severity.ERROR, "example.com.zone")]


@pytest.mark.parametrize(
    "others", [(), ("example.com./www.yaml",), ("example.com.yaml", "example.com./www.yaml")]
)
def test_part_of_a_split_zone_beside_its_directory_is_read_and_told(
    others: tuple[str, ...], zones: Path
) -> None:
    put(zones, "$example.com.yaml", "'': {type: TXT, value: x}\n")
    for number, other in enumerate(others):
        put(zones, other, f"www{number}: {{type: A, value: 192.0.2.1}}\n")
    loaded = both(zones)
    [found] = loaded.findings
    assert (found.rule, found.severity) == ("split-zone-part", Severity.NOTE)
    assert "only inside example.com./" in found.message
    assert txt(loaded, "@") == ['"x"']
    assert all(loaded.zones[COM].get(from_text(f"www{n}", COM), Type.A) for n in range(len(others)))


@pytest.mark.parametrize("other", ["$example.com.yaml", "example.com./www.yaml", "example.com.yaml"])
def test_zone_that_is_also_a_master_file_is_an_error(other: str, zones: Path) -> None:
    put(zones, other)
    put(zones, "example.com.zone")
    assert ("zone-twice", Severity.ERROR, "example.com.zone") in told(both(zones))


def test_two_directories_of_one_zone_are_an_error_as_in_octodns(zones: Path) -> None:
    put(zones, "bücher.example./www.yaml")
    put(zones, "xn--bcher-kva.example./mail.yaml", "mail: {type: A, value: 192.0.2.1}\n")
    assert told(both(zones)) == [("zone-twice", Severity.ERROR, "xn--bcher-kva.example.")]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("example.com.yml", "rename it to example.com.yaml"),
        ("example.com.YAML", "rename it to example.com.yaml"),
        ("example.com.Zone", "rename it to example.com.zone"),
        ("example.com.json", "ends in .yaml"),
        ("example.com", "ends in .yaml"),
        ("example.com.zone.bak", "ends in .yaml"),
        ("example.com.txt", "ends in .yaml"),
        ("db.example.com~", "ends in .yaml"),
        (".zone", "the root zone is named ..zone"),
        (".yaml", "the root zone is named ..yaml"),
        ("customers/example.com.yaml", "put zone files into the directory above"),
        ("0/25.2.0.192.in-addr.arpa.yaml", r"0\04725.2.0.192.in-addr.arpa.yaml"),
        ("parts/mail", "ends in a dot"),
        ("dnsctl.yaml", "put it beside zones/"),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(name: str, advice: str, zones: Path) -> None:
    put(zones, name)
    put(zones, "example.net.yaml")
    loaded = both(zones)
    assert told(loaded) == [("zone-file-ignored", Severity.WARNING, name.partition("/")[0])]
    assert advice in loaded.findings[0].advice
    assert set(loaded.zones) == {NET}


@pytest.mark.parametrize(
    "name", [".gitkeep", ".example.com.yaml.swp", "README", "README.md", "Notes.md", "x.rst"]
)
def test_hidden_files_and_documentation_are_silent(name: str, zones: Path) -> None:
    put(zones, name)
    assert both(zones).findings == ()


def test_link_to_nothing_is_an_error_that_says_so(zones: Path) -> None:
    put(zones, "example.net.yaml")
    (zones / "example.com.yaml").symlink_to("../shared/example.com.yaml")
    (zones / "example.org.yaml").symlink_to("example.org.yaml")
    tree = load_zones(WorkTree(zones.parent), settings())
    commit = load_zones(committed(zones.parent), settings())
    for loaded in (tree, commit):
        assert told(loaded) == [
            ("file-unreadable", Severity.ERROR, "example.com.yaml"),
            ("file-unreadable", Severity.ERROR, "example.org.yaml"),
        ]
        assert [each.zone for each in loaded.findings] == [COM, ORG]
        assert "symbolic link leads to nothing" in loaded.findings[0].message
        assert "symbolic link leads back to itself" in loaded.findings[1].message


def test_link_out_of_the_repo_is_an_error_in_both(zones: Path) -> None:
    (zones / "example.com.yaml").symlink_to("/etc/hostname")
    (zones / "example.net.").symlink_to("/etc")
    assert told(both(zones)) == [
        ("file-unreadable", Severity.ERROR, "example.net."),
        ("file-unreadable", Severity.ERROR, "example.com.yaml"),
    ]


@pytest.mark.parametrize("target", ["../split/example.com.", "example.com.", "example.net.yaml"])
def test_split_zone_that_is_a_link_to_no_directory_is_an_error(target: str, zones: Path) -> None:
    put(zones, "example.net.yaml")
    (zones / "example.com.").symlink_to(target)
    loaded = both(zones)
    assert told(loaded) == [("file-unreadable", Severity.ERROR, "example.com.")]
    assert loaded.findings[0].zone == COM
    assert "leads to no directory" in loaded.findings[0].message
    assert set(loaded.zones) == {NET}


@pytest.mark.parametrize(
    "name", ["M\udcfcn.example.yaml", "M\udcfcn.example.zone", "M\udcfcn.example./a.yaml"]
)
def test_file_name_that_is_not_utf8_is_an_error_and_the_rest_is_read(name: str, zones: Path) -> None:
    put(zones, name)
    put(zones, "M\udcfcn.example.yaml.bak")
    put(zones, "example.net.yaml")
    loaded = both(zones)
    assert [each.rule for each in loaded.findings if each.severity is Severity.ERROR] == ["zone-file-name"]
    (fault,) = (each for each in loaded.findings if each.severity is Severity.ERROR)
    assert fault.message == "the file's name is not a zone: octet 0xfc in a name is not UTF-8"
    assert r"or \252 for the octet itself" in fault.advice
    assert set(loaded.zones) == {NET}


def test_links_inside_are_followed_and_what_they_lead_to_is_read(zones: Path) -> None:
    put(zones, "templates/parked.yaml")
    put(zones, "templates/split/www.yaml")
    (zones / "example.com.yaml").symlink_to("templates/parked.yaml")
    (zones / "example.net.").symlink_to("templates/split")
    loaded = both(zones)
    assert loaded.findings == ()
    assert set(loaded.zones) == {COM, NET}


def test_directory_named_as_a_file_is_an_error(zones: Path) -> None:
    put(zones, "example.com.yaml/www")
    (zones / "example.net.yaml").symlink_to("example.com.yaml")
    loaded = both(zones)
    assert told(loaded) == [
        ("file-unreadable", Severity.ERROR, "example.com.yaml"),
        ("file-unreadable", Severity.ERROR, "example.net.yaml"),
    ]
    assert "is a directory" in loaded.findings[0].message


def test_submodule_is_a_directory_that_is_not_read(zones: Path) -> None:
    put(zones, "example.net.yaml")
    revision = committed(zones.parent)
    commit = revision.commit or ""
    for command in (
        ("update-index", "--add", "--cacheinfo", f"160000,{commit},zones/more"),
        ("-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", "y", "--no-verify"),
    ):
        subprocess.run(("git", *command), cwd=zones.parent, check=True)
    loaded = load_zones(Revision(zones.parent, "HEAD"), settings())
    assert told(loaded) == [("zone-file-ignored", Severity.WARNING, "more")]
    assert set(loaded.zones) == {NET}


def test_fifo_named_as_a_zone_is_an_error(zones: Path) -> None:
    os.mkfifo(zones / "example.com.yaml")
    [found] = load_zones(WorkTree(zones.parent), settings()).findings
    assert (found.rule, found.severity, found.message) == (
        "file-unreadable",
        Severity.ERROR,
        "is not a regular file",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_file_without_the_right_to_read_is_an_error(zones: Path) -> None:
    put(zones, "example.com.yaml").chmod(0)
    [found] = load_zones(WorkTree(zones.parent), settings()).findings
    assert (found.rule, found.message) == ("file-unreadable", "cannot be read: Permission denied")


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("0%2F25.2.0.192.in-addr.arpa.yaml", r"0\04725.2.0.192.in-addr.arpa.yaml"),
        ("0%2f25.2.0.192.in-addr.arpa.zone", r"0\04725.2.0.192.in-addr.arpa.zone"),
        ("a%20b.example.yaml", r"a\032b.example.yaml"),
    ],
)
def test_percent_encoding_in_a_name_is_an_error_with_the_name_to_write(
    name: str, fixed: str, zones: Path
) -> None:
    put(zones, name)
    [found] = both(zones).findings
    assert (found.rule, found.severity) == ("zone-file-name", Severity.ERROR)
    assert found.advice.endswith(f": {fixed}")


def test_octet_written_as_an_escape_is_in_the_zones_name(zones: Path) -> None:
    put(zones, r"0\04725.2.0.192.in-addr.arpa.yaml", "1: {type: PTR, value: host.example.net.}\n")
    loaded = both(zones)
    assert loaded.findings == ()
    assert set(loaded.zones) == {from_text("0/25.2.0.192.in-addr.arpa.")}


@pytest.mark.parametrize("name", ["..yaml", "..zone"])
def test_root_zone_is_read_from_the_file_named_by_a_dot(name: str, zones: Path) -> None:
    text = "example: {type: NS, value: ns.example.}\n" if name == "..yaml" else "example NS ns.example.\n"
    put(zones, name, text)
    loaded = both(zones)
    assert set(loaded.zones) == {ROOT}
    assert loaded.zones[ROOT].get(from_text("example."), Type.NS) is not None
    assert set(load_directory(zones).zones) == {ROOT}


def test_ideographic_full_stops_in_a_files_name_are_dots(zones: Path) -> None:
    put(zones, "example。com.yaml")
    put(zones, "例え．net。.yaml")
    assert set(both(zones).zones) == {COM, from_text("xn--r8jz45g.net.")}


def test_octodns_configuration_among_the_zones_stops_nothing(zones: Path) -> None:
    put(zones, "example.com.yaml")
    put(
        zones, "production.yaml", "providers:\n  config: {class: x}\nzones:\n  example.com.: {targets: [x]}\n"
    )
    loaded = both(zones)
    assert told(loaded) == [("octodns-config", Severity.WARNING, "production.yaml")]
    assert set(loaded.zones) == {COM}


def test_include_reads_files_beside_the_zone_and_keeps_their_places(zones: Path) -> None:
    put(
        zones,
        "example.com.yaml",
        "mail: !include parts/mail.yaml\na: {type: TXT, values: !include parts/texts.yaml}\n"
        "b: {<<: !include parts/more/base.yaml, ttl: 60}\n",
    )
    put(zones, "parts/mail.yaml", "{type: MX, value: {preference: 10, exchange: mail.example.net.}}\n")
    put(zones, "parts/texts.yaml", "- one\n- two\n")
    put(zones, "parts/more/base.yaml", "type: TXT\nvalue: !include ../text.yaml\nttl: 5\n")
    put(zones, "parts/text.yaml", "deep\n")
    loaded = both(zones)
    assert loaded.findings == ()
    assert (txt(loaded, "a"), txt(loaded, "b")) == (['"one"', '"two"'], ['"deep"'])
    mail = loaded.zones[COM].get(from_text("mail", COM), Type.MX)
    assert mail is not None
    assert str(mail.position) == "zones/parts/mail.yaml:1:19"
    put(zones, "parts/mail.yaml", "type: MX\nvalue: 10\n")
    [found] = load_zones(WorkTree(zones.parent), settings()).findings
    assert (found.rule, str(found.position)) == ("rdata-syntax", "zones/parts/mail.yaml:2:8")


def test_include_reads_any_directory_of_the_repo(zones: Path) -> None:
    put(zones, "example.com.yaml", "a: !include ../shared/dns/a.yaml\nb: !include ../shared/dns/b.yaml\n")
    put(zones.parent, "shared/dns/a.yaml", "{type: TXT, value: !include ../text.yaml}\n")
    put(zones.parent, "shared/text.yaml", "one\n")
    put(zones.parent, "shared/dns/b.yaml", "type: A\nvalue: 192.0.2.x\n")
    loaded = both(zones)
    assert [str(each.position) for each in loaded.findings] == ["shared/dns/b.yaml:2:8"]
    put(zones.parent, "shared/dns/b.yaml", "type: A\nvalue: 192.0.2.1\n")
    loaded = load_zones(WorkTree(zones.parent), settings())
    assert (loaded.findings, txt(loaded, "a")) == ((), ['"one"'])


def test_file_of_one_label_that_others_include_is_no_zone_of_its_own(zones: Path) -> None:
    put(zones, "mail.yaml", "type: MX\nvalue: {preference: 10, exchange: mail.example.net.}\n")
    put(zones, "example.com.yaml", "a: !include mail.yaml\nb: !include mail.yaml\n")
    put(zones, "lan.yaml", "a: {type: A, value: 192.0.2.1}\n")
    loaded = both(zones)
    assert told(loaded) == [("zone-file-included", Severity.NOTE, "mail.yaml")]
    assert set(loaded.zones) == {COM, from_text("lan.")}
    assert {each.rule for each in load_directory(zones).findings if each.severity is Severity.ERROR} == set()


def test_file_that_is_included_again_is_read_once_and_counts_as_an_alias(zones: Path) -> None:
    put(zones, "example.com.yaml", "a: [" + ", ".join(["!include big"] * 12) + "]\n")
    put(zones, "big", "[" + ", ".join(["x"] * 10_000) + "]\n")
    [found] = load_zones(WorkTree(zones.parent), settings(), only=frozenset((COM,))).findings
    assert (found.rule, found.severity) == ("yaml-alias", Severity.ERROR)
    assert "files that are included again" in found.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !include ../../hostname\n", "is outside the operations repo"),
        ("a: !include /etc/hostname\n", "is outside the operations repo"),
        ("a: !include link\n", "leads outside"),
        ("a: !include ../keys/passphrase\n", "is in keys/, which is of this host alone"),
        ("a: !include to-keys/passphrase\n", "is in keys/, which is of this host alone"),
        ("a: !include ../.git/config\n", "is in .git/, which is of this host alone"),
        ("a: !include none.yaml\n", "none.yaml"),
        ("a: !include example.com.yaml\n", "includes itself"),
        ("!include x: 1\n", "as a key"),
        ("a: !include broken\n", "did not find"),
        ("a: [!include bomb, !include bomb]\n", "nodes"),
    ],
)
def test_include_that_cannot_be_read_is_one_error(text: str, message: str, zones: Path) -> None:
    put(zones.parent, "keys/passphrase", "top-secret")
    (zones / "link").symlink_to("../../secret")
    (zones / "to-keys").symlink_to("../keys")
    put(zones, "broken", "{a: 1\n")
    bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    bomb += [f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]" for n in range(4)]
    put(zones, "bomb", "\n".join(bomb[:5]))
    put(zones, "example.com.yaml", text)
    loaded = load_zones(WorkTree(zones.parent), settings(), only=frozenset((COM,)))
    [found] = loaded.findings
    assert found.severity is Severity.ERROR
    assert message in found.message
    assert "top-secret" not in str(found)


def test_included_files_are_bounded(zones: Path) -> None:
    put(zones, "example.com.yaml", "a: [" + ", ".join(["!include x"] * 1001) + "]\n")
    put(zones, "x", "1\n")
    source: Source = WorkTree(zones.parent)
    [found] = load_zones(source, settings(), only=frozenset((COM,))).findings
    assert (found.rule, found.severity) == ("yaml-include", Severity.ERROR)


def test_directory_that_is_served_may_hold_what_an_operations_repo_has(tmp_path: Path) -> None:
    for name in ("keys/passphrase", "state/image/data.mdb", "hooks/pre-commit", "example.com.yaml"):
        put(tmp_path, name)
    put(tmp_path, "more/example.net.yaml")
    loaded = load_directory(tmp_path)
    assert [(each.rule, each.position.file) for each in loaded.findings if each.zone is None] == [
        ("zone-file-ignored", "more")
    ]
    assert set(loaded.zones) == {COM}


def test_zone_files_may_be_in_any_directories(zones: Path) -> None:
    root = zones.parent
    put(root, "dns/example.com.yaml", "a: !include ../shared.yaml\n")
    put(root, "dns/customers/example.net.zone", "@ A 192.0.2.1\n$INCLUDE part\n")
    put(root, "dns/customers/part", "b A 192.0.2.2\n")
    put(root, "dns/customers/example.org./www.yaml")
    put(root, "shared.yaml", "{type: TXT, value: x}\n")
    put(root, "zones/example.edu.yaml")
    loaded = both(zones, "zone-files: [dns, ./dns/customers/]\n")
    assert [each for each in loaded.findings if each.severity is not Severity.NOTE] == []
    assert set(loaded.zones) == {COM, NET, ORG}
    assert txt(loaded, "a") == ['"x"']
    assert set(both(zones, "zone-files: dns/customers\n").zones) == {NET, ORG}
    [found] = [each for each in both(zones, "zone-files: dns\n").findings if each.zone is None]
    assert (found.rule, found.position.file) == ("zone-file-ignored", "dns/customers")


def test_zone_in_two_directories_is_an_error_that_names_both(zones: Path) -> None:
    put(zones, "example.com.yaml")
    put(zones.parent, "dns/example.com.yaml")
    [found] = both(zones, "zone-files: [zones, dns]\n").findings
    assert (found.rule, found.position.file) == ("zone-twice", "dns/example.com.yaml")
    assert "zones/example.com.yaml" in found.message


def test_directory_of_zones_without_a_file_is_an_error_where_it_is_named(zones: Path) -> None:
    put(zones, "example.com.yaml")
    [found] = both(zones, "zone-files: [zones, zone]\n").findings
    assert (found.rule, found.severity) == ("zone-files-empty", Severity.ERROR)
    assert "names zone/" in found.message
    assert str(found.position).startswith("dnsctl.yaml:")
    assert found.position.line > 1


def test_root_of_the_repo_may_hold_the_zone_files(zones: Path) -> None:
    put(zones.parent, "example.com.yaml")
    put(zones.parent, "dnsctl.yaml", "version: 1\n")
    put(zones.parent, "keys/release.pub")
    put(zones, "example.net.yaml")
    loaded = both(zones, "zone-files: .\n")
    assert told(loaded) == [("zone-file-ignored", Severity.WARNING, "zones")]
    assert set(loaded.zones) == {COM}
