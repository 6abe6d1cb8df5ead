"""How large RRsets and names may be, and that the sizes told are those that leave."""

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.renderer
import dns.rrset
import dns.tsig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl.model.message_size import MAX_UDP_PAYLOAD
from dnsctl.model.name import from_text
from dnsctl.model.policy import Policy
from dnsctl.validate.run import validate
from dnsctl.validate.size import MAX_TSIG
from tests.validate.scenes import errors, found, only, rules, zone

LABEL = "l" * 60


def test_rrset_above_a_udp_answer_is_a_note():
    assert only("".join(f"a A 192.0.2.{n}\n" for n in range(99)), "rrset-large").severity.name == "NOTE"


def test_rrset_above_any_message_is_refused():
    big = f'"{"x" * 255}" ' * 9
    text = "".join(f'a TXT "{n}" {big}\n' for n in range(30))
    assert errors(text) == {"rrset-too-large"}


def test_names_that_are_compressed_make_no_large_rrset():
    """Twenty mail exchanges below one long name: 1,489 octets written out, some 600 as they leave."""
    suffix = f"{'s' * 55}.example.net."
    assert rules("".join(f"@ MX 10 m{n}.{suffix}\n" for n in range(20))) == set()
    apart = "".join(f"@ MX 10 m{n}.{'s' * 50}{n:02}.example.net.\n" for n in range(20))
    assert rules(apart) == {"rrset-large"}


_TARGETS = st.lists(
    st.lists(
        st.sampled_from(["a", "bb", LABEL, LABEL[:50], "example", "net", "com"]), min_size=1, max_size=4
    ),
    min_size=8,
    max_size=60,
    unique_by=tuple,
)


@settings(max_examples=60)
@given(_TARGETS, st.sampled_from(["MX 10", "NS"]))
def test_size_told_is_the_size_of_the_answer(targets: list[list[str]], kind: str):
    """dnspython compresses as far as can be: what we tell is not above it, and it is what stands in ours."""
    text = "".join(f"sub {kind} {'.'.join(each)}.\n" for each in targets)
    told = [each for each in found(text) if each.rule == "rrset-large"]
    made = zone("example.com.", text).get(from_text("sub.example.com."), 15 if "MX" in kind else 2)
    assert made is not None
    response = dns.message.make_response(
        dns.message.make_query("sub.example.com.", kind.split(maxsplit=1)[0], use_edns=0, payload=1232)
    )
    response.answer.append(
        dns.rrset.from_rdata(
            "sub.example.com.",
            300,
            *(
                dns.rdata.from_wire(
                    dns.rdataclass.IN, dns.rdatatype.RdataType.make(made.rdtype), each, 0, len(each)
                )
                for each in made.rdatas
            ),
        )
    )
    size = len(response.to_wire(max_size=65535))
    assert bool(told) == (size > MAX_UDP_PAYLOAD), size
    if told:
        assert f"a message of {size} octets" in told[0].message


def test_rrset_that_validators_cannot_hold_is_refused_where_it_is_signed():
    """2,265 addresses at a long owner fit in a message, and in canonical form they do not."""
    owner = ".".join([LABEL] * 3)
    text = "".join(f"{owner} A 10.{n >> 8}.{n & 255}.1\n" for n in range(320))
    assert errors(text) == set()
    made = found(text, signed=True)
    assert {each.rule for each in made} == {"rrset-unsignable", "rrset-large", "rrset-many"}
    fewer = "".join(f"{owner} A 10.{n >> 8}.{n & 255}.1\n" for n in range(300))
    assert "rrset-unsignable" not in rules(fewer, signed=True)


def test_glue_is_not_signed_and_may_be_large():
    owner = ".".join([LABEL] * 3) + ".sub"
    text = f"sub NS {owner}\n" + "".join(f"{owner} A 10.{n >> 8}.{n & 255}.1\n" for n in range(320))
    assert "rrset-unsignable" not in rules(text, signed=True)


def test_more_records_than_bind_takes_are_warned_of():
    text = "".join(f"a A 192.0.2.{n}\n" for n in range(101))
    assert rules(text) == {"rrset-many", "rrset-large"}
    assert "101 records" in next(each for each in found(text) if each.rule == "rrset-many").message


def test_more_types_than_bind_takes_are_warned_of():
    text = "".join(f"a TYPE{65280 + n} \\# 1 00\n" for n in range(101))
    assert "101 types" in only(text, "rrset-many").message
    assert rules("".join(f"a TYPE{65280 + n} \\# 1 00\n" for n in range(100))) == set()


@pytest.mark.parametrize(
    ("octets", "denial", "fits"), [(222, "nsec3", True), (223, "nsec3", False), (223, "nsec", True)]
)
def test_apex_leaves_room_for_hashes(octets: int, denial: str, fits: bool):
    rest = octets - 1 - 3 * 61
    origin = ".".join([LABEL] * 3 + ["x" * (rest - 1)]) + "."
    made = zone(origin, "")
    assert len(made.origin) == octets
    policy = Policy(denial=denial)  # type: ignore[arg-type]
    told = validate({made.origin: made}, lambda _: {}, lambda _: policy).findings
    assert [each.rule for each in told if each.rule == "apex-too-long"] == ([] if fits else ["apex-too-long"])


def test_record_that_leaves_no_room_for_a_tsig_is_warned_of():
    def text(octets: int) -> str:
        return f"a TYPE65400 \\# {octets} {'00' * octets}\n"

    room = 65535 - 12 - MAX_TSIG - len(from_text("a.example.com.")) - 10
    assert "record-tsig-room" not in rules(text(room))
    assert "record-tsig-room" in rules(text(room + 1))


def test_longest_tsig_is_what_is_kept_free_for_it():
    query = dns.message.make_query("example.com.", "AXFR")
    plain = len(query.to_wire())
    key = ".".join(["k" * 63] * 3 + ["k" * 61]) + "."
    query.use_tsig({dns.name.from_text(key): b"secret" * 8}, algorithm=dns.tsig.HMAC_SHA512)
    assert len(query.to_wire()) - plain == MAX_TSIG
