"""ALIAS among our own zones: addresses of the same commit, as a resolver would find them."""

from collections.abc import Mapping

import pytest

from dnsctl.load.zones import Loaded, load_zones
from dnsctl.model.finding import Finding, Severity
from dnsctl.model.name import Name, from_text, to_text
from dnsctl.model.rrset import Type, rdata_text
from dnsctl.publish.carrying import Intents
from dnsctl.publish.companions import with_zones_beside
from dnsctl.publish.intent import Intent, ZoneIntent
from dnsctl.publish.judgement import Judged, judge
from dnsctl.publish.source import data_digest
from tests.load.sources import MemorySource
from tests.load.test_zones import settings

NS = "'':\n- {type: NS, value: ns1.outside.example.}\n"
HOSTS = (
    NS + "web: {type: A, ttl: 600, values: [192.0.2.1, 192.0.2.2]}\n"
    "six: {type: AAAA, ttl: 600, value: '2001:db8::6'}\n"
    "'*.wild': {type: CNAME, ttl: 120, value: web.example.net.}\n"
    "text: {type: TXT, value: x}\n"
    "cut: {type: NS, value: ns1.outside.example.}\n"
    "moved: {type: DNAME, ttl: 90, value: example.org.}\n"
)
OTHER = NS + "web:\n- {type: A, value: 192.0.2.9}\n- {type: AAAA, value: '2001:db8::9'}\n"


def found_in(text: str, **others: str) -> Judged:
    return judge(read(text, **others), lambda _: None, lambda _: {})


def read(text: str, **others: str) -> Loaded:
    return load_zones(written(text, others), settings())


def read_alone(text: str, **others: str) -> Loaded:
    source, config = written(text, others), settings()
    return with_zones_beside(
        load_zones(source, config, frozenset((from_text("example.com."),))), source, config
    )


def written(text: str, others: Mapping[str, str]) -> MemorySource:
    source = MemorySource()
    files: Mapping[str, str] = {"example.net": HOSTS, "example.org": OTHER, **others, "example.com": text}
    for name, each in files.items():
        source.put(f"zones/{name}.yaml", each)
    return source


def zone_of(found: Judged) -> ZoneIntent:
    return found.zones[from_text("example.com.")]


def addresses(found: Judged, owner: str = "example.com.") -> dict[str, tuple[int, list[str]]]:
    zone = zone_of(found).zone
    sets = {each.name: zone.get(from_text(owner), each) for each in (Type.A, Type.AAAA)}
    return {
        name: (one.ttl, [rdata_text(one.rdtype, each) for each in one.rdatas])
        for name, one in sets.items()
        if one is not None
    }


def about(found: Judged) -> list[Finding]:
    return [each for each in found.findings if each.rule.startswith("alias") or "CNAME" in each.message]


def apex(alias: str) -> str:
    return f"'':\n- {{type: NS, value: ns1.outside.example.}}\n- {alias}\n"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("web.example.net.", {"A": (600, ["192.0.2.1", "192.0.2.2"])}),
        ("six.example.net.", {"AAAA": (600, ["2001:db8::6"])}),
        ("any.wild.example.net.", {"A": (120, ["192.0.2.1", "192.0.2.2"])}),  # wildcard, then CNAME
        ("web.moved.example.net.", {"A": (90, ["192.0.2.9"]), "AAAA": (90, ["2001:db8::9"])}),  # DNAME
    ],
)
@pytest.mark.parametrize("kind", ["ALIAS", "ANAME", "alias"])
def test_addresses_are_those_that_a_resolver_would_find(
    kind: str, target: str, expected: dict[str, tuple[int, list[str]]]
) -> None:
    found = found_in(apex(f"{{type: {kind}, value: {target}, ttl: 3600}}"))
    assert addresses(found) == expected
    assert about(found) == []
    [resolved] = zone_of(found).aliases
    assert (to_text(resolved.path[0]), len(resolved.rrsets)) == (target, len(expected))


