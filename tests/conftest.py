"""What every test runs under: one hypothesis profile, bytecode, one salt, and a loopback for each worker."""

import compileall
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dnsctl.model import pkcs8, prctl
from tests import passphrase
from tests.processes import children

_CLONE_NEWNET = 0x40000000  # linux/sched.h

settings.register_profile(
    "dnsctl", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("dnsctl")

_fresh_salt = pkcs8.fresh_salt


@pytest.fixture
def fresh_salts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every keystore draw a salt of its own, as it does outside of tests."""
    monkeypatch.setattr(pkcs8, "fresh_salt", _fresh_salt)


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Have the test leave no child process behind. What tests before it keep for others is not counted."""
    before = children()
    yield
    assert children() <= before


def pytest_configure(config: pytest.Config) -> None:
    """Write bytecode once, for hundreds of processes that may be told to write none themselves.

    Keystores that this process makes share a salt: see `passphrase`. git is told nothing by the environment.
    """
    passphrase.share()
    for name in [each for each in os.environ if each.startswith("GIT_")]:
        del os.environ[name]  # who runs the tests, from a hook of git perhaps, signs nothing in them
    if hasattr(config, "workerinput"):  # of pytest-xdist
        _leave_network()
    else:
        for code in ("dnsctl", "tests", "bench"):
            compileall.compile_dir(Path(__file__).parents[1] / code, quiet=2)


def _leave_network() -> None:
    """Give this worker a loopback of its own where the system allows it (root).

    A port that was just found free, for a server that a test is about to start, then goes to no other worker.
    """
    ip = shutil.which("ip", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if ip is None or prctl.LIBC.unshare(_CLONE_NEWNET):
        return
    subprocess.run([ip, "link", "set", "lo", "up"], check=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what has a time limit of its own, so that none of the long ones is left alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
