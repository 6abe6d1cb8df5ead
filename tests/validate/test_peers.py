"""What BIND or NSD refuse to load, a rule refuses as well; what passes here, both load.

Whatever Knot's semantic checks find, a rule finds, if not as an error.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.model.finding import Severity
from dnsctl.model.presentation import records
from tests.peers import need
from tests.validate.scenes import verdict, zone

pytestmark = pytest.mark.peer

_NAMES = st.sampled_from(["@", "a", "b.a", "*.a", "c.b.a", "mail", "ns1", "sub", "x.sub", "ns.sub"])
_TARGETS = st.one_of(_NAMES, st.sampled_from(["host.example.net.", "example.com."]))
_RECORDS = st.one_of(
    st.tuples(_NAMES, st.just("A"), st.sampled_from(["192.0.2.1", "192.0.2.2"])),
    st.tuples(_NAMES, st.just("TXT"), st.just('"hello"')),
    st.tuples(_NAMES, st.sampled_from(["NS", "CNAME", "DNAME"]), _TARGETS),
    st.tuples(_NAMES, st.just("MX"), _TARGETS.map(lambda target: f"10 {target}")),
    st.tuples(_NAMES, st.just("SRV"), _TARGETS.map(lambda target: f"0 0 1 {target}")),
    st.tuples(_NAMES, st.just("DS"), st.just("1 13 2 " + "AB" * 32)),
)
# Errors here in zones that a peer loads: what they say breaks a service, or is against an RFC's MUST NOT.
STRICTER = {
    "cname-loop",
    "dname-below",
    "ds-at-apex",
    "ds-without-ns",
    "glue-missing",
    "mx-null",
    "mx-target-resolves",
    "ns-target-is-alias",
    "ns-target-resolves",
    "srv-target-resolves",
    "wildcard-delegation",  # BIND refuses NS there, and loads DNAME
}


def refused(program: str, *arguments: str, file: Path) -> str:
    """Return what the peer says against the zone, or nothing."""
    command = [need(program), *arguments, "example.com", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout + done.stderr if done.returncode else ""


@contextlib.contextmanager
def written(text: str) -> Iterator[Path]:
    """Yield a file with the zone of `text`, as peers read it."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "example.com.zone"
        file.write_text("".join(line for one in zone("example.com.", text).rrsets() for line in records(one)))
        yield file


@settings(max_examples=100)
@given(st.lists(_RECORDS, max_size=8))
def test_nothing_that_knot_finds_is_passed_over(drawn: list[tuple[str, str, str]]):
    text = "".join(f"{' '.join(each)}\n" for each in drawn)
    with written(text) as file:
        checked = subprocess.run(
            [need("kzonecheck"), "-o", "example.com", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    assert checked.returncode == 0 or verdict(("example.com.", text)).findings, (text, checked.stdout)


@settings(max_examples=100)
@given(st.lists(_RECORDS, max_size=8))
def test_errors_here_are_refusals_there(drawn: list[tuple[str, str, str]]):
    text = "".join(f"{' '.join(each)}\n" for each in drawn)
    found = verdict(("example.com.", text)).findings
    errors = {each.rule for each in found if each.severity is Severity.ERROR}
    with written(text) as file:
        told = refused("named-checkzone", "-i", "local", "-k", "ignore", file=file) + refused(
            "nsd-checkzone", file=file
        )
    if told:
        assert errors, (text, told)
    elif errors - STRICTER:
        pytest.fail(f"{errors - STRICTER} for a zone that both peers load:\n{text}")
