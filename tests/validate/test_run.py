"""The verdict: which zones pass, how severities are changed, and what every finding carries."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsctl import load
from dnsctl.load.zone_yaml import UNSERVED
from dnsctl.model import reading
from dnsctl.model.finding import Level, Position, Severity
from dnsctl.model.name import Name, from_text
from dnsctl.model.policy import Policy
from dnsctl.model.rrset import RRset, Type, rrset
from dnsctl.model.zone import Zone, nodes_of
from dnsctl.validate.rules import BESIDE, RULES
from dnsctl.validate.run import validate
from tests.validate.scenes import only, verdict, zone

BAD_MX = "@ MX 10 mail\n"


def test_clean_zone_passes_without_findings():
    made = verdict(("example.com.", "www A 192.0.2.1\n@ MX 10 www\n"))
    assert made.findings == ()
    zone = made.zones[from_text("example.com.")]
    assert zone.get(from_text("www.example.com."), Type.A) is not None


def test_zone_with_an_error_is_left_out_and_the_other_one_passes():
    made = verdict(("example.com.", BAD_MX), ("example.net.", ""))
    assert set(made.zones) == {from_text("example.net.")}


def test_rule_turned_off_finds_nothing_and_the_zone_passes():
    made = verdict(("example.com.", BAD_MX), checks={"mx-target-resolves": "off"})
    assert made.findings == ()
    assert made.zones


@pytest.mark.parametrize("level", ["note", "warning", "error"])
def test_severity_is_what_dnsctl_yaml_says(level: Level):
    made = verdict(("example.com.", BAD_MX), checks={"mx-target-resolves": level})
    assert [each.severity for each in made.findings] == [Severity[level.upper()]]
    assert bool(made.zones) == (level != "error")


def test_record_that_octodns_calls_lenient_has_warnings_in_place_of_errors_unless_a_rule_is_fixed():
    faulty = zone("example.com.", BAD_MX + "www CNAME ns1\nwww A 192.0.2.1\n")
    places = frozenset(each.position for each in faulty.rrsets() if each.position is not None)
    lenient = replace(faulty, lenient=places)
    made = validate({faulty.origin: lenient}, lambda _: {}, lambda _: None)
    assert {each.rule: each.severity for each in made.findings} == {
        "mx-target-resolves": Severity.WARNING,
        "cname-other-data": Severity.ERROR,
    }


def test_fixed_rule_cannot_be_turned_off_and_this_is_said():
    made = verdict(("example.com.", "www CNAME ns1\nwww A 192.0.2.1\n"), checks={"cname-other-data": "off"})
    assert {each.rule for each in made.findings} == {"checks-fixed", "cname-other-data"}
    assert not made.zones


def test_unknown_rule_in_checks_names_the_nearest_one():
    made = verdict(("example.com.", ""), ("example.net.", ""), checks={"mx-target-resolve": "off"})
    [told] = made.findings
    assert told.rule == "checks-unknown"
    assert "mx-target-resolves" in told.advice


def test_finding_tells_rule_place_and_what_to_write():
    finding = only(BAD_MX, "mx-target-resolves")
    assert finding.position == Position("zones/example.com.zone", 6, 1)
    assert "mail.example.com. does not exist" in finding.message
    assert "add mail.example.com. A or AAAA" in finding.advice


def test_rule_ids_are_unique_kebab_case_and_explained():
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name and "_" not in name for name in names)
    assert all(rule.meaning.endswith(".") for rule in RULES)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("glue-missing", "A delegation lacks glue."),
        ("sibling-glue-missing", "A delegation lacks sibling glue."),
        ("delegation-missing", "The parent zone lacks a delegation for this zone."),
        ("ttl-syntax", "A TTL is neither a duration nor a number of seconds."),
        ("checks-unknown", "`checks` names a rule that does not exist."),
        ("signature-time", "A signature is expired, or not valid yet."),
    ],
)
def test_text_of_a_rule_names_the_fault(rule: str, text: str):
    assert _texts()[rule] == text


def test_text_of_every_rule_is_one_plain_sentence_and_not_a_wish():
    wishes = re.compile(r"\b(is|are) no\b|^(No|So|There|Settings are|Only)\b|\bonly\.$|\bat most\b")
    odd = {rule: text for rule, text in _texts().items() if wishes.search(text) or not text.endswith(".")}
    assert odd == {}


def _texts() -> dict[str, str]:
    return {rule.name: rule.meaning for rule in RULES} | {
        name: text for name, _, text in (*reading.RULES, *BESIDE)
    }


def test_partial_zone_is_judged_by_what_it_holds_and_never_passes():
    part = zone("example.com.", BAD_MX + "www CNAME ns1\nwww A 192.0.2.1\n")
    whole = zone("example.net.", "@ MX 10 gone.example.com.\n")
    made = validate({whole.origin: whole}, lambda _: {}, lambda _: None, partial={part.origin: part})
    # what is missing may be what could not be read, in the zone itself and seen from others
    assert [each.rule for each in made.findings] == ["cname-other-data"]
    assert set(made.zones) == {whole.origin}


def test_each_rule_has_one_severity_and_one_meaning():
    rows = [(rule.name, rule.severity, rule.meaning) for rule in RULES] + [*reading.RULES, *BESIDE]
    assert len({name for name, _, _ in rows}) == len(set(rows))
    source = "".join(path.read_text() for path in Path(load.__file__).parent.glob("*.py"))
    assert not re.findall(r"(?<!is )Severity\.[A-Z]+", source), "load finds by the table of model.reading"


def test_every_rule_of_load_is_listed_and_none_else():
    source = "".join(path.read_text() for path in Path(load.__file__).parent.glob("*.py"))
    kebab = r'"([a-z]+(?:-[a-z0-9]+)+)"'
    told = set(re.findall(r"find(?:ing)?\(\s*" + kebab, source))
    told |= set(re.findall(r"(?:YamlFault|_fault|_refusal|_refuse)\w*\(\s*(?:event, )?" + kebab, source))
    told |= {f"{each.lower()}-not-served" for each in UNSERVED}
    listed = {name for name, _, _ in reading.RULES}
    assert told <= listed, told - listed
    assert all(f'"{name}"' in source or name in told for name in listed)


_LABELS = st.sampled_from(["a", "b", "*", "example", "com", "_tcp"])
_OWNERS = st.lists(_LABELS, max_size=3).map(lambda parts: from_text(".".join([*parts, "example.com."])))
_ELSEWHERE = st.sampled_from(
    [from_text("example.net."), from_text("."), from_text("example.com.example.com.")]
)
_TARGETS = st.one_of(_OWNERS, _ELSEWHERE)


_PARTS = st.sampled_from(
    [
        "v=spf1",
        "v=DKIM1",
        "v=DMARC1",
        "v=STSv1",
        "v=TLSRPTv1",
        "v=BIMI1",
        "p=",
        "k=ed25519",
        "p=AAAA",
        "rua=x",
        "include:example.com",
        "redirect=a.example.com",
        "a:%{d}.",
        "mx/99",
        "+all",
        "ip4:::1",
        "id=",
        "l=",
        "%",
        "=",
        "ÿ",
    ]
)
_PREFIXES = st.sampled_from(["", "_dmarc.", "s._domainkey.", "_mta-sts.", "_smtp._tls.", "default._bimi."])


def _mail(draw: st.DrawFn, owner: Name) -> RRset:
    """Return TXT records that are made of what policies about mail are made of."""
    lines = draw(
        st.lists(st.tuples(st.lists(_PARTS, max_size=6), st.sampled_from([" ", ";", "; "])), max_size=3)
    )
    texts = [mark.join(parts).encode("utf-8") for parts, mark in lines] or [b"v=spf1 -all"]
    at = Name(from_text(draw(_PREFIXES) + "x.")[:-3] + owner)
    return rrset(at, Type.TXT, 60, [bytes((len(text),)) + text for text in texts])


@st.composite
def _rrsets(draw: st.DrawFn) -> RRset:
    owner = draw(_OWNERS)
    rdtype = draw(
        st.sampled_from([Type.A, Type.NS, Type.CNAME, Type.DNAME, Type.MX, Type.SRV, Type.DS, Type.TXT])
    )
    targets = draw(st.lists(_TARGETS, min_size=1, max_size=3))
    prefix = {Type.MX: b"\0\1", Type.SRV: b"\0" * 6}.get(rdtype, b"")
    if rdtype == Type.A:
        return rrset(owner, rdtype, 60, [b"\xc0\0\2\1"])
    if rdtype == Type.DS:
        return rrset(owner, rdtype, 60, [b"\0\1\x0d\1" + bytes(20)])
    if rdtype == Type.TXT:
        return _mail(draw, owner)
    return rrset(owner, rdtype, 60, [prefix + target for target in targets])


@settings(max_examples=150)
@given(st.lists(_rrsets(), max_size=12, unique_by=lambda each: (each.owner, each.rdtype)))
def test_no_zone_makes_a_rule_raise(rrsets: list[RRset]):
    origin = from_text("example.com.")
    zone = Zone(origin, nodes_of(rrsets), "zones/example.com.yaml")
    made = validate({origin: zone}, lambda _: {}, lambda _: Policy())
    assert made.findings  # there is no SOA
    assert all(each.message and each.advice and each.zone == origin for each in made.findings)


def _large_zone(hosts: int) -> Zone:
    origin = from_text("example.com.")
    name_server = from_text("ns1.example.com.")
    timers = b"".join(each.to_bytes(4, "big") for each in (1, 7200, 1800, 1209600, 300))
    rrsets = [
        rrset(origin, Type.SOA, 3600, [name_server + name_server + timers]),
        rrset(origin, Type.NS, 3600, [name_server, from_text("ns2.example.net.")]),
        rrset(name_server, Type.A, 3600, [b"\xc0\0\2\1"]),
    ]
    previous = name_server
    for number in range(hosts):
        owner = Name(b"\x08h%07d" % number + origin)
        alias = Name(b"\x08a%07d" % number + origin)
        cut = Name(b"\x08c%07d" % number + origin)
        rrsets += [
            rrset(owner, Type.A, 3600, [b"\xc0\0\2\1"]),
            rrset(owner, Type.MX, 3600, [b"\0\1" + owner]),
            rrset(alias, Type.CNAME, 3600, [previous]),  # one chain through all of them
            rrset(cut, Type.NS, 3600, [Name(b"\2ns" + cut)]),
            rrset(Name(b"\2ns" + cut), Type.A, 3600, [b"\xc0\0\2\1"]),
        ]
        previous = alias
    return Zone(origin, nodes_of(rrsets), "zones/example.com.yaml")


def test_time_grows_with_the_zone_and_not_with_its_square():
    seconds = []
    for hosts in (1000, 8000):
        zone = _large_zone(hosts)
        start = time.process_time()
        made = validate({zone.origin: zone}, lambda _: {}, lambda _: None)
        seconds.append(time.process_time() - start)
        assert {each.rule for each in made.findings} == {"cname-chain"}
    assert seconds[1] < 8 * 4 * seconds[0]
