"""RFC 4343 §3, §4: upper and lower case."""

from tests.conformance.zones import lines


def test_section_3_names_match_whatever_their_case(server):
    """Comparison of names is case insensitive for ASCII letters."""
    assert len(server.ask("WwW.PlAiN.tEsT.").answer[0]) == 2
    assert server.ask("NoWhErE.plain.test.").rcode() == 3


def test_section_4_1_case_of_the_question_is_preserved(server):
    """Case is preserved: the question comes back as it was asked."""
    message = server.ask("WwW.PlAiN.tEsT.")
    assert message.question[0].name.to_text() == "WwW.PlAiN.tEsT."


def test_section_3_zero_octet_and_dot_are_no_letters(server):
    """Octets outside the letters match only themselves."""
    assert lines(server.ask(r"do\.T.plain.test.").answer)
    assert server.ask("do.t.plain.test.").rcode() == 3
