"""`plan` and `push` judge alike: the same guards, the same errors in the same words, whatever changes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.control.operations import NODES, ORG, Operations, zone

COM = "zones/example.com.yaml"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Operations:
    """An operations repo with two zones that were released; its nodes are gone again."""
    repo = Operations(tmp_path_factory.mktemp("released") / "ops")
    repo.root.mkdir()
    repo.make()
    repo.write("zones/example.org.yaml", ORG)
    repo.commit("two zones")
    try:
        repo.start(*NODES)
        assert repo.run("push").returncode == 0
        exported = repo.root / "presigned"
        assert repo.run("zone", "export", "example.com", "--signed", "-o", str(exported)).returncode == 0
    finally:
        repo.stop()
    return repo


def policy(settings: str) -> Callable[[Operations], None]:
    """Return what changes the policy of all zones."""

    def change(repo: Operations) -> None:
        config = (repo.root / "dnsctl.yaml").read_text()
        repo.write("dnsctl.yaml", config + f"policies: {{standard: {{{settings}}}}}\n")

    return change


def unsigned(repo: Operations) -> None:
    config = (repo.root / "dnsctl.yaml").read_text()
    repo.write("dnsctl.yaml", config + "zones: {example.com: {dnssec: none}}\n")


def presigned(repo: Operations) -> None:
    (repo.root / COM).unlink()
    shutil.copy(repo.root / "presigned", repo.root / "zones/example.com.zone")


def presigned_with_a_part_missing(repo: Operations) -> None:
    (repo.root / COM).unlink()
    lines = (repo.root / "presigned").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not ("RRSIG" in line and line.startswith("www"))]
    assert len(kept) < len(lines)
    repo.write("zones/example.com.zone", "".join(kept))


def keys_gone(repo: Operations) -> None:
    shutil.rmtree(repo.root / "keys/example.com")


def private_half_gone(repo: Operations) -> None:
    for path in (repo.root / "keys/example.com").glob("*.private.pem"):
        path.unlink()


def state_file_damaged(repo: Operations) -> None:
    for path in (repo.root / "keys/example.com").glob("*.state"):
        path.write_text("rubbish\n")


def zone_removed(repo: Operations) -> None:
    (repo.root / "zones/example.org.yaml").unlink()


def other_name_servers(repo: Operations) -> None:
    repo.write(
        COM,
        zone().replace("[ns1.example.com., ns2", "[ns3.example.com., ns2")
        + "ns3: {type: A, value: 192.0.2.3}\n",
    )


def empty_list(repo: Operations) -> None:
    repo.write(COM, zone().replace("www: {type: A, value: 192.0.2.80}", "www: []"))


def ttl_jump(repo: Operations) -> None:
    repo.write(COM, zone().replace("www: {", "www: {ttl: 604800, "))


def error_in_a_zone(repo: Operations) -> None:
    repo.write(COM, zone("192.0.2.300"))


def history_rewritten(repo: Operations) -> None:
    repo.write(COM, zone("192.0.2.98"))
    repo.git("commit", "--quiet", "--all", "--amend", "-m", "otherwise")


CASES: dict[str, tuple[Callable[[Operations], None], list[str] | str]] = {
    "algorithm": (policy("algorithm: ED25519"), []),  # a roll, step by step
    "roles": (policy("keys: ksk+zsk"), []),
    "denial": (policy("denial: nsec3"), []),
    "unsigned": (unsigned, []),  # stays signed until its DS is gone
    "presigned": (presigned, ["serial-jump"]),
    "presigned, a part missing": (presigned_with_a_part_missing, "presigned-incomplete"),
    "keys gone": (keys_gone, ["keys-missing"]),
    "private half gone": (private_half_gone, "missing; restore it from a backup"),
    "state file damaged": (state_file_damaged, "its first line is not"),
    "zone removed": (zone_removed, ["removed-zone"]),
    "other name servers": (other_name_servers, ["apex-ns"]),
    "empty list of records": (empty_list, ["emptied-owner"]),
    "TTL jump": (ttl_jump, ["ttl-jump"]),
    "error in a zone": (error_in_a_zone, "192.0.2.300"),
    "history rewritten": (history_rewritten, ["history"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_plan_tells_what_a_push_is_refused_for(case: str, released: Operations, tmp_path: Path) -> None:
    change, expected = CASES[case]
    shutil.copytree(released.root, tmp_path / "ops")
    repo = Operations(tmp_path / "ops", released.ports)
    change(repo)
    repo.commit(case)
    if isinstance(expected, str):
        plan, push = repo.run("plan"), repo.run("push", "--dry-run")
        assert (plan.returncode, push.returncode) == (1, 1)
        assert expected in plan.stderr
        assert plan.stderr.splitlines()[-1] == push.stderr.splitlines()[-1]
        return
    made = repo.json("plan", code=2)
    told = repo.json("push", "--dry-run", code=1 if expected else 0)
    assert made["guards"] == told["guards"]
    assert [each["guard"] for each in made["guards"]] == expected
    assert {each["zone"]: each["fate"] for each in made["zones"]} == {
        each["zone"]: each["fate"] for each in told["zones"]
    }
