"""What fails again and again is counted each time and told once a minute."""

import logging

import dns.message
import dns.rcode
import pytest

from dnsctl.serve.metrics.failures import INTERVAL, FailureLog
from dnsctl.serve.respond import Responder


class BrokenReader:
    """A reader of an image that is damaged: whatever is asked of it fails."""

    def __getattr__(self, name: str) -> object:
        raise ZeroDivisionError(name)


def fail(log: FailureLog) -> None:
    try:
        raise ZeroDivisionError("unforeseen")
    except ZeroDivisionError:
        log.note("it failed", b"\xab" * 9000)


def test_flood_of_failures_is_one_line_a_minute_with_their_number(caplog: pytest.LogCaptureFixture):
    now = 1000.0
    log = FailureLog(logging.getLogger("dnsctl.test"), lambda: now)
    for _ in range(500):
        fail(log)
    assert [record.getMessage()[:35] for record in caplog.records] == ["it failed (1 failures so far); quer"]
    assert len(caplog.text) < 3000
    now += INTERVAL
    fail(log)
    assert "501 failures so far" in caplog.records[1].getMessage()
    assert "unforeseen" in caplog.text


def test_every_query_of_a_damaged_image_is_servfail_and_the_log_stays_short(
    caplog: pytest.LogCaptureFixture,
):
    responder = Responder()
    query = dns.message.make_query("www.example.com.", "A")
    for _ in range(50):
        response = responder.respond(BrokenReader(), query.to_wire(), stream=True)  # type: ignore[arg-type]
        assert response is not None
        assert dns.message.from_wire(response.wire).rcode() == dns.rcode.SERVFAIL
    assert responder.failures.count == 50
    assert len(caplog.records) == 1
