"""States of caches before Unbound: does it say of each what the model of `tests/rollover/validators.py` says?

    nice .venv/bin/python bench/validators.py [--states FILE] [--days 60] [--pairs]

A state is a mixture of DS, DNSKEY RRset and data of different times. Each is served as a zone of its own,
signed by real keys, and Unbound is asked for an answer, for a type that is not there, and for a name that is
not there; once with `harden-algo-downgrade: yes`, once with `no`. The states are those that rolls come to
(`--states`: as bench/years.py has written them; else of so many days), and those that a strict validator
refuses, which rolls come to when a rule on time is left out. `--pairs`: also all that one or two keys can do.
Exit code 1 where Unbound says otherwise, or refuses what a strict validator accepts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.rollover.kinds import KINDS, cases, world_of
from tests.rollover.rules import RULES, bogus_without
from tests.rollover.skipping import run_fast
from tests.rollover.unbound import KNOWS, MODES, told
from tests.rollover.validators import Row, Shape, pairs, strict

_SHOWN = 20  # disagreements that are printed


def main() -> int:
    arguments = _arguments()
    began = time.monotonic()
    met = _read(arguments.states) if arguments.states else _met(arguments.seed, arguments.days)
    refused = {shape for rule in RULES for shape in bogus_without(rule, arguments.seed, arguments.days)}
    faults = _compare("that rolls come to", met)
    faults += _compare("that rolls come to without one of the rules on time", refused - met)
    if arguments.pairs:
        faults += _compare("that one key or two can be in", set(pairs()))
    print(f"{time.monotonic() - began:.0f} s")
    return int(faults > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--states", type=Path, metavar="FILE", help="of bench/years.py")
    parser.add_argument("--days", type=int, default=60, help="of each world")
    parser.add_argument("--seed", type=int, default=11, help="of outages, lies and wishes")
    parser.add_argument("--pairs", action="store_true", help="all that one or two keys can do, too")
    return parser.parse_args()


def _read(path: Path) -> set[Shape]:
    return {tuple(Row(*each) for each in shape) for shape in json.loads(path.read_text())}


def _met(seed: int, days: int) -> set[Shape]:
    worlds = (
        run_fast(world_of(kind, parent, seed), 24 * days) for kind in KINDS for _, parent in cases(kind, seed)
    )
    return {shape for world in worlds for shape in world.shapes}


def _compare(what: str, shapes: set[Shape]) -> int:
    """Print what the model and Unbound say of states; return in how many cases they differ."""
    print(
        f"\n{len(shapes):,} states {what}: {_counted(strict(each) for each in shapes)} to a strict validator"
    )
    faults = 0
    with tempfile.TemporaryDirectory() as directory:
        answers = list(told(Path(directory), sorted(shapes)))
    for mode, validate in MODES.items():
        said = {shape: verdicts for shape, each, verdicts in answers if each == mode}
        unlike = [shape for shape in said if set(said[shape]) != {validate(shape, KNOWS)}]
        unlike += [shape for shape in said if "bogus" in said[shape] and strict(shape, KNOWS) != "bogus"]
        laxer = sum("bogus" not in said[shape] and strict(shape, KNOWS) == "bogus" for shape in said)
        print(
            f"Unbound, harden-algo-downgrade {mode}: {_counted(verdicts[0] for verdicts in said.values())}; "
            f"{len(said) - len(unlike):,} as the model says, {len(unlike):,} otherwise; "
            f"{laxer:,} accepted that are bogus to a strict one"
        )
        for shape in unlike[:_SHOWN]:
            print(f"  {validate(shape, KNOWS)} by the model, {', '.join(said[shape])} by Unbound:")
            print(*(f"    {row}" for row in shape), sep="\n")
        faults += len(unlike)
    return faults


def _counted(verdicts: Iterator[str]) -> str:
    counts = Counter(verdicts)
    return ", ".join(f"{counts[each]:,} {each}" for each in ("secure", "insecure", "bogus"))


if __name__ == "__main__":
    sys.exit(main())
