"""Whatever is wrong gets one message that says what, where and what to do, and nothing served changes."""

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest

from dnsctl.replicate import pki
from tests.scenarios.fleet import (
    ask,
    change,
    commit,
    deployed,
    is_up,
    one_message,
    serials,
    texts,
    write_zone,
)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    with deployed(tmp_path_factory.mktemp("fleet")) as stage:
        yield stage


@pytest.fixture
def fleet(deployment):
    """The fleet; afterwards its work tree is as before, and what it serves must not have changed."""
    head = deployment.git("rev-parse", "HEAD").lines[0]
    before = serials(deployment)
    yield deployment
    deployment.git("reset", "--quiet", "--hard", head)
    deployment.git("clean", "--quiet", "-fd")
    assert serials(deployment) == before
    assert all(texts(ask(deployment, name, "www.example.com."), "A") == {"192.0.2.80"} for name in before)


ZONE_FAULTS = {
    "YAML that does not parse": ("www: {type: A, value: [192.0.2.80\n", "zones/example.com.yaml:", "yaml"),
    "a tab for indentation": ("www:\n\ttype: A\n", "zones/example.com.yaml:2:", "indent with spaces"),
    "an unknown type": ("www: {type: AA, value: 192.0.2.80}\n", "zones/example.com.yaml:1:", "AA"),
    "an address that is none": (
        "www: {type: A, value: 192.0.2.800}\n",
        "zones/example.com.yaml:1:",
        "192.0.2.800",
    ),
    "CNAME and other data": (
        "www:\n  - {type: CNAME, value: a.example.net.}\n  - {type: A, value: 192.0.2.1}\n",
        "zones/example.com.yaml:",
        "cname",
    ),
    "an owner outside the zone": (
        "www.example.net.: {type: A, value: 192.0.2.80}\n",
        "example.com.yaml:1:",
        "www.example.net",
    ),
}


@pytest.mark.parametrize(("text", "where", "what"), ZONE_FAULTS.values(), ids=ZONE_FAULTS.keys())
def test_zone_with_errors_is_refused_by_check_plan_and_push(fleet, text, where, what):
    write_zone(fleet, text)
    commit(fleet)
    for verb in ("check", "plan", "push"):
        told = one_message(fleet.run(verb, expect=(1,)))
        assert where in told and what.lower() in told.lower(), f"{verb}: {told}"


def _bomb(depth: int) -> str:
    lists = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, depth)]
    return "".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]\n", *lists])


HOSTILE = {  # of each file one line, which begins with its path and place
    "bomb.example.yaml": (_bomb(20), "bomb.example.yaml:", "aliases expand to over"),
    "many.example.zone": (
        "$TTL 1h\n$GENERATE 1-1000000000 h$ A 192.0.2.1\n",
        "many.example.zone:2:1:",
        "makes 1000000000 records",
    ),
    "deep.example.zone": ("$TTL 1h\n" + "$INCLUDE part\n" * 3000, "deep.example.zone:1002:1:", "1000 files"),
    "a\n\x1b[31m.example.yaml": ("{}", "a\\x0a\\x1b[31m.example.yaml:", "is not a zone"),
}


def test_hostile_files_of_one_commit_are_told_one_line_each_and_leave_nothing_behind(fleet):
    for name, (text, _, _) in HOSTILE.items():
        write_zone(fleet, text, name)
    write_zone(fleet, "", "part")
    (fleet.root / "zones/link.example.yaml").symlink_to("/etc/passwd")
    (fleet.root / "zones/dir.example.").symlink_to("../../..")
    told = [(path, what) for _, path, what in HOSTILE.values()]
    told += [
        ("link.example.yaml:", "leads outside the operations repo"),
        ("dir.example.:", "leads to no dir"),
    ]
    commit(fleet)
    files = {path for path in fleet.root.rglob("*") if ".git" not in path.parts}
    for verb in ("check", "plan", "push"):
        ran = fleet.run(verb, expect=(1,))
        lines = [each for each in one_message(ran).splitlines() if "error [" in each]
        assert len(lines) == len(told), lines
        for path, what in told:
            assert [what in each for each in lines if each.startswith(f"zones/{path}")] == [True], path
        assert "\x1b" not in one_message(ran)
    assert {path for path in fleet.root.rglob("*") if ".git" not in path.parts} <= files | {
        fleet.root / "state/memory.db"
    }


def test_zone_file_that_shrinks_to_nothing_is_refused_with_the_way_to_mean_it(fleet):
    write_zone(fleet, "")
    commit(fleet)
    assert "zones/example.com.yaml: warning [zone-empty]" in one_message(fleet.run("check"))
    told = one_message(fleet.run("push", expect=(1,)))
    assert "guard emptied-zone" in told and "--allow" in told


