"""Zones that went wrong once, and what `check` must say of each: rules on names, targets and sizes."""

import shutil
from pathlib import Path
from typing import Any

from tests.cli.shell import CONFIG, dnsctl, repo

ZONES = Path(__file__).parent / "zones"
APEX = (
    "@ 3600 SOA ns1.example.net. hostmaster.example.net. 1 7200 1800 1209600 300\n"
    "@ 3600 NS ns1.example.net.\n@ 3600 NS ns2.example.net.\n"
)


def check(root: Path) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code of `check --json`, and what it found that is not of the surroundings."""
    told = dnsctl("check", "--json", root=root)
    return told.code, told.json["findings"]


def of_case(name: str, tmp_path: Path) -> tuple[int, list[dict[str, Any]]]:
    root = repo(tmp_path)
    for path in (ZONES / name).iterdir():
        shutil.copy(path, root / "zones")
    return check(root)


def of_text(tmp_path: Path, file: str, text: str, policy: str = "") -> tuple[int, list[dict[str, Any]]]:
    root = repo(tmp_path)
    (root / "zones" / file).write_text(text)
    if policy:
        (root / "dnsctl.yaml").write_text(CONFIG + policy)
    return check(root)


def test_white_space_in_three_owners_is_warned_of_three_times(tmp_path: Path):
    code, found = of_case("21-whitespace-owner", tmp_path)
    told = [each for each in found if each["rule"] == "owner-whitespace"]
    assert code == 0
    assert [each["line"] for each in told] == [1, 2, 3]


def test_each_target_that_is_a_url_an_address_or_a_list_is_warned_of_by_line(tmp_path: Path):
    code, found = of_case("22-url-as-target", tmp_path)
    told = {each["line"]: each["message"] for each in found if each["rule"] == "target-syntax"}
    assert code == 0
    assert set(told) == {1, 2, 3, 4, 5, 6}
    assert "a URL" in told[1]
    assert "a path" in told[2]
    assert "a mail address" in told[3]
    assert "a comma" in told[4]


def test_owner_that_repeats_the_origin_is_a_warning_and_the_zone_passes(tmp_path: Path):
    code, found = of_case("36-origin-repeated", tmp_path)
    assert code == 0
    assert [(each["rule"], each["severity"]) for each in found] == [("origin-repeated", "warning")]


def test_signed_rrset_above_64_kib_in_canonical_form_is_an_error(tmp_path: Path):
    owner = ".".join(["l" * 63] * 3 + ["m" * 40])
    records = "".join(f"{owner} 60 A 192.{n >> 8}.{n & 255}.1\n" for n in range(2265))
    code, found = of_text(tmp_path, "big.example.zone", APEX + records)
    assert code == 1
    assert [each["rule"] for each in found if each["severity"] == "error"] == ["rrset-unsignable"]


def test_hundred_and_one_records_are_a_warning_for_secondaries_that_run_bind(tmp_path: Path):
    records = "".join(f"w 60 A 192.0.2.{n}\n" for n in range(101))
    code, found = of_text(tmp_path, "many.example.zone", APEX + records)
    assert code == 0
    assert [each["rule"] for each in found if each["severity"] == "warning"] == ["rrset-many"]


def test_twenty_mail_exchanges_below_one_name_leave_in_one_datagram_and_nothing_says_otherwise(
    tmp_path: Path,
):
    records = "".join(f"@ 60 MX 10 m{n}.{'s' * 55}.example.net.\n" for n in range(20))
    code, found = of_text(tmp_path, "mail.example.zone", APEX + records)
    assert (code, [each for each in found if each["rule"] == "rrset-large"]) == (0, [])


def test_apex_of_223_octets_with_nsec3_is_an_error_of_check(tmp_path: Path):
    apex = ".".join(["a" * 63] * 3 + ["b" * 29])
    hashed = "policies: {standard: {denial: nsec3}}\n"
    code, found = of_text(tmp_path, f"{apex}.zone", APEX, hashed)
    assert code == 1
    assert "apex-too-long" in {each["rule"] for each in found}
