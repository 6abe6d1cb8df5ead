"""A slice of the chaos bench: some events, all answers watched; and that what is wrong is found."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.faults.judge import Judge, Releases
from bench.faults.watch import MARK, Asker, marked
from dnsctl.model.fleet import Endpoint
from tests.build import APEX, validated
from tests.node.running import publish, running

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(240)
def test_events_of_all_kinds_end_well_and_no_answer_is_wrong():
    done = subprocess.run(
        (sys.executable, "-m", "bench.chaos", "--seconds", "5", "--seed", os.environ.get("DNSCTL_SEED", "3")),
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=220,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.search(r"queries: ([\d,]+), answers: ([\d,]+), .* wrong: 0", done.stdout)
    assert counts, done.stdout
    assert int(counts[2].replace(",", "")) > 100
    assert not re.search(r"^0 events", done.stdout, re.MULTILINE)


def test_node_that_serves_an_old_release_again_is_found(tmp_path: Path):
    zones = ("example.com.", "example.net.")
    releases, judge = Releases(), Judge("ns1")

    def serve(number: int) -> None:
        apex = APEX.replace("hostmaster 1 ", f"hostmaster {number} ")
        publish(
            tmp_path,
            [validated(zone, f'{apex}{MARK} 60 TXT "{marked(number, zone)}"', apex=False) for zone in zones],
            generation=number,
        )
        releases.add(number, number, dict.fromkeys(zones, number))

    serve(1)
    with running(tmp_path) as node:
        asker = Asker(Endpoint("127.0.0.1", node.port), zones, {})
        for number in (1, 2, 1):
            serve(number)
            for by in ("udp", "tcp"):
                for question in (MARK, "", "absent"):
                    judge.take(asker.ask(zones[0], question, by), releases)
            if number == 2:
                assert judge.wrong == []
    assert judge.answers == 18
    assert len(judge.wrong) == 6
    assert "generation 1 after example.com. by udp had shown 2" in judge.wrong[0]
