"""`dnsctl zone import` from configurations of octoDNS, BIND, Knot and PowerDNS: what they lead to."""

import contextlib
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.cli.shell import Told, dnsctl, inside, repo
from tests.node.secondaries import PDNS_SCHEMA
from tests.peers import need

MASTER = "$TTL 300\n@ SOA ns1 h 7 7200 1800 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.80\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repo(tmp_path / "repo")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    made = tmp_path / "there"
    made.mkdir()
    return made


def taken(root: Path, *arguments: str | Path) -> Told:
    return dnsctl("zone", "import", *arguments, "--json", root=root)


def files(root: Path) -> list[str]:
    zones = root / "zones"
    return sorted(str(each.relative_to(zones)) for each in zones.rglob("*") if each.is_file())


def not_taken(told: Told) -> dict[str, str]:
    return {each["what"]: each["reason"] for each in told.json["not_taken"]}


OCTODNS = """\
manager: {processors: [meta]}
providers:
  config: {class: octodns.provider.yaml.YamlProvider, directory: ./config, default_ttl: 3600}
  other: {class: octodns.provider.yaml.YamlProvider, directory: ./short, default_ttl: 60, split_extension: .}
  route53: {class: octodns_route53.Route53Provider, access_key_id: env/KEY}
zones:
  '*': {sources: [config], targets: [route53]}
  '*.short': {sources: [other], targets: [route53], glob: 'short.*'}
  example.net.: {sources: [config, route53], targets: [route53]}
  alias.example.: {alias: example.com.}
  missing.example.: {sources: [config]}
"""


@pytest.fixture
def octodns(there: Path) -> Path:
    (there / "config").mkdir()
    (there / "production.yaml").write_text(OCTODNS)
    (there / "config" / "example.com.yaml").write_text("# kept\nwww: {type: A, value: 192.0.2.80}\n")
    (there / "config" / "example.net.yaml").write_text("www: !include parts/www.yaml\n")
    (there / "config" / "parts").mkdir()
    (there / "config" / "parts" / "www.yaml").write_text("{type: A, value: 192.0.2.81}\n")
    split = there / "short" / "short.example."
    split.mkdir(parents=True)
    (split / "www.yaml").write_text("www: {type: A, value: 192.0.2.80}\n")
    (split / "$short.example.yaml").write_text("'': {ttl: 3600, type: TXT, value: x}\n")
    return there / "production.yaml"


def test_octodns_zones_are_copied_or_written_out(root: Path, octodns: Path):
    told = taken(root, "--octodns", octodns)
    assert told.code == 0, told.err
    assert {each["zone"]: each["records"] for each in told.json["zones"]} == {
        "alias.example.": 1,
        "example.com.": 1,
        "example.net.": 1,
        "short.example.": 2,
    }
    left = not_taken(told)
    assert left["provider route53"].startswith("octodns_route53.Route53Provider is a service")
    assert left["example.net."].startswith("source route53 is not read")
    assert left["missing.example."].startswith("has no file")
    assert left["processor meta"].startswith("is not run")
    assert files(root) == ["alias.example.yaml", "example.com.yaml", "example.net.yaml", "short.example.yaml"]
    zones = root / "zones"
    assert (zones / "example.com.yaml").read_bytes() == (
        octodns.parent / "config" / "example.com.yaml"
    ).read_bytes()
    assert "192.0.2.81" in (zones / "example.net.yaml").read_text()
    assert "ttl: 60\n" in (zones / "short.example.yaml").read_text(), "of the provider's default_ttl"


def test_directory_of_a_source_is_sought_where_octodns_runs(root: Path, octodns: Path):
    config = octodns.rename(octodns.parent / "config" / "production.yaml")
    told = taken(root, "--octodns", config, "--dry-run")
    assert told.json["zones"] == []
    assert not_taken(told)["provider config"].startswith("there is no zone file in ./config; run this where")
    told = taken(root, "--octodns", config, "--within", octodns.parent, "--dry-run")
    assert len(told.json["zones"]) == 4
    assert "provider config" not in not_taken(told)


def test_split_zones_stay_split_where_they_read_the_same(root: Path, octodns: Path):
    octodns.write_text(OCTODNS.replace("default_ttl: 60", "default_ttl: 3600"))
    assert taken(root, "short.example", "--octodns", octodns).code == 0
    assert files(root) == ["short.example./$short.example.yaml", "short.example./www.yaml"]
    shown = dnsctl("zone", "show", "short.example", "--json", root=root).json["rrsets"]
    assert {each["owner"]: each["ttl"] for each in shown if each["file"].startswith("zones/")} == {
        "short.example.": 3600,
        "www.short.example.": 3600,
    }


