"""From nothing to two sites, and through a day of changes, by the command line alone, with its exit codes."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from dnsctl.demo.rehearsal import rehearsal
from tests.peers import need
from tests.scenarios.fleet import (
    ZONE,
    ask,
    change,
    commit,
    deployed,
    is_up,
    one_message,
    serials,
    start_all,
    texts,
    write_zone,
)


def addresses(stage):
    return {name: texts(ask(stage, name, "www.example.com."), "A") for name in stage.nodes}


def test_day_from_init_to_rollback(tmp_path):
    with rehearsal(tmp_path / "repo") as stage:
        stage.run("init")
        stage.use_free_ports()
        write_zone(stage, ZONE)
        assert stage.run("check").code == 0
        told = one_message(stage.run("verify", expect=(2,)))
        assert "dnsctl push" in told, "nothing was released yet"
        commit(stage)
        start_all(stage)
        assert serials(stage) == {"ns1": 0, "ns2": 0}

        plan = stage.run("plan", expect=(2,))
        assert any("www" in line and "192.0.2.80" in line for line in plan.lines)
        stage.run("push")
        assert addresses(stage) == {"ns1": {"192.0.2.80"}, "ns2": {"192.0.2.80"}}
        first = serials(stage)
        assert first["ns1"] == first["ns2"] > 0
        assert stage.run("plan").code == 0, "nothing is left to do"
        assert stage.run("push").code == 0, "pushing the same again is not an error"
        assert serials(stage) == first

        change(stage, "192.0.2.80", "192.0.2.81")
        stage.run("push")
        assert addresses(stage) == {"ns1": {"192.0.2.81"}, "ns2": {"192.0.2.81"}}
        second = serials(stage)
        assert second["ns1"] == second["ns2"] > first["ns1"]
        report = json.loads("\n".join(stage.run("verify", "--full", "--json").lines))
        assert report["verdict"] == "consistent" and report["generation"] == 2

        stage.run("rollback")
        assert addresses(stage) == {"ns1": {"192.0.2.80"}, "ns2": {"192.0.2.80"}}
        assert serials(stage)["ns1"] > second["ns1"], "a rollback goes forward"
        assert stage.run("verify").code == 0
        status = "\n".join(stage.run("status").lines)
        assert "ns1" in status and "ns2" in status and "3" in status


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with deployed(tmp_path_factory.mktemp("story")) as stage:
        yield stage


@pytest.mark.peer
def test_dig_sees_signed_answers_over_both_transports(fleet):
    dig = need("dig")
    for node in fleet.fleet.values():
        for transport in ("+notcp", "+tcp"):
            done = subprocess.run(
                [
                    *(dig, f"@{node.listen[0].address}", "-p", str(node.listen[0].port), transport),
                    *("+dnssec", "+norec", "anything.apps.example.com.", "A"),
                ],
                capture_output=True,
                text=True,
                check=True,
                timeout=20,
            )
            assert "status: NOERROR" in done.stdout and re.search(r"flags: qr aa", done.stdout)
            assert re.search(
                r"anything\.apps\.example\.com\.\s+\d+\s+IN\s+CNAME\s+www\.example\.com\.", done.stdout
            )
            assert "RRSIG" in done.stdout and "192.0.2.80" in done.stdout


def test_push_without_a_lost_site_goes_ahead_and_the_site_catches_up_by_itself(fleet):
    fleet.kill("ns2")
    change(fleet, "192.0.2.80", "192.0.2.82")
    stopped = fleet.run("push", expect=(1, 3))
    assert "--without dc2" in one_message(stopped)
    assert addresses(fleet) == {"ns1": {"192.0.2.80"}}
    one_message(fleet.run("push", "--without", "dc2", expect=(1, 2)))  # no reason given: refused
    assert addresses(fleet) == {"ns1": {"192.0.2.80"}}
    fleet.run("push", "--without", "dc2", "--reason", "power cut", expect=(0, 3))
    assert addresses(fleet) == {"ns1": {"192.0.2.82"}}
    assert fleet.run("verify", expect=(2,)).code == 2
    fleet.start("ns2")
    fleet.wait(lambda: is_up(fleet, "ns2") and len(set(serials(fleet).values())) == 1, "catching up")
    assert addresses(fleet) == {"ns1": {"192.0.2.82"}, "ns2": {"192.0.2.82"}}
    assert fleet.run("verify", "--full").code == 0
    change(fleet, "192.0.2.82", "192.0.2.80")
    fleet.run("push")


def test_interrupted_push_leaves_the_whole_fleet_on_one_release(fleet):
    """Ctrl-C at several moments: every node serves the old records, or every node the new ones."""
    old, new = "192.0.2.80", "192.0.2.90"
    for after in (0.4, 0.7, 1.0):
        change(fleet, old, new)
        process = subprocess.Popen(
            (sys.executable, "-m", "dnsctl", "push"),
            cwd=fleet.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            time.sleep(after)
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode in (0, 130, -signal.SIGINT), told
        served = addresses(fleet)
        assert served["ns1"] == served["ns2"] and served["ns1"] in ({old}, {new}), told
        assert process.returncode != 130 or "Traceback" not in told
        old, new = new, old
    fleet.run("push")
    assert addresses(fleet) == {"ns1": {old}, "ns2": {old}}
    assert fleet.run("verify", "--full").code == 0
