"""The same zones served by us, Knot, NSD and BIND: the same answers, but for what docs/conformance.md says.

Each known difference is told by name in `peers.KNOWN`. The long run is bench/answers.py.
"""

import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from dnsctl.image.store import Image
from tests.reference import comparing, drawing, peers

ZONES = 10
QUESTIONS = 60  # of each zone
COMMON = ("answer", "name error", "no data", "referral")


@pytest.mark.peer
def test_answers_are_those_of_knot_nsd_and_bind_and_no_larger_than_knots(tmp_path):
    rng = random.Random(os.environ.get("DNSCTL_SEED", "peers"))
    now = datetime.now(UTC) - timedelta(minutes=1)
    signers = [drawing.signer(label, now) for label in drawing.POLICIES]
    signers.append(drawing.signed_elsewhere(rng, tmp_path))
    drawn, questions, tally = [], [], peers.Tally()
    for index in range(ZONES):
        sign = signers[index % len(signers)]
        made, pool = drawing.zones(rng, sign, f"z{index}.example.", shapes=("one", "pair", "apex"))
        drawn += made
        questions += drawing.questions(rng, made, pool, QUESTIONS)
    with Image.open(tmp_path / "image", readonly=False) as image, peers.running(tmp_path, drawn) as streams:
        served = comparing.Served(image)
        served.serve(drawn)
        peers.compare(served, streams, rng, questions, tally)
        served.close()
    assert not tally.unknown, "\n".join(map(str, tally.unknown[:8]))
    larger = {kind: seen for kind, seen in tally.sizes.items() if kind in COMMON and seen[3] > 1}
    assert not larger, larger
    assert set(tally.sizes) >= set(COMMON)
