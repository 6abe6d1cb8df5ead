"""Small YAML zones that went wrong once, each with its right result, through `dnsctl check` and `zone show`.

The files stand in zones/NUMBER-what/, as they would in `zones/` of an operations repo. The master files have
theirs beside them.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.cli.shell import dnsctl, repo

HERE = Path(__file__).parent / "zones"


def case(root: Path, number: str) -> Path:
    """Return an operations repo in `root` with the files of a case."""
    [source] = HERE.glob(f"{number}-*")
    shutil.copytree(source, repo(root) / "zones", dirs_exist_ok=True)
    return root


def findings(root: Path, *zones: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dnsctl("check", "--json", *zones, root=root).json["findings"]
    return found


def told(root: Path, rule: str) -> dict[str, Any]:
    [found] = [each for each in findings(root) if each["rule"] == rule]
    return found


def records(root: Path, zone: str = "example.com") -> list[tuple[str, str, str]]:
    """Return owner, type and value of each record that the file itself gave."""
    shown = dnsctl("zone", "show", zone, "--json", root=root)
    assert shown.code == 0, shown.err
    return [
        (one["owner"], one["type"], value)
        for one in shown.json["rrsets"]
        if one["file"] != "dnsctl.yaml"
        for value in one["values"]
    ]


def errors(root: Path) -> list[str]:
    return [each["rule"] for each in findings(root) if each["severity"] == "error"]


def test_key_in_a_block_scalar_is_read_over_the_line_break(tmp_path: Path) -> None:
    root = case(tmp_path, "01")
    assert records(root) == [("abc._openpgpkey.example.com.", "OPENPGPKEY", "AQIDBAUGBwgJCgsM")]


def test_ideographic_full_stops_are_dots(tmp_path: Path) -> None:
    root = case(tmp_path, "19")
    assert records(root) == [
        ("a.example.com.", "CNAME", "www.example.net."),
        ("www.xn--r8jz45g.example.com.", "TXT", '"x"'),
    ]


def test_records_that_octodns_would_not_publish_are_not_served_and_told_by_name(tmp_path: Path) -> None:
    root = case(tmp_path, "23")
    assert records(root) == [("www.example.com.", "A", "192.0.2.69")]
    assert "'ig' A is not served" in told(root, "octodns-ignored")["message"]
    assert "'inc' A is not served" in told(root, "octodns-included")["message"]


def test_aname_that_leads_out_of_our_zones_is_left_out_as_alias_is(tmp_path: Path) -> None:
    root = case(tmp_path, "31")
    found = told(root, "alias-not-served")
    assert (found["severity"], found["line"]) == ("warning", 1)
    assert "write A and AAAA records" in found["advice"]
    assert ("example.com.", "ALIAS", "web.example.net.") in records(root)
    assert errors(root) == []


def test_advice_for_a_label_that_idna_refuses_is_its_a_label(tmp_path: Path) -> None:
    root = case(tmp_path, "32")
    advice = [each["advice"] for each in findings(root) if each["rule"] == "owner-syntax"]
    assert [text.partition("write the A-label ")[2] for text in advice] == ["xn--n3h", "xn--grn_blau-75a"]


def test_quote_that_is_not_closed_is_told_where_it_begins(tmp_path: Path) -> None:
    root = case(tmp_path, "34")
    found = told(root, "yaml-syntax")
    assert (found["line"], found["column"]) == (3, 10)
    assert "the quote that begins here" in found["message"]


def test_unknown_key_in_a_value_is_a_warning_and_the_record_loads(tmp_path: Path) -> None:
    root = case(tmp_path, "37")
    assert records(root) == [("_x._tcp.example.com.", "SRV", "1 1 443 a.example.net.")]
    assert "'comment'" in told(root, "unknown-key")["message"]


def test_text_after_a_closing_quote_is_an_error(tmp_path: Path) -> None:
    root = case(tmp_path, "40")
    assert errors(root) == ["rdata-syntax"]
    assert "text beside a quoted one" in told(root, "rdata-syntax")["message"]


def test_colons_in_a_fingerprint_are_told_as_such(tmp_path: Path) -> None:
    root = case(tmp_path, "42")
    found = told(root, "rdata-syntax")
    assert "colons" in found["message"]
    assert found["advice"] == "remove the colons"


def test_split_directory_is_one_zone(tmp_path: Path) -> None:
    root = case(tmp_path, "14")
    assert records(root) == [
        ("example.com.", "TXT", '"x"'),
        ("www.example.com.", "A", "192.0.2.1"),
    ]
    assert dnsctl("check", "--json", root=root).json["zones"] == 2


def test_link_to_a_file_that_is_not_there_is_told_alike_by_check_and_plan(tmp_path: Path) -> None:
    root = repo(tmp_path, example_net_yaml="www: {type: A, value: 192.0.2.1}\n")
    (root / "zones/example.com.yaml").symlink_to("nowhere.yaml")
    found = told(root, "file-unreadable")
    assert (found["severity"], found["file"]) == ("error", "zones/example.com.yaml")
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "--all"), (*identity, "commit", "-qm", "x")):
        subprocess.run(("git", *command), cwd=root, check=True)
    planned = dnsctl("plan", root=root)
    assert planned.code == 1
    assert found["message"] in planned.err
    assert "zones/example.com.yaml" in planned.err


def test_octodns_configuration_is_told_as_such_and_blocks_nothing(tmp_path: Path) -> None:
    root = case(tmp_path, "17")
    found = told(root, "octodns-config")
    assert (found["severity"], found["file"]) == ("warning", "zones/production.yaml")
    checked = dnsctl("check", "--json", root=root)
    assert (checked.code, checked.json["zones"]) == (0, 1)


def test_include_is_read_as_octodns_reads_it(tmp_path: Path) -> None:
    root = case(tmp_path, "24")
    assert records(root) == [
        ("mail.example.com.", "MX", "10 mail.example.net."),
        ("www.example.com.", "A", "192.0.2.1"),
    ]
    assert [each for each in findings(root) if each["rule"] == "zone-file-ignored"] == []


def test_included_file_among_the_zones_is_not_counted_as_one(tmp_path: Path) -> None:
    root = repo(
        tmp_path,
        example_com_yaml="a: !include mail.yaml\n",
        mail_yaml="{type: A, value: 192.0.2.1}\n",
    )
    checked = dnsctl("check", "--json", root=root)
    assert (checked.code, checked.json["zones"]) == (0, 1)
    assert told(root, "zone-file-included")["file"] == "zones/mail.yaml"


def test_percent_encoded_slash_in_a_files_name_is_told_with_the_name_to_write(tmp_path: Path) -> None:
    root = case(tmp_path, "41")
    found = told(root, "zone-file-name")
    assert found["severity"] == "error"
    assert r"0\04725.2.0.192.in-addr.arpa.yaml" in found["advice"]
