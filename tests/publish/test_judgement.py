"""What may be published, told once for `check`, `plan`, `push`, `explain` and `serve --zones`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dnsctl.errors import SigningError
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.load.zones import load_directory, load_zones
from dnsctl.model.finding import Severity
from dnsctl.model.name import to_text
from dnsctl.publish.commit import intent_of
from dnsctl.publish.faults import ZonesWithErrorsError
from dnsctl.publish.finish import finish
from dnsctl.publish.judgement import Judged, judge, judge_signatures
from dnsctl.publish.presigned import pass_presigned
from tests.publish.host import NOW, SIMPLE, Host, intent, master_text

APEX = "@ SOA ns1 hostmaster 2026112101 2h 30m 14d 5m\n@ NS ns1\nns1 A 192.0.2.53\n"
HEALTHY = f"$TTL 1h\n{APEX}www A 192.0.2.1\n"
FAULTY = {  # what finds it -> the zone's text
    "reader": f"$TTL 1h\n{APEX}www A 192.0.2.256\n",
    "rule": f"$TTL 1h\n{APEX}www A 192.0.2.1\nwww CNAME ns1\n",
    "nothing of it can be read": "$INCLUDE missing.zone\n",
}
LATER = NOW + timedelta(days=400)


def judged(zones: Mapping[str, str], tmp_path: Path, now: datetime = NOW, config: str = "") -> Judged:
    directory = tmp_path / "zones"
    directory.mkdir(exist_ok=True)
    for name, text in zones.items():
        (directory / f"{name}.zone").write_text(text)
    (tmp_path / "dnsctl.yaml").write_text(config or "version: 1\n")
    settings = load_config(WorkTree(tmp_path), fleet=False)
    found = judge(load_directory(directory, settings), lambda _: None, settings.checks)
    return judge_signatures(found, now)


def names(found: Judged) -> set[str]:
    return {to_text(each) for each in found.zones}


@pytest.fixture
def signed(tmp_path: Path) -> str:
    """A zone that came signed at NOW, for two weeks."""
    host = Host(tmp_path / "elsewhere")
    host.push(intent({"signed.example.": SIMPLE}))
    return master_text(host.zone("signed.example."))


@pytest.mark.parametrize("fault", FAULTY)
def test_zone_with_an_error_keeps_no_healthy_zone_out(fault: str, tmp_path: Path):
    leads = HEALTHY + "alias CNAME www.faulty.example.\n@ MX 10 www.faulty.example.\n"
    found = judged({"faulty.example": FAULTY[fault], "healthy.example": leads}, tmp_path)
    assert names(found) == {"healthy.example."}
    assert {to_text(each.zone) for each in found.faults if each.zone} == {"faulty.example."}


def test_expired_zone_that_came_signed_keeps_itself_out_and_no_other(signed: str, tmp_path: Path):
    zones = {"signed.example": signed, "healthy.example": HEALTHY}
    assert names(judged(zones, tmp_path)) == {"signed.example.", "healthy.example."}
    found = judged(zones, tmp_path, LATER)
    assert names(found) == {"healthy.example."} and not found.signed
    assert {each.rule for each in found.faults} == {"signature-time"}


def test_release_takes_no_expired_zone_that_came_signed_either(signed: str, tmp_path: Path):
    judged({"signed.example": signed}, tmp_path)
    source = WorkTree(tmp_path)
    wanted = intent_of(source, load_config(source, fleet=False)).zones.values()
    assert pass_presigned(wanted, NOW).zones
    with pytest.raises(ZonesWithErrorsError):
        pass_presigned(wanted, LATER)


def test_level_that_makes_an_error_of_a_warning_keeps_a_zone_out_of_every_way(signed: str, tmp_path: Path):
    config = "version: 1\nzones: {'*': {checks: {signatures-end-soon: error}}}\n"
    late = NOW + timedelta(days=10)
    assert names(judged({"signed.example": signed}, tmp_path, late)) == {"signed.example."}
    found = judged({"signed.example": signed}, tmp_path, late, config)
    assert found.has_errors and not found.zones
    source = WorkTree(tmp_path)
    wanted = intent_of(source, load_config(source, fleet=False)).zones.values()
    with pytest.raises(ZonesWithErrorsError, match="signatures-end-soon"):
        pass_presigned(wanted, late)


@pytest.mark.parametrize("fault", FAULTY)
def test_commit_is_refused_with_all_that_check_tells(fault: str, tmp_path: Path):
    leads = HEALTHY + "@ MX 10 www.faulty.example.\n"
    judged({"faulty.example": FAULTY[fault], "healthy.example": leads}, tmp_path)
    source = WorkTree(tmp_path)
    config = load_config(source, fleet=False)
    with pytest.raises(ZonesWithErrorsError) as refused:
        intent_of(source, config)
    told = judge(load_zones(source, config), config.policy, config.checks).findings
    assert refused.value.findings == told
    assert any(each.severity is Severity.ERROR for each in told)


def test_zone_that_came_signed_is_not_made_before_its_signatures_were_judged(signed: str, tmp_path: Path):
    wanted = next(iter(judged({"signed.example": signed}, tmp_path).zones.values()))
    with pytest.raises(SigningError, match="not judged"):
        finish(wanted, (), 1, NOW)
