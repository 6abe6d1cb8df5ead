from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replicate.control import Control
from tests.replicate.nodes import Fleet


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    control = Control(tmp_path / "control")
    yield control
    control.close()


@pytest.fixture
def fleet(tmp_path: Path, control: Control) -> Iterator[Fleet]:
    """Two nodes that run and serve nothing yet."""
    fleet = Fleet(tmp_path, control)
    fleet.start_all()
    yield fleet
    fleet.stop()
