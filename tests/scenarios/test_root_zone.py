"""The root zone, from a file named `..zone` or `..yaml`: checked, pushed, served, verified as any other."""

from pathlib import Path

import dns.rcode
import dns.rdatatype

from tests.cli.test_serve import ask as ask_server
from tests.cli.test_serve import serving
from tests.scenarios.fleet import ask, commit, forked, start_all, texts, write_zone

ROOT = """\
$TTL 1d
. SOA ns1.nic.test. hostmaster.nic.test. 2026112801 30m 15m 7d 1d
. NS ns1.nic.test.
. NS ns2.nic.test.
ns1.nic.test. A 192.0.2.53
ns2.nic.test. A 198.51.100.53
example. NS ns1.example.
ns1.example. A 203.0.113.53
alone TXT "in the root"
"""
YAML = """\
'':
- {type: NS, values: [ns1.nic.test., ns2.nic.test.]}
ns1.nic.test: {type: A, value: 192.0.2.53}
ns2.nic.test: {type: A, value: 198.51.100.53}
alone: {type: TXT, value: in the root}
"""


def test_root_zone_is_pushed_changed_verified_and_rolled_back(tmp_path: Path) -> None:
    with forked(tmp_path) as stage:
        stage.run("init")
        stage.use_free_ports()
        write_zone(stage, ROOT, "..zone")
        commit(stage, "the root")
        assert stage.run("check").lines[-1].startswith("1 zone checked: 0 errors")
        start_all(stage)
        stage.run("push")
        assert texts(ask(stage, "ns1", "alone.", "TXT"), "TXT") == {'"in the root"'}
        signed = ask(stage, "ns2", ".", "NS")
        assert {one.rdtype for one in signed.answer} == {dns.rdatatype.NS, dns.rdatatype.RRSIG}
        assert ask(stage, "ns1", "nothing.here.", "A").rcode() == dns.rcode.NXDOMAIN
        referral = ask(stage, "ns2", "www.example.", "A")
        assert not referral.answer and referral.authority[0].name.to_text() == "example."
        stage.run("verify", "--full")
        write_zone(stage, ROOT.replace("in the root", "changed"), "..zone")
        commit(stage)
        stage.run("push")
        assert texts(ask(stage, "ns1", "alone.", "TXT"), "TXT") == {'"changed"'}
        stage.run("rollback", "--reason", "a try")
        assert texts(ask(stage, "ns2", "alone.", "TXT"), "TXT") == {'"in the root"'}
        stage.run("verify", "--full")
        assert "alone." in "\n".join(stage.run("zone", "export", ".", "--signed").lines)
        assert ". " in stage.run("key", "ds", ".").lines[0]


def test_root_zone_is_served_from_a_directory(tmp_path: Path) -> None:
    zones = tmp_path / "zones"
    zones.mkdir()
    (zones / "..yaml").write_text(YAML)
    with serving(zones, "--sign", "--state", str(tmp_path / "state")) as node:
        assert ask_server(node, ".", "NS").answer[0].rdtype == dns.rdatatype.NS
        assert ask_server(node, "alone.", "TXT").answer[0][0].strings == (b"in the root",)
        denied = ask_server(node, "nothing.")
        assert denied.rcode() == dns.rcode.NXDOMAIN
        assert dns.rdatatype.NSEC in {one.rdtype for one in denied.authority}
