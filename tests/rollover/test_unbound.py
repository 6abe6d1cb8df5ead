"""States of caches before Unbound: it says of them what the model says by which rolls are judged.

`bench/validators.py` asks about all states that rolls come to, and those that they must not come to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rollover.unbound import KNOWS, MODES, told
from tests.rollover.validators import Row, Shape, Verdict, strict

pytestmark = pytest.mark.peer


@dataclass(frozen=True)
class State:
    """What DS, DNSKEY RRset and signatures in a cache come to, for whom.

    `hardened`: Unbound with `harden-algo-downgrade: yes`; `lenient`: with `no`, its default.
    """

    rows: Shape
    strict: Verdict
    hardened: Verdict
    lenient: Verdict


def _row(algorithm: int, flags: int, uses: str) -> Row:
    """Return a key by the letters of what it does: a DS of it, published, signs keys, signs data."""
    return Row(algorithm, flags, *(each in uses for each in "dpks"))


def _all(verdict: Verdict, *rows: Row) -> State:
    return State(tuple(sorted(rows)), verdict, verdict, verdict)


def _strictly_bogus(hardened: Verdict, lenient: Verdict, *rows: Row) -> State:
    return State(tuple(sorted(rows)), "bogus", hardened, lenient)


_KSK = _row(13, 257, "dpk")
STATES = {
    "one csk": _all("secure", _row(13, 257, "dpks")),
    "no ds yet": _all("insecure", _row(13, 257, "pks")),
    "old ds, and the old csk gone": _all("bogus", _row(13, 0, "d"), _row(13, 257, "pks")),
    "old ds, both csks": _all("secure", _row(13, 257, "dpk"), _row(13, 257, "pks")),
    "ds of a stranger beside ours": _all("secure", _row(13, 0, "d"), _row(13, 257, "dpks")),
    "ds of a zsk": _all("bogus", _row(13, 257, "pk"), _row(13, 256, "dps")),
    "dnskeys of before the new zsk": _all("bogus", _KSK, _row(13, 256, "p"), _row(13, 256, "s")),
    "data of the zsk that is gone": _all("bogus", _KSK, _row(13, 256, "s"), _row(13, 256, "p")),
    "data of before it was signed": _all("bogus", _row(13, 257, "dpk")),
    "data of both zsks": _all("secure", _KSK, _row(13, 256, "ps"), _row(13, 256, "s")),
    "ds of an algorithm without a key": _strictly_bogus(
        "bogus", "secure", _row(13, 257, "dpks"), _row(15, 0, "d")
    ),
    "ds of two algorithms, data of one": _strictly_bogus(
        "bogus", "secure", _row(13, 257, "dpks"), _row(15, 257, "dpk")
    ),
    "algorithm published before it signs data": _strictly_bogus(
        "secure", "secure", _row(13, 257, "dpks"), _row(15, 257, "pk")
    ),
    "zsk of an algorithm without its ksk": _strictly_bogus(
        "secure", "secure", _KSK, _row(13, 256, "ps"), _row(15, 256, "ps")
    ),
    "mldsa beside ecdsa": _all("secure", _row(13, 257, "dpks"), _row(18, 257, "dpks")),
    "mldsa alone": State((_row(18, 257, "dpks"),), "secure", "insecure", "insecure"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[Shape, str], tuple[Verdict, ...]]]:
    directory: Path = tmp_path_factory.mktemp("states")
    shapes = sorted({state.rows for state in STATES.values()})
    yield {(shape, mode): verdicts for shape, mode, verdicts in told(directory, shapes)}


@pytest.mark.parametrize("name", STATES)
def test_state_of_caches_is_judged_alike_by_unbound_and_by_the_model(
    name: str, said: dict[tuple[Shape, str], tuple[Verdict, ...]]
) -> None:
    state = STATES[name]
    expected: dict[str, Verdict] = {"yes": state.hardened, "no": state.lenient}
    assert strict(state.rows) == state.strict
    for mode, validate in MODES.items():
        assert said[state.rows, mode] == (expected[mode],) * 3, mode
        assert validate(state.rows, KNOWS) == expected[mode], mode
