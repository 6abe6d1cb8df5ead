"""However much there is to tell, a node logs a few lines a second."""

import logging

from dnsctl.node.log import Paced


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def logger(name: str, clock: Clock) -> tuple[logging.Logger, Lines]:
    found, handler = logging.getLogger(f"dnsctl.test.{name}"), Lines()
    handler.addFilter(Paced(clock))
    found.handlers = [handler]
    found.propagate = False
    return found, handler


def test_flood_of_one_kind_is_a_few_lines_and_then_its_number() -> None:
    clock = Clock()
    log, kept = logger("kind", clock)
    for number in range(100_000):
        log.warning("a client was refused: %s", number)
    assert len(kept.lines) == 10
    clock.now += 2
    log.warning("a client was refused: %s", "again")
    assert kept.lines[-1] == "a client was refused: again (and 99990 more like this)"


def test_flood_of_one_kind_hides_no_other() -> None:
    log, kept = logger("other", Clock())
    for number in range(1000):
        log.warning("a client was refused: %s", number)
    log.warning("generation %d is served", 7)
    assert kept.lines[-1] == "generation 7 is served"


def test_flood_of_ever_new_kinds_is_bounded_too() -> None:
    clock = Clock()
    log, kept = logger("kinds", clock)
    for number in range(6000):
        clock.now += 0.01
        log.warning(f"kind {number}")
    assert len(kept.lines) <= 100 + 60 * 5


def test_tracebacks_count_for_more() -> None:
    log, kept = logger("traceback", Clock())
    for _ in range(1000):
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            log.exception("it failed")
    assert len(kept.lines) == 2
