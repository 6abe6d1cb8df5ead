"""The table of docs/conformance.md, made from the tests: `python -m tests.conformance.table` writes it anew.

A test's name says the section (`test_section_4_3_2_...`), its docstring the requirement.
"""

import ast
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "conformance.md"
BEGIN, END = "<!-- table: made by tests/conformance/table.py -->\n", "<!-- end of table -->\n"
_SECTION = re.compile(r"test_section_((?:\d+_)*\d+)_(.*)")
# (RFC, section, requirement, test below tests/) of what needs sockets or another process
ELSEWHERE = (
    (
        2931,
        "3",
        "a SIG(0) covers no type and no label, its times are at most 5 minutes before and after now",
        "sign/test_sig0.py::test_rdata_is_as_rfc_2931_says",
    ),
    (
        2931,
        "3.1",
        "signed is the rdata without the signature, then the message without the SIG",
        "sign/test_sig0.py::test_signature_of_every_algorithm_is_valid_to_another_verifier",
    ),
    (
        4035,
        "2.2",
        "each authoritative RRset has an RRSIG whose fields agree with it, or the zone is refused",
        "sign/test_presigned_faults.py::test_fault_in_one_signature_is_the_one_error",
    ),
    (
        4035,
        "2.2",
        "what is not authoritative MUST NOT be signed: a warning, as resolvers pass over it",
        "sign/test_presigned_faults.py::test_signature_over_what_is_not_authoritative_is_a_warning",
    ),
    (
        4035,
        "2.3",
        "each name has its NSEC, each bitmap says what is there",
        "sign/test_presigned_faults.py::test_fault_in_the_chain_is_told",
    ),
    (
        4035,
        "5.3.1",
        "an RRSIG counts by a key of the DNSKEY RRset only, and the tag is a hint",
        "sign/test_presigned_faults.py::test_two_keys_with_one_tag_are_told_apart_by_what_verifies",
    ),
    (
        5155,
        "4.1.2",
        "an NSEC3PARAM with flags MUST be ignored, and one without has its whole chain",
        "sign/test_presigned_faults.py::test_nsec3param_without_its_chain_is_told",
    ),
    (
        5155,
        "7.1",
        "empty non-terminals have an NSEC3, but above delegations under opt-out",
        "sign/test_presigned_faults.py::test_empty_non_terminal_above_opted_out_delegations_may_stay_in_the_chain",
    ),
    (
        7344,
        "4",
        "CDS and CDNSKEY MUST say the same, at the apex, for keys of the zone",
        "validate/test_cds.py::test_what_the_parent_is_asked_for_is_judged",
    ),
    (
        8078,
        "4",
        "the wish to delete the DS stands alone, and is served as written",
        "validate/test_cds.py::test_delete_is_published_alone_and_signed",
    ),
    (
        8901,
        "2",
        "keys of another signer are published where the policy allows",
        "cli/test_foreign_keys.py::test_key_of_another_signer_is_served_beside_ours",
    ),
    (
        8976,
        "4",
        "the digest is verified where scheme and hash are known",
        "sign/test_zonemd.py::test_digest_that_does_not_hold_is_told",
    ),
    (
        5936,
        "2.2",
        "AXFR: all records, between two SOAs",
        "serve/test_transfer.py::test_transfer_holds_every_record_once_between_two_soas",
    ),
    (
        5936,
        "2.2.1",
        "the question MUST be in the first message",
        "serve/test_transfer.py::test_question_and_edns_stand_in_the_first_message_only",
    ),
    (5936, "3.4", "names are compressed", "serve/test_transfer.py::test_names_are_compressed"),
    (
        5936,
        "2.2",
        "an error is told in one message with its RCODE",
        "serve/test_transfer.py::test_malformed_transfer_query_gets_one_message",
    ),
    (
        5936,
        "2.2.1",
        "NOTAUTH where the server has no such zone",
        "serve/test_transfer.py::test_transfer_of_what_is_no_zone_here_says_so",
    ),
    (
        5936,
        "4.2",
        "AXFR over UDP is not defined: it gets no zone",
        "serve/test_respond.py::test_transfer_over_udp_is_not_answered_with_data",
    ),
    (
        5936,
        "3.5",
        "one version of the zone in a transfer",
        "serve/test_transfer.py::test_transfer_stays_on_its_generation_while_another_is_activated",
    ),
    (
        5936,
        "4.1",
        "a connection can be used again behind a transfer",
        "serve/test_transfer.py::test_transfer_over_tcp_leaves_the_connection_usable",
    ),
    (
        5936,
        "5",
        "transfers are for those who may",
        "serve/test_stream.py::test_transfer_is_refused_unless_allowed",
    ),
    (
        8945,
        "5.3.1",
        "a message without room for its TSIG stands between signed ones, which cover it",
        "serve/test_large_transfer.py::test_unsigned_messages_stand_between_signed_ones_and_are_covered_by_the_next",
    ),
    (
        6891,
        "6.1.3",
        "AXFR and IXFR of a higher VERSION get BADVERS too",
        "serve/test_stream.py::test_transfer_with_an_unknown_version_of_edns_is_badvers_and_nothing_else",
    ),
    (
        5936,
        "2.2.5",
        "EDNS options are answered in an error as well",
        "serve/test_stream.py::test_options_of_a_transfer_query_are_answered_whatever_becomes_of_it",
    ),
    (
        9660,
        "3.1",
        "a transfer query with a malformed option is FORMERR too",
        "serve/test_stream.py::test_transfer_with_a_malformed_option_is_formerr",
    ),
    (
        1995,
        "2",
        "IXFR of the current serial gets the SOA",
        "serve/test_transfer.py::test_ixfr_of_the_current_serial_gets_the_soa_alone",
    ),
    (
        1995,
        "4",
        "IXFR may be answered with the whole zone",
        "serve/test_transfer.py::test_ixfr_of_an_older_serial_gets_the_whole_zone",
    ),
    (
        7766,
        "6.2.1",
        "answers over one connection are those of the full path, whatever was asked before",
        "serve/test_stream.py::test_answers_are_those_of_the_full_path_however_often_they_are_asked",
    ),
    (
        7766,
        "6.2.2",
        "a client may have a limited number of connections",
        "serve/test_stream.py::test_one_address_gets_its_share_only",
    ),
    (
        7766,
        "6.2.3",
        "at the limit of connections the longest quiet one is closed",
        "serve/test_stream.py::test_longest_quiet_connection_makes_room",
    ),
    (
        7766,
        "6.2.3",
        "a connection with a query under way is not idle",
        "serve/test_stream_abuse.py::test_transfer_longer_than_the_idle_time_is_not_cut",
    ),
    (
        7766,
        "6.2.4",
        "who closes its side still gets what it asked for",
        "serve/test_stream.py::test_client_that_closed_its_side_gets_what_it_asked_for_and_then_the_end",
    ),
    (
        7766,
        "7",
        "each query gets its response, whatever the order",
        "serve/test_connection.py::test_every_query_is_answered_once_and_in_order_however_it_comes",
    ),
    (
        7766,
        "10",
        "who sends or reads too slowly is cut off",
        "serve/test_stream.py::test_query_that_trickles_in_is_cut_off",
    ),
    (7766, "5", "TCP MUST be supported", "serve/test_stream.py::test_answer_too_large_for_udp_is_whole"),
    (
        7766,
        "6.2.1.1",
        "pipelined queries MUST be answered",
        "serve/test_stream.py::test_pipelined_queries_are_all_answered",
    ),
    (
        7766,
        "6.2.1.1",
        "a query behind a slow one (a transfer) is answered before it ends",
        "serve/test_stream_abuse.py::test_query_behind_a_transfer_is_answered_before_its_end",
    ),
    (7766, "6.2.3", "idle connections are closed", "serve/test_stream.py::test_silent_client_is_cut_off"),
    (
        7766,
        "8",
        "a message may come in pieces",
        "serve/test_stream.py::test_query_in_single_octets_is_answered",
    ),
)


