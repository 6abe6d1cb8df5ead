"""A repository of octoDNS, commit by commit: both nodes transfer what octoDNS reads from that commit.

`DNSCTL_OCTODNS_COMMITS=20` makes a longer history.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from dnsctl.demo.rehearsal import Rehearsal
from dnsctl.load.revision import WorkTree
from dnsctl.load.settings.file import load_config
from dnsctl.load.zones import load_zones
from dnsctl.publish.judgement import judge
from tests.load.octodns_drawn import DIRECTORY, Drawn, drawn_zones
from tests.load.octodns_judge import RRsets, by_octodns, comparable, write
from tests.scenarios.fleet import commit, forked, start_all

COMMITS = int(os.environ.get("DNSCTL_OCTODNS_COMMITS", "3"))
MADE_BY_SIGNING = ("SOA", "RRSIG", "NSEC", "DNSKEY", "CDS", "CDNSKEY")
SETTINGS = "zone-files: config\nguards: {deletes: 100%, updates: 100%}\ntransfers: {allow: [127.0.0.0/8]}\n"
START = {"example.com": "www: {type: A, value: 192.0.2.1}\n", "example.edu": "a: {type: TXT, value: x}\n"}


def drawn() -> list[Drawn]:
    """Return zones as drawn, the longest first, and the same ones each time."""
    made: list[Drawn] = []

    @settings(
        max_examples=20 * COMMITS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn_zones())
    def collect(one: Drawn) -> None:
        made.append(one)

    collect()
    made = [each for each in made if each.ttl == 3600]  # as `defaults` of the repo have it
    return sorted(made, key=lambda each: sum(map(len, each.files.values())), reverse=True)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with forked(tmp_path_factory.mktemp("history")) as stage:
        stage.run("init")
        stage.use_free_ports()
        config = stage.root / "dnsctl.yaml"
        kept = [
            line for line in config.read_text().splitlines() if not line.startswith(("guards:", "transfers:"))
        ]
        config.write_text("\n".join(kept) + "\n" + SETTINGS)
        write(stage.root, {f"{DIRECTORY}/{zone}.yaml": text for zone, text in START.items()})
        commit(stage, "the first zones")
        start_all(stage)
        stage.run("push")
        yield stage


def taken(root: Path, change: Drawn) -> bool:
    """Write a zone in place of what there was of it; False where rules refuse it, or it has an ALIAS."""
    directory = root / DIRECTORY
    for old in (*directory.glob(f"*{change.zone}*"), *(root / "shared").glob(f"{change.zone[:4]}*")):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    write(root, change.files)
    config = load_config(WorkTree(root))
    loaded = load_zones(WorkTree(root), config)
    if any(zone.aliases for zone in loaded.zones.values()):
        return False
    return not judge(loaded, config.policy, config.checks).has_errors


def transferred(stage: Rehearsal, node: str, zone: str) -> RRsets:
    """Return what a secondary gets from `node`, without what signing and `defaults` add."""
    endpoint = stage.fleet[node].listen[0]
    origin = f"{zone}.".encode("idna").decode()
    found: dict[tuple[bytes, str], tuple[int, set[bytes]]] = {}
    for message in dns.query.xfr(endpoint.address, origin, port=endpoint.port, relativize=False, timeout=60):
        for rrset in message.answer:
            key = rrset.name.canonicalize().to_wire(), dns.rdatatype.to_text(rrset.rdtype)
            if key[1] not in MADE_BY_SIGNING:
                found.setdefault(key, (rrset.ttl, set()))[1].update(comparable(each) for each in rrset)
    return {key: (ttl, frozenset(rdatas)) for key, (ttl, rdatas) in found.items()}


def expected(root: Path, zone: str) -> RRsets:
    """Return what octoDNS reads, with the name servers that `defaults` add."""
    found = by_octodns(root, DIRECTORY, zone)
    apex = dns.name.from_text(zone).canonicalize().to_wire()
    servers = frozenset(dns.name.from_text(f"ns{n}.example.net.").to_wire() for n in (1, 2))
    found.setdefault((apex, "NS"), (3600, servers))
    return found


def test_both_nodes_transfer_what_octodns_reads_from_each_commit(fleet: Rehearsal) -> None:
    zones, commits, compared = set(START), 0, 0
    for change in drawn():
        if commits == COMMITS:
            break
        if not taken(fleet.root, change) or not fleet.git("status", "--porcelain").lines:
            fleet.git("stash", "--quiet", "--include-untracked")
            continue
        commits += 1
        zones.add(change.zone)
        commit(fleet)
        planned = fleet.run("plan", "--json", expect=(0, 2))
        guards = {each["guard"] for each in json.loads("\n".join(planned.lines))["guards"]}
        allowed = [word for guard in sorted(guards) for word in ("--allow", guard)]
        fleet.run("push", *allowed, "--reason", "drawn")
        for zone in zones:
            wanted = expected(fleet.root, zone)
            compared += len(wanted)
            for node in fleet.fleet:
                assert transferred(fleet, node, zone) == wanted, f"{zone} at {node}"
    assert commits == COMMITS
    assert compared > 10 * COMMITS
