"""What `check`, `plan` and `push` know of targets that are not ours, and what they make of it."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from dnsctl.control.aliases.asking import Reply, asked_by
from dnsctl.control.aliases.keeping import Kept
from dnsctl.control.aliases.resolving import Ask, Targets
from dnsctl.load.zones import load_zones
from dnsctl.model.alias import ADDRESSES, Known
from dnsctl.model.finding import Severity
from dnsctl.model.name import Name, from_text
from dnsctl.model.repo import HostFiles
from dnsctl.model.rrset import Type
from dnsctl.publish.judgement import Judged, judge
from tests.load.sources import MemorySource
from tests.load.test_zones import settings
from tests.parent.scripted import answer, rdtype_of, serving

TARGET = from_text("edge.example.org.")
ONE, SIX = b"\xc0\x00\x02\x01", bytes(15) + b"\x06"
CONFIG = "alias: {resolvers: [192.0.2.53, '2001:db8::53'], floor: 30s}\n"
ZONE = (
    "'':\n- {type: NS, value: ns1.outside.example.}\n- {type: ALIAS, ttl: 600, value: web.example.com.}\n"
    "web: {type: CNAME, ttl: 240, value: edge.example.org.}\n"
)


def known(until: int = 0, failing: str = "") -> Known:
    now = int(time.time())
    return Known(
        {1: (ONE,), 28: (SIX,)}, 300, (TARGET,), now - 60, until or now + 60, False, failing, now - 60
    )


def judged(state: Path, ask: Ask | None, config: str = CONFIG, zone: str = ZONE) -> tuple[Judged, Targets]:
    found = settings(config)
    targets = Targets(found, HostFiles(state), ask)
    loaded = load_zones(MemorySource().put("zones/example.com.yaml", zone), found)
    return judge(loaded, lambda _: None, found.checks, resolve=targets), targets


def says(kind: str, ttl: int = 300) -> Ask:
    def ask(names: Iterable[Name]) -> Mapping[Name, Mapping[int, Reply]]:
        rdatas = {1: (ONE,), 28: (SIX,)}
        return {
            name: {
                each: Reply("found", (name,), ttl, rdatas[each])
                if kind == "found"
                else Reply("denied" if kind == "denied" else "failed", (name,), ttl, fault="no way")
                for each in ADDRESSES
            }
            for name in names
        }

    return ask


def never(names: Iterable[Name]) -> Mapping[Name, Mapping[int, Reply]]:
    assert not list(names)
    return {}


def told(found: Judged) -> list[tuple[str, Severity]]:
    return [(each.rule, each.severity) for each in found.findings if each.rule.startswith("alias")]


def served(found: Judged, rdtype: Type = Type.A) -> tuple[int, tuple[bytes, ...]] | None:
    zones = {**found.zones}
    one = zones[from_text("example.com.")].zone.get(from_text("example.com."), rdtype)
    return None if one is None else (one.ttl, one.rdatas)


def test_addresses_of_a_target_elsewhere_have_the_least_ttl_of_all(tmp_path: Path) -> None:
    found, targets = judged(tmp_path, says("found"))
    assert (told(found), served(found), served(found, Type.AAAA)) == ([], (240, (ONE,)), (240, (SIX,)))
    assert not (tmp_path / "aliases.json").exists()
    targets.keep()
    assert Kept.read(HostFiles(tmp_path)).known == targets.kept


def test_first_release_without_a_known_address_is_refused_at_its_line(tmp_path: Path) -> None:
    for kind in ("failed", "denied"):
        found, _ = judged(tmp_path, says(kind))
        assert told(found) == [("alias-unresolved", Severity.ERROR)]
        [fault] = [each for each in found.findings if each.rule == "alias-unresolved"]
        assert str(fault.position).startswith("zones/example.com.yaml:3:")
        assert "no way" in fault.message and "edge.example.org." in fault.message
        assert not found.zones


@pytest.mark.parametrize("kind", ["failed", "denied"])
def test_known_addresses_stay_while_the_target_cannot_be_resolved(tmp_path: Path, kind: str) -> None:
    Kept({TARGET: known(until=int(time.time()) - 1)}).write(HostFiles(tmp_path))
    found, targets = judged(tmp_path, says(kind))
    assert told(found) == [("alias-kept", Severity.WARNING)]
    assert served(found) == (240, (ONE,))
    assert targets.kept[TARGET].since > 0
    assert any("the last addresses are kept" in each.message for each in found.findings)


def test_what_is_fresh_is_not_asked_for_again(tmp_path: Path) -> None:
    Kept({TARGET: known()}).write(HostFiles(tmp_path))
    found, targets = judged(tmp_path, never)
    assert (told(found), served(found), targets.changed) == ([], (240, (ONE,)), False)


def test_offline_uses_what_is_known_and_tells_what_is_not(tmp_path: Path) -> None:
    found, _ = judged(tmp_path, None)
    assert told(found) == [("alias-unknown", Severity.NOTE)]
    Kept({TARGET: known(until=1)}).write(HostFiles(tmp_path))
    found, _ = judged(tmp_path, None)
    assert (told(found), served(found)) == ([], (240, (ONE,)))


def test_without_resolvers_nobody_is_asked_and_the_way_out_is_told(tmp_path: Path) -> None:
    found, _ = judged(tmp_path, never, "")
    [fault] = [each for each in found.findings if each.rule.startswith("alias")]
    assert (fault.rule, fault.severity) == ("alias-not-served", Severity.WARNING)
    assert "`alias.resolvers` of dnsctl.yaml" in fault.advice


def test_addresses_that_are_known_stay_where_resolvers_are_not_named_any_more(tmp_path: Path) -> None:
    Kept({TARGET: known(until=1)}).write(HostFiles(tmp_path))
    found, _ = judged(tmp_path, never, "")
    assert (told(found), served(found)) == ([("alias-kept", Severity.WARNING)], (240, (ONE,)))


def test_resolvers_that_are_named_for_all_are_asked_for_aliases_too(tmp_path: Path) -> None:
    assert [str(each) for each in settings("resolvers: 192.0.2.9\n").alias_resolvers] == ["192.0.2.9:53"]
    assert [str(each) for each in settings(CONFIG + "resolvers: 192.0.2.9\n").alias_resolvers] == [
        "192.0.2.53:53",
        "[2001:db8::53]:53",
    ]


def test_alias_of_one_type_of_a_target_that_lacks_it_is_refused(tmp_path: Path) -> None:
    zone = (
        "'': {type: NS, value: ns1.outside.example.}\n"
        "x: {type: Route53Provider/ALIAS, value: {name: edge.example.org., type: AAAA}}\n"
    )
    one = known()._replace(addresses={1: (ONE,)})
    Kept({TARGET: one}).write(HostFiles(tmp_path))
    found, _ = judged(tmp_path, never, zone=zone)
    assert told(found) == [("alias-unresolved", Severity.ERROR)]
    assert "has no AAAA" in found.findings[-1].message


@pytest.mark.parametrize(
    "text", ["", "{", '{"version": 9, "targets": {}}', '{"version": 1, "targets": {"a.": {}}}']
)
def test_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "aliases.json").write_text(text)
    assert Kept.read(HostFiles(tmp_path)).known == {}
    found, _ = judged(tmp_path, says("found"))
    assert served(found) == (240, (ONE,))


def test_real_questions_to_the_resolver_that_the_settings_name(tmp_path: Path) -> None:
    def script(query: bytes, tcp: bool) -> list[bytes]:
        rdata = "A 192.0.2.1" if rdtype_of(query) == "A" else "AAAA ::6"
        return [answer(query, sections=([f"edge.example.org. 90 {rdata}"],))]

    with serving(script) as server:
        config = f"alias: {{resolvers: '127.0.0.1:{server.endpoint.port}'}}\n"
        found, _ = judged(tmp_path, asked_by(settings(config)), config)
    assert (served(found), served(found, Type.AAAA)) == ((90, (ONE,)), (90, (SIX,)))
    [resolved] = found.zones[from_text("example.com.")].aliases
    assert resolved.known is not None and not resolved.known.validated


def test_check_does_not_miss_addresses_that_only_are_not_known_yet(tmp_path: Path) -> None:
    zone = ZONE + "mail: {type: MX, value: {preference: 10, exchange: example.com.}}\n"
    found, _ = judged(tmp_path, None, zone=zone)
    assert told(found) == [("alias-unknown", Severity.NOTE)]
    assert not found.has_errors
    left_out, _ = judged(tmp_path, None, "", zone=zone)
    assert [each.rule for each in left_out.findings if each.severity is Severity.ERROR] == [
        "mx-target-resolves"
    ]


def test_one_release_asks_once_also_for_what_fails(tmp_path: Path) -> None:
    asked: list[Name] = []

    def ask(names: Iterable[Name]) -> Mapping[Name, Mapping[int, Reply]]:
        asked.extend(names)
        return says("failed")(names)

    targets = Targets(settings(CONFIG), HostFiles(tmp_path), ask)
    assert targets(frozenset((TARGET,))) == targets(frozenset((TARGET,)))
    assert asked == [TARGET]
