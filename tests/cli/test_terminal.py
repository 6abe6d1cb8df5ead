"""What is drawn on a terminal: it fits, from 40 columns on, and says how long it will take."""

import io
import re
import sys

import pytest
from rich.text import Text

from dnsctl.cli import output
from dnsctl.cli.output import terminal


@pytest.mark.parametrize(("columns", "has_bar"), [(40, False), (60, True), (120, True)])
def test_progress_fits_and_tells_the_time_left(
    monkeypatch: pytest.MonkeyPatch, columns: int, has_bar: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    now = 0.0
    monkeypatch.setattr(sys, "stderr", written := io.StringIO())
    with terminal.progress() as bars:
        bars.get_time = lambda: now
        known = bars.add_task("compile the images of all zones", total=1_000_000)
        bars.add_task("ask", total=None)
        for now in (1.0, 2.0, 3.0):
            bars.update(known, completed=now * 10_000)
        bars.refresh()
    lines = [Text.from_ansi(each).plain for each in written.getvalue().replace("\r", "\n").splitlines()]
    assert max(map(len, lines)) <= columns
    [shown, *_] = [each for each in reversed(lines) if each.startswith("compile")]
    assert shown.rstrip().endswith("1:37 left")
    assert ("\u2501" in shown) == has_bar
    assert ("30000/1000000" in shown) == has_bar
    assert any(re.fullmatch(r"ask .* 0:0\d *", each) for each in lines)


@pytest.mark.parametrize("columns", [40, 80])
def test_a_table_fits(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", written := io.StringIO())
    output.table(
        ("zone", "file"), [("a.very.long.name.of.a.zone.example.com.", "zones/a/very/long/path.yaml")]
    )
    lines = [Text.from_ansi(each).plain for each in written.getvalue().splitlines()]
    assert max(map(len, lines)) <= columns
