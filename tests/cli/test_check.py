"""`dnsctl check`: findings, their order, exit codes, JSON."""

from pathlib import Path

import pytest

from tests.cli.shell import CONFIG, dnsctl, process, repo

HOSTS = "ns1: {type: A, value: 192.0.2.53}\nns2: {type: A, value: 198.51.100.53}\n"  # of example.net
GOOD = """\
'':
  - {type: A, value: 192.0.2.80}
  - {type: MX, values: [{preference: 10, exchange: mail.example.com.}]}
mail: {type: A, value: 192.0.2.25}
"""
WARNED = GOOD + "www: {type: CNAME, value: gone.example.com.}\n"
BROKEN = WARNED + "both:\n  - {type: A, value: 192.0.2.1}\n  - {type: CNAME, value: mail.example.com.}\n"


def test_clean_zone_is_exit_0(tmp_path: Path):
    told = dnsctl("check", root=repo(tmp_path, example_com_yaml=GOOD))
    assert told == (0, "1 zone checked: 0 errors, 0 warnings\n", "")


def test_warnings_are_exit_0_and_name_file_line_column_rule_and_advice(tmp_path: Path):
    told = dnsctl("check", root=repo(tmp_path, example_com_yaml=WARNED))
    assert told.code == 0
    finding, summary = told.out.splitlines()
    assert finding.startswith("zones/example.com.yaml:5:")
    assert "warning [cname-target-resolves] www.example.com. is an alias of gone.example.com." in finding
    assert "; add gone.example.com." in finding
    assert summary == "1 zone checked: 0 errors, 1 warning"


def test_errors_are_exit_1(tmp_path: Path):
    told = dnsctl("check", root=repo(tmp_path, example_com_yaml=BROKEN))
    assert told.code == 1
    assert "error [cname-other-data]" in told.out


def test_json_has_stable_keys(tmp_path: Path):
    told = dnsctl("check", "--json", root=repo(tmp_path, example_com_yaml=BROKEN))
    assert told.code == 1
    assert list(told.json) == ["findings", "zones", "errors", "warnings", "notes"]
    assert (told.json["zones"], told.json["errors"], told.json["warnings"]) == (1, 1, 1)
    by_rule = {each["rule"]: each for each in told.json["findings"]}
    found = by_rule["cname-target-resolves"]
    assert list(found) == ["rule", "severity", "zone", "file", "line", "column", "message", "advice"]
    assert (found["zone"], found["file"], found["line"]) == ("example.com.", "zones/example.com.yaml", 5)
    assert found["column"] > 0


def test_findings_of_all_files_are_collected_and_sorted(tmp_path: Path):
    root = repo(
        tmp_path,
        b_example_yaml=BROKEN.replace("example.com", "b.example"),
        a_example_yaml="www: [oops\n",
        c_example_yaml="'': {type: A, value: 192.0.2.300}\n",
    )
    told = dnsctl("check", "--json", root=root)
    assert told.code == 1
    places = [(each["file"], each["line"]) for each in told.json["findings"]]
    assert places == sorted(places)
    assert {file for file, _ in places} == {f"zones/{each}.example.yaml" for each in "abc"}
    assert told.json["zones"] == 3


def test_only_the_named_zone_is_checked_with_or_without_final_dot(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml=BROKEN, example_net_yaml=HOSTS)
    assert dnsctl("check", "example.net", root=root).code == 0
    assert dnsctl("check", "EXAMPLE.com.", root=root).code == 1


def test_unknown_zone_is_exit_1_with_the_nearest_one(tmp_path: Path):
    told = dnsctl("check", "exmaple.com", root=repo(tmp_path, example_com_yaml=GOOD))
    assert told.code == 1
    assert told.out == ""
    assert "exmaple.com." in told.line
    assert "example.com." in told.line.replace("exmaple.com.", "")


def test_name_that_is_none_is_exit_1(tmp_path: Path):
    told = dnsctl("check", "a..b", root=repo(tmp_path, example_com_yaml=GOOD))
    assert told.code == 1
    assert "doubled dot" in told.line


def test_severity_from_dnsctl_yaml_holds(tmp_path: Path):
    config = CONFIG + "zones:\n  example.com: {checks: {cname-target-resolves: error}}\n"
    assert dnsctl("check", root=repo(tmp_path, config, example_com_yaml=WARNED)).code == 1
    config = CONFIG + "zones:\n  example.com: {checks: {cname-target-resolves: 'off'}}\n"
    assert dnsctl("check", root=repo(tmp_path, config, example_com_yaml=WARNED)).out.count("\n") == 1


@pytest.mark.parametrize(
    ("config", "where"),
    [("version: 1\nsitse: {}\n", "dnsctl.yaml:2"), ("a: [\n", "dnsctl.yaml:"), ("", "dnsctl.yaml")],
)
def test_broken_dnsctl_yaml_is_one_line_and_exit_1(tmp_path: Path, config: str, where: str):
    told = dnsctl("check", root=repo(tmp_path, config, example_com_yaml=GOOD))
    assert told.code == 1
    assert where in told.line


def test_directory_without_dnsctl_yaml_says_what_to_do(tmp_path: Path):
    told = dnsctl("check", root=tmp_path)
    assert told.code == 1
    assert "dnsctl init" in told.line


def test_target_in_another_zone_of_ours_is_looked_up_there(tmp_path: Path):
    text = "'': {type: MX, values: [{preference: 10, exchange: mail.example.net.}]}\n"
    root = repo(tmp_path, example_com_yaml=text, example_net_yaml=HOSTS)
    assert "mx-target-resolves" in dnsctl("check", root=root).out
    root = repo(tmp_path, example_net_yaml=HOSTS + "mail: {type: A, value: 192.0.2.1}\n")
    assert dnsctl("check", root=root).code == 0


def test_rules_are_listed(tmp_path: Path):
    told = dnsctl("check", "--rules", "--json", root=tmp_path)
    assert {
        key: value
        for each in told.json["rules"]
        if each["rule"] == "mx-target-resolves"
        for key, value in each.items()
        if key != "meaning"
    } == {"rule": "mx-target-resolves", "severity": "error", "fixed": False}


def test_presigned_zone_whose_signatures_are_incomplete_is_refused(tmp_path: Path):
    text = (
        "@ 3600 IN SOA ns1.example.net. h.example.net. 1 7200 1800 1209600 300\n"
        "@ 3600 IN NS ns1.example.net.\n@ 3600 IN NS ns2.example.net.\n"
        "@ 3600 IN RRSIG SOA 13 2 3600 20300101000000 20200101000000 1 example.com. AAAA\n"
    )
    told = dnsctl("check", root=repo(tmp_path, example_com_zone=text))
    assert told.code == 1
    assert "presigned" in told.out


def test_file_name_that_is_not_utf8_is_a_finding_of_check_and_json(tmp_path: Path):
    root = repo(tmp_path, example_com_yaml=GOOD)
    (root / "zones" / "M\udcfcn.example.yaml").write_text(GOOD)
    told = process("check", root=root)
    assert (told.code, told.err) == (1, "")
    assert "error [zone-file-name] the file's name is not a zone: octet 0xfc" in told.out
    (found,) = process("check", "--json", root=root).json["findings"]
    assert found["file"].startswith("zones/M")


def test_zone_asked_for_where_there_is_none_at_all_is_one_plain_sentence(tmp_path: Path):
    told = dnsctl("check", "example.com", root=repo(tmp_path))
    assert (told.code, told.out, told.err) == (1, "", "dnsctl: unknown zone example.com.\n")
