"""Whatever a file holds, `check` says so in findings: no traceback, no other exit code than 0 and 1."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.shell import Told, dnsctl, process

ROOT = Path(__file__).parents[2]
ORIGINALS = [ROOT / "dnsctl.yaml", *sorted((ROOT / "zones").glob("[!.]*"))]
HOSTILE = [
    b"\0",
    b"\xff\xfe",
    b"\x1b[2J",
    b"\t",
    b"!!python/object:os.system",
    b"&a *a",
    b"{" * 200,
    b"\\",
    b'"',
    b"$INCLUDE /etc/passwd\n",
    b"$ORIGIN .\n",
    b"99999999999999999999",
    b"-1",
    b"..",
    b"\\999",
    b"*",
]
TOKENS = b" \n:,-[]{}'\"()"

Mutation = Callable[[bytes, random.Random], bytes]


def flip_octets(text: bytes, chance: random.Random) -> bytes:
    changed = bytearray(text)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut_lines(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    start = chance.randrange(len(lines))
    del lines[start : start + chance.randint(1, 5)]
    return b"".join(lines)


def double_lines(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    start = chance.randrange(len(lines))
    part = lines[start : start + chance.randint(1, 5)]
    return b"".join((*lines[:start], *part * chance.randint(2, 4), *lines[start:]))


def swap_tokens(text: bytes, chance: random.Random) -> bytes:
    ends = [at for at, octet in enumerate(text) if octet in TOKENS]
    if len(ends) < 3:
        return text
    a, b = sorted(chance.sample(range(len(ends) - 1), 2))
    first, second = (ends[a], ends[a + 1]), (ends[b], ends[b + 1])
    return (
        text[: first[0]]
        + text[second[0] : second[1]]
        + text[first[1] : second[0]]
        + text[first[0] : first[1]]
        + text[second[1] :]
    )


def cut_off(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randrange(len(text))]


def put_in(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + chance.choice(HOSTILE) + text[at:]


MUTATIONS: list[Mutation] = [flip_octets, cut_lines, double_lines, swap_tokens, cut_off, put_in]


def mutated(seed: int) -> tuple[Path, bytes]:
    """Return one of the example's files and its content after a few mutations."""
    chance = random.Random(seed)
    original = chance.choice(ORIGINALS)
    text = original.read_bytes()
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(MUTATIONS)(text or b"x\n", chance)
    return original, text


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("fuzzed")
    (made / "zones").mkdir()
    yield made


def write(root: Path, original: Path, text: bytes) -> Path:
    """Put the mutated file alone into the repo, beside an unchanged dnsctl.yaml."""
    for left in (root / "zones").iterdir():
        left.unlink()
    (root / "dnsctl.yaml").write_bytes((ROOT / "dnsctl.yaml").read_bytes())
    target = root / original.relative_to(ROOT)
    target.write_bytes(text)
    return target


def assert_told(told: Told) -> None:
    assert told.code in (0, 1), told
    assert "Traceback" not in told.out + told.err, told
    assert "internal error" not in told.err, told
    assert len(told.err.splitlines()) <= 1, told
    assert "\x1b" not in told.out + told.err
    assert " checked: " in told.out or told.err, told


@settings(max_examples=250)
@given(st.integers(0, 2**64))
def test_mutated_file_is_told_in_findings(root: Path, seed: int):
    write(root, *mutated(seed))
    assert_told(dnsctl("check", root=root))


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from([".yaml", ".zone"]))
def test_any_octets_are_told_in_findings(root: Path, text: bytes, suffix: str):
    write(root, ROOT / "zones" / f"fuzz.example{suffix}", text)
    assert_told(dnsctl("check", root=root))


@pytest.mark.parametrize("seed", range(3))
def test_process_of_its_own_behaves_the_same(root: Path, seed: int):
    write(root, *mutated(seed))
    told = process("check", root=root)
    assert_told(told)
    assert told == dnsctl("check", root=root)
