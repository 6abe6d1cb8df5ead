"""Every file of the control host's state, damaged in every way: a push mends it, or says which to remove.

Never a wrong release, never "this is a bug". One fleet serves all cases: each ends with a push that has it
level again.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from dnsctl.control.own_image import open_own
from dnsctl.control.state import ControlState
from dnsctl.errors import DnsctlError
from dnsctl.image.layout import Table
from dnsctl.image.store import Image
from dnsctl.model.repo import HostFiles
from tests.control.operations import NODES, Operations, made, zone

NAMES = "\n".join(f"x{number:03}: {{type: TXT, value: host number {number}}}" for number in range(60)) + "\n"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operations]:
    """A fleet that serves generation 2."""
    with made(tmp_path_factory.mktemp("damaged") / "ops") as operations:
        operations.start(*NODES)
        for _ in range(2):
            change(operations)
            assert operations.run("push").returncode == 0
        yield operations


_addresses = iter(range(1, 65536))


def change(repo: Operations) -> str:
    """Commit another address of www; return it."""
    number = next(_addresses)
    address = f"192.0.{number // 256}.{number % 256}"
    repo.write("zones/example.com.yaml", zone(address, NAMES))
    repo.commit(f"www is {address}")
    return address


def answers(repo: Operations, owner: str, rdtype: str) -> set[str]:
    """Return what the nodes say, each text once."""
    found = set()
    for name in NODES:
        query = dns.message.make_query(owner, rdtype)
        reply = dns.query.udp(query, "127.0.0.1", port=repo.ports[name][0], timeout=5)
        found |= {rdata.to_text() for rrset in reply.answer for rdata in rrset}
    return found


def serial(repo: Operations) -> int:
    (soa,) = answers(repo, "example.com.", "SOA")
    return int(soa.split()[2])


def flip(path: Path) -> None:
    """Change one bit in each 200 octets, as chance has it."""
    octets, rng = bytearray(path.read_bytes()), random.Random(path.name)
    for _ in range(max(3, len(octets) // 200)):
        octets[rng.randrange(len(octets))] ^= 1 << rng.randrange(8)
    path.write_bytes(octets)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "garbage": lambda path: path.write_bytes(random.Random(1).randbytes(path.stat().st_size)),
    "flipped octets": flip,
    "a directory": a_directory,
}
FILES: dict[str, Callable[[Path], Path]] = {
    "the database": lambda state: state / "control.db",
    "the image": lambda state: state / "image/data.mdb",
    "the image's lock": lambda state: state / "image/lock.mdb",
    "the newest manifest": lambda state: sorted((state / "archive/releases").glob("*.manifest"))[-1],
    "the newest activation": lambda state: sorted((state / "archive/releases").glob("*.activation"))[-1],
    "an older manifest": lambda state: sorted((state / "archive/releases").glob("*.manifest"))[-2],
    "the newest delta": lambda state: max(
        (state / "archive/objects").glob("*/*"), key=lambda path: path.stat().st_mtime
    ),
}


def told(repo: Operations, *arguments: str) -> tuple[int, str]:
    """Run a command; return its code and what it said, which is never a traceback."""
    done = repo.run(*arguments)
    assert "Traceback" not in done.stderr and "bug" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def pushes_what_is_right(repo: Operations, *arguments: str) -> str:
    before = serial(repo)
    address = change(repo)
    code, text = told(repo, "push", *arguments)
    assert code == 0, text
    assert answers(repo, "www.example.com.", "A") == {address}
    assert serial(repo) > before
    return text


CASES = [  # all of them for what libraries open, which check little
    (file, damage)
    for file in FILES
    for damage in DAMAGES
    if file in ("the database", "the image") or damage in ("garbage", "a directory")
]


@pytest.mark.parametrize(("file", "damage"), CASES)
def test_push_over_a_damaged_file_of_the_state_releases_what_is_right(
    repo: Operations, file: str, damage: str
) -> None:
    DAMAGES[damage](FILES[file](repo.root / "state"))
    pushes_what_is_right(repo)


@pytest.mark.parametrize("damage", DAMAGES)
def test_who_only_reads_a_damaged_image_takes_another_from_the_nodes_or_says_what_to_remove(
    repo: Operations, damage: str
) -> None:
    image = repo.root / "state/image"
    for arguments in (("plan",), ("verify",)):
        DAMAGES[damage](image / "data.mdb")
        code, text = told(repo, *arguments)
        assert code == 0, text
        assert f"{image}: was damaged (" in text and "is made again from what the nodes serve" in text
    DAMAGES[damage](image / "data.mdb")
    for command in ("status", "plan --offline"):
        code, text = told(repo, *command.split())
        assert code == 1, text
        assert f"{image}: is damaged: " in text
        assert "remove that directory; nothing is lost by that: the next `dnsctl push`" in text
    shutil.rmtree(image)
    pushes_what_is_right(repo)


def test_rollback_over_damaged_files_goes_back_to_what_was_released(repo: Operations) -> None:
    first, second = change(repo), None
    assert repo.run("push").returncode == 0
    second = change(repo)
    assert repo.run("push").returncode == 0
    assert answers(repo, "www.example.com.", "A") == {second}
    state = repo.root / "state"
    flip(FILES["an older manifest"](state))
    DAMAGES["garbage"](state / "control.db")
    flip(state / "image/data.mdb")
    code, text = told(repo, "rollback")
    assert code == 0, text
    assert answers(repo, "www.example.com.", "A") == {first}
    pushes_what_is_right(repo)


def test_database_that_is_damaged_is_kept_aside_and_said_so(repo: Operations) -> None:
    database = repo.root / "state/control.db"
    octets = b"not a database" * 500
    database.write_bytes(octets)
    text = pushes_what_is_right(repo)
    kept = sorted(database.parent.glob("control.db.damaged-*"))
    assert octets in [each.read_bytes() for each in kept if each.is_file()]
    assert f"{database}: was damaged (file is not a database); it is kept as control.db.damaged-" in text


def test_lock_that_cannot_be_opened_is_named_and_the_push_works_once_it_is_removed(repo: Operations) -> None:
    lock = repo.root / "state/push.lock"
    a_directory(lock)
    code, text = told(repo, "push")
    assert (code, text) == (1, f"dnsctl: {lock}: Is a directory; remove it: nothing is lost by that\n")
    lock.rmdir()
    pushes_what_is_right(repo)


def test_octet_of_the_image_that_a_renewal_would_sign_is_not_signed(repo: Operations) -> None:
    """A renewal takes records from the image alone."""
    path = repo.root / "state/image"
    with Image.open(path) as image, image.reader() as reader:
        value = next(value for _, value in reader.nodes(Table.OWNERS, b"") if b"host number 7" in value)
    data = path / "data.mdb"
    octets = data.read_bytes()
    data.write_bytes(octets.replace(value, value.replace(b"host number 7", b"host number 8")))
    code, text = told(repo, "push", "--renew")
    assert code == 0, text
    assert "example.com.: the zone's records do not match its digest" in text
    assert answers(repo, "x007.example.com.", "TXT") == {'"host number 7"'}
    pushes_what_is_right(repo)
    assert answers(repo, "x007.example.com.", "TXT") == {'"host number 7"'}
    assert repo.json("verify", "--full")["verdict"] == "consistent"


def test_notes_of_a_push_are_in_its_json(repo: Operations) -> None:
    (repo.root / "state/control.db").write_bytes(b"garbage" * 1000)
    (note,) = repo.json("push")["notes"]
    assert "was damaged (file is not a database)" in note


def said_by_nobody(work: Callable[[], object]) -> str:
    """Return the error that `work` raises in a process of a user who owns nothing: root reads any mode."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setegid(65534)
            os.seteuid(65534)
            work()
        except DnsctlError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        text = told.read()
    os.waitpid(pid, 0)
    return text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_file_that_may_not_be_read_is_named_with_what_to_do(repo: Operations) -> None:
    state = repo.root / "state"
    for each in (state, *state.parents):
        if each.stat().st_uid == os.geteuid() and not each.stat().st_mode & 0o005:
            each.chmod(each.stat().st_mode | 0o055)
    for file in ("image/data.mdb", "control.db"):
        (state / file).chmod(0)
    image = said_by_nobody(lambda: open_own(HostFiles(state)))
    assert image.startswith(f"{state}/image: ") and "Permission denied; check its owner and mode" in image
    assert "or remove it; nothing is lost by that" in image
    database = said_by_nobody(lambda: ControlState.open(state / "control.db"))
    for file in ("image/data.mdb", "control.db"):
        (state / file).chmod(0o600)
    assert database.startswith(f"{state}/control.db: Permission denied; check its owner and mode, or move it")