def rows() -> list[tuple[int, list[int], str]]:
    """Return (RFC, section, line of the table), sorted."""
    found = []
    for path in sorted(HERE.glob("rfc*/test_*.py")):
        rfc = int(path.parent.name.removeprefix("rfc"))
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or not (told := _SECTION.fullmatch(node.name)):
                continue
            section = told.group(1).replace("_", ".")
            words = (ast.get_docstring(node) or told.group(2).replace("_", " ")).split("\n\n")[0]
            where = f"conformance/{path.parent.name}/{path.name}"
            found.append(row(rfc, section, " ".join(words.split()), where, node.name))
    for rfc, section, words, test in ELSEWHERE:
        found.append(row(rfc, section, words, *test.split("::")))
    return sorted(found)


def row(rfc: int, section: str, words: str, where: str, test: str) -> tuple[int, list[int], str]:
    shown = words.replace("|", "\\|").rstrip(".")
    text = f"| {rfc} §{section} | {shown} | [{test}](../tests/{where}) | met |\n"
    return rfc, [int(part) for part in section.split(".")], text


def table() -> str:
    return "| RFC | requirement | test | status |\n|---|---|---|---|\n" + "".join(line for *_, line in rows())


def page(text: str) -> str:
    """Return the page with the table made anew."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    sys.exit(0)