def test_ttl_of_the_alias_counts_where_it_is_the_least() -> None:
    assert addresses(found_in(apex("{type: ALIAS, value: web.example.net., ttl: 30}")))["A"][0] == 30


def test_alias_leads_on_through_aliases_of_any_zone_a_wildcard_one_too() -> None:
    more = "'*.deep':\n  type: ALIAS\n  ttl: 45\n  value: web.example.net.\n"
    found = found_in(
        apex("{type: ALIAS, value: x.deep.example.info., ttl: 300}"), **{"example.info": NS + more}
    )
    assert addresses(found) == {"A": (45, ["192.0.2.1", "192.0.2.2"])}


def test_addresses_stand_at_the_place_of_the_alias_and_in_the_digest() -> None:
    text = apex("{type: ALIAS, value: web.example.net.}")
    found, later = found_in(text), found_in(text, **{"example.net": HOSTS.replace("192.0.2.2", "192.0.2.3")})
    one = zone_of(found).zone.get(from_text("example.com."), Type.A)
    assert str(one.position).startswith("zones/example.com.yaml:3:")
    assert data_digest(zone_of(found).zone, None) != data_digest(zone_of(later).zone, None)


def test_other_records_beside_an_alias_stay_and_the_order_is_canonical() -> None:
    text = apex("{type: ALIAS, value: web.example.net.}") + (
        "b: {type: ALIAS, value: web.example.net.}\nc: {type: MX, value: '10 b.example.com.'}\n"
        "a: {type: TXT, value: x}\n"
    )
    found = found_in(text)
    assert about(found) == [] and not found.has_errors
    zone = zone_of(found).zone
    assert [to_text(each) for each in zone.nodes] == [
        "example.com.",
        "a.example.com.",
        "b.example.com.",
        "c.example.com.",
    ]
    assert [one.rdtype for one in zone.nodes[from_text("example.com.")]][:2] == [Type.A, Type.NS]


@pytest.mark.parametrize(
    ("text", "rule", "severity"),
    [
        ("x: {type: ALIAS, value: elsewhere.example.}\n", "alias-not-served", Severity.WARNING),
        ("x: {type: ALIAS, value: web.cut.example.net.}\n", "alias-not-served", Severity.WARNING),
        ("x: {type: ALIAS, value: cut.example.net.}\n", "alias-not-served", Severity.WARNING),
        ("x: {type: ALIAS, value: text.example.net.}\n", "alias-target-resolves", Severity.ERROR),
        ("x: {type: ALIAS, value: none.example.net.}\n", "alias-target-resolves", Severity.ERROR),
        ("x: {type: ALIAS, value: wild.example.net.}\n", "alias-target-resolves", Severity.ERROR),
        ("x: {type: ALIAS, value: x.example.com.}\n", "alias-loop", Severity.ERROR),
        (
            "x: {type: ALIAS, value: y.example.com.}\ny: {type: CNAME, value: x.example.com.}\n",
            "alias-loop",
            Severity.ERROR,
        ),
        (
            "x:\n- {type: ALIAS, value: web.example.net.}\n- {type: A, value: 192.0.2.1}\n",
            "alias-beside",
            Severity.ERROR,
        ),
        (
            "x:\n- {type: ALIAS, value: web.example.net.}\n- {type: CNAME, value: web.example.net.}\n",
            "alias-beside",
            Severity.ERROR,
        ),
        (
            "x:\n- {type: ALIAS, value: web.example.net.}\n- {type: NS, value: ns1.outside.example.}\n",
            "alias-beside",
            Severity.ERROR,
        ),
        (
            "x:\n- {type: ALIAS, value: web.example.net.}\n- {type: ANAME, value: six.example.net.}\n",
            "alias-several",
            Severity.ERROR,
        ),
        ("x: {type: ALIAS, values: [web.example.net., six.example.net.]}\n", "alias-several", Severity.ERROR),
        ("x: {type: ALIAS, value: 'web example.net.'}\n", "rdata-syntax", Severity.ERROR),
        ("x: {type: ALIAS}\n", "value-missing", Severity.ERROR),
    ],
)
def test_what_cannot_be_an_alias_is_told_with_its_line(text: str, rule: str, severity: Severity) -> None:
    found = found_in(NS + text)
    told = [each for each in found.findings if each.rule == rule]
    assert {each.severity for each in told} == {severity}
    assert all(each.position.line >= 3 and each.advice for each in told)
    assert (from_text("example.com.") in found.zones) == (severity is Severity.WARNING)
    assert {"example.net.", "example.org."} <= {to_text(each) for each in found.zones}