def test_an_alias_is_taken_or_refused_and_never_lost(root: Path, octodns: Path):
    alias = "'': {type: ALIAS, value: www.example.net.}\n"
    (octodns.parent / "short" / "short.example." / "$short.example.yaml").write_text(alias)
    told = taken(root, "short.example", "--octodns", octodns, "--as", "zone")
    assert (told.code, "has an ALIAS" in told.line) == (1, True)
    assert taken(root, "example.com", "--octodns", octodns, "--as", "zone").code == 0
    assert files(root) == ["example.com.zone"]
    assert taken(root, "short.example", "--octodns", octodns).code == 0
    assert "type: ALIAS\n  value: www.example.net.\n" in (root / "zones" / "short.example.yaml").read_text()


SEMICOLONS = r"""
a: {type: TXT, value: v=DKIM1; p=}
b: {type: TXT, values: ['one; two', '"quoted; \" text"', 'kept\; once']}
"""


@pytest.mark.parametrize(("escaped", "copied"), [("true", True), ("false", False), ("~", True)])
def test_semicolons_are_read_as_the_source_has_them(root: Path, octodns: Path, escaped: str, copied: bool):
    octodns.write_text(OCTODNS.replace("./config, ", f"./config, escaped_semicolons: {escaped}, "))
    (octodns.parent / "config" / "example.com.yaml").write_text(SEMICOLONS)
    assert taken(root, "example.com", "--octodns", octodns).code == 0
    made = (root / "zones" / "example.com.yaml").read_text()
    assert (made == SEMICOLONS) == copied
    shown = dnsctl("zone", "show", "example.com", "--json", root=root).json["rrsets"]
    texts = {each["owner"]: each["values"] for each in shown if each["type"] == "TXT"}
    assert texts["a.example.com."] == ['"v=DKIM1; p="']
    kept = r'"kept; once"' if copied else r'"kept\\; once"'
    assert sorted(texts["b.example.com."]) == sorted(['"one; two"', r'"quoted; \" text"', kept])


def test_zone_of_sources_that_read_it_in_different_ways_is_not_taken(root: Path, octodns: Path):
    octodns.write_text(
        OCTODNS.replace("{sources: [config, route53]", "{sources: [config, second]").replace(
            "  route53:",
            "  second: {class: x.YamlProvider, directory: ./config, default_ttl: 60}\n  route53:",
        )
    )
    told = taken(root, "example.net", "--octodns", octodns)
    assert (told.code, "is in sources of which default_ttl" in told.line) == (1, True)
    assert files(root) == []


def test_octodns_itself_reads_the_same_zones(root: Path, octodns: Path):
    yaml = pytest.importorskip("octodns.provider.yaml")
    zone_module = pytest.importorskip("octodns.zone")
    assert taken(root, "short.example", "--octodns", octodns).code == 0
    read = []
    for directory, split, seconds in ((octodns.parent / "short", ".", 60), (root / "zones", False, 3600)):
        provider = yaml.YamlProvider(
            "config", str(directory), split_extension=split, default_ttl=seconds, escaped_semicolons=True
        )
        zone = zone_module.Zone("short.example.", [])
        provider.populate(zone)
        read.append({(each.name, each._type, each.ttl, str(each.data)) for each in zone.records})
    assert read[0] == read[1]
    assert len(read[0]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zones: {}\n", "is not octoDNS's configuration"),
        ("a: [", "production.yaml:"),
        ("providers: !include production.yaml\nzones: {}\n", "includes itself"),
        (OCTODNS.replace("./config", "../../.."), "is outside"),
    ],
)
def test_a_hostile_octodns_configuration_is_one_line_and_nothing_written(
    root: Path, octodns: Path, text: str, said: str
):
    octodns.write_text(text)
    told = taken(root, "--octodns", octodns)
    assert (told.code, said in told.line) == (1, True)
    assert files(root) == []


NAMED = """\
// of BIND
options { directory "data"; recursion no; };
/* include "nothing"; */
include "zones.conf";
view "inside" { zone "both.example" { type primary; file "a"; }; };
view "outside" { zone "both.example" { type primary; file "b"; }; };
zone "." { type hint; file "hints"; };
zone "0.0.127.in-addr.arpa" IN { type secondary; primaries { 192.0.2.1 port 53 key "x"; }; };
zone "bind" CH { type primary; file "chaos"; };
zone "raw.example" { type primary; masterfile-format raw; file "raw"; };
"""


@pytest.fixture
def named(there: Path) -> Path:
    (there / "data").mkdir()
    (there / "data" / "db.com").write_text(MASTER)
    (there / "data" / "db.net").write_text(MASTER)
    (there / "named.conf").write_text(NAMED)
    (there / "zones.conf").write_text(
        'zone "example.com" { type master; file "db.com"; allow-update { none; }; }; # one\n'
        'zone "Example.NET." IN { type primary; file "db.net"; };\n'
    )
    return there / "named.conf"


