"""RFC 6604 §2, §3: RCODE and AA of an answer with aliases."""

import pytest

from tests.conformance.zones import is_authoritative


@pytest.mark.parametrize(
    ("name", "rcode"), [("chain.plain.test.", 0), ("dangling.plain.test.", 3), ("outside.plain.test.", 0)]
)
def test_section_3_rcode_is_of_the_last_name(server, name, rcode):
    """The RCODE MUST be set by the last query cycle."""
    assert server.ask(name).rcode() == rcode


def test_section_2_1_aa_is_of_the_first_owner(server):
    """AA speaks of the first owner name in the answer section."""
    assert is_authoritative(server.ask("outside.plain.test."))