def test_target_in_a_zone_that_cannot_be_read_is_told_and_not_judged() -> None:
    found = found_in(apex("{type: ALIAS, value: web.example.net.}"), **{"example.net": "- x\n"})
    assert [(each.rule, each.severity) for each in about(found)] == [("alias-not-served", Severity.WARNING)]


def test_route_53s_form_is_read_relative_to_the_zone_and_by_type() -> None:
    text = NS + (
        "www: {type: A, value: 192.0.2.7}\n"
        "x:\n  type: Route53Provider/ALIAS\n  values:\n  - {name: www, type: A}\n  - {name: mail, type: MX}\n"
        "y:\n  type: Route53Provider/ALIAS\n  values:\n"
        "  - {name: web.example.org, type: A, hosted-zone-id: Z1}\n"
        "  - {name: web.example.org., type: AAAA, hosted-zone-id: Z1}\n"
        "z:\n- type: Route53Provider/ALIAS\n  value: {name: web.example.org., type: AAAA}\n"
        "- {type: A, value: 192.0.2.8}\n"
    )
    found = found_in(text)
    assert addresses(found, "x.example.com.") == {"A": (3600, ["192.0.2.7"])}
    assert addresses(found, "y.example.com.") == {
        "A": (3600, ["192.0.2.9"]),
        "AAAA": (3600, ["2001:db8::9"]),
    }
    assert addresses(found, "z.example.com.") == {
        "A": (3600, ["192.0.2.8"]),
        "AAAA": (3600, ["2001:db8::9"]),
    }
    assert {each.rule for each in found.findings if each.position.file == "zones/example.com.yaml"} == {
        "provider-type-not-served",
        "target-not-absolute",
        "ns-single",
    }


def test_one_zone_alone_is_resolved_by_the_zones_that_it_leads_to() -> None:
    text = apex("{type: ALIAS, value: any.wild.moved.example.net.}")
    org = OTHER + "'*.wild': {type: CNAME, ttl: 60, value: six.example.net.}\n"
    found = judge(read_alone(text, **{"example.org": org}), lambda _: None, lambda _: {})
    assert addresses(found) == {"AAAA": (60, ["2001:db8::6"])}
    assert list(found.zones) == [from_text("example.com.")]
    assert about(found) == []


def test_an_alias_of_a_zone_beside_that_has_errors_is_not_judged() -> None:
    text = apex("{type: ALIAS, value: web.example.net.}")
    found = judge(
        read_alone(text, **{"example.net": HOSTS + "bad: {type: A, value: x}\n"}),
        lambda _: None,
        lambda _: {},
    )
    assert [(each.rule, each.severity) for each in about(found)] == [("alias-not-served", Severity.WARNING)]


def test_zones_that_are_known_are_not_read_for_their_aliases() -> None:
    com, net = from_text("example.com."), from_text("example.net.")
    wanted = zone_of(found_in(apex("{type: ALIAS, value: web.example.net.}")))

    def never(origin: Name) -> ZoneIntent:
        raise AssertionError(origin)

    made = Intent(Intents([com, net], {com: wanted}, never), same=frozenset((net,)))
    assert made.aliases == {com: wanted.aliases}