def test_bind_primaries_are_taken_and_others_named(root: Path, named: Path):
    told = taken(root, "--bind", named, "--as", "zone")
    assert told.code == 0, told.err
    assert files(root) == ["example.com.zone", "example.net.zone"]
    left = not_taken(told)
    assert left["."].startswith("is of type hint")
    assert left["0.0.127.in-addr.arpa."].startswith("is of type secondary")
    assert left["both.example."].startswith("has different files in the views inside, outside")
    assert left["raw.example."].startswith("has a file that is not text")
    assert left["bind"].startswith("is not a name of class IN")
    assert left["example.com."].startswith("takes dynamic updates")
    assert dnsctl("zone", "show", "example.net", root=root).code == 0


@pytest.mark.peer
def test_the_configuration_is_one_that_bind_takes(named: Path):
    lines = [each for each in named.read_text().splitlines() if "view" not in each and " CH " not in each]
    text = "\n".join(lines).replace('"data"', f'"{named.parent}/data"').replace(' key "x"', "")
    named.write_text(text.replace("zones.conf", f"{named.parent}/zones.conf"))
    done = subprocess.run([need("named-checkconf"), str(named)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('include "named.conf";', "includes itself"),
        ('include "/etc/passwd";', "is outside"),
        ('zone "x.example" { type primary; file "/etc/passwd"; };', "is outside"),
        ('zone "x.example" { type primary; file "link"; };', "leads outside"),
        ('zone "x.example" { type primary; file "gone"; };', "gone"),
        ('zone "x.example" { type primary;', "a brace is not closed"),
        ("};", "a brace is closed that was not opened"),
        ('zone "x.example', "a quote or a comment is not closed"),
        ("{" * 100, "braces more than"),
    ],
)
def test_a_hostile_named_conf_is_one_line_and_nothing_written(root: Path, named: Path, text: str, said: str):
    (named.parent / "link").symlink_to("/etc/passwd")
    named.write_text('zone "example.com" { type primary; file "data/db.com"; };\n' + text)
    told = taken(root, "--bind", named)
    assert (told.code, said in told.line) == (1, True), told.err
    assert files(root) == []


def test_files_outside_are_read_where_within_allows_it(root: Path, named: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "db").write_text(MASTER)
    named.write_text(f'zone "example.com" {{ type primary; file "{tmp_path}/elsewhere/db"; }};')
    assert taken(root, "--bind", named).code == 1
    assert taken(root, "--bind", named, "--within", tmp_path).code == 0