def test_error_in_one_zone_does_not_hide_those_in_another(fleet):
    write_zone(fleet, "www: {type: A, value: nonsense}\n")
    write_zone(fleet, "www: {type: AAAA, value: 192.0.2.1}\n", "example.net.yaml")
    told = one_message(fleet.run("check", expect=(1,)))
    assert "example.com.yaml:1" in told and "example.net.yaml:1" in told


def test_missing_configuration_is_named(fleet):
    (fleet.root / "dnsctl.yaml").unlink()
    for verb, code in (("check", 1), ("verify", 2), ("status", 1)):
        told = one_message(fleet.run(verb, expect=(code,)))
        assert "dnsctl.yaml" in told and "dnsctl init" in told


def test_unknown_setting_is_named_with_the_nearest_known_one(fleet):
    path = fleet.root / "dnsctl.yaml"
    path.write_text(path.read_text() + "\npolicys: {}\n")
    told = one_message(fleet.run("check", expect=(1,)))
    assert "policys" in told and "policies" in told and "dnsctl.yaml:" in told


def test_dirty_work_tree_is_refused_by_push(fleet):
    write_zone(fleet, "www: {type: A, value: 192.0.2.81}\n")
    told = one_message(fleet.run("push", expect=(1,)))
    assert "zones/example.com.yaml" in told and "commit" in told


def test_unknown_revision_is_named(fleet):
    told = one_message(fleet.run("push", "--rev", "no-such-branch", expect=(1,)))
    assert "no-such-branch" in told


def test_wrong_passphrase_is_named(fleet):
    path = fleet.root / "keys" / "passphrase"
    right = path.read_bytes()
    change(fleet, "192.0.2.80", "192.0.2.81")
    path.write_bytes(b"not the passphrase\n")
    try:
        told = one_message(fleet.run("push", expect=(1,)))
    finally:
        path.write_bytes(right)
    assert "passphrase" in told


def test_expired_client_certificate_is_named(fleet):
    directory = fleet.root / "keys" / "pki"
    kept = {name: (directory / name).read_bytes() for name in ("control.crt", "control.pem")}
    passphrase = (fleet.root / "keys" / "passphrase").read_bytes().strip()
    change(fleet, "192.0.2.80", "192.0.2.81")
    try:
        for name in kept:
            (directory / name).unlink()
        pki.ensure_authority(
            fleet.root / "keys", lambda: passphrase, ["ns1", "ns2"], datetime.now(UTC) - timedelta(days=800)
        )
        told = one_message(fleet.run("push", expect=(1,)))
    finally:
        for name, content in kept.items():
            (directory / name).write_bytes(content)
    assert "control.crt" in told and "expired" in told


def test_node_that_is_down_stops_a_push_and_cannot_be_told_by_verify(fleet):
    change(fleet, "192.0.2.80", "192.0.2.81")
    fleet.kill("ns2")
    try:
        told = one_message(fleet.run("push", expect=(1, 3)))
        assert "ns2" in told and "--without dc2" in told
        assert texts(ask(fleet, "ns1", "www.example.com."), "A") == {"192.0.2.80"}
        ran = fleet.run("verify", expect=(2,))
        assert any("ns2" in line and "silent" in line for line in ran.lines)
        assert fleet.run("verify", "--site", "dc1").code == 0
        assert fleet.run("status", expect=(2,)).code == 2
    finally:
        fleet.start("ns2")
        fleet.wait(lambda: is_up(fleet, "ns2"), "an answer of ns2")


def test_taken_port_is_named(fleet, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        told = one_message(fleet.run("serve", "--zones", "zones", "--listen", listen, expect=(1,)))
    assert listen in told and "is taken" in told and "listen on another port" in told


def test_directory_of_zones_that_is_not_there_is_named(fleet):
    told = one_message(fleet.run("serve", "--zones", "nowhere", "--listen", "127.0.0.1:0", expect=(1,)))
    assert "nowhere" in told


def test_node_that_is_not_in_the_configuration_is_named(fleet):
    told = one_message(fleet.run("serve", "--node", "ns3", expect=(1,)))
    assert "ns3" in told and ("ns1" in told or "ns2" in told)


def test_unknown_site_and_zone_are_named_by_verify(fleet):
    assert "dc3" in one_message(fleet.run("verify", "--site", "dc3", expect=(2,)))
    assert "example.net." in one_message(fleet.run("verify", "example.net", expect=(2,)))


def test_json_of_verify_stays_json_whatever_is_wrong(fleet):
    fleet.kill("ns2")
    try:
        data = json.loads("\n".join(fleet.run("verify", "--json", expect=(2,)).lines))
    finally:
        fleet.start("ns2")
        fleet.wait(lambda: is_up(fleet, "ns2"), "an answer of ns2")
    assert data["verdict"] == "could not tell"
    assert [each["answered"] for each in data["nodes"]] == [True, False]
