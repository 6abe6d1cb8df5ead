"""Settings every test runs under: one hypothesis profile for CI, bounded and without deadlines; bytecode."""

import compileall
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "dnsctl", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("dnsctl")


def pytest_configure(config: pytest.Config) -> None:
    """Write bytecode once, for hundreds of processes that may be told to write none themselves."""
    if not hasattr(config, "workerinput"):  # of pytest-xdist
        compileall.compile_dir(Path(__file__).parents[1] / "dnsctl", quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what has a time limit of its own, so that none of the long ones is left alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
