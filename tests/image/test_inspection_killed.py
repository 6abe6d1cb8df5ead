"""Who reads an image in a child is killed: the child ends as well, and lets go of what it inherited."""

import fcntl
import os
import signal
import time
from pathlib import Path

from dnsctl.image.inspection import look
from dnsctl.model.repo import NodeFiles
from tests.build import validated
from tests.node.running import publish


def is_locked(path: Path) -> bool:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def wait(begun: Path) -> None:
    begun.touch()
    time.sleep(60)


def test_lock_of_a_killed_process_is_not_kept_by_the_child_that_reads_its_image(tmp_path: Path) -> None:
    publish(tmp_path, [validated("example.com.", "www A 192.0.2.80\n")])
    lock, begun = tmp_path / "lock", tmp_path / "begun"
    pid = os.fork()
    if not pid:
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            look(NodeFiles(tmp_path).image, begin=lambda: wait(begun))
        os._exit(0)
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert is_locked(lock)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while is_locked(lock):
        assert time.monotonic() < deadline, "the child holds it"
        time.sleep(0.01)
