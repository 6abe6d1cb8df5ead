"""Answers are those of a resolver written from the RFCs alone, whatever zone and question hypothesis finds.

DNSCTL_PAIRS=100000 takes that many pairs of zone and question instead of a few seconds' worth.
"""

import os
import random
from collections import Counter
from typing import Any

import dns.message
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dnsctl.image.store import Image
from tests.reference import comparing, drawing, resolver

PAIRS = int(os.environ.get("DNSCTL_PAIRS", "0"))
SEED = os.environ.get("DNSCTL_SEED", "reference")
QUESTIONS = 40
UNPROVABLE = "no NSEC3 covers the wildcard"  # an encloser without NSEC3: see docs/conformance.md


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Image.open(tmp_path_factory.mktemp("image"), readonly=False) as image:
        served = comparing.Served(image)
        yield served
        served.close()


def compare(served, rng, label, count, counts=None):
    """Ask `count` questions of zones drawn by `rng`; return what was wrong."""
    zones, pool = drawing.zones(rng, drawing.signer(label))
    served.serve(zones)
    wrong = []
    for name, rdtype in drawing.questions(rng, zones, pool, count):
        edns = {"want_dnssec": rng.random() < 0.75, "payload": rng.choice([512, 700, 1232, 4096])}
        query = dns.message.make_query(name, rdtype, **(edns if rng.random() < 0.9 else {}))
        reply = served.reference(query)
        whole = served.ask(query)
        message = comparing.parsed(whole)
        faults = list(comparing.faults(message, reply))
        zone = resolver.zone_for(served.zones, query.question[0].name, query.question[0].rdtype)
        if zone is not None and zone.signed and query.ednsflags:
            lacking = comparing.unproven(
                message, reply, zone.origin, query.question[0].name, query.question[0].rdtype
            )
            if lacking and not (label == "optout" and lacking.startswith(UNPROVABLE)):
                faults.append(f"not proven: {lacking}")
        faults += comparing.udp_faults(served, query, whole)
        wrong += [f"{name} {rdtype} do={bool(query.ednsflags)} {reply.kinds}: {one}" for one in faults]
        if counts is not None:
            counts[reply.kinds[-1]] += 1
    return wrong


@pytest.mark.parametrize("label", drawing.POLICIES)
def test_every_section_is_what_the_rfcs_say(served, label):
    @settings(max_examples=25, phases=(Phase.explicit, Phase.generate))
    @given(st.randoms(use_true_random=False))
    def compared(rng):
        wrong = compare(served, rng, label, QUESTIONS // 4)
        assert not wrong, "\n".join(wrong[:5])

    compared()


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("label", drawing.POLICIES)
def test_a_stretch_of_seeded_zones_brings_every_kind_of_answer(served, label):
    counts: Counter[Any] = Counter()
    wrong: list[Any] = []
    rng = random.Random(f"{SEED} {label}")
    for _ in range(max(PAIRS // len(drawing.POLICIES) // QUESTIONS, 12)):
        wrong += compare(served, rng, label, QUESTIONS, counts)
    print(f"\n{label}: {counts.total()} pairs, {dict(counts.most_common())}")
    assert not wrong, f"{len(wrong)} of {counts.total()} differ\n" + "\n".join(wrong[:12])
    assert set(counts) >= {"answer", "no data", "name error", "referral", "wildcard", "wildcard no data"}
