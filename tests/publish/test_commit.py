from datetime import date
from pathlib import Path

import pytest

from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.config import Config
from dnsctl.load.settings.file import load_config
from dnsctl.model.guard_limits import GuardLimits
from dnsctl.publish.commit import intent_of
from dnsctl.publish.faults import ZonesWithErrorsError
from tests.publish.host import SIMPLE, Host, intent, master_text, name

CONFIG = """\
version: 1
sites:
  dc1: {nodes: {ns1: {listen: ["127.0.0.1:5301"], control: "https://127.0.0.1:8301"}}}
defaults:
  soa: {mname: ns1.example.net., rname: hostmaster.example.net.}
  ns: [ns1.example.net., ns2.example.net.]
zones:
  example.org: {dnssec: none}
guards: {deletes: 5%, updates: 50%, minimum: 3}
"""


def _repo(root: Path, zones: dict[str, str], config: str = CONFIG) -> tuple[WorkTree, Config]:
    (root / "zones").mkdir()
    (root / "dnsctl.yaml").write_text(config)
    for file, text in zones.items():
        (root / "zones" / file).write_text(text)
    source = WorkTree(root)
    return source, load_config(source)


def test_zones_come_with_the_policies_and_limits_of_the_settings(tmp_path: Path) -> None:
    text = "www: {type: A, value: 192.0.2.1}\n"
    made = intent_of(*_repo(tmp_path, {"example.com.yaml": text, "example.org.yaml": text}))
    assert made.commit is None
    assert made.limits == GuardLimits(0.05, 0.5, 3)
    com, org = made.zones[name("example.com.")], made.zones[name("example.org.")]
    assert com.policy is not None
    assert (com.signed, org.policy, org.signed) == (True, None, False)


def test_zone_signed_elsewhere_is_not_signed_again(tmp_path: Path) -> None:
    host = Host(tmp_path / "host")
    host.push(intent({"example.com.": SIMPLE}))
    made = intent_of(*_repo(tmp_path, {"example.com.zone": master_text(host.zone("example.com."))}))
    zone = made.zones[name("example.com.")]
    assert (zone.presigned, zone.policy, zone.signed) == (True, None, True)


def test_error_in_one_zone_stops_all_and_carries_every_finding(tmp_path: Path) -> None:
    zones = {
        "example.com.yaml": "www: {type: A, value: 192.0.2.1}\n",
        "example.net.yaml": "www: {type: A, value: 192.0.2.256}\n",
        "example.org.yaml": "www: [{type: CNAME, value: a.example.}, {type: A, value: 192.0.2.1}]\n",
    }
    with pytest.raises(ZonesWithErrorsError, match=r"more error") as stopped:
        intent_of(*_repo(tmp_path, zones))
    files = {each.position.file for each in stopped.value.findings}
    assert {"zones/example.net.yaml", "zones/example.org.yaml"} <= files


def test_record_past_its_date_is_judged_by_the_given_day(tmp_path: Path) -> None:
    zone = "www: {type: A, value: 192.0.2.1, expires: 2026-06-01}\n"
    source, config = _repo(tmp_path, {"example.com.yaml": zone, "example.org.yaml": zone})
    assert intent_of(source, config, today=date(2026, 1, 1)).findings == ()
    assert len(intent_of(source, config, today=date(2026, 5, 30)).findings) == 2
    with pytest.raises(ZonesWithErrorsError, match="expired on 2026-06-01"):
        intent_of(source, config, today=date(2026, 6, 2))