def test_paths_from_the_directory_above_are_read(
    root: Path, named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    above = Path("..") / named.relative_to(tmp_path)
    assert taken(root, "--bind", above, "--dry-run").code == 0
    assert taken(root, "--bind", above, "--within", "..").code == 0
    assert "is outside" in taken(root, "--bind", above, "--within", "../here").line


def test_an_error_in_one_zone_leaves_all(root: Path, named: Path):
    (named.parent / "data" / "db.net").write_text(MASTER + "x A 192.0.2.256\n")
    told = taken(root, "--bind", named)
    assert (told.code, "data/db.net:6" in told.err) == (1, True)
    assert files(root) == []
    assert taken(root, "example.com", "--bind", named).code == 0
    assert files(root) == ["example.com.yaml"]


def test_a_zone_that_is_not_there_is_named(root: Path, named: Path):
    told = taken(root, "example.org", "--bind", named)
    assert (told.code, "is not named there" in told.line) == (1, True)
    told = taken(root, "raw.example", "--bind", named)
    assert (told.code, "is not text" in told.line) == (1, True)


KNOT = """\
# of Knot
server:
    listen: [ 127.0.0.1@5353, "::1@5353" ]
template:
  - id: default
    storage: "data"
  - id: hashed
    storage: data/%s
    file: "db.%s"   # a comment
    module: mod-synthrecord/reverse
zone:
  - domain: example.com
    file: db.com
  - domain: "example.net."
    storage: data
    file: "db.%l[0]"
    zonefile-sync: -1
  - domain: away.example
    master: [ other ]
include: more.conf
"""


@pytest.fixture
def knot(there: Path) -> Path:
    (there / "data").mkdir()
    for name in ("db.com", "db.net", "example.org.zone"):
        (there / "data" / name).write_text(MASTER)
    (there / "knot.conf").write_text(KNOT)
    (there / "more.conf").write_text("zone:\n- domain: example.org\n")
    return there / "knot.conf"


def test_knot_zones_are_taken_by_storage_and_file(root: Path, knot: Path):
    told = taken(root, "--knot", knot)
    assert told.code == 0, told.err
    assert files(root) == ["example.com.yaml", "example.net.yaml", "example.org.yaml"]
    left = not_taken(told)
    assert left["away.example."].startswith("is transferred from another server")
    assert "zone-flush" in left["example.net."]


@pytest.mark.peer
def test_the_configuration_is_one_that_knot_takes(knot: Path):
    text = (
        knot.read_text()
        .replace("    module: mod-synthrecord/reverse\n", "")
        .replace("    master: [ other ]\n", "")
    )
    knot.write_text(text.replace("server:\n", f"server:\n    rundir: {knot.parent}\n"))
    done = subprocess.run(
        [need("knotc"), "-c", str(knot), "conf-check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("include: knot.conf\n", "includes itself"),
        ("include: ../../x.conf\n", "is outside"),
        ("zone:\n  - domain: x.example\n    template: none\n", "there is no template"),
        ("zone:\n  - domain: x.example\n    file: ../../secret\n", "is outside"),
        ("zone:\n  what\n", "is not `key: value`"),
    ],
)
def test_a_hostile_knot_conf_is_one_line_and_nothing_written(root: Path, knot: Path, text: str, said: str):
    knot.write_text(text)
    told = taken(root, "--knot", knot)
    assert (told.code, said in told.line) == (1, True), told.err
    assert files(root) == []


NO_ALIAS = "a master file has none; write `type: ALIAS` into the zone's YAML file"
POWERDNS = """\
$ORIGIN .
example.com\t3600\tIN\tSOA\tns1.example.com h.example.com 1 10800 3600 604800 3600
example.com\t3600\tIN\tNS\tns1.example.com.
example.com\t3600\tIN\tALIAS\twww.example.net.
dyn.example.com\t60\tIN\tLUA\tA "ifportup(443, {'192.0.2.1'})"
ns1.example.com\t3600\tIN\tA\t192.0.2.53
"""


def test_powerdns_zones_are_known_by_their_soa(root: Path, there: Path):
    (there / "one").write_text(POWERDNS)
    (there / "two").write_text(
        POWERDNS.replace("example.com", "example.net").replace("www.example.net.", "a.")
    )
    told = taken(root, "--powerdns", there / "one", "--powerdns", there / "two")
    assert told.code == 0, told.err
    assert files(root) == ["example.com.yaml", "example.net.yaml"]
    reasons = [each["reason"] for each in told.json["not_taken"]]
    assert reasons == [f"1 ALIAS left out: {NO_ALIAS}", "1 LUA left out: only PowerDNS knows the type"] * 2
    told = taken(root, "--powerdns", there / "one", "--powerdns", there / "one", "--overwrite")
    assert (told.code, "comes twice" in told.line) == (1, True)
    (there / "one").write_text("www A 192.0.2.1\n")
    told = taken(root, "--powerdns", there / "one")
    assert (told.code, "has no SOA" in told.line) == (1, True)


@pytest.mark.peer
def test_what_pdnsutil_prints_is_taken(root: Path, there: Path):
    util = need("pdnsutil")
    database = there / "pdns.sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(PDNS_SCHEMA.read_text())
    (there / "pdns.conf").write_text(f"launch=gsqlite3\ngsqlite3-database={database}\n")
    (there / "zone").write_text(MASTER + 'txt TXT "a;b" "c"\n*.w MX 10 mail.example.net.\n')

    def run(*arguments: str) -> str:
        command = [util, f"--config-dir={there}", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    run("load-zone", "example.com", str(there / "zone"))
    (there / "printed").write_text(run("list-zone", "example.com"))
    assert taken(root, "--powerdns", there / "printed").code == 0
    by_us = taken(repo(root.parent / "other"), "example.com", "--from", there / "zone")
    assert by_us.code == 0
    shown = [
        sorted((each["owner"], each["type"], each["ttl"], each["values"]) for each in one)
        for one in (
            dnsctl("zone", "show", "example.com", "--json", root=place).json["rrsets"]
            for place in (root, root.parent / "other")
        )
    ]
    assert shown[0] == shown[1]


def test_a_configuration_below_this_directory_is_read_from_here(root: Path, there: Path):
    """octoDNS's directories are relative to where it runs."""
    (there / "config").mkdir()
    (there / "zones").mkdir()
    (there / "zones" / "example.com.yaml").write_text("www: {type: A, value: 192.0.2.80}\n")
    (there / "config" / "production.yaml").write_text(
        "providers: {c: {class: octodns.provider.yaml.YamlProvider, directory: ./zones}}\n"
        "zones: {example.com.: {sources: [c]}}\n"
    )
    with inside(there):
        assert taken(root, "--octodns", "config/production.yaml").code == 0
    assert files(root) == ["example.com.yaml"]
