"""Every answer beside the reference's and beside Knot's, NSD's and BIND's, over random zones.

    .venv/bin/python bench/answers.py [--pairs 100000] [--seed N] [--batch 24]

A pair is a zone and a question. Each batch draws zones (NSEC, NSEC3, opt-out, unsigned, signed by BIND with
salt and iterations; parents with their child; the root), signs them, serves them with all four, and asks.
Prints pairs by kind, known differences by name (docs/conformance.md), unknown ones, and sizes beside Knot's.
Ends with 1 where a difference is unknown, or an answer of a common kind is larger than Knot's.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dnsctl.image.store import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.reference import comparing, drawing, peers

LABELS = (*drawing.POLICIES, "elsewhere")
QUESTIONS = 60  # of each zone
COMMON = ("answer", "name error", "no data", "referral")


def batch(rng: random.Random, directory: Path, zones: int, tally: peers.Tally) -> int:
    """Draw, serve and ask one batch; return how many pairs it was."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    drawn, questions = [], []
    roots = rng.random() < 0.15
    for index in range(1 if roots else zones):
        label = rng.choice(LABELS)
        if label == "elsewhere" and not roots:
            sign = drawing.signed_elsewhere(rng, directory)
        else:
            sign = drawing.signer(label.replace("elsewhere", "nsec3"), now)
        shapes = ("root",) * 9 if roots else ("one", "pair", "one", "apex")
        made, pool = drawing.zones(rng, sign, f"z{index}.example.", shapes=shapes)
        drawn += made
        questions += drawing.questions(rng, made, pool, QUESTIONS * (6 if roots else 1))
    with Image.open(directory / "image", readonly=False) as image, peers.running(directory, drawn) as streams:
        served = comparing.Served(image)
        served.serve(drawn)
        peers.compare(served, streams, rng, questions, tally)
        served.close()
    return len(questions)


def report(tally: peers.Tally, pairs: int, seconds: float) -> bool:
    """Print what was seen; return True where all is well."""
    print(f"\n{pairs} pairs in {seconds:.0f} s: {dict(tally.kinds.most_common())}")
    for reason, count in tally.known.most_common():
        print(f"  known: {count:6} {reason}")
    print("sizes beside Knot's, where both say the same:")
    larger = False
    for kind, (count, ours, theirs, worst, where) in sorted(tally.sizes.items()):
        print(
            f"  {kind:18} {count:6} answers, {ours / theirs:.3f} of Knot's octets, worst {worst:.3f}: {where}"
        )
        larger |= worst > 1 and kind in COMMON
    print(f"{len(tally.unknown)} differences are not known")
    for one in {(one.peer, one.reply.kinds[-1], one.parts): one for one in tally.unknown}.values():
        print(one)
    return not tally.unknown and not larger


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--seed", default="answers")
    parser.add_argument("--batch", type=int, default=24, help="zones served at once")
    options = parser.parse_args()
    rng, tally, pairs, started = random.Random(options.seed), peers.Tally(), 0, time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):  # an interrupted run reports what it has seen
        while pairs < options.pairs:
            pairs += one_batch(rng, options.batch, tally)
            print(f"{pairs} pairs, {len(tally.unknown)} unknown", file=sys.stderr, flush=True)
    return 0 if report(tally, pairs, time.monotonic() - started) else 1


def one_batch(rng: random.Random, zones: int, tally: peers.Tally) -> int:
    """Return how many pairs a batch was; none where a peer does not load what was drawn."""
    with tempfile.TemporaryDirectory(prefix="dnsctl-answers-") as directory:
        try:
            return batch(rng, Path(directory), zones, tally)
        except AssertionError as error:  # Knot takes some names with zero octets for one another
            print(f"a batch that a peer does not load: {error}", file=sys.stderr)
            return 0


if __name__ == "__main__":
    sys.exit(main())
